"""Misbehaviour on command: at which point of which conversation something goes wrong, and how.

A fault is set for the whole host, for one account or for one recipient. Every time it applies is counted and
written to the log of effects. Nothing of it is kept on disk: a restart makes the host well again.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.accounts import normal
from heraldry.sandbox.mail.effects import Effects, Fact

SmtpPoint = Literal[
    "smtp.connect",
    "smtp.ehlo",
    "smtp.auth",
    "smtp.mail",
    "smtp.rcpt",
    "smtp.data",  # before the 354
    "smtp.content",  # while the mail's bytes arrive
    "smtp.final-dot",  # all bytes are here, the mail is NOT accepted yet
    "smtp.accepted",  # the mail IS accepted and delivered, the 250 is not sent yet
]
ImapPoint = Literal[
    "imap.connect",
    "imap.login",
    "imap.select",
    "imap.fetch",
    "imap.append",  # all bytes are here, the mail is NOT stored yet
    "imap.appended",  # the mail IS stored, the OK is not sent yet
    "imap.idle",  # once "+" is sent; `answer` and `garbage` come in its place
]
Point = SmtpPoint | ImapPoint
Action = Literal[
    "hold",  # the answer waits until it is released or the client goes
    "drop",  # the connection is reset
    "slow",  # `seconds` before the answer, `rate` bytes of it (at smtp.content: of the mail) a second
    "answer",  # `answer` in place of the truth
    "garbage",  # bytes that are no protocol in place of an answer
    "silence",  # nothing more, for ever
    "bounce",  # smtp.rcpt: accepted, and then a delivery report with `status` comes back
    "huge-line",  # IMAP: a line of `size` bytes before the answer
    "lying-literal",  # IMAP: a literal that announces `size` bytes and has five, before the answer
]
NOBODY_YET: tuple[Point, ...] = ("smtp.connect", "smtp.ehlo", "imap.connect")
WITH_RECIPIENTS: tuple[Point, ...] = (
    "smtp.rcpt",
    "smtp.data",
    "smtp.content",
    "smtp.final-dot",
    "smtp.accepted",
)
IMAP_ONLY: tuple[Action, ...] = ("huge-line", "lying-literal")
GARBAGE = bytes(range(128, 256)) + b"\x00\x01\x02\r\n"
SMTP_LINE = re.compile(r"[2-5]\d\d[ -].*")
IMAP_LINE = re.compile(r"(\* )?(OK|NO|BAD|BYE|PREAUTH)\b.*")
STATUS = re.compile(r"[45]\.\d{1,3}\.\d{1,3}")
HUGE, ANNOUNCED = 10_000_000, 100_000  # bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What shall go wrong. Only the fields that the action names mean anything."""

    point: Point
    action: Action
    account: str = ""  # who has signed in; empty for everybody
    recipient: str = ""  # to whom the mail goes; empty for anybody
    times: int | None = None  # how often it applies; None until it is removed
    after: int = 0  # smtp.content: bytes of the mail that arrive before it
    seconds: float = 0.0
    rate: float = 0.0  # bytes a second
    answer: str = ""  # one line, or several; at IMAP the last one gets the tag
    size: int = 0  # bytes
    status: str = "5.1.1"  # of the report: 5.x.x has failed for good, 4.x.x is delayed

    def check(self) -> None:
        """Refuses what makes no sense, as SandboxError `fault_malformed`."""
        protocol = self.point.partition(".")[0]
        lines = self.answer.splitlines()
        shape = SMTP_LINE if protocol == "smtp" else IMAP_LINE
        wrong: dict[str, bool] = {
            "account": bool(self.account) and self.point in NOBODY_YET,
            "recipient": bool(self.recipient) and self.point not in WITH_RECIPIENTS,
            "action": (self.action in IMAP_ONLY and protocol != "imap")
            or (self.action == "bounce" and self.point != "smtp.rcpt"),
            "times": self.times is not None and self.times < 1,
            "after": self.after < 0 or (self.after > 0 and self.point != "smtp.content"),
            "seconds": self.seconds < 0,
            "rate": self.rate < 0 or (self.action == "slow" and not (self.rate or self.seconds)),
            "answer": self.action == "answer" and not (lines and all(map(shape.fullmatch, lines))),
            "size": not 0 <= self.size <= 10 * HUGE,
            "status": STATUS.fullmatch(self.status) is None,
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise SandboxError("fault_malformed", HELP[name], status=422, field=name)


HELP = {
    "account": "Nobody has signed in at that point yet: leave out the account.",
    "recipient": "No recipient is known at that point: leave it out.",
    "action": "That point cannot do this: bounces belong to smtp.rcpt, huge-line and lying-literal to IMAP.",
    "times": "Give how often it applies, 1 or more, or leave it out.",
    "after": "Only smtp.content can come after a number of bytes.",
    "seconds": "Give 0 or more seconds.",
    "rate": "A slow answer needs `seconds` before it, or a `rate` in bytes a second.",
    "answer": "Give the line, such as `451 4.3.0 Try later` at SMTP or `NO [UNAVAILABLE] Try later` at IMAP.",
    "size": f"Give at most {10 * HUGE} bytes.",
    "status": "Give an enhanced status such as 5.1.1 or 4.4.1.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A connection that waits at a fault."""

    session: str
    account: str
    message_id: str
    since: datetime


@dataclass(eq=False, slots=True)
class SetFault:
    """A fault that was set, how often it applied, and who waits there now."""

    id: str
    fault: Fault
    applied: int = 0
    waiting: list[Waiting] = field(default_factory=list[Waiting])
    release: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def exhausted(self) -> bool:
        return self.fault.times is not None and self.applied >= self.fault.times


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody reaches a point of a conversation."""

    point: Point
    account: str = ""
    recipients: tuple[str, ...] = ()
    message_id: str = ""

    def meets(self, fault: Fault) -> bool:
        return (
            fault.point == self.point
            and fault.account in {"", normal(self.account)}
            and (not fault.recipient or fault.recipient in map(normal, self.recipients))
        )


class Faults:
    """All faults of the host. Used in the event loop's thread only."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects
        self._set: dict[str, SetFault] = {}
        self._count = 0
        self._changed = asyncio.Condition()

    def all(self) -> tuple[SetFault, ...]:
        return tuple(self._set.values())

    def get(self, key: str) -> SetFault:
        try:
            return self._set[key]
        except KeyError:
            raise SandboxError("fault_unknown", f"No fault {key[:64]} is set.", status=404) from None

    def add(self, fault: Fault) -> SetFault:
        """From now on it applies; of several that fit, the one set first."""
        fault.check()
        self._count += 1
        key = f"fault-{self._count}"
        self._set[key] = SetFault(key, fault)
        return self._set[key]

    def release(self, key: str) -> int:
        """Let those go on who wait at a hold now; how many that are."""
        found = self.get(key)
        if found.fault.action != "hold":
            raise SandboxError("fault_holds_nothing", "Only a hold can be released.", status=409)
        found.release.set()
        found.release = asyncio.Event()
        return len(found.waiting)

    def remove(self, key: str) -> None:
        """It applies no more, and whom it holds goes on. Who waits at a silence waits for ever."""
        found = self.get(key)
        found.release.set()
        del self._set[key]

    def meet(self, visit: Visit, arrived: int = 0) -> SetFault | None:
        """The fault that applies to this visit, counted; None when all is well.

        `arrived`: bytes of a mail's content that are here.
        """
        for found in self._set.values():
            if not found.exhausted and arrived >= found.fault.after and visit.meets(found.fault):
                found.applied += 1
                return found
        return None

    async def wait_until_held(self, key: str, *, count: int, seconds: float) -> None:
        """Return when so many wait at this fault. TimeoutError when that took longer."""
        found = self.get(key)
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(found.waiting) >= count)

    @asynccontextmanager
    async def waiting(self, found: SetFault, who: Waiting) -> AsyncGenerator[None]:
        found.waiting.append(who)
        try:
            async with self._changed:
                self._changed.notify_all()
            yield
        finally:
            found.waiting.remove(who)


class Wire(Protocol):
    """A connection, as far as a fault gets hold of it."""

    def write(self, content: bytes) -> None: ...

    def reset(self) -> None:
        """End it at once, unsent bytes and all, so that the client sees a reset."""
        ...

    async def ended(self) -> None:
        """Return, or be cancelled, when the client has gone."""
        ...


class Gate:
    """One connection's way through the faults."""

    def __init__(self, faults: Faults, session: str, wire: Wire) -> None:
        self._faults, self._session, self._wire = faults, session, wire
        self.rate = 0.0  # bytes a second for the next answer, or for the content

    async def pass_(self, visit: Visit) -> Fault | None:
        """Meet the faults of a point. A fault that comes back is what the caller has to do: it puts something
        in the place of the answer, or bounces the mail.

        Raises:
            ConnectionResetError: the connection is at an end.
        """
        found = self.meet(visit)
        return await self.suffer(found, visit) if found else None

    def meet(self, visit: Visit, arrived: int = 0) -> SetFault | None:
        found = self._faults.meet(visit, arrived)
        if found:
            self._record("fault", visit, fault=found.id, action=found.fault.action)
        return found

    async def suffer(self, found: SetFault, visit: Visit) -> Fault | None:
        """What `pass_` does once a fault was met."""
        fault = found.fault
        match fault.action:
            case "hold":
                await self._wait(found, visit, found.release.wait())
                self._record("released", visit, fault=found.id)
            case "silence":
                await self._wait(found, visit, asyncio.Event().wait())
            case "slow":
                await self._wait(found, visit, asyncio.sleep(fault.seconds))
                self.rate = fault.rate
            case "drop":
                await self.drop(visit)
            case "huge-line":
                self._wire.write(b"* OK " + b"x" * (fault.size or HUGE) + b"\r\n")
            case "lying-literal":
                self._wire.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\nshort)\r\n" % (fault.size or ANNOUNCED))
            case "answer" | "garbage" | "bounce":
                return fault
        return None

    async def drop(self, visit: Visit) -> None:
        """Reset the connection. Never returns."""
        self._record("dropped", visit)
        self._wire.reset()
        await self._wire.ended()
        raise ConnectionResetError("dropped on command")

    async def _wait(self, found: SetFault, visit: Visit, until: Awaitable[object]) -> None:
        who = Waiting(self._session, normal(visit.account), visit.message_id, datetime.now(UTC))
        over, gone = asyncio.ensure_future(until), asyncio.ensure_future(self._wire.ended())
        try:
            async with self._faults.waiting(found, who):
                await asyncio.wait((over, gone), return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                raise ConnectionResetError("the client has gone")
        except (asyncio.CancelledError, ConnectionResetError):
            self._record("client gone", visit, fault=found.id)
            raise
        finally:
            for task in (over, gone):
                task.cancel()

    def _record(self, what: str, visit: Visit, **more: Fact) -> None:
        facts: dict[str, Fact] = {"point": visit.point, **more}
        if visit.account:
            facts["account"] = normal(visit.account)
        if visit.message_id:
            facts["message_id"] = visit.message_id
        self._faults.effects.record(what, session=self._session, **facts)


async def drip(wire: Wire, content: bytes, rate: float) -> None:
    """Write so many bytes a second."""
    for n in range(len(content)):
        wire.write(content[n : n + 1])
        await asyncio.sleep(1 / rate)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection so that the other side sees a reset instead of an end."""
    if not isinstance(transport, asyncio.WriteTransport):
        return
    under: socket.socket | None = transport.get_extra_info("socket")
    if under is not None:
        with suppress(OSError):  # it has gone already
            under.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
