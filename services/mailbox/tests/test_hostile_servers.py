"""Mail servers that answer no, nothing or nonsense at every point of SMTP and IMAP, and what a real process makes
of it: each mail ends as what it is, no inbox needs a reconnection for it, and reading and sending go on.

All faults of the first two tables strike at the same time, each another inbox or recipient of one running service;
every test looks at its own. The mail host is the judge: what it says it delivered is what was delivered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.mailbox import EmailView, MailboxNeedsReconnect
from heraldry.mailbox.adapters.kept import MOST
from heraldry.mailbox.workers.sending import MAILS_AT_ONCE
from heraldry.sandbox.mail.faults import Fault, SetFault
from heraldry.sandbox.mail.faults import Point as HostPoint

from services.mailbox.tests.processes import ADA, KIM, PASSWORD, Service, running, step

pytestmark = [
    pytest.mark.parts,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]

SETTINGS: Final = {
    "HERALDRY_CLAIM_SECONDS": "1.5",  # a copy that failed is tried again after so long, instead of a minute
    "HERALDRY_MAIL_SILENCE_SECONDS": "2",
}
HALF_AN_HOUR: Final = timedelta(minutes=31)
MIB: Final = 1 << 20
CONNECTING: Final = asyncio.Semaphore(4)  # inboxes tried at a time: the machine is not what is tested


# --- how a server misbehaves ------------------------------------------------------------------------

SMTP_WAYS: Final[Mapping[str, Fault]] = {
    "later": Fault("smtp.connect", "answer", answer="451 4.3.0 Try later"),
    "never": Fault("smtp.connect", "answer", answer="554 5.3.0 No"),
    "nothing": Fault("smtp.connect", "silence"),
    "garbage": Fault("smtp.connect", "garbage"),
    "a reset": Fault("smtp.connect", "drop"),
}
IMAP_WAYS: Final[Mapping[str, Fault]] = {
    "later": Fault("imap.connect", "answer", answer="NO [UNAVAILABLE] Try later"),
    "bad": Fault("imap.connect", "answer", answer="BAD No"),
    "bye": Fault("imap.connect", "answer", answer="BYE Too many connections"),
    "nothing": Fault("imap.connect", "silence"),
    "garbage": Fault("imap.connect", "garbage"),
    "a reset": Fault("imap.connect", "drop"),
    "a line of 10 MB": Fault("imap.connect", "huge-line"),
    "a literal that lies": Fault("imap.connect", "lying-literal"),
}
SLOW: Final = ("nothing", "a literal that lies")  # noticed by time only, so they begin first
BEFORE: Final[Sequence[HostPoint]] = ("smtp.auth", "smtp.mail", "smtp.rcpt", "smtp.data")
AFTER: Final[Mapping[HostPoint, int]] = {"smtp.content": 0, "smtp.final-dot": 0, "smtp.accepted": 1}
WHILE_READING: Final[Sequence[HostPoint]] = ("imap.login", "imap.select", "imap.fetch", "imap.idle")
WHILE_KEEPING: Final[Sequence[HostPoint]] = ("imap.append", "imap.appended")
CLEAR: Final = ("later", "never")  # answers that say that nothing was taken


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at one point, once, and how the mail must end."""

    point: HostPoint
    way: str
    state: str = "sent"
    delivered: int = 1

    @property
    def name(self) -> str:
        return f"{self.point.replace('.', '-')}-{self.way.replace(' ', '-')}".lower()

    @property
    def fault(self) -> Fault:
        ways = SMTP_WAYS if self.point.startswith("smtp") else IMAP_WAYS
        return replace(ways[self.way], point=self.point, times=1)


def smtp_cases() -> Iterable[Case]:
    for way in SMTP_WAYS:
        for point in BEFORE:
            yield Case(point, way, "failed", 0) if way == "never" else Case(point, way)
        for point, times in AFTER.items():
            yield Case(point, way, "failed" if way in CLEAR else "outcome unknown", times)


SMTP: Final[Sequence[Case]] = tuple(smtp_cases())
READING: Final[Sequence[Case]] = tuple(Case(point, way) for point in WHILE_READING for way in IMAP_WAYS)
KEEPING: Final[Sequence[Case]] = tuple(
    Case(point, way) for point in WHILE_KEEPING for way in ("later", "nothing", "garbage", "a reset")
)


# --- one inbox in a story ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A connected inbox of Ada's, and what happens around it."""

    service: Service
    address: str
    id: UUID

    @classmethod
    async def connected(cls, service: Service, name: str) -> Box:
        address = f"{name}@northwind.example"
        service.host.add_account(address, PASSWORD)
        async with CONNECTING:
            while True:  # on a busy machine even our own servers may take too long
                await service.connect(address=address)
                view = await service.inbox(lambda view: view.state != "connecting", address)
                if view.state == "connected":
                    return cls(service, address, view.inbox)
                assert view.diagnosis is not None
                assert view.diagnosis.code in {"host.timeout", "connection.closed"}

    async def dispatch(self, to: str = KIM) -> UUID:
        wanted = step(self.id, self.service.clock.now(), to)
        await self.service.dispatch(wanted)
        return wanted.attempt

    async def send(self, to: str = KIM) -> UUID:
        """A mail that has left, its copy kept."""
        attempt = await self.dispatch(to)
        await self.service.email(attempt, lambda view: "EmailCopyKept" in told(view))
        return attempt

    async def answered(self, attempt: UUID, text: str = "Yes.") -> EmailView:
        """Somebody answers, and the mail as soon as that is known."""
        self.service.host.deliver(self.address, answer(attempt, text))
        return await self.service.email(attempt, lambda view: text in view.replies)

    def sign_out(self) -> None:
        """The server ends all its connections, so that it is signed in and selected anew."""
        self.service.host.change_password(self.address, PASSWORD)

    async def state(self) -> str:
        return (await self.service.inbox(lambda _: True, self.address)).state


async def connected(service: Service, name: str, count: int) -> Sequence[Box]:
    return await asyncio.gather(*(Box.connected(service, f"{name}-{number}") for number in range(count)))


def told(view: EmailView) -> list[str]:
    return [one.type for one in view.steps]


def is_over(view: EmailView) -> bool:
    return view.state in {"sent", "failed"}


def ours(attempt: UUID) -> str:
    return f"<{attempt}@northwind.example>"


def answer(attempt: UUID, text: str = "Yes.", *, identified: bool = True) -> bytes:
    head = [f"From: {KIM}", "Subject: Re: Hello", f"In-Reply-To: {ours(attempt)}"]
    head += [f"Message-ID: <{uuid4()}@fabrikam.example>"] if identified else []
    return "\r\n".join([*head, "", text, ""]).encode()


def delivered(service: Service, attempt: UUID) -> int:
    return sum(
        effect.what == "delivered" and effect.facts.get("message_id") == ours(attempt)
        for effect in service.host.effects()
    )


# --- the two tables, all at once ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the mail of a case, and of its inbox."""

    view: EmailView
    delivered: int
    applied: int
    inbox: str
    copies: int = 1


class Story:
    """Every case of the tables in one running service. `ends` has the outcome, or what went wrong, by case."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.ends: dict[Case, Ended | BaseException] = {}
        self.boxes: dict[str, asyncio.Task[Box]] = {}
        self._begun = 0  # cases that need what time it is now

    async def play(self) -> None:
        tellers: dict[Case, Callable[[Case], Coroutine[None, None, Ended]]] = {
            **dict.fromkeys(SMTP, self._sending),
            **dict.fromkeys(READING, self._reading),
            **dict.fromkeys(KEEPING, self._keeping),
        }
        cases = sorted(tellers, key=lambda case: case.way not in SLOW)
        self._begun = len(cases)
        ends = await asyncio.gather(
            *(self._told(tellers[case](case)) for case in cases), return_exceptions=True
        )
        self.ends.update(zip(cases, ends, strict=True))

    async def _told(self, teller: Coroutine[None, None, Ended]) -> Ended:
        try:
            return await teller
        except BaseException:
            await self._time_may_go_on()
            raise

    async def _time_may_go_on(self) -> None:
        """Business time is one for all: it goes on when nobody needs it to stand."""
        self._begun -= 1
        if self._begun == 0:
            await self.service.advance(HALF_AN_HOUR)

    async def box(self, name: str) -> Box:
        if name not in self.boxes:
            self.boxes[name] = asyncio.create_task(Box.connected(self.service, name))
        return await self.boxes[name]

    def _set(self, fault: Fault) -> SetFault:
        return self.service.host.add_fault(fault)

    async def _sending(self, case: Case) -> Ended:
        """The faults before a recipient is known are for an inbox, the others for a recipient."""
        service, by_recipient = self.service, case.point not in {"smtp.auth", "smtp.mail"}
        box = await self.box(case.point.replace(".", "-") if by_recipient else case.name)
        to = f"{case.name}@fabrikam.example"
        service.host.add_account(to, PASSWORD)
        fault = replace(
            case.fault,
            account="" if by_recipient else box.address,
            recipient=to if by_recipient else "",
            after=40 if case.point == "smtp.content" else 0,
        )
        found = self._set(fault)
        attempt = await box.dispatch(to)
        unknown = case.state == "outcome unknown"
        await service.email(attempt, lambda view: view.state == ("leaving" if unknown else case.state))
        await self._time_may_go_on()
        view = await service.email(attempt, lambda view: view.state == case.state)
        return Ended(view, delivered(service, attempt), found.applied, await box.state())

    async def _reading(self, case: Case) -> Ended:
        service, box = self.service, await self.box(case.name)
        attempt = await box.send()
        await self._time_may_go_on()
        found = self._set(replace(case.fault, account=box.address))
        if case.point != "imap.fetch":
            box.sign_out()
            await until(lambda: found.applied > 0, seconds=60)
        view = await box.answered(attempt)
        return Ended(view, delivered(service, attempt), found.applied, await box.state())

    async def _keeping(self, case: Case) -> Ended:
        service, box = self.service, await self.box(case.name)
        found = self._set(replace(case.fault, account=box.address))
        attempt = await box.send()
        await self._time_may_go_on()
        view = await box.answered(attempt)
        copies = len(service.host.messages(box.address, "Sent"))
        return Ended(view, delivered(service, attempt), found.applied, await box.state(), copies)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Service]:
    async with running(tmp_path_factory.mktemp("hostile"), SETTINGS) as service:
        await service.identity(ADA, "Ada Bergström")
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(service: Service) -> Story:
    told = Story(service)
    await told.play()
    return told


def ended(story: Story, case: Case) -> Ended:
    found = story.ends[case]
    if isinstance(found, BaseException):
        raise found
    assert found.applied == 1
    assert (found.view.state, found.delivered) == (case.state, case.delivered), told(found.view)
    assert told(found.view).count("EmailSubmissionStarted") == (case.state != "failed" or began(case))
    assert found.inbox == "connected"
    return found


def began(case: Case) -> bool:
    return case.point in AFTER


def named(cases: Sequence[Case]) -> Sequence[object]:
    return [pytest.param(case, id=f"{case.point} {case.way}") for case in cases]


@pytest.mark.requirement("R-BOX-14")
@pytest.mark.parametrize("case", named(SMTP))
async def test_whatever_smtp_says_a_mail_ends_as_what_it_is(story: Story, case: Case) -> None:
    found = ended(story, case)
    if case.point in {"smtp.auth", "smtp.mail"} and case.state == "sent":
        assert "EmailPutBack" in told(found.view)
    if case.state == "failed":
        assert found.view.steps[-1].detail


@pytest.mark.requirement("R-BOX-14")
@pytest.mark.parametrize("case", named(READING))
async def test_whatever_imap_says_an_answer_is_read_once(story: Story, case: Case) -> None:
    assert ended(story, case).view.replies == ("Yes.",)


@pytest.mark.parametrize("case", named(KEEPING))
async def test_whatever_imap_says_to_a_copy_it_is_kept_once(story: Story, case: Case) -> None:
    assert ended(story, case).copies == 1


@pytest.mark.requirement("R-BOX-14")
async def test_none_of_it_needs_a_reconnection_and_each_inbox_sends_and_reads_on(story: Story) -> None:
    service = story.service
    assert service.said(MailboxNeedsReconnect) == []
    boxes = [await story.box(name) for name in story.boxes if name.startswith("smtp")]

    async def goes_on(box: Box) -> None:
        view = await box.answered(await box.send())
        assert (view.state, view.replies) == ("sent", ("Yes.",))

    await asyncio.gather(*map(goes_on, boxes))
    assert alive(service)


async def test_an_answer_proves_that_a_mail_of_unknown_outcome_left(story: Story) -> None:
    cases = [case for case in SMTP if case.point == "smtp.accepted" and case.state == "outcome unknown"]
    box = await story.box("smtp-accepted")
    for case in cases:
        attempt = ended(story, case).view.attempt
        await box.answered(attempt)
        view = await story.service.email(attempt, lambda view: view.state == "sent")
        assert told(view)[-1] == "EmailSent"


def alive(service: Service) -> bool:
    """Whether it is still the process that was started."""
    return service.processes["0"].lives


# --- the whole host, before anybody is known ------------------------------------------------------------


async def test_whatever_it_says_before_anybody_is_known_mails_leave_once(service: Service) -> None:
    """At the first word and at EHLO: each of these inboxes meets one of them, whichever comes."""
    points: Sequence[HostPoint] = ("smtp.connect", "smtp.ehlo")
    ways = [replace(way, point=point, times=1) for point in points for way in SMTP_WAYS.values()]
    boxes = await connected(service, "unknown", len(ways))
    faults = [service.host.add_fault(way) for way in ways]
    attempts = [await box.dispatch() for box in boxes]
    views = [await service.email(attempt, is_over) for attempt in attempts]
    assert [found.applied for found in faults] == [1] * len(ways)
    assert Counter(view.state for view in views) == {"failed": len(points), "sent": len(ways) - len(points)}
    for box, view in zip(boxes, views, strict=True):
        assert delivered(service, view.attempt) == (view.state == "sent")
        assert await box.state() == "connected"


async def test_whatever_it_says_at_its_first_word_reading_goes_on(service: Service) -> None:
    ways = [way for way in IMAP_WAYS.values() if way.action in {"answer", "silence", "garbage", "drop"}]
    boxes = await connected(service, "first-word", len(ways))
    attempts = await asyncio.gather(*(box.send() for box in boxes))
    faults = [service.host.add_fault(replace(way, point="imap.connect", times=1)) for way in ways]
    for box in boxes:
        box.sign_out()
    await until(lambda: all(found.applied for found in faults), seconds=30)
    answers = [box.answered(attempt) for box, attempt in zip(boxes, attempts, strict=True)]
    assert all(view.replies == ("Yes.",) for view in await asyncio.gather(*answers))
    assert service.said(MailboxNeedsReconnect) == []


async def test_servers_that_say_nothing_hold_up_no_other_inbox(service: Service) -> None:
    """More mails than may leave at once are stuck with one server; another inbox's mail does not wait."""
    silent, other = await Box.connected(service, "silent"), await Box.connected(service, "not-silent")
    found = service.host.add_fault(Fault("smtp.mail", "silence", account=silent.address))
    stuck = [await silent.dispatch() for _ in range(MAILS_AT_ONCE + 1)]
    await until(lambda: found.applied >= MOST, seconds=30)
    mail = await other.dispatch()
    await service.email(mail, lambda view: view.state == "sent")
    assert all(delivered(service, attempt) == 0 for attempt in stuck)
    service.host.remove_fault(found.id)


# --- what a server may make us hold -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process, in bytes, from the kernel: what it has now, and the most it had since `begun`."""

    pid: int

    def begun(self) -> int:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        return self.now()

    def most(self) -> int:
        return self._of("VmHWM:")

    def now(self) -> int:
        return self._of("VmRSS:")

    def _of(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


async def test_what_is_too_long_too_deep_or_too_many_costs_no_memory(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = await connected(service, "hostile", 6)
    attempts = await asyncio.gather(*(box.send() for box in boxes))
    await asyncio.gather(*(box.answered(one, "Warm.") for box, one in zip(boxes, attempts, strict=True)))
    memory = Memory(service.processes["0"].pid)
    start = memory.begun()

    async def suffer(box: Box, attempt: UUID, fault: Fault) -> None:
        found = service.host.add_fault(replace(fault, account=box.address, times=1))
        box.sign_out()
        service.host.deliver(box.address, answer(attempt, "Meanwhile."))
        await until(lambda: found.applied > 0, seconds=60)
        view = await box.answered(attempt, "Afterwards.")
        assert view.replies == ("Warm.", "Meanwhile.", "Afterwards.")

    long = Fault("imap.fetch", "huge-line", size=10_000_000)
    lies = Fault("imap.select", "lying-literal", size=20 * MIB)
    cases = zip(boxes, attempts, [long, lies] * 3, strict=True)
    await asyncio.gather(*(suffer(*case) for case in cases))
    box, attempt = boxes[0], attempts[0]
    folder = service.host.folders(box.address)["INBOX"]
    for number in range(3):
        folder.append(nested(attempt, 1_000, f"Nested {number}."))
    deep = await box.answered(attempt, "After the depths.")
    assert [text for text in deep.replies if "Nested" in text] == []  # nobody reads that deep
    lines = memory.most()

    wanted = [f"Number {number}." for number in range(0, 2_000, 100)]
    for number in range(2_000):
        text = f"Number {number}."
        service.host.deliver(box.address, answer(attempt, text) if text in wanted else noise(number))
    view = await box.answered(attempt, "The last one.")
    assert [text for text in view.replies if text.startswith("Number")] == wanted

    after, most = memory.now(), memory.most()
    with capsys.disabled():
        print(  # noqa: T201  the figures for whoever runs it
            f"\nRSS {start / MIB:.1f} MB, after {after / MIB:.1f} MB;"
            f" at most {lines / MIB:.1f} MB with lines and depths, {most / MIB:.1f} MB with all"
        )
    assert after - start < 8 * MIB
    assert most - start < 24 * MIB
    assert alive(service)


def nested(attempt: UUID, depth: int, text: str) -> bytes:
    """An answer within so many multiparts."""
    head = answer(attempt, "").rstrip()
    opening = b"".join(
        b'\r\nContent-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d' % (n, n) for n in range(depth)
    )
    closing = b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))
    return head + opening + b"\r\n\r\n" + text.encode() + b"\r\n" + closing


def noise(number: int) -> bytes:
    head = f"From: news@fabrikam.example\r\nSubject: News {number}\r\nMessage-ID: <{uuid4()}@news.example>"
    return f"{head}\r\n\r\n{'Lorem ipsum. ' * 100}\r\n".encode()


# --- a folder that begins anew ------------------------------------------------------------------------


async def test_a_folder_made_anew_while_it_is_read_loses_and_doubles_nothing(service: Service) -> None:
    box = await Box.connected(service, "restored")
    attempt = await box.send()
    await box.answered(attempt, "One.")
    service.host.deliver(box.address, answer(attempt, "Two.", identified=False))
    await service.email(attempt, lambda view: "Two." in view.replies)
    for number in range(400):
        service.host.deliver(box.address, noise(number))
    remade(service, box.address, answer(attempt, "Three."))  # in the midst of reading
    box.sign_out()
    view = await service.email(attempt, lambda view: "Three." in view.replies)
    assert sorted(view.replies) == ["One.", "Three.", "Two."]
    view = await box.answered(attempt, "Four.")
    assert sorted(view.replies) == ["Four.", "One.", "Three.", "Two."]


def remade(service: Service, address: str, new: bytes) -> None:
    """The folder is restored from a copy, other UIDs and all, and then one more mail comes."""
    before = service.host.folders(address)["INBOX"]
    contents = [before.content(mail.uid) for mail in before.mails()]
    store = service.host._store  # pyright: ignore[reportPrivateUsage]  nothing less can do it
    store.delete(address, "INBOX")
    after = store.create(address, "INBOX")
    assert after.uid_validity != before.uid_validity
    for content in (*reversed(contents), new):
        after.append(content)
