"""What changed, told to browsers as it happens: server-sent events per organization.

An event's id is its sequence in JetStream, the same at every replica, so a browser that comes back elsewhere can
say what it has seen. Every name is a kind of thing to look at again; nothing personal is in it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from heraldry.chassis.views import Seen
from heraldry.gateway.entries import kind_of

KEPT: Final = 2000  # changes remembered for browsers that come back
QUEUED: Final = 256  # changes a slow browser may be behind; then it is told to look at everything again
HEARTBEAT: Final = 15.0  # seconds
RETRY: Final = 2000  # milliseconds after which a browser comes back
NAMES: Final = {
    "mail": ("activity", "mails", "identities", "campaigns"),
    "reply": ("activity", "mails", "identities"),
    "bounce": ("activity", "mails", "identities"),
    "limit": ("activity", "mails", "identities", "inboxes"),
    "inbox": ("activity", "inboxes", "identities"),
    "identity": ("activity", "identities"),
    "campaign": ("activity", "campaigns", "identities"),
    "lead": ("activity", "campaigns"),
    "linkedin": ("activity", "linkedin", "identities", "campaigns"),
    "step": ("activity", "linkedin", "identities", "campaigns"),
    "suppression": ("activity", "suppressions"),
    "organization": ("activity", "organization"),
}


@dataclass(frozen=True, slots=True)
class Change:
    sequence: int
    organization: str
    type: str
    identity: str
    subject: str  # the id of the inbox or mail it is about

    def lines(self) -> bytes:
        data = orjson.dumps({"type": self.type, "identity": self.identity, "subject": self.subject}).decode()
        names = NAMES.get(kind_of(self.type), ("activity",))
        return "".join(f"id: {self.sequence}\nevent: {name}\ndata: {data}\n\n" for name in names).encode()


class Listener:
    """One open connection."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Change | None] = asyncio.Queue(QUEUED)
        self.overflowed = False

    def put(self, change: Change | None) -> None:
        try:
            self.queue.put_nowait(change)
        except asyncio.QueueFull:
            self.overflowed = True


class Live:
    """Hands changes to whoever listens for their organization."""

    def __init__(self, heartbeat: float = HEARTBEAT) -> None:
        self._heartbeat = heartbeat
        self._recent: deque[Change] = deque(maxlen=KEPT)
        self._listeners: dict[str, set[Listener]] = {}
        self._since = 0  # every change after this sequence is in `_recent`
        self._closed = False

    @property
    def listening(self) -> int:
        return sum(map(len, self._listeners.values()))

    @property
    def newest(self) -> int:
        """What a page is up to date with that is made from now on."""
        return self._recent[-1].sequence if self._recent else self._since

    def started(self, sequence: int) -> None:
        """From here on every change is seen."""
        self._since = max(self._since, sequence)

    def moved(self, batch: Sequence[Seen]) -> None:
        """The views' callback."""
        for sequence, event, fact in batch:
            subject = str(getattr(event, "attempt", "") or getattr(event, "inbox", "") or "")
            change = Change(sequence, fact.organization, fact.type, fact.identity, subject)
            if len(self._recent) == KEPT:
                self._since = self._recent[0].sequence
            self._recent.append(change)
            for listener in self._listeners.get(fact.organization, ()):
                listener.put(change)

    def close(self) -> None:
        """End every connection, so that the server can stop."""
        self._closed = True
        self.interrupt()

    def interrupt(self) -> None:
        """End every connection: nothing can be told at present, and browsers are to say so. They come back."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.overflowed = True
                listener.put(None)

    async def stream(self, organization: str, last: int | None) -> AsyncGenerator[bytes]:
        """The bytes of a connection. `last`: the id the browser saw last, None for a fresh one."""
        listener = Listener()
        self._listeners.setdefault(organization, set()).add(listener)
        try:
            yield f"retry: {RETRY}\n\n".encode()
            for chunk in self._missed(organization, last):
                yield chunk
            while not self._closed:
                try:
                    change = await asyncio.wait_for(listener.queue.get(), self._heartbeat)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if change is None:
                    return
                if listener.overflowed:
                    listener.overflowed = False
                    while not listener.queue.empty():
                        change = listener.queue.get_nowait() or change
                    yield refresh(change.sequence)
                else:
                    yield change.lines()
        finally:
            listeners = self._listeners[organization]
            listeners.discard(listener)
            if not listeners:
                del self._listeners[organization]

    def _missed(self, organization: str, last: int | None) -> Sequence[bytes]:
        if last is None:
            return ()
        if last < self._since:
            return (refresh(self.newest),)
        return tuple(
            change.lines()
            for change in self._recent
            if change.organization == organization and change.sequence > last
        )


def refresh(sequence: int) -> bytes:
    """Look at everything again."""
    names = ("refresh", *dict.fromkeys(name for several in NAMES.values() for name in several))
    return "".join(f"id: {sequence}\nevent: {name}\ndata: {{}}\n\n" for name in names).encode()
