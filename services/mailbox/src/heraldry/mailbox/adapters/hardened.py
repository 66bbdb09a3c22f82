"""aioimaplib's client protocol with its defects mended. Nothing else of ours touches that library.

Upstream parses by recursion, cuts `* ` out of payloads, mixes answers of parallel commands, waits for the
dead, logs what it sends, and knows no bound. So the bytes are read here: iteratively, every answer as text
and literals in turn, within `Limits`; one command at a time; and whatever breaks ends all that waits at once.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from aioimaplib import aioimaplib as upstream  # pyright: ignore[reportMissingTypeStubs]  it ships none
from heraldry.mailbox.adapters.problems import Broken
from heraldry.mailbox.adapters.tls import slim
from heraldry.mailbox.adapters.wire import Response
from heraldry.mailbox.domain.diagnosis import Failure

_LITERAL = re.compile(rb"~?\{(\d{1,12})\+?\}$")
_CODE = re.compile(r"^\[([^\]]*)\]\s*")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server may make us hold, in bytes; `responses` counts answers to one command."""

    line: int = 1 << 20
    literal: int = 26 << 20
    answer: int = 64 << 20
    responses: int = 50_000


@dataclass(frozen=True, slots=True)
class Reply:
    """How a command ended: OK, NO or BAD, the server's words, and the untagged answers before."""

    status: str
    words: str
    responses: tuple[Response, ...]
    challenge: str = ""  # what a refused AUTHENTICATE said before the refusal

    @property
    def ok(self) -> bool:
        return self.status == "OK"

    @property
    def code(self) -> str:
        """The response code in brackets with its arguments, upper case, or nothing."""
        found = _CODE.match(self.words)
        return found[1].upper() if found else ""


class Exchange(upstream.Command):
    """A command in flight. Its arguments stay out of upstream's representation, which would show
    passwords.
    """

    def __init__(self, name: str, tag: str, pieces: Sequence[bytes]) -> None:
        super().__init__(name, tag)  # pyright: ignore[reportUnknownMemberType]  *args untyped upstream
        self.pieces = deque(pieces)
        self.responses: list[Response] = []
        self.size = 0
        self.challenge = ""
        self.continued = asyncio.Event()
        self.reply: Reply | None = None
        self.failure: Broken | None = None

    def answered(self, status: str, words: str) -> None:
        self.reply = Reply(status, words, tuple(self.responses), self.challenge)
        self.close(b"", status)

    def failed(self, failure: Broken) -> None:
        self.failure = failure
        self.continued.set()
        self.close(b"", "KO")

    @property
    def over(self) -> bool:
        return self.reply is not None or self.failure is not None


class Connection(upstream.IMAP4ClientProtocol):
    """One IMAP connection: greeting, commands one after the other, TLS on request, an end that everybody
    notices.
    """

    transport: asyncio.Transport | None

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = asyncio.get_running_loop()
        super().__init__(self.clock)
        self.limits = limits or Limits()
        self.known: frozenset[str] = frozenset()  # capabilities; empty where they must be asked for
        self.news = asyncio.Event()  # the selected folder changed since this was cleared
        self.lost: Broken | None = None
        self.greeting: asyncio.Future[str] = self.clock.create_future()
        self._turn = asyncio.Lock()
        self._current: Exchange | None = None
        self._received = bytearray()
        self._searched: int = 0
        self._segments: list[bytes] = []
        self._literal: int | None = None
        self._heard = self.clock.time()
        self._upgrading = False
        self._farewell = ""

    # --- what asyncio calls -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        slim(transport)

    def data_received(self, d: bytes) -> None:
        self._heard = self.clock.time()
        if self.lost is not None:
            return
        self._received += d
        try:
            self._read()
        except Broken as broken:
            self.drop(broken)

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop(Broken(Failure.CLOSED if exc is None else Broken.of(exc).failure, self._farewell))

    # --- reading ------------------------------------------------------------------------------------

    def _read(self) -> None:
        at = 0
        try:
            while not self._upgrading:
                if self._literal is not None:
                    if len(self._received) - at < self._literal:
                        return
                    self._segments.append(bytes(self._received[at : at + self._literal]))
                    at += self._literal
                    self._literal, self._searched = None, at
                end = self._received.find(b"\r\n", max(at, self._searched))
                if end < 0:
                    self._searched = max(at, len(self._received) - 1)
                    if len(self._received) - at > self.limits.line:
                        raise Broken(Failure.NOT_MAIL, "a line without end")
                    return
                line = bytes(self._received[at:end])
                at = self._searched = end + 2
                self._line(line)
        finally:
            del self._received[:at]
            self._searched = max(0, self._searched - at)

    def _line(self, line: bytes) -> None:
        if len(line) > self.limits.line:
            raise Broken(Failure.NOT_MAIL, "a line without end")
        self._segments.append(line)
        announced = _LITERAL.search(line)
        if announced:
            self._literal = int(announced[1])
            if self._literal > self.limits.literal or self._held() + self._literal > self.limits.answer:
                raise Broken(Failure.NOT_MAIL, "an answer larger than what was asked for")
            return
        segments, self._segments = tuple(self._segments), []
        self._dispatch(segments)

    def _held(self) -> int:
        return (self._current.size if self._current else 0) + sum(map(len, self._segments))

    def _dispatch(self, segments: tuple[bytes, ...]) -> None:
        first = segments[0]
        if not first:
            return
        if not self.greeting.done():
            self._greeted(first)
        elif first.startswith(b"* "):
            self._untagged(Response((first[2:], *segments[1:])))
        elif first.startswith(b"+"):
            self._continued(first[1:].strip().decode("latin-1"))
        else:
            self._tagged(first.decode("latin-1"))

    def _greeted(self, line: bytes) -> None:
        words = line.decode("latin-1")
        status = words[2:].partition(" ")[0].upper() if words.startswith("* ") else ""
        if status == "BYE":
            raise Broken(Failure.CLOSED, words[2:])
        if status not in ("OK", "PREAUTH"):
            raise Broken(Failure.NOT_MAIL, words[:80])
        self.state = upstream.NONAUTH if status == "OK" else upstream.AUTH
        self._learn(words[2:].partition(" ")[2])
        self.greeting.set_result(words[2:])

    def _untagged(self, response: Response) -> None:
        first, second, rest = response.words()
        if first == "BYE":
            self._farewell = response.line
        elif first == "CAPABILITY":
            self.known = frozenset(f"{second} {rest}".upper().split())
        elif first == "OK":
            self._learn(response.line.partition(" ")[2])
        if second in ("EXISTS", "RECENT", "EXPUNGE"):
            self.news.set()
        current = self._current
        if current is None or current.name == "IDLE":
            return
        current.responses.append(response)
        current.size += sum(map(len, response.segments))
        if current.size > self.limits.answer or len(current.responses) > self.limits.responses:
            raise Broken(Failure.NOT_MAIL, "more answers than can be meant")

    def _learn(self, words: str) -> None:
        found = _CODE.match(words)
        if found and found[1].upper().startswith("CAPABILITY "):
            self.known = frozenset(found[1].upper().split()[1:])

    def _continued(self, words: str) -> None:
        current = self._current
        if current is None:
            raise Broken(Failure.NOT_MAIL, "an invitation nobody asked for")
        if current.pieces:
            self._write(current.pieces.popleft())
        elif current.name == "AUTHENTICATE":  # a refused token: the reason, then the refusal once we confirm
            current.challenge = current.challenge or words
            self._write(b"\r\n")
        elif current.name == "IDLE":
            current.continued.set()
        else:
            raise Broken(Failure.NOT_MAIL, "an invitation nobody asked for")

    def _tagged(self, line: str) -> None:
        tag, _, rest = line.partition(" ")
        status, _, words = rest.partition(" ")
        current = self._current
        if current is None or tag != current.tag or status.upper() not in ("OK", "NO", "BAD"):
            raise Broken(Failure.NOT_MAIL, line[:80])
        self._learn(words)
        self._upgrading = current.name == "STARTTLS" and status.upper() == "OK"
        self._current = None
        current.answered(status.upper(), words)
        current.continued.set()

    # --- speaking -----------------------------------------------------------------------------------

    async def greeted(self, seconds: float) -> str:
        """The server's greeting; raises Broken."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.greeting)
        except TimeoutError as error:
            raise self.drop(Broken(Failure.TIMEOUT)) from error

    async def perform(
        self, name: str, pieces: Sequence[bytes] = (), *, kind: str = "", silence: float, total: float
    ) -> Reply:
        """Send a command and wait for its end. `kind` is the command whose rules hold where `name` is `UID
        …`.

        Raises Broken when the connection is or gets lost; one timeout loses it. Cancelling loses it too: what
        the server says next could not be told from the answer to another command.
        """
        async with self._turn:
            exchange = self._begin(name, pieces, kind or name)
            try:
                await self._ended(exchange, silence, self.clock.time() + total)
            except asyncio.CancelledError:
                self.drop(Broken(Failure.CLOSED, "given up"))
                raise
        return self._outcome(exchange)

    async def idle_for(self, seconds: float, *, silence: float) -> None:
        """IDLE until something is new or the time is over; the server must answer the end, or is taken for
        dead.
        """
        async with self._turn:
            exchange = self._begin("IDLE", (), "IDLE")
            try:
                async with asyncio.timeout(silence):
                    await exchange.continued.wait()
                if not exchange.over:
                    await self._quiet(seconds, exchange)
                if not exchange.over:
                    self._heard = self.clock.time()  # quiet was what we had asked for
                    self._write(b"DONE\r\n")
                await self._ended(exchange, silence, self.clock.time() + silence)
            except TimeoutError as error:
                raise self.drop(Broken(Failure.TIMEOUT)) from error
            except asyncio.CancelledError:
                self.drop(Broken(Failure.CLOSED, "given up"))
                raise
        reply = self._outcome(exchange)
        if not reply.ok:
            raise self.drop(Broken(Failure.CLOSED, reply.words))

    async def _quiet(self, seconds: float, exchange: Exchange) -> None:
        news, end = asyncio.ensure_future(self.news.wait()), asyncio.ensure_future(exchange.wait())
        try:
            await asyncio.wait((news, end), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            end.cancel()

    def _begin(self, name: str, pieces: Sequence[bytes], kind: str) -> Exchange:
        if self.lost is not None:
            raise self.lost
        command = upstream.Commands[kind]
        # upstream is untyped here
        allowed = cast("tuple[str, ...]", command.valid_states)  # pyright: ignore[reportUnknownMemberType]
        if self.state not in allowed:
            raise Broken(Failure.CLOSED, f"{kind} makes no sense in state {self.state}")
        tag = self.new_tag()
        first, *rest = (*pieces,) if pieces else (b"",)
        line = f"{tag} {name} ".encode() + first if first else f"{tag} {name}".encode()
        parts = [part + b"\r\n" for part in (line, *rest)]  # each one ends the command or announces a literal
        exchange = Exchange(kind, tag, parts[1:])
        self._current = exchange
        self._heard = self.clock.time()
        self._write(parts[0])
        return exchange

    def _write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            raise self.drop(Broken(Failure.CLOSED, self._farewell))
        self.transport.write(data)

    async def _ended(self, exchange: Exchange, silence: float, deadline: float) -> None:
        while not exchange.over:
            left = min(self._heard + silence, deadline) - self.clock.time()
            if left <= 0:
                raise self.drop(Broken(Failure.TIMEOUT))
            try:
                async with asyncio.timeout(left):
                    await exchange.wait()
            except TimeoutError:
                continue

    @staticmethod
    def _outcome(exchange: Exchange) -> Reply:
        if exchange.failure is not None:
            raise exchange.failure
        if exchange.reply is None:
            raise Broken(Failure.CLOSED)
        return exchange.reply

    # --- state ------------------------------------------------------------------------------------

    async def upgrade(self, context: ssl.SSLContext, host: str, *, seconds: float) -> Reply:
        """STARTTLS. What came unencrypted, capabilities too, is forgotten; bytes slipped in before are an
        attack.
        """
        reply = await self.perform("STARTTLS", silence=seconds, total=seconds)
        if not reply.ok:
            return reply
        if self._received or self.transport is None:
            raise self.drop(Broken(Failure.TLS_OTHER, "unencrypted words after STARTTLS"))
        try:
            encrypted = await self.clock.start_tls(
                self.transport, self, context, server_hostname=host, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.CertificateError) as error:
            raise self.drop(Broken.of(error)) from error
        if not isinstance(encrypted, asyncio.Transport):
            raise self.drop(Broken(Failure.CLOSED))
        self.transport = encrypted
        slim(encrypted)
        self.known = frozenset()
        self._upgrading = False
        return reply

    def signed_in(self) -> None:
        self.state = upstream.AUTH

    def selected(self) -> None:
        self.state = upstream.SELECTED

    def drop(self, why: Broken) -> Broken:
        """End the connection now; everything that waits learns why. The first reason stays."""
        if self.lost is None:
            self.lost = why
            self.state = upstream.LOGOUT
            self._received.clear()
            self._segments.clear()
            if self.transport is not None:
                self.transport.abort()
            if self._current is not None:
                self._current.failed(why)
            if not self.greeting.done():
                self.greeting.set_exception(why)
                self.greeting.exception()  # retrieved: nobody may be waiting for it
            self.news.set()
        return self.lost
