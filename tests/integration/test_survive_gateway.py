"""Whatever is killed at whatever moment: what an HTTP client was told stays true, and no mail leaves twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Semaphore
from time import monotonic, sleep
from typing import Final
from uuid import UUID, uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Account, Admin, Answer, Outside, eventually, organization_in, outside_of

KILLED: Final = ("identity", "mailbox", "scheduler", "gateway", "nats")
CLOSED: Final = ("sent", "failed", "outcome unknown")
PER_HOUR: Final = 10
PATIENCE: Final = 90.0  # seconds a client repeats what was not answered
PAUSE: Final = 0.05  # seconds of a client between two wishes
SAMPLE: Final = 25  # wishes of a client, besides its mails, that are repeated in the end
LOOKED_UP_FOR: Final = 31 * 60.0  # seconds after which nobody looks for a mail any more


@dataclass(frozen=True, slots=True)
class Wish:
    """A request under its key, and what was answered."""

    method: str
    path: str
    body: Answer
    key: UUID
    answer: Answer


@dataclass(slots=True)
class Client:
    """Renames its identity, asks for as many mails as it may, and repeats itself now and then."""

    us: Admin
    random: Random
    inboxes: Sequence[str]
    to: Account
    may_mail: Semaphore = field(default_factory=lambda: Semaphore(0))
    told: list[Wish] = field(default_factory=list[Wish])
    identity: str = ""
    name: str = "Ada"
    renames: int = 0
    mails: dict[str, str] = field(default_factory=dict[str, str])  # attempt → inbox

    def begin(self) -> None:
        body = {"name": self.name, "hours": {"zone": "UTC"}}
        self.identity = str(self.wish("POST", "/identities", body)["id"])

    def go_on(self, enough: Event) -> None:
        while not enough.wait(PAUSE):
            if self.may_mail.acquire(blocking=False):
                self.mail()
            elif self.random.random() < 0.3:
                self.repeat(self.random.choice(self.told))
            else:
                self.rename()
        while self.may_mail.acquire(blocking=False):
            self.mail()

    def rename(self) -> None:
        self.renames += 1
        self.name = f"Ada {self.renames}"
        self.wish("PUT", f"/identities/{self.identity}/name", {"name": self.name})

    def mail(self) -> None:
        inbox = self.random.choice(self.inboxes)
        letter = {"to": self.to.address, "subject": f"Mail {uuid4()}", "text": "Hello"}
        answer = self.wish("POST", f"/inboxes/{inbox}/mails", letter)
        if answer.get("code") != "quota.exhausted":
            self.mails[answer["attempt"]] = inbox

    def repeat(self, wish: Wish) -> None:
        answer = self._insist(wish.method, wish.path, wish.body, wish.key)
        if wish.answer.get("code") != "quota.exhausted":
            assert answer == wish.answer

    def wish(self, method: str, path: str, body: Answer) -> Answer:
        key = uuid4()
        answer = self._insist(method, path, body, key)
        self.told.append(Wish(method, path, body, key, answer))
        return answer

    def _insist(self, method: str, path: str, body: Answer, key: UUID) -> Answer:
        """Ask under one key until it is answered, as a patient client does."""
        until = monotonic() + PATIENCE
        while True:
            try:
                answer = self.us.send(method, path, body, key=key)
            except httpx.TransportError as error:
                last = type(error).__name__
            else:
                if answer.is_success or answer.json().get("code") == "quota.exhausted":
                    return answer.json()
                assert answer.is_server_error, f"{method} {path}: {answer.status_code} {answer.text}"
                last = answer.text
            assert monotonic() < until, f"{method} {path} was not answered: {last}"
            sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class House:
    """An installation of its own, with inboxes to send from."""

    stack: Stack
    us: Admin
    outside: Outside
    inboxes: Sequence[str]
    to: Account

    def clients(self, seed: int, count: int = 3) -> list[Client]:
        return [Client(self.us, Random(seed + number), self.inboxes, self.to) for number in range(count)]


@contextmanager
def house(folder: Path, inboxes: int) -> Generator[House]:
    with (
        Stack.running(folder) as stack,
        outside_of(stack) as outside,
        organization_in(stack) as us,
    ):
        identity = us.identity(zone=outside.zone_about())

        def connect(_: int) -> str:
            inbox = us.connected(identity, outside.account())
            us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 80, "per_hour": PER_HOUR})
            return inbox

        with ThreadPoolExecutor(4) as several:
            found = tuple(several.map(connect, range(inboxes)))
        yield House(stack, us, outside, found, outside.account("lea"))


def write_while(clients: Sequence[Client], disturb: Callable[[], None]) -> None:
    """Clients ask until what disturbs them is over and all is answered."""
    enough = Event()
    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(Client.begin, clients))
        asking = [threads.submit(client.go_on, enough) for client in clients]
        try:
            disturb()
        finally:
            enough.set()
        for one in asking:
            one.result()


def kill_in_turn(stack: Stack, clients: Sequence[Client], random: Random, times: int, mails: int) -> None:
    """kill -9 of one process after the other, each at a random moment while mails are leaving."""
    for number in range(times):
        for client in clients:
            client.may_mail.release(mails)
        sleep(random.uniform(0.1, 0.9))  # a random moment
        stack.kill_and_wait(KILLED[number % len(KILLED)], deadline=60)


def nats_away(stack: Stack, clients: Sequence[Client], seconds: float, mails: int) -> None:
    """It does not answer for so long, and is then killed: the supervisor starts it again."""
    for client in clients:
        client.may_mail.release(mails)
    sleep(0.3)
    pid = stack.kill("nats", signal.SIGSTOP)
    sleep(seconds)  # the time it is away is what is tested
    os.kill(pid, signal.SIGKILL)
    stack.wait(lambda: stack.process_state("nats") == "ready" and stack.pid_of("nats") != pid, 60)


def assert_all_is_true(house: House, clients: Sequence[Client]) -> Counter[str]:
    """What was told, asked again of the API and of the mail host. How many mails are in which state."""
    us = house.us
    for client in clients:
        asked = [wish for wish in client.told if wish.path.endswith("/mails")]
        for wish in (*asked, *client.random.sample(client.told, min(SAMPLE, len(client.told)))):
            client.repeat(wish)
        assert us.get(f"/identities/{client.identity}")["name"] == client.name
        assert_history_is_whole(us, client)
    mails = {attempt: inbox for client in clients for attempt, inbox in client.mails.items()}
    assert max(Counter(mails.values()).values()) <= PER_HOUR
    return assert_mails_left_once(house, list(mails))


def assert_history_is_whole(us: Admin, client: Client) -> None:
    """Each change once. It may come later than the answer: after so many repeats the last change's position is gone."""
    whole = Counter({"IdentityCreated": 1, "IdentityRenamed": client.renames})

    def reached() -> Counter[str] | None:
        found = types_in_history(us, client.identity)
        return found if found.total() >= whole.total() else None

    assert eventually(reached, f"the history of {client.identity} has {whole.total()} entries", 60) == whole


def assert_mails_left_once(house: House, attempts: Sequence[str]) -> Counter[str]:
    def states(enough: Callable[[str], bool]) -> Mapping[str, str] | None:
        found = {attempt: str(house.us.mail(attempt)["state"]) for attempt in attempts}
        return found if all(map(enough, found.values())) else None

    eventually(
        lambda: states(lambda state: state in {*CLOSED, "claimed", "leaving"}),
        "every mail is closed, or in the hand of one who was killed",
        60,
    )
    house.outside.advance(LOOKED_UP_FOR)
    closed = eventually(lambda: states(CLOSED.__contains__), "every mail is closed", 60)
    delivered = Counter(
        str(one["message_id"]).strip("<>").partition("@")[0]
        for one in house.outside.effects("delivered", recipient=house.to.address)
    )
    assert delivered.keys() <= closed.keys()
    for attempt, state in closed.items():
        possible = {"sent": {1}, "failed": {0}, "outcome unknown": {0, 1}}[state]
        assert delivered[attempt] in possible, (attempt, state)
    return Counter(closed.values())


def types_in_history(us: Admin, identity: str) -> Counter[str]:
    found: Counter[str] = Counter()
    after = ""
    while True:
        page = us.get(f"/identities/{identity}/history?limit=500&after={after}")
        found.update(entry["type"] for entry in page["entries"])
        after = page["older"]
        if not after:
            return found


@pytest.mark.stack
@pytest.mark.timeout(240)
@pytest.mark.requirement("R-RATE-4")
def test_kill_9_of_each_service_and_nats_away_while_clients_ask(tmp_path: Path) -> None:
    with house(tmp_path / "data", inboxes=8) as home:
        clients = home.clients(1)

        def disturb() -> None:
            kill_in_turn(home.stack, clients, Random(1), len(KILLED), 3)
            nats_away(home.stack, clients, 3, 3)

        write_while(clients, disturb)
        assert [home.stack.restarts(name) for name in KILLED] == [1, 1, 1, 1, 2]
        states = assert_all_is_true(home, clients)
        assert states["sent"] > states.total() / 2 > 15


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_kills_while_clients_ask(tmp_path: Path) -> None:
    with house(tmp_path / "data", inboxes=24) as home:
        clients = home.clients(3)
        write_while(clients, lambda: kill_in_turn(home.stack, clients, Random(3), 20, 3))
        assert [home.stack.restarts(name) for name in KILLED] == [4] * len(KILLED)
        states = assert_all_is_true(home, clients)
        assert states["sent"] > states.total() / 2 > 60


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nats_away_for_twenty_seconds_while_clients_ask(tmp_path: Path) -> None:
    with house(tmp_path / "data", inboxes=4) as home:
        clients = home.clients(4)
        write_while(clients, lambda: nats_away(home.stack, clients, 20, 6))
        assert_all_is_true(home, clients)
