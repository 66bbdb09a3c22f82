"""SMTP submission: aiosmtpd with STARTTLS on one port and TLS from the first byte on the other."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from ssl import SSLContext
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from heraldry.sandbox.mail.accounts import Account, Accounts, normal
from heraldry.sandbox.mail.effects import Effects
from heraldry.sandbox.mail.faults import GARBAGE, Fault, Faults, Gate, SmtpPoint, Visit, drip, reset
from heraldry.sandbox.mail.imap import MOST_BYTES
from heraldry.sandbox.mail.letters import read

HOST = "mail.sandbox.test"
LONG = 24 * 3600.0  # seconds: who waits at a fault is not sent away for being idle
CLOSING = "421"  # the answer after which a server hangs up
REPORT_DELAY = 0.2  # seconds from accepting a mail to its report: the sender mostly hears of the one first
Deliver = Callable[[str, bytes], object]  # (recipient, content)
Report = Callable[[str, str, bytes, str], object]  # (sender, recipient, content, enhanced status)


class _Session(Session):
    """A connection that knows its number in the log of effects."""

    number = ""
    account: Account | None = None
    given: LoginPassword | None = None  # credentials that nobody has looked at yet


class _Envelope(Envelope):
    """A mail on its way in."""

    def __init__(self) -> None:
        super().__init__()
        self.bounces: dict[str, str] = {}  # recipient -> the status that the report will have


class _Content:
    """aiosmtpd's reader while a mail arrives: somebody counts its bytes before they are taken."""

    def __init__(self, reader: asyncio.StreamReader, arrived: Callable[[int], Awaitable[None]]) -> None:
        self._reader, self._arrived = reader, arrived

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        line = await self._reader.readuntil(separator)
        await self._arrived(len(line))
        return line

    async def read(self, n: int = -1) -> bytes:
        part = await self._reader.read(n)
        await self._arrived(len(part))
        return part


class _Protocol(SMTP):
    """aiosmtpd's server, known to its handler so that it can be closed, and with faults on its way."""

    _reader: Any  # aiosmtpd's, and `_Content` in its place while a mail arrives

    def __init__(self, handler: _Handler, context: SSLContext | None) -> None:
        super().__init__(
            handler,
            hostname=HOST,
            ident="ESMTP",
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            tls_context=context,
            require_starttls=context is not None,
            auth_require_tls=context is not None,
            authenticator=handler.authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._handler, self._number = handler, ""
        self.gate: Gate
        self.owed = ""  # the Message-ID of a mail that is here and has no answer yet
        self.owes = False

    def _create_session(self) -> Session:
        session = _Session(self.loop)
        if not self._number:  # after STARTTLS the session is new, the connection is not
            self._number = self._handler.connected(self)
            self.gate = Gate(self._handler.faults, self._number, self)
        session.number = self._number
        return session

    def _create_envelope(self) -> Envelope:
        return _Envelope()

    # --- a connection, as faults see it ---------------------------------------------------------------

    def write(self, content: bytes) -> None:
        self._writer.write(content)

    def reset(self) -> None:
        reset(self.transport)

    async def ended(self) -> None:
        await asyncio.Event().wait()  # the task that waits here is cancelled when the connection is lost

    async def pass_(
        self, point: SmtpPoint, *, recipients: tuple[str, ...] = (), message_id: str = ""
    ) -> bool:
        """Meet the faults of a point. True when there is nothing more to do: the answer is given."""
        fault = await self.faced(point, recipients=recipients, message_id=message_id)
        if fault is None or fault.action == "bounce":
            return False
        await self.push(instead(fault))
        return True

    async def faced(
        self, point: SmtpPoint, *, recipients: tuple[str, ...] = (), message_id: str = "", account: str = ""
    ) -> Fault | None:
        """`pass_`, but whoever calls carries the fault out."""
        known = _account(self.session)
        visit = Visit(point, account or (known.address if known else ""), recipients, message_id)
        self._reset_timeout(LONG)
        try:
            return await self.gate.pass_(visit)
        finally:
            if self.transport is not None:
                self._reset_timeout()

    # --- what aiosmtpd calls ------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        if await self.pass_("smtp.connect"):
            self.hang_up()
        else:
            await super()._handle_client()

    def connection_lost(self, error: Exception | None) -> None:
        if self.owes:
            self._handler.answered(self, None)
        self._handler.lost(self)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        answer: bytes = status.encode("utf-8", "surrogateescape") if isinstance(status, str) else status
        rate, self.gate.rate = self.gate.rate, 0.0
        if rate:
            await drip(self, answer + b"\r\n", rate)
        else:
            await super().push(answer)
        if self.owes:
            self._handler.answered(self, answer)
        if answer.startswith(CLOSING.encode()):
            self.hang_up()

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802  aiosmtpd's name
        return await self._handler.judge(self, await super().auth_PLAIN(_, args))  # pyright: ignore[reportUnknownMemberType]  untyped there

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802  aiosmtpd's name
        return await self._handler.judge(self, await super().auth_LOGIN(_, args))  # pyright: ignore[reportUnknownMemberType]  untyped there

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  aiosmtpd's name
        envelope = self.envelope
        recipients = tuple(map(normal, envelope.rcpt_tos)) if envelope else ()
        if arg or not recipients:
            await super().smtp_DATA(arg)
            return
        if await self.pass_("smtp.data", recipients=recipients):
            return
        reader: asyncio.StreamReader = self._reader
        self._reader = _Content(reader, self._meeting(recipients))
        try:
            await super().smtp_DATA(arg)
        finally:
            self._reader = reader
            self.gate.rate = 0.0

    def _meeting(self, recipients: tuple[str, ...]) -> Callable[[int], Awaitable[None]]:
        account = _account(self.session)
        visit = Visit("smtp.content", account.address if account else "", recipients)
        seen, met = 0, False

        async def arrived(size: int) -> None:
            nonlocal seen, met
            seen += size
            found = None if met else self.gate.meet(visit, seen)
            if found is not None:
                met = True
                self._reset_timeout(LONG)
                if isinstance(self.transport, asyncio.ReadTransport):
                    self.transport.resume_reading()  # or nobody would notice that the client goes
                fault = await self.gate.suffer(found, visit)
                self._reset_timeout()
                if fault is not None:
                    await self.push(instead(fault))
                    self.hang_up()  # what else can follow, with half a mail on its way
                    await self.ended()
            if self.gate.rate and met:
                await asyncio.sleep(size / self.gate.rate)

        return arrived

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> asyncio.Task[None] | None:
        """End the connection; the task that served it ends soon."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        return self._handler_coroutine


class _Handler:
    """Decides on each command. The names of the methods are aiosmtpd's."""

    def __init__(
        self, accounts: Accounts, effects: Effects, faults: Faults, deliver: Deliver, report: Report
    ) -> None:
        self._accounts, self._effects, self._deliver, self._report = accounts, effects, deliver, report
        self.faults = faults
        self.open: set[_Protocol] = set()
        self.reports: dict[asyncio.TimerHandle, Callable[[], None]] = {}
        self._count = 0

    def connected(self, protocol: _Protocol) -> str:
        self._count += 1
        self.open.add(protocol)
        number = f"smtp-{self._count}"
        self._effects.record("connected", session=number, protocol="smtp")
        return number

    def lost(self, protocol: _Protocol) -> None:
        self.open.discard(protocol)

    def answered(self, protocol: _Protocol, answer: bytes | None) -> None:
        """A mail that was here got its answer, or the connection ended before."""
        facts = {"message_id": protocol.owed}
        if answer is not None:
            facts["answer"] = answer.decode("utf-8", "replace")
        what = "unanswered" if answer is None else "answered"
        self._effects.record(what, session=_number(protocol.session), **facts)
        protocol.owes = False

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        del server, envelope, mechanism
        if isinstance(session, _Session) and isinstance(data, LoginPassword):
            session.given = data
        return AuthResult(success=False, handled=False)  # `judge` decides; aiosmtpd cannot wait here

    async def judge(self, protocol: _Protocol, result: AuthResult) -> AuthResult:
        session = protocol.session
        if not isinstance(session, _Session) or session.given is None:
            return result
        given, session.given = session.given, None
        name = given.login.decode("utf-8", "replace")
        fault = await protocol.faced("smtp.auth", account=name)
        if fault is not None:
            await protocol.push(instead(fault))
            return AuthResult(success=False, handled=True)
        account = self._accounts.check(name, given.password.decode("utf-8", "surrogateescape"))
        what = "authenticated" if account else "refused credentials"
        shown = account.address if account else name
        self._effects.record(what, session=_number(session), protocol="smtp", account=shown)
        if account is None:  # handled=True would leave the client waiting for an answer
            return AuthResult(success=False, handled=False)
        session.account = account
        return AuthResult(success=True)

    async def handle_EHLO(  # noqa: N802  aiosmtpd's name
        self, server: _Protocol, session: Session, envelope: Envelope, name: str, answers: list[str]
    ) -> list[Any]:
        del envelope
        fault = await server.faced("smtp.ehlo")
        session.host_name = name
        return ["\r\n".join(answers) if fault is None else instead(fault)]

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: _Protocol, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> Any:
        account = _account(session)
        if account is None:
            return "530 5.7.0 Authentication required"
        fault = await server.faced("smtp.mail")
        if fault is not None:
            return instead(fault)
        self._effects.record("mail", session=_number(session), sender=address)
        if normal(address) != account.address:
            return f"553 5.7.1 Sender address rejected: not owned by user {account.address}"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: _Protocol, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> Any:
        answer = "250 2.1.5 Ok"
        fault = await server.faced("smtp.rcpt", recipients=(address,))
        if fault is not None and fault.action != "bounce":
            return instead(fault)
        if fault is not None and isinstance(envelope, _Envelope):
            envelope.bounces[normal(address)] = fault.status
        elif self._accounts.find(address) is None:
            local = self._accounts.serves(normal(address).rpartition("@")[2])
            answer = (
                f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
                if local
                else f"550 5.7.1 <{address}>: Relay access denied"
            )
        self._effects.record("recipient", session=_number(session), recipient=address, answer=answer)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return answer

    async def handle_DATA(self, server: _Protocol, session: Session, envelope: Envelope) -> Any:  # noqa: N802  aiosmtpd's name
        content = envelope.content
        if not isinstance(content, bytes):
            return "451 4.3.0 The mail could not be read"
        letter = read(content)
        recipients = tuple(dict.fromkeys(normal(one) for one in envelope.rcpt_tos))
        server.owes, server.owed = True, letter.message_id
        fault = await server.faced("smtp.final-dot", recipients=recipients, message_id=letter.message_id)
        if fault is not None:
            return instead(fault)
        effect = self._effects.record(
            "accepted",
            session=_number(session),
            sender=normal(envelope.mail_from or ""),
            recipients=recipients,
            message_id=letter.message_id,
            size=len(content),
        )
        stamp = (
            f"Return-Path: <{envelope.mail_from}>\r\n"
            f"Received: from {session.host_name} by {HOST} with ESMTPSA id {effect.n};\r\n"
            f"\t{format_datetime(datetime.now(UTC))}\r\n"
        ).encode("utf-8", "surrogateescape")
        bounces = envelope.bounces if isinstance(envelope, _Envelope) else {}
        for recipient in recipients:
            if recipient in bounces:
                self._report_soon(envelope.mail_from or "", recipient, stamp + content, bounces[recipient])
            else:
                self._deliver(recipient, stamp + content)
        fault = await server.faced("smtp.accepted", recipients=recipients, message_id=letter.message_id)
        return f"250 2.0.0 Ok: queued as {effect.n}" if fault is None else instead(fault)

    def _report_soon(self, sender: str, recipient: str, content: bytes, status: str) -> None:
        def report() -> None:
            del self.reports[timer]
            self._report(sender, recipient, content, status)

        timer = asyncio.get_running_loop().call_later(REPORT_DELAY, report)
        self.reports[timer] = report


class SmtpServer:
    """Both submission ports. Give it listening sockets; closing it closes every connection."""

    def __init__(
        self,
        accounts: Accounts,
        effects: Effects,
        faults: Faults,
        context: SSLContext,
        *,
        deliver: Deliver,
        report: Report,
    ) -> None:
        self._context = context
        self._handler = _Handler(accounts, effects, faults, deliver, report)
        self._servers: list[asyncio.Server] = []

    async def listen(self, starttls: socket.socket, implicit: socket.socket) -> None:
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # it would tell of each line of each client
        loop = asyncio.get_running_loop()
        self._servers = [
            await loop.create_server(lambda: _Protocol(self._handler, self._context), sock=starttls),
            await loop.create_server(
                lambda: _Protocol(self._handler, None), sock=implicit, ssl=self._context
            ),
        ]

    def sign_out(self, address: str) -> None:
        """End every connection on which this account has signed in."""
        for protocol in tuple(self._handler.open):
            session = protocol.session
            if isinstance(session, _Session) and session.account and session.account.address == address:
                protocol.abort()

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [protocol.abort() for protocol in tuple(self._handler.open)]
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        for timer, report in tuple(self._handler.reports.items()):
            timer.cancel()
            report()


def instead(fault: Fault) -> bytes:
    """What stands in the place of an answer, without the last line's end."""
    if fault.action == "garbage":
        return GARBAGE.removesuffix(b"\r\n")
    return "\r\n".join(fault.answer.splitlines()).encode()


def _number(session: Session | None) -> str:
    return session.number if isinstance(session, _Session) else ""


def _account(session: Session | None) -> Account | None:
    return session.account if isinstance(session, _Session) else None
