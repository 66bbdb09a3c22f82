"""A person's messages and keys are gone from every byte of the server's files."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.envelopes import PERSONS
from heraldry.chassis.bus.forgetting import delete_messages, messages_of, reapply
from heraldry.chassis.bus.rights import EVENTS, KEYS
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault.keys import Destroyed, KeyRing
from heraldry.chassis.vault.master import MasterKey

pytestmark = pytest.mark.parts


async def test_only_the_messages_whose_header_names_the_person_are_deleted_byte_for_byte() -> None:
    ada, grace, organization = str(uuid4()), str(uuid4()), str(uuid4())
    async with NatsServer() as server:
        operator = await server.client("operator")
        js = border.jetstream(operator)
        for number in range(1203):  # more than are asked for at once
            named = (f"{grace} {ada}", grace, "")[number % 3]
            text = "Ada-Unmistakable" if ada in named else "somebody else"
            kind = f"heraldry.events.{organization}.mailbox._.EmailQueued"
            subject = "heraldry.internal.scheduler.3._.StepDispatched" if number % 2 else kind
            await js.publish(
                subject, f"{text} {number}".encode(), headers={PERSONS: named} if named else None
            )
        found = await messages_of(operator, {ada}, organization)
        assert found
        assert len(await messages_of(operator, {ada})) == len(found) == 401
        assert await messages_of(operator, {str(uuid4())}) == []
        assert await delete_messages(operator, found) == 401
        assert await delete_messages(operator, found) == 0
        assert (await js.stream_info(EVENTS)).state.messages == 802
        assert await messages_of(operator, {ada}) == []
        await server.kill()
        assert b"Ada-Unmistakable" not in on_disk(server)
        assert b"somebody else" in on_disk(server)


async def test_the_ledger_applied_again_destroys_the_keys_a_backup_brought_back_and_lets_none_be_made() -> (
    None
):
    ada, grace = uuid4(), uuid4()
    async with NatsServer() as server:
        nc, operator = await server.client("mailbox"), await server.client("operator")
        ring = KeyRing(nc, "mailbox", MasterKey(os.urandom(32)))
        await ring.start()
        await ring.create(str(ada))
        kept = await ring.create(str(grace))
        wrapped = (await border.jetstream(operator).get_last_msg(KEYS, f"heraldry.keys.mailbox.{ada}")).data
        subject = "heraldry.events.o.mailbox._.EmailQueued"
        await border.jetstream(operator).publish(subject, b"Ada-Unmistakable", headers={PERSONS: str(ada)})
        await ring.stop()
        assert (
            await reapply(operator, (ada,)) == 6
        )  # a key or the lack of one in five contexts, and a message
        assert await reapply(operator, (ada,)) == 0
        after = KeyRing(nc, "mailbox", MasterKey(os.urandom(32)))
        assert await after.fetch(str(ada)) == Destroyed(str(ada))
        assert kept.secret
        await server.kill()
        assert wrapped is not None
        assert wrapped[20:80] not in on_disk(server)
        assert b"Ada-Unmistakable" not in on_disk(server)


def on_disk(server: NatsServer) -> bytes:
    return b"".join(file.read_bytes() for file in (server.data / "nats").rglob("*") if file.is_file())
