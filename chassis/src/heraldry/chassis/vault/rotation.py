"""A new master key: every data key is wrapped anew, and what the old one wrapped is overwritten.

It can be cut off anywhere and begun again: a record says which master key it needs, and both are there until the last
data key is wrapped anew. No service runs meanwhile. Of a key the newest record that can be read counts, as it does for the
services; one that nobody can read keeps no other from its new wrapping.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.direct import DirectGet, Stored
from heraldry.chassis.vault.keys import EXPECTED, Record
from heraldry.chassis.vault.master import MasterKey, MasterKeyError
from nats.aio.client import Client
from pydantic import ValidationError

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that no master key given here opens, or that is no record: its subject and sequence on KEYS."""

    subject: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """`wrapped`: data keys that were wrapped anew by this call; `overwritten`: records that needed the old key."""

    wrapped: int
    overwritten: int
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(slots=True)
class _Newest:
    """Of one key: the newest record that can be read, and the sequence of the newest one of all."""

    readable: tuple[Record, bytes] | None = None
    sequence: int = 0


async def unreadable(nc: Client, *masters: MasterKey) -> Sequence[Unreadable]:
    """The records none of `masters` opens. Needs the operator's rights."""
    return [
        Unreadable(each.subject, each.sequence)
        async for each in _records(nc)
        if _opened(each, masters) is None
    ]


async def rotate(nc: Client, old: MasterKey, new: MasterKey) -> Rotated:
    """Wrap every data key by `new`. Needs the operator's rights.

    What cannot be read is told, and stays where it is, unless it says that it needs the old master key: nothing that does is
    left.
    """
    js, newest, bad = border.jetstream(nc), dict[str, _Newest](), list[Unreadable]()
    async for each in _records(nc):
        of = newest.setdefault(each.subject, _Newest())
        of.sequence = each.sequence
        if (opened := _opened(each, (old, new))) is None:
            bad.append(Unreadable(each.subject, each.sequence))
        else:
            of.readable = opened
    wrapped = 0
    for subject, of in newest.items():
        if of.readable is None or of.readable[0].master != old.fingerprint:
            continue
        record, secret = of.readable
        anew = base64.b64encode(new.wrap(secret, subject)).decode()
        changed = record.model_copy(update={"wrapped": anew, "master": new.fingerprint})
        headers = {EXPECTED: str(of.sequence)}
        await js.publish(subject, changed.model_dump_json().encode(), stream=rights.KEYS, headers=headers)
        wrapped += 1
    overwritten = 0
    async for each in _records(nc):
        record = _parsed(each)
        if record is not None and record.wrapped and record.master == old.fingerprint:
            overwritten += await js.delete_msg(rights.KEYS, each.sequence)
    return Rotated(wrapped, overwritten, tuple(bad))


async def needed(nc: Client) -> frozenset[str]:
    """The fingerprints of the master keys that the data keys need."""
    found: set[str] = set()
    async for each in _records(nc):
        record = _parsed(each)
        if record is not None and record.wrapped:
            found.add(record.master)
    return frozenset(found)


async def needed_instead(nc: Client, master: MasterKey) -> frozenset[str]:
    """The fingerprints of the master keys that the data keys need, if none of them needs this one; else nothing.

    It reads until it meets one that does, which is the first where all is well.
    """
    found: set[str] = set()
    async with aclosing(_records(nc)) as records:
        async for each in records:
            record = _parsed(each)
            if record is None or not record.wrapped:
                continue
            if record.master in {"", master.fingerprint}:
                return frozenset()
            found.add(record.master)
    return frozenset(found)


def _parsed(stored: Stored) -> Record | None:
    """None: it is no record."""
    try:
        return Record.model_validate_json(stored.data)
    except ValidationError:
        return None


def _opened(stored: Stored, masters: Sequence[MasterKey]) -> tuple[Record, bytes] | None:
    """The record and the key in it, empty where there is none; None: it cannot be read."""
    record = _parsed(stored)
    if record is None:
        return None
    if record.state == "destroyed":
        return record, b""
    for master in masters:
        if record.master == master.fingerprint:
            try:
                return record, master.unwrap(base64.b64decode(record.wrapped), stored.subject)
            except (MasterKeyError, ValueError):
                return None
    return None


async def _records(nc: Client) -> AsyncGenerator[Stored]:
    direct, after = DirectGet(nc, rights.KEYS), 0
    try:
        while found := await direct.following("heraldry.keys.>", after, AT_ONCE):
            for one in found:
                yield one
            after = found[-1].sequence
    finally:
        await direct.stop()
