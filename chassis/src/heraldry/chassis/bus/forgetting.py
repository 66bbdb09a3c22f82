"""Taking a person's messages out of JetStream, one by one: deleting one overwrites its bytes, a purge would leave them.

A message is a person's if its header names them. IdentityDeleted, ErasureRequested and ErasureCompleted hold nothing
personal and name nobody, so they stay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final
from uuid import UUID

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.envelopes import PERSONS
from heraldry.chassis.vault.keys import mark_destroyed, shred
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

AT_ONCE: Final = 200  # messages asked for together: an event has at most 256 KiB
NO_SEQUENCE: Final = 10043
NO_MESSAGE: Final = "no message found"  # the server's words: their code has other meanings, too


async def messages_of(nc: Client, persons: AbstractSet[str], organization: str = "*") -> Sequence[int]:
    """The sequences of what is published of these people. Raises NatsError and TimeoutError."""
    filters = (f"heraldry.events.{organization}.>", "heraldry.internal.>")
    return [
        sequence
        for subject in filters
        async for sequence, named in _headers(nc, subject)
        if not persons.isdisjoint(named.split())
    ]


async def delete_messages(nc: Client, sequences: Sequence[int], stream: str = rights.EVENTS) -> int:
    """Overwrite these messages; how many were there. Needs the right to delete."""
    js, deleted = border.jetstream(nc), 0
    for sequence in sequences:
        try:
            deleted += await js.delete_msg(stream, sequence)
        except NotFoundError:
            continue
        except APIError as error:
            if error.err_code != NO_SEQUENCE and error.description != NO_MESSAGE:
                raise
    return deleted


async def reapply(nc: Client, persons: Sequence[UUID]) -> int:
    """What a restore does before any service starts: nothing of those who were erased is read again.

    Their keys are destroyed in every context, shredded, and their messages deleted. Returns how many keys and messages
    there were. Needs the operator's rights.
    """
    js, found = border.jetstream(nc), 0
    for person in persons:
        for context in rights.CONTEXTS:
            found += await mark_destroyed(js, context, str(person))
            await shred(js, context, str(person))
    messages = await messages_of(nc, frozenset(map(str, persons))) if persons else ()
    return found + await delete_messages(nc, messages)


async def _headers(nc: Client, subject: str) -> AsyncIterator[tuple[int, str]]:
    """The sequence of every message there is now, and whom its header names."""
    direct, after = DirectGet(nc, rights.EVENTS), 0
    try:
        while found := await direct.following(subject, after, AT_ONCE):
            for one in found:
                yield one.sequence, one.headers.get(PERSONS, "")
            after = found[-1].sequence
    finally:
        await direct.stop()
