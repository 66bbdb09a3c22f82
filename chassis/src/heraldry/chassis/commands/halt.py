"""`heraldry halt`: lets nothing leave any more for the installation, an organization or an account, or again."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis import halt
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.operator import ACTOR, NotRunningError, operator
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.clock import SandboxClock
from heraldry.chassis.commands.answers import Answers, Document, add_folder, folder_of, installation, refused
from heraldry.chassis.supervisor import folder as folders
from heraldry.contracts.base import By, Refused
from heraldry.contracts.gateway import HaltOrganization, ResumeOrganization
from heraldry.contracts.scheduler import FindSender
from nats.aio.client import Client
from nats.errors import Error as NatsError

UNAVAILABLE: Final = "service.unavailable"
AWAY: Final = 503  # whoever knows is not there, or not up to date
LONGEST_REASON: Final = 500
HASH: Final = re.compile(r"[0-9a-f]{64}")
CLOCK: Final = "KV_CLOCK"
CLOCK_PREFIX: Final = "$KV.CLOCK."


def main(argv: Sequence[str]) -> int:
    """0: answered; 1: refused, or Heraldry does not run; 2: a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="heraldry halt", description="Let nothing leave any more, or let things leave again."
    )
    words = parser.add_subparsers(dest="word", required=True, metavar="set|clear|show")
    for word, told in (
        ("set", "Let nothing leave any more, from now on until it is cleared."),
        ("clear", "Let things leave again."),
        ("show", "List the halts in force, one document each."),
    ):
        one = words.add_parser(word, help=told, description=told)
        if word != "show":
            scope = one.add_mutually_exclusive_group(required=True)
            scope.add_argument("--system", action="store_true", help="the whole installation")
            scope.add_argument("--organization", type=UUID, metavar="ID", help="one organization")
            scope.add_argument(
                "--account",
                type=_account,
                metavar="HASH",
                help="one sending account, by its keyed hash: `sender` in its events, and where the API tells its limits",
            )
            one.add_argument(
                "--reason",
                required=word == "set",
                type=_reason,
                help="everybody concerned sees it",
            )
        add_folder(one)
    asked = parser.parse_args(argv)
    asked.reason = (
        getattr(asked, "reason", None) or ""
    )  # argparse would put an empty default to the test, too
    return asyncio.run(_answer(folder_of(asked), asked))


async def _answer(data: Path, asked: argparse.Namespace) -> int:
    answers = Answers(installation(data))
    try:
        async with operator(data) as nc:
            flags = halt.HaltFlags(nc)
            if asked.word == "show":
                for found in await flags.all_now():
                    answers.good(_told(found))
            elif asked.organization:
                await _of_organization(nc, data, flags, asked, answers)
            elif asked.account:
                await _of_account(nc, data, flags, asked, answers)
            else:
                answers.good(await _change(nc, data, flags, halt.SYSTEM, asked))
    except (NotRunningError, halt.HaltUnknownError) as error:
        answers.bad({"code": "not-running", "detail": str(error)})
    return answers.ended


async def _change(
    nc: Client, data: Path, flags: halt.HaltFlags, scope: str, asked: argparse.Namespace
) -> Document:
    if asked.word == "set":
        return _of(await flags.set(scope, actor=ACTOR, reason=asked.reason, at=await _now(nc, data)))
    await flags.clear(scope, actor=ACTOR, reason=asked.reason)
    return _ended(scope, asked.reason)


async def _of_account(
    nc: Client, data: Path, flags: halt.HaltFlags, asked: argparse.Namespace, answers: Answers
) -> None:
    """A halt of an account that nobody has would look like one. Where nobody can say, it is set; a halt can always
    be cleared.
    """
    scope, checked = halt.account(asked.account), True
    try:
        if asked.word == "set":
            await Caller(nc).ask(FindSender(sender=asked.account), by=By(organization=None, actor=ACTOR))
    except Refused as refusal:
        if refusal.status != AWAY:
            answers.bad(refused(refusal, scope=scope))
            return
        checked = False
    told = await _change(nc, data, flags, scope, asked)
    answers.good(told if checked else {**told, "checked": False})


async def _of_organization(
    nc: Client, data: Path, flags: halt.HaltFlags, asked: argparse.Namespace, answers: Answers
) -> None:
    """The gateway also records it in the organization's history. A halt waits for nobody; its end waits for that."""
    organization, reason = asked.organization, asked.reason
    halting, id_ = asked.word == "set", uuid4()
    command = (HaltOrganization if halting else ResumeOrganization)(reason=reason)
    by = By(organization=organization, actor=ACTOR)
    scope, recorded = halt.organization(organization), True
    try:
        await Caller(nc).send(command, by=by, id=id_)
    except Refused as refusal:
        if not halting or refusal.status != AWAY:
            answers.bad(refused(refusal, scope=scope))
            return
        recorded = False
    if not halting:
        answers.good({**_ended(scope, reason), "recorded": recorded})
        return
    now = await _now(nc, data)
    told = await flags.set(scope, actor=ACTOR, reason=reason, at=now, command=id_)
    answers.good({**_of(told), "recorded": recorded})


async def _now(nc: Client, data: Path) -> datetime | None:
    """The installation's clock; None where it cannot be read: no halt waits for the time."""
    clock = SandboxClock()
    if folders.mode_of(data) == "demo":
        direct = DirectGet(nc, CLOCK)
        try:
            for moved in await direct.newest([f"{CLOCK_PREFIX}>"]):
                clock.moved(moved.data.decode())
        except (NatsError, TimeoutError):
            return None
        finally:
            await direct.stop()
    return clock.now()


def _of(found: halt.Set) -> dict[str, object]:
    return {**_told(found.halt), "already": found.already}


def _ended(scope: str, reason: str) -> dict[str, object]:
    return {"scope": scope, "halted": False, "reason": reason}


def _told(found: halt.Halt) -> dict[str, object]:
    return {
        "scope": found.scope,
        "halted": True,
        "reason": found.reason,
        "actor": found.actor,
        "since": found.since.isoformat() if found.since else None,
    }


def _account(text: str) -> str:
    if not HASH.fullmatch(text):
        raise argparse.ArgumentTypeError("an account's keyed hash: 64 digits and letters from a to f")
    return text


def _reason(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_REASON:
        raise argparse.ArgumentTypeError(f"a reason of at most {LONGEST_REASON} characters")
    return text.strip()
