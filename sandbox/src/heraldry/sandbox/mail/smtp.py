"""SMTP submission: aiosmtpd with STARTTLS on one port and TLS from the first byte on the other."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from ssl import SSLContext

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from heraldry.sandbox.mail.accounts import Account, Accounts, normal
from heraldry.sandbox.mail.effects import Effects
from heraldry.sandbox.mail.imap import MOST_BYTES
from heraldry.sandbox.mail.letters import read

HOST = "mail.sandbox.test"
Deliver = Callable[[str, bytes], object]  # (recipient, content)


class _Session(Session):
    """A connection that knows its number in the log of effects."""

    number = ""
    account: Account | None = None


class _Protocol(SMTP):
    """aiosmtpd's server, known to its handler so that it can be closed."""

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

    def _create_session(self) -> Session:
        session = _Session(self.loop)
        if not self._number:  # after STARTTLS the session is new, the connection is not
            self._number = self._handler.connected(self)
        session.number = self._number
        return session

    def connection_lost(self, error: Exception | None) -> None:
        self._handler.lost(self)
        super().connection_lost(error)

    def abort(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class _Handler:
    """Decides on each command. The names of the methods are aiosmtpd's."""

    def __init__(self, accounts: Accounts, effects: Effects, deliver: Deliver) -> None:
        self._accounts, self._effects, self._deliver = accounts, effects, deliver
        self.open: set[_Protocol] = set()
        self._count = 0

    def connected(self, protocol: _Protocol) -> str:
        self._count += 1
        self.open.add(protocol)
        number = f"smtp-{self._count}"
        self._effects.record("connected", session=number, protocol="smtp")
        return number

    def lost(self, protocol: _Protocol) -> None:
        self.open.discard(protocol)

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        del server, envelope, mechanism
        given = data if isinstance(data, LoginPassword) else LoginPassword(b"", b"")
        name = given.login.decode("utf-8", "replace")
        account = self._accounts.check(name, given.password.decode("utf-8", "surrogateescape"))
        what = "authenticated" if account else "refused credentials"
        shown = account.address if account else name
        self._effects.record(what, session=_number(session), protocol="smtp", account=shown)
        if account is None:  # handled=True would leave the client waiting for an answer
            return AuthResult(success=False, handled=False)
        if isinstance(session, _Session):
            session.account = account
        return AuthResult(success=True)

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server
        account = _account(session)
        if account is None:
            return "530 5.7.0 Authentication required"
        self._effects.record("mail", session=_number(session), sender=address)
        if normal(address) != account.address:
            return f"553 5.7.1 Sender address rejected: not owned by user {account.address}"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server
        answer = "250 2.1.5 Ok"
        if self._accounts.find(address) is None:
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

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        del server
        content = envelope.content
        if not isinstance(content, bytes):
            return "451 4.3.0 The mail could not be read"
        letter = read(content)
        recipients = tuple(dict.fromkeys(normal(one) for one in envelope.rcpt_tos))
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
        for recipient in recipients:
            self._deliver(recipient, stamp + content)
        return f"250 2.0.0 Ok: queued as {effect.n}"


class SmtpServer:
    """Both submission ports. Give it listening sockets; closing it closes every connection."""

    def __init__(self, accounts: Accounts, effects: Effects, context: SSLContext, deliver: Deliver) -> None:
        self._context = context
        self._handler = _Handler(accounts, effects, deliver)
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

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for protocol in tuple(self._handler.open):
            protocol.abort()


def _number(session: Session) -> str:
    return session.number if isinstance(session, _Session) else ""


def _account(session: Session) -> Account | None:
    return session.account if isinstance(session, _Session) else None
