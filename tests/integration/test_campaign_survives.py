"""A campaign goes on whatever is killed: never above a limit, nobody twice, nobody forgotten.

The mail host's log of what truly happened is the judge; business time is moved, never waited for.
"""

from __future__ import annotations

import os
import signal
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from heraldry.chassis.testing.stack import Stack, StackError

from tests.integration.support import Account, Admin, Answer, Outside, eventually, organization_in, outside_of

PER_DAY, PER_HOUR = 12, 4
HOUR: Final = timedelta(hours=1)
STEP: Final = timedelta(minutes=31)  # business time between two looks; longer than a look-up is tried
MINUTE: Final = 65.0  # seconds, a little more than the supervisor counts
SPARED_AFTER: Final = 3  # kills within that
ENDED: Final = frozenset({"replied", "finished", "bounced", "unsubscribed", "failed"})
REPLICAS: Final = {"scheduler": 3, "mailbox": 2}
KILLED: Final = (("scheduler", 0), ("scheduler", 1), ("scheduler", 2), ("mailbox", 0), ("mailbox", 1))
STEPS: Final = (
    {"subject": "Hello {{ first_name }}", "text": "Shall we talk, {{ first_name }}?"},
    {"text": "Did you see my mail, {{ first_name }}?", "delay": 24},
)


@dataclass(slots=True)
class Week:
    """An installation with replicas, a campaign over two inboxes, and what time it was when."""

    stack: Stack
    us: Admin
    outside: Outside
    zone: str
    inboxes: Mapping[str, Account]
    leads: Sequence[Account]
    campaign: str
    moved: list[tuple[datetime, timedelta]] = field(default_factory=list[tuple[datetime, timedelta]])
    killed: defaultdict[tuple[str, int], list[float]] = field(
        default_factory=lambda: defaultdict[tuple[str, int], list[float]](list)
    )

    def forward(self, by: timedelta) -> None:
        self.outside.advance(by.total_seconds())
        self.moved.append((datetime.now(UTC), self.outside.now() - datetime.now(UTC)))

    def business(self, real: datetime) -> datetime:
        """What time it was in the installation at a moment of the real clock."""
        found = bisect_right([at for at, _ in self.moved], real)
        return real + self.moved[max(found - 1, 0)][1]

    def counts(self) -> Mapping[str, int]:
        found = self.us.get(f"/campaigns/{self.campaign}")
        return {name: int(number) for name, number in found["counts"].items()}

    def states(self) -> Sequence[Answer]:
        found: list[Answer] = []
        after = ""
        while True:
            page = self.us.get(f"/campaigns/{self.campaign}/leads?limit=500&after={after}")
            found.extend(page["leads"])
            after = str(page["next"])
            if not after:
                return found

    def restarts(self) -> int:
        return sum(self.stack.restarts(name, replica) for name, replica in KILLED)

    def delivered(self) -> Sequence[Answer]:
        """What the mail host took for the leads."""
        theirs = {one.address for one in self.leads}
        return [one for one in self.outside.effects("accepted") if theirs & set(one["recipients"])]


@contextmanager
def week(folder: Path, leads: int) -> Generator[Week]:
    stack = Stack.start(folder, replicas=REPLICAS)
    try:
        with outside_of(stack) as outside, organization_in(stack) as us:
            yield _prepared(stack, us, outside, leads)
    finally:
        stack.stop()


def _prepared(stack: Stack, us: Admin, outside: Outside, leads: int) -> Week:
    zone = outside.zone_about(8)
    days = [{"day": day, "start": "09:00", "end": "17:00"} for day in range(1, 8)]
    body = {"name": "Astrid", "hours": {"zone": zone, "week": days}}
    identity = str(us.call("POST", "/identities", body)["id"])
    accounts = [outside.account(f"sales{number}") for number in range(2)]
    inboxes = {us.connected(identity, one): one for one in accounts}
    for inbox in inboxes:
        us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": PER_DAY, "per_hour": PER_HOUR})
    people = [outside.account(f"lead{number}") for number in range(leads)]
    settings = {"name": "Week", "identity": identity, "pace": "at once", "steps": STEPS}
    campaign = str(us.call("POST", "/campaigns", settings)["id"])
    data = [
        {"name": f"Lead {n}", "first_name": f"L{n}", "email": one.address} for n, one in enumerate(people)
    ]
    us.call("POST", f"/campaigns/{campaign}/leads", data)
    eventually(
        lambda: us.get(f"/campaigns/{campaign}")["counts"]["waiting"] == leads or None, "all are imported", 60
    )
    us.call("POST", f"/campaigns/{campaign}/start")
    found = Week(stack, us, outside, zone, inboxes, people, campaign)
    found.forward(timedelta())
    return found


def kill_one(home: Week, random: Random) -> None:
    """kill -9 of a replica, unless it is just starting; every now and then it is frozen for a moment instead.

    Never so often that the supervisor gives it up, as it says it does after 5 crashes within a minute.
    """
    service, replica = random.choice(KILLED)
    stack, lately = home.stack, home.killed[service, replica]
    lately[:] = [at for at in lately if monotonic() - at < MINUTE]
    try:
        if stack.process_state(service, replica) != "ready" or len(lately) >= SPARED_AFTER:
            return
        if random.random() < 0.2:
            pid = stack.kill(service, signal.SIGSTOP, replica=replica)
            sleep(random.uniform(0.1, 0.5))
            os.kill(pid, signal.SIGCONT)
        else:
            stack.kill(service, replica=replica)
            lately.append(monotonic())
    except (StackError, ProcessLookupError):
        return


def live(home: Week, random: Random, until: timedelta, kills: float) -> None:
    """Let business time pass; in working hours replicas are killed at random moments, and some leads reply."""
    end = home.outside.now() + until
    replied: set[str] = set()
    while home.outside.now() < end and not _is_over(home):
        local = home.outside.now().astimezone(ZoneInfo(home.zone))
        if not 8 <= local.hour < 18:
            home.forward(HOUR)
            continue
        if random.random() < kills:
            sleep(random.uniform(0.0, 0.8))  # a random moment
            kill_one(home, random)
        _settled(home)
        if random.random() < 0.3:
            _somebody_replies(home, random, replied)
        home.forward(STEP)


def _is_over(home: Week) -> bool:
    counts = home.counts()
    return counts["waiting"] + counts["in_progress"] + counts["outcome_unknown"] == 0


def _settled(home: Week) -> None:
    """Wait until nothing is leaving that could still leave now."""

    def look() -> bool | None:
        waiting = [one["waiting"] for one in home.states() if one["state"] in {"waiting", "in progress"}]
        codes = {one["code"] for one in waiting if one}
        return True if not codes & {"leaving", "turn", "pace"} else None

    try:
        eventually(look, "nothing is on its way", 20)
    except AssertionError:
        return  # somebody who was killed had it in hand: it goes on when the clock has moved


def _somebody_replies(home: Week, random: Random, replied: set[str]) -> None:
    one = random.choice(home.leads)
    mails = home.outside.messages(one)
    if mails and one.address not in replied:
        replied.add(one.address)
        home.outside.reply(one, mails[-1], "Thank you, no.")


def decide_what_nobody_knows(home: Week) -> None:
    """A person looks into the recipients' mailboxes, which here the test can."""
    for mail in home.us.get("/mails/undecided"):
        there = any(
            str(mail["message_id"]).strip("<>") == str(one["message_id"]).strip("<>")
            for one in home.delivered()
        )
        home.us.call("POST", f"/mails/{mail['attempt']}/outcome", {"sent": there})


def assert_nothing_went_wrong(home: Week) -> None:
    delivered = home.delivered()
    assert_limits_held(home, delivered)
    assert_nobody_twice(home, delivered)
    assert_nobody_forgotten(home)


def assert_limits_held(home: Week, delivered: Sequence[Answer]) -> None:
    by_inbox: dict[str, list[datetime]] = defaultdict(list)
    for one in delivered:
        by_inbox[str(one["sender"])].append(home.business(datetime.fromisoformat(str(one["time"]))))
    assert by_inbox.keys() == {one.address for one in home.inboxes.values()}  # leads are spread over all
    for address, instants in by_inbox.items():
        days = Counter(at.astimezone(ZoneInfo(home.zone)).date() for at in instants)
        assert max(days.values()) <= PER_DAY, (address, days)
        ordered = sorted(instants)
        for number, at in enumerate(ordered):
            within = ordered[number : bisect_right(ordered, at + HOUR - timedelta(seconds=5))]
            assert len(within) <= PER_HOUR, (address, within)
        for at in ordered:
            local = at.astimezone(ZoneInfo(home.zone))
            assert 9 <= local.hour < 17, (address, local)


def assert_nobody_twice(home: Week, delivered: Sequence[Answer]) -> None:
    twice = [
        key for key, number in Counter(str(one["message_id"]) for one in delivered).items() if number > 1
    ]
    assert not twice
    for lead in home.leads:
        assert len({one["sender"] for one in delivered if lead.address in one["recipients"]}) <= 1
        texts = [str(one["text"]).split(",")[0] for one in home.outside.messages(lead)]
        assert len(texts) == len(set(texts)), (lead.address, texts)  # every step once


def assert_nobody_forgotten(home: Week) -> None:
    for lead in home.states():
        assert lead["state"] in ENDED, lead
        address = str(lead["data"]["email"])
        account = next(one for one in home.leads if one.address == address)
        mails = len(home.outside.messages(account))
        assert mails == len(STEPS) if lead["state"] == "finished" else mails <= len(STEPS), lead


def over(home: Week, random: Random, days: int, kills: float) -> None:
    live(home, random, timedelta(days=days), kills)
    for name, replica in KILLED:
        home.stack.wait(
            lambda name=name, replica=replica: home.stack.process_state(name, replica) == "ready", 60
        )
    for _ in range(4):  # what nobody knows is decided, and what follows from it goes
        home.forward(STEP)
        decide_what_nobody_knows(home)
        live(home, random, timedelta(days=3), 0.0)
        if _is_over(home):
            break
    assert_nothing_went_wrong(home)


@pytest.mark.stack
@pytest.mark.timeout(400)
@pytest.mark.requirement("R-BOX-10")
@pytest.mark.requirement("R-CAMP-4")
@pytest.mark.requirement("R-RATE-4")
def test_replicas_are_killed_while_a_campaign_runs(tmp_path: Path) -> None:
    with week(tmp_path / "data", leads=14) as home:
        over(home, Random(7), days=3, kills=0.8)
        assert home.restarts() >= 5


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(10))
def test_a_week_of_kills(tmp_path: Path, seed: int) -> None:
    with week(tmp_path / "data", leads=50) as home:
        over(home, Random(seed), days=7, kills=0.8)
        assert home.restarts() >= 20


@pytest.mark.stack
@pytest.mark.timeout(240)
def test_after_two_hours_without_the_mailbox_service_no_burst_follows(tmp_path: Path) -> None:
    with week(tmp_path / "data", leads=14) as home:
        pids = [home.stack.kill("mailbox", signal.SIGSTOP, replica=replica) for replica in range(2)]
        for _ in range(8):  # two hours; the scheduler goes on dispatching what then expires
            home.forward(timedelta(minutes=15))
            sleep(0.5)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        over(home, Random(1), days=3, kills=0.0)
