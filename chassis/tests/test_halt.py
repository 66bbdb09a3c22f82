"""The halt flag on a real server: set by people, seen by every service, unknown is never taken for no."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from heraldry.chassis import halt
from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import Answer, IncompleteError
from heraldry.chassis.commands import halt as command
from heraldry.chassis.halt import HaltFlags, HaltUnknownError
from heraldry.chassis.testing.bus import NOW
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from nats.aio.client import Client
from nats.aio.msg import Msg
from structlog.testing import capture_logs

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


async def test_a_halt_stands_since_when_the_clock_of_the_installation_said() -> None:
    async with NatsServer() as server:
        flags = HaltFlags(await server.client("gateway"))
        await flags.set(halt.SYSTEM, actor="user:ann", reason="wrong list", at=NOW)
        found = await flags.check_now()
        assert found is not None
        assert found.since == NOW


async def test_whoever_halts_what_is_halted_changes_nothing_and_is_told_what_is_in_force() -> None:
    async with NatsServer() as server:
        flags = HaltFlags(await server.client("gateway"))
        command = uuid4()
        first = await flags.set(halt.SYSTEM, actor="user:ann", reason="one", at=NOW, command=command)
        assert not first.already
        for again, already in ((uuid4(), True), (command, False)):
            later = NOW + timedelta(hours=1)
            told = await flags.set(halt.SYSTEM, actor="user:bea", reason="two", at=later, command=again)
            assert (told.halt, told.halt.since, told.already) == (first.halt, NOW, already)
        assert await flags.in_force(halt.SYSTEM) == first.halt
        await flags.clear(halt.SYSTEM, actor="user:ann", reason="")
        assert await flags.in_force(halt.SYSTEM) is None
        told = await flags.set(halt.SYSTEM, actor="user:bea", reason="two")
        assert (told.halt.reason, told.already) == ("two", False)


async def test_whoever_follows_logs_a_halt_of_the_installation_and_its_end() -> None:
    async with NatsServer() as server:
        people, worker = HaltFlags(await server.client("gateway")), HaltFlags(await server.client("mailbox"))
        account, ours = halt.account("a1b2"), halt.organization(uuid4())
        with capture_logs() as logged:
            await people.set(account, actor="system:operator", reason="complaints", at=NOW)
            await worker.start()
            await people.set(ours, actor="user:ann", reason="wrong list")
            await people.set(halt.SYSTEM, actor="system:operator", reason="moving", at=NOW)
            for scope in (account, ours, halt.SYSTEM):
                await people.clear(scope, actor="system:operator", reason="moved")
            await until(lambda: [one["event"] for one in logged].count("halt ended") == 2)
            await worker.stop()
        told = [one for one in logged if one["event"] in {"halted", "halt ended"}]
        assert [(one["event"], one["scope"], one["reason"]) for one in told] == [
            ("halted", account, "complaints"),
            ("halted", halt.SYSTEM, "moving"),
            ("halt ended", account, "moved"),
            ("halt ended", halt.SYSTEM, "moved"),
        ]
        assert {(one["log_level"], one["actor"]) for one in told} == {("warning", "system:operator")}


async def test_of_those_who_halt_in_the_same_moment_one_is_the_first() -> None:
    async with NatsServer() as server:
        people = [HaltFlags(await server.client("gateway")) for _ in range(4)]
        told = await asyncio.gather(
            *(one.set(halt.SYSTEM, actor=f"user:{n}", reason=f"{n}") for n, one in enumerate(people))
        )
        assert sorted(one.already for one in told) == [False, True, True, True]
        assert len({one.halt.reason for one in told}) == 1


async def test_operators_halt_by_the_clock_of_the_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)
    async with NatsServer() as server:
        js, flags = (
            border.jetstream(await server.client("sandbox")),
            HaltFlags(await server.client("gateway")),
        )
        await js.publish("$KV.CLOCK.offset", b"90000", stream="KV_CLOCK")
        for mode, moved in (("demo", timedelta(seconds=90000)), ("live", timedelta())):
            (server.data / "MODE").write_text(f"{mode}\n")
            before = datetime.now(UTC)
            asked = ["set", "--system", "--reason", mode, "--data", str(server.data)]
            assert await asyncio.to_thread(command.main, asked) == 0
            found = await flags.check_now()
            await flags.clear(halt.SYSTEM, actor="user:ann", reason="")
            assert found is not None
            assert found.since is not None
            assert before <= found.since - moved <= datetime.now(UTC)
    assert '"halted": true' in capsys.readouterr().out


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


async def test_gates_that_ask_in_the_same_moment_are_answered_alike_and_see_a_halt_set_before_they_asked() -> (
    None
):
    async with NatsServer() as server:
        people, worker = HaltFlags(await server.client("gateway")), HaltFlags(await server.client("mailbox"))
        accounts = [halt.account(f"a{number}") for number in range(40)]
        assert await asyncio.gather(*(worker.check_now(each) for each in accounts)) == [None] * 40
        under_way = asyncio.create_task(worker.check_now(*accounts))
        for each in accounts[::2]:
            await people.set(each, actor="user:ann", reason="wrong list")
            found = await worker.check_now(each)  # also where a question was under way before it was set
            assert found is not None
        await under_way
        found = await asyncio.gather(*(worker.check_now(each) for each in accounts))
        assert [one.scope for one in found if one] == accounts[::2]
        assert [found[number] for number in range(1, 40, 2)] == [None] * 20
        await worker.stop()


async def test_an_answer_that_lacks_a_part_is_none() -> None:
    def part(left: int, number: int) -> Msg:
        headers = {
            "Nats-Num-Pending": str(left),
            "Nats-Subject": f"$KV.HALT.account.a{number}",
            "Nats-Sequence": str(number),
            "Nats-Time-Stamp": "2026-11-25T22:33:36.829711894Z",
        }
        return Msg(_client=nobody, subject="here", data=b"{}", headers=headers)

    def end(left: int) -> Msg:
        return Msg(_client=nobody, subject="here", headers={"Status": "204", "Nats-Num-Pending": str(left)})

    nobody = Client()
    for messages in ([part(2, 1), part(0, 3)], [part(1, 1), end(0)], [end(0)]):
        answer = Answer()
        for message in messages:
            answer.take(message)
        with pytest.raises(IncompleteError):
            await answer.complete
    answer = Answer()
    for message in (part(1, 1), part(0, 2), end(0)):
        answer.take(message)
    await answer.complete
    assert len(answer.found) == 2


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
