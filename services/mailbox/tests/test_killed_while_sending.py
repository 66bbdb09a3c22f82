"""Killed or frozen at any point of a send: every mail is delivered once, or a person is told that nobody knows.

The mail host is the judge: what it says it delivered is what was delivered. Three mails stand at a point when its
process is struck down; `test-long` does it again until it was fifty.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.mailbox import EmailOutcomeUnknown, EmailQueued, EmailSent, EmailView
from heraldry.sandbox.mail.faults import Fault
from heraldry.sandbox.mail.faults import Point as HostPoint

from services.mailbox.tests.processes import ADA, KIM, Service, running, step

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

MAILS: Final = 3
CLAIM: Final = {"HERALDRY_CLAIM_SECONDS": "1.5"}  # a claim is taken over after so long, instead of a minute
HALF_AN_HOUR: Final = timedelta(minutes=31)
How = Literal["one replica", "two replicas", "frozen"]


@dataclass(frozen=True, slots=True)
class Point:
    """Where it is struck down: a named point of ours, or one at which the mail host holds the conversation."""

    name: str
    ours: str = ""
    host: HostPoint | None = None
    after: int = 0  # bytes of the mail that arrived before the host holds
    surely_once: bool = False  # delivered exactly once, without a person


POINTS: Final = (
    Point("before the claim", ours="mail.before-claim", surely_once=True),
    Point("after the claim, before a byte", ours="mail.claimed", surely_once=True),
    Point("inside DATA", host="smtp.content", after=40),
    Point("after the final dot, not taken yet", host="smtp.final-dot"),
    Point("taken and delivered, before the 250", host="smtp.accepted"),
    Point("after the 250, before the outcome", ours="mail.answered"),
    Point("after the outcome, before the relay", ours="relay-mailbox.built", surely_once=True),
)


class Strike:
    """One blow: mails are led to a point, whoever has them there is struck down, and the end is awaited."""

    def __init__(self, service: Service, inbox: UUID, point: Point, how: How) -> None:
        self.service, self.inbox, self.point, self.how = service, inbox, point, how
        self._fault = ""

    async def run(self) -> Counter[str]:
        """How it ended for each mail: `sent` or `outcome unknown`. AssertionError for anything else."""
        attempts = await self._lead()
        if self.how == "frozen":
            await self._freeze()
        else:
            await self._kill()
        ends = Counter(await asyncio.gather(*(self._end(attempt) for attempt in attempts)))
        await self._nothing_more_happens(attempts)
        return ends

    async def _lead(self) -> Sequence[UUID]:
        service, point = self.service, self.point
        if point.host is not None:
            fault = Fault(point.host, "hold", recipient=KIM, after=point.after)
            self._fault = service.host.add_fault(fault).id
        else:
            service.hold(point.ours)
        wanted = [step(self.inbox, service.clock.now()) for _ in range(MAILS)]
        for one in wanted:
            await service.dispatch(one)
        attempts = [one.attempt for one in wanted]
        if point.host is not None:
            await service.host.wait_until_held(self._fault, count=MAILS, seconds=30)
        elif point.ours.startswith("relay"):
            await until(lambda: bool(service.held(point.ours)), seconds=30)
            await asyncio.gather(*(service.email(one, lambda view: view.state == "sent") for one in attempts))
        else:
            await until(lambda: len(service.held(point.ours)) >= MAILS, seconds=30)
        return attempts

    def _let_go(self) -> None:
        if self.point.host is not None:
            self.service.host.remove_fault(self._fault)
        else:
            self.service.release(self.point.ours)

    async def _kill(self) -> None:
        """All who are there, and then nobody holds anything any more."""
        service = self.service
        if self.point.host is not None:
            struck = await service.kill_all()
        else:
            struck = [service.replica_of(pid) for pid in dict.fromkeys(service.held(self.point.ours))]
            for replica in struck:
                await service.kill(replica)
        self._let_go()
        for replica in struck:
            await service.start(replica)

    async def _freeze(self) -> None:
        """Frozen for longer than its claim while the other replica goes on; then it wakes up."""
        service, point = self.service, self.point
        there = service.held(point.ours) if point.host is None else ()
        frozen = service.replica_of(there[0]) if there else "0"
        service.stop(frozen)
        if point.host is None:
            self._let_go()
        await asyncio.sleep(2.5)  # longer than a claim keeps others away: that is what is tested
        service.go_on(frozen)
        if point.host is not None:
            self._let_go()

    async def _end(self, attempt: UUID) -> str:
        """Business time goes on only where nothing else can bring an end."""
        service = self.service
        outcomes = {"sent", "failed", "outcome unknown"}
        view = await service.email(attempt, lambda view: view.state in {*outcomes, "leaving"})
        if view.state == "leaving":
            view = await self._looked_up(attempt)
        return self._judged(attempt, view)

    async def _looked_up(self, attempt: UUID) -> EmailView:
        service = self.service
        try:
            async with asyncio.timeout(3):
                return await service.email(attempt, lambda view: view.state != "leaving")
        except TimeoutError:
            await service.advance(HALF_AN_HOUR)
            return await service.email(attempt, lambda view: view.state != "leaving")

    def _judged(self, attempt: UUID, view: EmailView) -> str:
        times = self._delivered(attempt)
        told = [one.type for one in view.steps]
        case = f"{self.point.name}, {self.how}: {view.state}, delivered {times} times; {told}"
        assert view.state in {"sent", "outcome unknown"}, case
        assert times <= 1, case
        if view.state == "sent":
            assert times == 1, case
        if self.point.surely_once:
            assert view.state == "sent", case
        assert told.count("EmailSubmissionStarted") == 1, case
        return view.state

    async def _nothing_more_happens(self, attempts: Sequence[UUID]) -> None:
        """Each told the world once what became of it; the mail host got nothing more."""
        service = self.service
        wanted = set(attempts)

        def told() -> set[UUID]:
            return {
                event.attempt
                for kind in (EmailSent, EmailOutcomeUnknown)
                for event in service.said(kind)
                if isinstance(event, EmailSent | EmailOutcomeUnknown)
            }

        await until(lambda: wanted <= told(), seconds=30)
        for kind in (EmailQueued, EmailSent):
            counted = Counter(
                event.attempt for event in service.said(kind) if isinstance(event, EmailQueued | EmailSent)
            )
            assert all(counted[attempt] <= 1 for attempt in wanted), kind.__name__
        assert all(self._delivered(attempt) <= 1 for attempt in wanted)

    def _delivered(self, attempt: UUID) -> int:
        ours = f"<{attempt}@northwind.example>"
        return sum(
            effect.what == "delivered" and effect.facts.get("message_id") == ours
            for effect in self.service.host.effects()
        )


async def strike(folder: Path, how: How, points: Sequence[Point], trials: int) -> dict[str, Counter[str]]:
    """At every point until so many mails were struck there; how they ended, by point."""
    found: dict[str, Counter[str]] = {}
    async with running(folder, CLAIM) as service:
        if how != "one replica":
            await service.start("1")
        await service.identity(ADA, "Ada Bergström")
        await service.connect()
        inbox = (await service.inbox(lambda view: view.state == "connected")).inbox
        for point in points:
            ends = found[point.name] = Counter[str]()
            while ends.total() < trials:
                ends.update(await Strike(service, inbox, point, how).run())
    return found


@pytest.mark.parametrize("how", ["one replica", "two replicas", "frozen"])
async def test_struck_down_at_any_point_a_mail_is_delivered_once_or_a_person_is_told(
    tmp_path: Path, how: How
) -> None:
    found = await strike(tmp_path, how, POINTS, MAILS)
    assert all(ends.total() >= MAILS for ends in found.values())


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("how", ["one replica", "two replicas", "frozen"])
async def test_struck_down_fifty_times_at_every_point(
    tmp_path: Path, how: How, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await strike(tmp_path, how, POINTS, 50)
    with capsys.disabled():
        for point, ends in found.items():
            print(json.dumps({"how": how, "point": point, **ends}))  # noqa: T201  the table for whoever runs it
