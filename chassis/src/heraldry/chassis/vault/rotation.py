"""A new master key: every data key is wrapped anew, and what the old one wrapped is overwritten.

It can be cut off anywhere and begun again: a record says which master key it needs, and both are there until the last
data key is wrapped anew. No service runs meanwhile.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.direct import DirectGet, Stored
from heraldry.chassis.vault.keys import EXPECTED, Record
from heraldry.chassis.vault.master import MasterKey, MasterKeyError
from nats.aio.client import Client

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Rotated:
    """`wrapped`: data keys that were wrapped anew by this call; `overwritten`: records that needed the old key."""

    wrapped: int
    overwritten: int


async def rotate(nc: Client, old: MasterKey, new: MasterKey) -> Rotated:
    """Wrap every data key by `new`. Needs the operator's rights. Raises MasterKeyError for one that neither opens."""
    js, newest = border.jetstream(nc), dict[str, Stored]()
    async for each in _records(nc):
        newest[each.subject] = each
    wrapped = 0
    for each in newest.values():
        record = Record.model_validate_json(each.data)
        if not record.wrapped or record.master == new.fingerprint:
            continue
        if record.master != old.fingerprint:
            raise MasterKeyError(
                f"The data key {each.subject} needs the master key {record.master}, which is not here."
            )
        secret = old.unwrap(base64.b64decode(record.wrapped), each.subject)
        anew = base64.b64encode(new.wrap(secret, each.subject)).decode()
        changed = record.model_copy(update={"wrapped": anew, "master": new.fingerprint})
        headers = {EXPECTED: str(each.sequence)}
        await js.publish(
            each.subject, changed.model_dump_json().encode(), stream=rights.KEYS, headers=headers
        )
        wrapped += 1
    overwritten = 0
    async for each in _records(nc):
        record = Record.model_validate_json(each.data)
        if record.wrapped and record.master != new.fingerprint:
            overwritten += await js.delete_msg(rights.KEYS, each.sequence)
    return Rotated(wrapped, overwritten)


async def needed(nc: Client) -> frozenset[str]:
    """The fingerprints of the master keys that the data keys need."""
    found: set[str] = set()
    async for each in _records(nc):
        record = Record.model_validate_json(each.data)
        if record.wrapped:
            found.add(record.master)
    return frozenset(found)


async def _records(nc: Client) -> AsyncIterator[Stored]:
    direct, after = DirectGet(nc, rights.KEYS), 0
    try:
        while found := await direct.following("heraldry.keys.>", after, AT_ONCE):
            for one in found:
                yield one
            after = found[-1].sequence
    finally:
        await direct.stop()
