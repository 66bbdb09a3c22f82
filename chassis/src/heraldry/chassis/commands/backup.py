"""`heraldry backup` and `heraldry restore`: copies an installation, and makes an installation of a copy."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from heraldry.chassis.backup.archive import BackupError
from heraldry.chassis.backup.restoring import restore
from heraldry.chassis.backup.taking import archives, take
from heraldry.chassis.bus.operator import NotRunningError
from heraldry.chassis.bus.provision import ProvisionError
from heraldry.chassis.commands.answers import Answers, add_folder, folder_of
from heraldry.chassis.store.reading import LogDamagedError
from heraldry.chassis.supervisor.problems import CannotStart
from nats.errors import Error as NatsError

AS_IT_IS: Final = "Keep older backups, and run `heraldry audit verify`, which says more."


def back_up(argv: Sequence[str]) -> int:
    """0: done; 1: not done, and why, or done, and a log in it is damaged; 2: a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="heraldry backup",
        description="Copy an installation, whether it runs or not: its logs as they are at one moment, secrets, blobs,"
        " halts and parked messages to one archive, the keys to another one. Keep them apart: together they can be"
        " read.",
    )
    parser.add_argument("--to", required=True, metavar="FILE|FOLDER", help="the archive of the data")
    parser.add_argument(
        "--keys-to",
        required=True,
        metavar="FILE|FOLDER",
        help="the archive of the keys, in another folder",
    )
    add_folder(parser)
    asked = parser.parse_args(argv)
    data = folder_of(asked)
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (f"heraldry-{moment}.tar.gz", f"heraldry-{moment}-keys.tar.gz")

    answers = Answers()

    async def work() -> None:
        to, keys_to = archives(asked.to, asked.keys_to, names, data)
        taken = await take(data, to, keys_to)
        told = taken.manifest.model_dump(mode="json", include={"backup", "installation", "taken", "streams"})
        told |= {"to": str(to), "keys_to": str(keys_to)}
        if not taken.damaged:
            answers.good(told)
            return
        detail = f"The backup is written, with the damage of its logs: {', '.join(taken.damaged)}. {AS_IT_IS}"
        answers.bad({**told, "code": LogDamagedError.code, "detail": detail, "damaged": taken.damaged})

    return _answer(work(), answers)


def put_back(argv: Sequence[str]) -> int:
    """0: done; 1: not done, and why; 2: a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="heraldry restore",
        description="Make an installation of a backup, in a new folder. Everything in it is halted, and the quotas of"
        " its first day count as used, until somebody has looked and let things leave: `heraldry halt clear --system`.",
    )
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="FILE", help="the archive of the data"
    )
    parser.add_argument(
        "--keys-from", type=Path, required=True, metavar="FILE", help="the archive of the keys"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="NEWFOLDER", help="where nothing is yet")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--takeover", action="store_true", help="the old installation is gone; this one takes its place"
    )
    what.add_argument(
        "--staging",
        action="store_true",
        help="the old one lives on; this copy writes only to whom HERALDRY_RECIPIENT_ALLOW_LIST names",
    )
    erased = parser.add_mutually_exclusive_group(required=True)
    erased.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="the ledger of erasures as it is today (<data>/erasures/ledger.jsonl): who is erased stays erased",
    )
    erased.add_argument("--no-ledger", action="store_true", help="nobody was ever erased")
    asked = parser.parse_args(argv)

    answers = Answers()

    async def work() -> None:
        made = await restore(
            asked.source, asked.keys_from, asked.data.absolute(), erasures=asked.ledger, staging=asked.staging
        )
        answers.good(
            {
                "data": str(asked.data.absolute()),
                "installation": made.installation.id,
                "staging": made.installation.staging,
                "taken": made.manifest.taken.isoformat(),
                "keys_destroyed": made.erased,
                "halted": True,
            }
        )

    return _answer(work(), answers)


def _answer(work: Coroutine[None, None, None], answers: Answers) -> int:
    try:
        asyncio.run(work)
    except (BackupError, CannotStart) as problem:
        answers.bad({"code": problem.code, "detail": str(problem)})
    except NotRunningError as error:
        answers.bad({"code": "not-running", "detail": str(error)})
    except (ProvisionError, NatsError, TimeoutError, OSError) as error:
        answers.bad({"code": "failed", "detail": str(error) or type(error).__name__})
    return answers.ended
