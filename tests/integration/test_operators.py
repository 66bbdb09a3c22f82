"""What operators do by command with a running installation: parked messages, halts, publishing a log anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from heraldry.chassis import halt as halts
from heraldry.chassis.bus import border
from heraldry.chassis.bus.operator import operator
from heraldry.chassis.bus.parking import Parking, Pointer
from heraldry.chassis.commands import halt, parked, replay
from heraldry.chassis.testing.bus import messages
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin, Answer, Outside, eventually, organization_in

pytestmark = pytest.mark.stack
Said = tuple[int, list[Answer]]
Command = Callable[..., Said]


@pytest.fixture
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


@pytest.fixture
def command(stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)

    def say(main: Callable[[Sequence[str]], int], *words: str) -> Said:
        capsys.readouterr()
        ended = main([*words, "--data", str(stack.folder)])
        lines = capsys.readouterr().out.splitlines()
        documents = [json.loads(line) for line in lines if line.startswith("{")]
        asked = {(one.pop("data"), one.pop("mode")) for one in documents}
        assert asked <= {(str(stack.folder.absolute()), "demo")}  # which installation it was
        return ended, documents

    return say


async def park(stack: Stack, admin: Admin, identity: str) -> Pointer:
    """As if the mailbox service could not take up that the identity was created."""
    subject = f"heraldry.events.*.identity.{identity}.IdentityCreated"
    async with operator(stack.folder) as nc, asyncio.timeout(20):
        while not (found := await messages(border.jetstream(nc), subject)):  # noqa: ASYNC110  the stream says nothing
            await asyncio.sleep(0.05)  # it is stored, but not published yet
        pointer = Pointer(
            source="stream",
            sequence=found[0].sequence,
            consumer="mailbox-imports",
            type="IdentityCreated",
            event=found[0].id,
            identity=identity,
            organization=admin.organization,
            error="ValueError",
            first_seen=datetime.now(UTC),
        )
        await Parking(nc, "mailbox").park(pointer)
    return pointer


def test_what_is_parked_is_seen_replayed_and_discarded(stack: Stack, us: Admin, command: Command) -> None:
    name = "Quendolina Firstname"
    identity = us.identity(name)
    asyncio.run(park(stack, us, identity))
    pointer = asyncio.run(park(stack, us, identity))
    listed = us.get("/parked")
    assert listed["missing"] == []
    first, second = listed["messages"]
    assert {first["event"], second["event"]} == {pointer.event}
    ended, everybodys = command(parked.main, "list")
    assert ended == 0
    assert [one for one in everybodys if one["organization"] == us.organization] == [first, second]
    shown = us.get(f"/parked/{first['id']}")
    assert (shown["stream"], shown["revision"]) == (f"identity.identity-{identity}", 0)
    assert command(parked.main, "show", first["id"]) == (0, [shown])
    assert name.split(maxsplit=1)[0] not in json.dumps([listed, shown])

    us.call("POST", f"/parked/{first['id']}/replay")
    assert us.refusal("POST", f"/parked/{first['id']}/replay")["code"] == "parked.unknown"
    assert command(parked.main, "discard", second["id"]) == (0, [{"id": second["id"], "discarded": True}])
    assert us.get("/parked")["messages"] == []


def test_operators_halt_an_organization_and_its_history_says_so(us: Admin, command: Command) -> None:
    ours = ("--organization", us.organization)
    ended, (said,) = command(halt.main, "set", *ours, "--reason", "Strange mails")
    scope = f"organization.{us.organization}"
    assert (ended, said["scope"], said["recorded"], said["already"]) == (0, scope, True, False)
    _, (again,) = command(halt.main, "set", *ours, "--reason", "Others")
    assert again == {**said, "already": True}
    shown = us.get("/halt")
    assert shown["reason"] == "Strange mails"
    _, halts = command(halt.main, "show")
    assert [one["reason"] for one in halts if one["scope"] == scope] == ["Strange mails"]
    assert command(halt.main, "clear", *ours)[0] == 0
    assert us.get("/halt")["halted"] is False
    entries = us.get("/history?kind=organization")["entries"]
    (halted,) = [one for one in entries if one["type"] == "OrganizationHalted"]
    assert halted["actor"] == "system:operator"
    apart = datetime.fromisoformat(halted["time"]) - datetime.fromisoformat(shown["since"])
    assert abs(apart) < timedelta(minutes=5)  # by one clock, however far the sandbox's was moved
    ended, (said,) = command(halt.main, "set", "--organization", str(uuid4()), "--reason", "Nobody's")
    assert (ended, said["code"]) == (1, "organization.unknown")


def test_a_halt_that_was_set_while_the_gateway_was_away_is_recorded_by_itself(
    stack: Stack, us: Admin, command: Command
) -> None:
    scope = halts.organization(UUID(us.organization))

    async def set_it() -> None:
        async with operator(stack.folder) as nc:
            await halts.HaltFlags(nc).set(scope, actor="system:operator", reason="Strange mails")

    asyncio.run(set_it())

    def recorded() -> Answer | None:
        entries = us.get("/history?kind=organization")["entries"]
        return next((one for one in entries if one["type"] == "OrganizationHalted"), None)

    halted = eventually(recorded, "the halt is in the history")
    assert (halted["actor"], halted["what"]) == ("system:operator", "Everything halted: Strange mails")
    assert command(halt.main, "clear", "--organization", us.organization)[0] == 0


def test_a_halt_of_the_whole_installation_is_on_every_page(us: Admin, command: Command) -> None:
    token = us.http.headers["Authorization"].split()[1]
    try:
        assert command(halt.main, "set", "--system", "--reason", "Moving house")[0] == 0
        with httpx.Client(base_url=us.stack.url, cookies={"heraldry_session": token}) as http:
            page = http.get("/identities").text
        assert "The whole installation is halted" in page
        assert "Only the operators let things leave again." in page
        us.call("POST", "/halt", {"reason": "Ours"})
        assert us.call("DELETE", "/halt") == us.get("/halt")
        left = us.get("/halt")
        assert (left["halted"], left["installation"], left["reason"]) == (True, True, "Moving house")
        assert "The operators" in page
        assert "Moving house" in page
        assert us.get("/halt")["actor"] == "system:operator"
    finally:
        assert command(halt.main, "clear", "--system")[0] == 0
    assert us.get("/halt")["halted"] is False


@pytest.mark.requirement("R-AUD-1")
def test_a_log_is_published_anew_and_nothing_is_done_or_shown_twice(
    stack: Stack, us: Admin, outside: Outside, command: Command
) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    identity = us.identity(zone=outside.zone_about())
    inbox = us.connected(identity, ours)
    letter = {"to": theirs.address, "subject": "Hello", "text": "Shall we talk?"}
    us.mail_in(str(us.call("POST", f"/inboxes/{inbox}/mails", letter)["attempt"]), "sent")
    before = us.get(f"/identities/{identity}/history")["entries"]
    contexts = ("identity", "mailbox", "scheduler")
    ended, said = command(replay.main, *contexts, *contexts)
    assert (ended, [one["context"] for one in said]) == (0, [*contexts, *contexts])
    us.positions += [one["until"] for one in said]
    eventually(
        lambda: us.send("GET", f"/identities/{identity}/history").is_success, "the view is whole again"
    )
    assert us.get(f"/identities/{identity}/history")["entries"] == before
    second = us.call("POST", f"/inboxes/{inbox}/mails", {**letter, "subject": "Once more"})
    us.mail_in(str(second["attempt"]), "sent")
    assert len(outside.effects("mail", sender=ours.address)) == 2
