"""The halt flag on a real server: set by people, seen by every service, unknown is never taken for no."""

from __future__ import annotations

from uuid import uuid4

import pytest
from heraldry.chassis import halt
from heraldry.chassis.bus import border
from heraldry.chassis.halt import HaltFlags, HaltUnknownError
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until

pytestmark = pytest.mark.parts


async def test_a_halt_reaches_every_service_and_is_cleared_again() -> None:
    async with NatsServer() as server:
        people, worker = HaltFlags(await server.client("gateway")), HaltFlags(await server.client("mailbox"))
        organization, account = halt.organization(uuid4()), halt.account("a1b2")
        await people.set(organization, actor="user:ann", reason="wrong list")
        await worker.start()
        found = worker.halted(organization, account)
        assert found is not None
        assert (found.scope, found.actor, found.reason) == (organization, "user:ann", "wrong list")
        assert worker.halted(account) is None
        assert await worker.check_now(account) is None
        assert await worker.check_now(organization) == found

        await people.set(halt.SYSTEM, actor="system:restore", reason="restored")
        assert (await worker.check_now(account)) is not None
        await until(lambda: worker.halted(account) is not None)
        for scope in (halt.SYSTEM, organization):
            await people.clear(scope, actor="user:ann", reason="checked")
        assert await worker.check_now(organization, account) is None
        await until(lambda: worker.halted(organization, account) is None)
        await worker.stop()


def known(flags: HaltFlags) -> bool:
    try:
        flags.halted()
    except HaltUnknownError:
        return False
    return True


async def test_without_nats_nobody_says_that_there_is_no_halt() -> None:
    async with NatsServer() as server:
        flags = HaltFlags(await server.client("mailbox"))
        await flags.start()
        assert flags.halted() is None
        await server.kill()
        with pytest.raises(HaltUnknownError):
            await flags.check_now()
        await until(lambda: not known(flags))
        await server.restart()
        await until(lambda: known(flags))
        assert flags.halted() is None
        await flags.stop()


async def test_a_flag_nobody_can_read_stops() -> None:
    async with NatsServer() as server:
        operator, flags = await server.client("operator"), HaltFlags(await server.client("mailbox"))
        await border.jetstream(operator).publish("$KV.HALT.system", b"{")
        await flags.start()
        assert flags.halted() is not None
        assert await flags.check_now() is not None
        await flags.stop()


@pytest.mark.parametrize("account", ["", "a.b", ">", "a b"])
def test_an_account_is_an_id(account: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        halt.account(account)
