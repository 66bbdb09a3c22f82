"""Sending by SMTP, step by step, so that the moment before the content is ours."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiosmtplib
from heraldry.mailbox.adapters import resolve
from heraldry.mailbox.adapters.probe import greeted
from heraldry.mailbox.adapters.problems import Broken, without_secrets
from heraldry.mailbox.adapters.tls import client_context, slim
from heraldry.mailbox.domain.diagnosis import Diagnosis, Failure, Stage, diagnose, diagnose_failure
from heraldry.mailbox.ports import (
    Accepted,
    Account,
    MailProblem,
    NotSent,
    Outcome,
    Patience,
    Submission,
    Trust,
    Unknown,
)

_START_OF_LINE_DOT = re.compile(rb"(?m)^\.")
_BARE_BREAK = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_COMPLETED = range(200, 300)
_READY_FOR_CONTENT = 354
_REFUSED = range(400, 600)
_LONGEST_LINE = 998


class Refused(Exception):  # noqa: N818  what happened, not that it is an error
    """An answer that is not the one hoped for."""

    def __init__(self, stage: Stage, number: int, words: str) -> None:
        super().__init__(f"{number} {words}")
        self.stage: Stage = stage
        self.number, self.words = number, words


class Client(aiosmtplib.SMTP):
    """aiosmtplib's client, which ends at once.

    Upstream takes leave of TLS for up to 30 seconds and forgets the connection; whoever then closes the socket
    closes it under the event loop, which takes the next connection with that number for the old one.
    """

    def close(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


class Session:
    """A connection to one account's SMTP server, signed in; several mails may go through it in turn."""

    def __init__(self, account: Account, patience: Patience) -> None:
        self.account = account
        self.patience = patience
        self._client: Client | None = None

    async def enter(self, trust: Trust) -> frozenset[str]:
        """Connect, encrypt, sign in; the extensions the server offers. Raises MailProblem."""
        try:
            async with asyncio.timeout(self.patience.connect + self.patience.command):
                return await self._enter(trust)
        except Refused as refused:
            raise MailProblem(self.diagnosis(refused)) from refused
        except Broken as broken:
            raise MailProblem(self._broken(broken)) from broken
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            raise MailProblem(self._broken(_broken(error))) from error

    async def _enter(self, trust: Trust) -> frozenset[str]:
        target = self.account.smtp
        context = await asyncio.to_thread(client_context, trust.extra_ca_file)
        dialled = await resolve.connect(
            target.host,
            target.port,
            allow_private=trust.allow_private_addresses,
            seconds=self.patience.connect,
        )
        client = self._client = Client(
            hostname=target.host,
            sock=dialled,
            use_tls=target.tls == "tls",
            start_tls=False,
            tls_context=context,
            local_hostname=_literal(dialled),
            timeout=self.patience.command,
        )
        try:
            await greeted(client.connect(), target, allow_private=trust.allow_private_addresses)
            if target.tls == "starttls":
                await _encrypt(client)
        except BaseException as error:
            client.close()
            asyncio.get_running_loop().call_soon(dialled.close)  # once nobody listens to it any more
            if isinstance(error, aiosmtplib.SMTPResponseException):
                raise _not_hoped_for("connect", error) from error
            raise
        if client.transport is not None:
            slim(client.transport)
        try:
            await client.ehlo()
        except aiosmtplib.SMTPResponseException as error:
            raise _not_hoped_for("connect", error) from error
        await self._sign_in(client)
        return frozenset(name.upper() for name in client.esmtp_extensions)

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        """By one mechanism only: a second one after a refusal would count as a second wrong password."""
        user, password = self.account.user, self.account.password.get_secret_value()
        offered = client.server_auth_methods
        try:
            if self.account.auth == "xoauth2":
                await client.auth_xoauth2(user, password)
            elif "plain" in offered:
                await client.auth_plain(user, password)
            elif "login" in offered:
                await client.auth_login(user, password)
            elif "cram-md5" in offered:
                await client.auth_crammd5(user, password)
            else:
                raise Broken(Failure.NO_AUTH)
        except aiosmtplib.SMTPResponseException as error:
            raise _not_hoped_for("login", error) from error

    async def submit(self, mail: Submission, before_content: Callable[[], Awaitable[None]]) -> Outcome:
        """Hand over one mail; see the port's Submitter."""
        try:
            await self._envelope(mail)
        except Refused as refused:
            return self._not_sent(self.diagnosis(refused), refused.number, refused.words)
        except (Broken, TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            return self._not_sent(self._broken(_broken(error)), 0, "")
        content = stuffed(mail.content)
        try:
            await before_content()
        except BaseException:
            self.drop()
            raise
        client = self._client
        protocol = client.protocol if client is not None and client.is_connected else None
        if protocol is None:
            return self._not_sent(self._broken(Broken(Failure.CLOSED)), 0, "")
        try:
            protocol.write(content)
            answer = await protocol.read_response(timeout=self.patience.verdict)
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            self.drop()
            return Unknown(self._broken(_broken(error)))
        except BaseException:
            self.drop()
            raise
        return self._verdict(answer.code, answer.message)

    async def _envelope(self, mail: Submission) -> None:
        client = self._client
        if client is None:
            raise Broken(Failure.CLOSED)
        options = [f"SIZE={len(mail.content)}"] if client.supports_extension("size") else []
        try:
            await client.mail(mail.sender, options=options)
        except aiosmtplib.SMTPResponseException as error:
            raise _not_hoped_for("sender", error) from error
        try:
            await client.rcpt(mail.recipient)
        except aiosmtplib.SMTPResponseException as error:
            raise _not_hoped_for("recipient", error) from error
        try:
            answer = await client.execute_command(b"DATA")
        except aiosmtplib.SMTPResponseException as error:
            raise _not_hoped_for("content", error) from error
        if answer.code != _READY_FOR_CONTENT:
            raise Refused("content", answer.code, answer.message)

    def _verdict(self, number: int, words: str) -> Outcome:
        said = self._clean(words)
        if number in _COMPLETED:
            return Accepted(f"{number} {said}")
        diagnosis = self.diagnosis(Refused("content", number, words))
        if number in _REFUSED:
            return self._not_sent(diagnosis, number, words)
        self.drop()
        return Unknown(diagnosis, f"{number} {said}")

    def _not_sent(self, diagnosis: Diagnosis, number: int, words: str) -> NotSent:
        lasting = diagnosis.kind != "transient" and not 400 <= number < 500  # noqa: PLR2004  4xx: not now
        said = f"{number} {self._clean(words)}" if number > 0 else self._clean(words)
        return NotSent(diagnosis, "permanent" if lasting else "transient", said)

    def diagnosis(self, refused: Refused) -> Diagnosis:
        before = self.account.connected_before
        if refused.number < 0:
            return diagnose_failure("smtp", Failure.NOT_MAIL, connected_before=before)
        words = f"{refused.number} {self._clean(refused.words)}"
        return diagnose("smtp", refused.stage, words, connected_before=before)

    def _broken(self, broken: Broken) -> Diagnosis:
        return diagnose_failure("smtp", broken.failure, connected_before=self.account.connected_before)

    def _clean(self, words: str) -> str:
        plain = words.encode("utf-8", "replace").decode()
        return without_secrets(plain, self.account.user, self.account.password.get_secret_value())

    async def rest(self) -> None:
        """RSET; raises MailProblem."""
        try:
            if self._client is not None:
                await self._client.rset()
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            raise MailProblem(self._broken(_broken(error))) from error

    async def leave(self) -> None:
        """QUIT if there is somebody to say it to; never raises and never takes long."""
        client = self._client
        if client is not None and client.is_connected:
            with suppress(TimeoutError, OSError, aiosmtplib.SMTPException):
                await client.quit(timeout=2.0)
        self.drop()

    def drop(self) -> None:
        """Close at once: what was not yet on its way never leaves."""
        client, self._client = self._client, None
        if client is None:
            return
        client.close()


async def entered(session: Session, trust: Trust) -> NotSent | None:
    """Connect and sign in; what it means for a mail if that was not possible."""
    try:
        await session.enter(trust)
    except MailProblem as problem:
        session.drop()
        lasting = "transient" if problem.diagnosis.kind == "transient" else "permanent"
        return NotSent(problem.diagnosis, lasting, problem.diagnosis.words)
    except BaseException:
        session.drop()
        raise
    return None


def stuffed(content: bytes) -> bytes:
    """A mail as it travels after DATA: lines end in CRLF, dots doubled, the final dot. Raises ValueError."""
    lines = _BARE_BREAK.sub(b"\r\n", content)
    if any(len(line) > _LONGEST_LINE for line in lines.split(b"\r\n")):
        raise ValueError("a line of the mail is longer than mail allows")
    ended = lines if lines.endswith(b"\r\n") else lines + b"\r\n"
    return _START_OF_LINE_DOT.sub(b"..", ended) + b".\r\n"


async def _encrypt(client: aiosmtplib.SMTP) -> None:
    await client.ehlo()
    if not client.supports_extension("starttls"):
        raise Broken(Failure.NO_STARTTLS)
    await client.starttls()


def _not_hoped_for(stage: Stage, error: aiosmtplib.SMTPResponseException) -> Refused:
    return Refused(stage, error.code, error.message)


def _broken(error: BaseException) -> Broken:
    """What ended a conversation, seen through aiosmtplib's own exceptions."""
    if isinstance(error, Broken):
        return error
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return Broken(Failure.TIMEOUT)
    for inner in (error.__cause__, error.__context__):
        if isinstance(inner, ssl.SSLError | ssl.CertificateError | OSError):
            return Broken.of(inner)
    return Broken.of(error)


def _literal(connected: socket.socket) -> str:
    """Our name at EHLO: the address literal of RFC 5321, which tells nothing about the machine."""
    address = ipaddress.ip_address(str(connected.getsockname()[0]).partition("%")[0])
    return f"[{address}]" if isinstance(address, ipaddress.IPv4Address) else f"[IPv6:{address}]"
