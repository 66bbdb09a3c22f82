"""A customer's program follows its organization's events: the example, run as a customer would run it."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin, Answer, eventually, organization_in, outside_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
PROGRAM: Final = Path(__file__).parents[2] / "examples" / "crm_sync.py"
SHORT: Final = 4096  # bytes of a pipe: whoever prints a batch into it waits until somebody reads
QUIET: Final = "1"  # seconds without an event: everything has come


@dataclass(slots=True)
class Crm:
    """A customer's CRM with its subscriber."""

    subscriber: Answer
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "crm.sqlite3"

    @contextmanager
    def running(self, *arguments: str, pipe: bool = False) -> Generator[subprocess.Popen[str]]:
        """The program in a process of its own; killed at the end if it has not ended.

        It prints to a file, or into a pipe so short that it waits in the middle of a batch until somebody reads.
        """
        credentials = self.folder / "subscriber.json"
        credentials.write_text(json.dumps(self.subscriber), encoding="utf-8")
        words = [sys.executable, str(PROGRAM), "--credentials", str(credentials), "--store", str(self.file)]
        with (self.folder / "out").open("w") as out, (self.folder / "complaints").open("w") as complaints:
            process = subprocess.Popen(
                [*words, *arguments],
                stdout=subprocess.PIPE if pipe else out,
                stderr=complaints,
                text=True,
                pipesize=SHORT,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def run(self, *arguments: str) -> int:
        """Run it until it ends; the exit code."""
        with self.running(*arguments) as process:
            return process.wait(60)

    def catch_up(self) -> Sequence[Sequence[str]]:
        """Run it until nothing comes any more: the words of its lines."""
        assert self.run("--until-idle", QUIET) == 0, self.complaints
        return [line.split() for line in self.output]

    @property
    def output(self) -> Sequence[str]:
        """The lines of the newest run."""
        return (self.folder / "out").read_text("utf-8").splitlines()

    @property
    def complaints(self) -> str:
        return (self.folder / "complaints").read_text("utf-8")

    def speaks(self) -> None:
        eventually(lambda: bool(self.output), "the first events are stored")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.file)) as db:
            return db.execute(sql).fetchall()

    def ids(self) -> list[str]:
        return [str(id_) for (id_,) in self.rows("SELECT id FROM activity")]


def crm_of(us: Admin, folder: Path) -> Crm:
    folder.mkdir()
    return Crm(us.call("POST", "/subscribers", {"name": "CRM"}), folder)


def published(us: Admin) -> list[Answer]:
    """All that stands in JetStream of this organization, in its order, and at least what it was told of."""
    found: list[Answer] = []

    def take(entry: Entry) -> None:
        found.append(cast("Answer", json.loads(entry.data)))

    async def read() -> None:
        async with calling(us.stack.folder) as calls:
            subject = f"heraldry.events.{us.organization}.>"
            follower = Follower(calls.operator, "HERALDRY", subject, take)
            await follower.start()
            await follower.stop()

    us.get("/history")  # the views have seen the markers of all that was written: it is published
    asyncio.run(read())
    return found


def wait_less_for_acknowledgements(us: Admin, subscriber: Answer) -> None:
    """What was not acknowledged comes again after half a second; in the product after a minute."""

    async def change() -> None:
        async with calling(us.stack.folder) as calls:
            there = await calls.js.consumer_info("HERALDRY", str(subscriber["consumer"]))
            there.config.ack_wait = 0.5
            await border.add_consumer(calls.js, "HERALDRY", there.config)

    asyncio.run(change())


@pytest.fixture
def us(stack: Stack) -> Generator[Admin]:
    with organization_in(stack, "Northwind") as admin:
        yield admin


@pytest.fixture
def them(stack: Stack) -> Generator[Admin]:
    with organization_in(stack, "Contoso") as admin:
        yield admin


@pytest.mark.requirement("R-AUD-3", "R-ID-7")
def test_every_published_event_arrives_once_and_in_order_per_stream(us: Admin, tmp_path: Path) -> None:
    with outside_of(us.stack) as outside:
        ada = us.identity("Ada", outside.zone_about(12))
        crm = crm_of(us, tmp_path / "crm")
        inbox = us.connected(ada, account := outside.account())
        mail = us.call(
            "POST",
            f"/inboxes/{inbox}/mails",
            {"to": outside.account("bo").address, "subject": "Hi", "text": "Hi"},
        )
        us.mail_in(str(mail["attempt"]), "sent")
    us.call("PUT", f"/identities/{ada}/name", {"name": "Ada Lovelace"})
    us.call("PUT", f"/identities/{ada}/crm-user", {"crm_user": "42"})
    us.call("DELETE", f"/identities/{us.identity('Bo')}")

    lines, wanted = crm.catch_up(), published(us)
    assert [line[3] for line in lines] == [event["id"] for event in wanted]
    assert {line[0] for line in lines} == {"stored"}
    types = {str(event["type"]) for event in wanted}
    assert {"IdentityCreated", "IdentityDeleted", "MailboxConnected", "QuotaConsumed", "EmailSent"} <= types
    by_stream: dict[str, list[int]] = {}
    for line in lines:
        stream, _, revision = line[2].rpartition("@")
        by_stream.setdefault(stream, []).append(int(revision))
    assert all(revisions == sorted(set(revisions)) for revisions in by_stream.values())
    record = crm.rows(f"SELECT field, value FROM record WHERE identity = '{ada}'")
    assert {("name", "Ada Lovelace"), ("crm_user", "42"), ("address", account.address)} <= set(record)
    complete = {str(context) for (context,) in crm.rows("SELECT context FROM complete")}
    assert {"identity", "mailbox", "scheduler", "gateway"} <= complete

    assert crm.catch_up() == []
    us.call("PUT", f"/identities/{ada}/name", {"name": "Ada Byron"})
    assert [line[:2] for line in crm.catch_up()] == [["stored", "IdentityRenamed"]]


@pytest.mark.requirement("R-AUD-3")
def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(us: Admin, tmp_path: Path) -> None:
    crm = crm_of(us, tmp_path / "crm")
    ada = us.identity("Ada")
    for number in range(60):
        us.call("PUT", f"/identities/{ada}/name", {"name": f"Ada {number}"})
    wanted = [str(event["id"]) for event in published(us)]
    assert len(wanted) > 60
    for time in (1, 2):
        with crm.running(pipe=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline()  # the batch is stored, its lines fill the pipe: not acknowledged
            process.kill()
        assert 0 < len(crm.ids()) <= time * 50

    def all_there() -> bool:
        wait_less_for_acknowledgements(us, crm.subscriber)  # every sign-in makes the consumer as it should be
        return len(crm.ids()) >= len(wanted)

    with crm.running() as process:
        eventually(all_there, "everything is stored")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, crm.complaints
    assert sorted(crm.ids()) == sorted(wanted)
    assert crm.rows("SELECT value FROM record WHERE field = 'name'") == [("Ada 59",)]
    told = [line.split()[3] for line in crm.output if line.startswith("stored")]
    assert len(told) == len(set(told)) < len(wanted)


@pytest.mark.requirement("R-ACC-1")
def test_a_subscriber_sees_nothing_of_another_organization(us: Admin, them: Admin, tmp_path: Path) -> None:
    ours, theirs = crm_of(us, tmp_path / "ours"), crm_of(them, tmp_path / "theirs")
    us.identity("Our Ada")
    them.identity("Their Bo")
    for crm, of, name in ((ours, us, "Our Ada"), (theirs, them, "Their Bo")):
        crm.catch_up()
        assert sorted(crm.ids()) == sorted(str(event["id"]) for event in published(of))
        assert crm.rows("SELECT value FROM record WHERE field = 'name'") == [(name,)]
    assert us.organization.encode() not in theirs.file.read_bytes()
    swapped = Crm({**theirs.subscriber, "consumer": ours.subscriber["consumer"]}, tmp_path / "theirs")
    us.identity("Our Cy")
    assert (swapped.run("--until-idle", QUIET), swapped.output) == (0, [])


def test_revoked_credentials_end_the_program_and_never_get_in_again(us: Admin, tmp_path: Path) -> None:
    crm = crm_of(us, tmp_path / "crm")
    with crm.running() as process:
        crm.speaks()
        us.call("DELETE", f"/subscribers/{crm.subscriber['id']}")
        us.identity("Later")
        assert process.wait(60) == 1
    assert "refuses these credentials" in crm.complaints
    assert (crm.run("--until-idle", QUIET), crm.output) == (1, [])
    assert str(crm.subscriber["password"]) not in crm.complaints
    assert crm.rows("SELECT id FROM activity WHERE type = 'IdentityCreated'") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to(us: Admin, tmp_path: Path, number: int) -> None:
    crm = crm_of(us, tmp_path / "crm")
    with crm.running() as process:
        crm.speaks()
        process.send_signal(number)
        assert process.wait(20) == 0, crm.complaints
