"""`heraldry keys`: the master key of an installation, which opens everything else. Only while nothing runs on it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from heraldry.chassis.bus.operator import NotRunningError, operator
from heraldry.chassis.commands.answers import ANSWERED, BAD_NEWS, Document, add_folder, folder_of
from heraldry.chassis.supervisor.alone import claimed, nats
from heraldry.chassis.supervisor.folder import Folder
from heraldry.chassis.supervisor.problems import CannotStart
from heraldry.chassis.vault import master, recovery
from heraldry.chassis.vault.master import MasterKey, MasterKeyError
from heraldry.chassis.vault.recovery import RecoveryKeyError
from heraldry.chassis.vault.rotation import needed, rotate, unreadable

PRINTED: Final = "recovery.json"  # of which master key a recovery key was printed


class RefusedError(Exception):
    """What was asked for is not done; `code` is stable, the text says what to do. `more`: what it is about."""

    def __init__(self, code: str, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.code, self.more = code, more


def main(argv: Sequence[str]) -> int:
    """0: done; 1: not done, and why; 2: a wrong command line."""
    parser = argparse.ArgumentParser(prog="heraldry keys", description="Look after the master key.")
    words = parser.add_subparsers(dest="word", required=True, metavar="recovery|recover|rotate")
    printed = words.add_parser(
        "recovery",
        help="print the recovery key, once",
        description="Print the recovery key: the master key as it can be kept on paper. It is printed once.",
    )
    printed.add_argument("--again", action="store_true", help="print it although it was printed before")
    typed = words.add_parser(
        "recover",
        help="make the master key again from the recovery key",
        description="Read the recovery key from standard input and write the master key that was lost.",
    )
    turned = words.add_parser(
        "rotate",
        help="replace the master key",
        description="Wrap every data key by a new master key. Cut off, it is begun again by the same command.",
    )
    turned.add_argument(
        "--anyway",
        action="store_true",
        help="although there are records that nobody can read: the others are wrapped anew",
    )
    for each in (printed, typed, turned):
        add_folder(each)
    asked = parser.parse_args(argv)
    try:
        with claimed(folder_of(asked)) as folder:
            _settled(folder)
            match asked.word:
                case "recovery":
                    answer = _print(folder, again=asked.again)
                case "recover":
                    answer = asyncio.run(_recover(folder, sys.stdin.read()))
                case _:
                    answer = asyncio.run(_rotate(folder, anyway=asked.anyway))
    except RefusedError as refusal:
        return _tell({"code": refusal.code, "detail": str(refusal), **refusal.more}, BAD_NEWS)
    except CannotStart as refusal:
        return _tell({"code": refusal.code, "detail": str(refusal)}, BAD_NEWS)
    except (MasterKeyError, RecoveryKeyError, NotRunningError) as error:
        return _tell({"code": "keys.unusable", "detail": str(error)}, BAD_NEWS)
    return _tell(answer, ANSWERED)


def _tell(answer: Document, ended: int) -> int:
    sys.stdout.write(json.dumps(answer) + "\n")
    return ended


def _settled(folder: Folder) -> None:
    """The master key is a file of this folder. Raises RefusedError."""
    elsewhere = [name for name in (master.VARIABLE, "HERALDRY_MASTER_KEY_FILE") if os.environ.get(name)]
    if elsewhere:
        raise RefusedError(
            "keys.elsewhere",
            f"{elsewhere[0]} says where the master key is: it is kept and replaced there. This command looks after"
            f" {folder.keys / 'master.key'} only.",
        )


def _print(folder: Folder, *, again: bool) -> Document:
    key, text = _read(folder.keys / "master.key")
    note = folder.keys / PRINTED
    if not again and _printed(note) == key.fingerprint:
        raise RefusedError(
            "keys.printed", "The recovery key of this master key was printed before. Ask for it with --again."
        )
    folder.write(note, json.dumps({"fingerprint": key.fingerprint}))
    return {"fingerprint": key.fingerprint, "recovery_key": recovery.written(text)}


async def _recover(folder: Folder, typed: str) -> Document:
    path = folder.keys / "master.key"
    if path.exists():
        raise RefusedError("keys.there", f"{path} is there. Move it away first if it is not the right one.")
    secret = recovery.read(typed)
    key = MasterKey(secret)
    async with nats(folder.path), operator(folder.path) as nc:
        fingerprints = await needed(nc)
    if fingerprints and key.fingerprint not in fingerprints:
        raise RefusedError(
            "keys.of-another",
            f"This recovery key is of the master key {key.fingerprint}; this installation needs"
            f" {', '.join(sorted(fingerprints))}. It was printed before the last rotation, or for another one.",
        )
    master.write(path, secret)
    return {"fingerprint": key.fingerprint, "restored": str(path)}


async def _rotate(folder: Folder, *, anyway: bool) -> Document:
    path, following = folder.keys / "master.key", folder.keys / master.NEXT
    old, _ = _read(path)
    async with nats(folder.path), operator(folder.path) as nc:
        if not following.exists():
            found = () if anyway else await unreadable(nc, old)
            if found:
                raise RefusedError(
                    "keys.unreadable-record",
                    "These records of data keys cannot be read, so nothing was begun. Restore a backup of before they"
                    " were damaged; or, if what they protect may be lost, ask with --anyway.",
                    records=[asdict(each) for each in found],
                )
            master.create(following)
        new, _ = _read(following)
        rotated = await rotate(nc, old, new)
    following.replace(path)
    left = {"unreadable": [asdict(each) for each in rotated.unreadable]} if rotated.unreadable else {}
    return {
        "fingerprint": new.fingerprint,
        "before": old.fingerprint,
        "wrapped": rotated.wrapped,
        "overwritten": rotated.overwritten,
        **left,
        "detail": "Print the recovery key anew, and replace every copy of the old master key.",
    }


def _read(path: Path) -> tuple[MasterKey, bytes]:
    """Raises MasterKeyError."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyError(f"There is no readable master key in {path}.") from error
    return master.parse(text, f"in {path}"), master.secret_of(text, f"in {path}")


def _printed(note: Path) -> str:
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError):
        return ""
