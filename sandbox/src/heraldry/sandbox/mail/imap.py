"""IMAP in front of the mail store: pymap, STARTTLS on one port, TLS from the first byte on the other."""

from __future__ import annotations

import asyncio
import socket
from argparse import Namespace
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from contextvars import ContextVar
from datetime import datetime
from ssl import SSLContext
from typing import Any, TypeGuard

from heraldry.sandbox.mail.accounts import Accounts
from heraldry.sandbox.mail.effects import Effects
from heraldry.sandbox.mail.faults import GARBAGE, Fault, Faults, Gate, ImapPoint, SetFault, Visit, drip, reset
from heraldry.sandbox.mail.letters import read
from heraldry.sandbox.mail.mailboxes import MailSession, StoredMailboxes
from heraldry.sandbox.mail.store import MailStore
from proxyprotocol.sock import SocketInfo
from pymap.config import BackendCapability, IMAPConfig
from pymap.context import connection_exit, socket_info
from pymap.exceptions import (
    AuthorizationFailure,
    InvalidAuth,
    NotAllowedError,
    ResponseError,
    UserNotFound,
)
from pymap.imap import IMAPConnection
from pymap.imap.state import ConnectionState
from pymap.interfaces.login import IdentityInterface, LoginInterface
from pymap.interfaces.token import TokensInterface
from pymap.parsing.command import Command
from pymap.parsing.command.auth import AppendCommand
from pymap.parsing.command.select import IdleCommand
from pymap.parsing.response import CommandResponse, Response, ResponseContinuation, ResponseOk
from pymap.token import AllTokens
from pymap.user import UserMetadata
from pysasl import SASLAuth
from pysasl.creds.server import ServerCredentials
from pysasl.hashing import Cleartext

MOST_BYTES = 33_554_432  # of one mail, as at the SMTP side
POINTS: dict[bytes, ImapPoint] = {
    b"SELECT": "imap.select",
    b"EXAMINE": "imap.select",
    b"FETCH": "imap.fetch",
    b"UID FETCH": "imap.fetch",
    b"APPEND": "imap.append",
}
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_gate: ContextVar[Gate] = ContextVar("gate")  # of the connection that is served


class _Config(IMAPConfig):
    def __init__(self, context: SSLContext, *, starttls: bool) -> None:
        super().__init__(
            Namespace(passlib_cfg=None, proxy_protocol="noop", inherited_sockets=None),
            host=None,
            port=0,
            ssl_context=context,
            tls_enabled=starttls,
            hash_context=Cleartext(),
            invalid_user_sleep=0.0,
            reject_dnsbl=False,
            max_append_len=MOST_BYTES,
        )

    @property
    def backend_capability(self) -> BackendCapability:
        return BackendCapability(idle=True, object_id=True, multi_append=True, custom=[b"SPECIAL-USE"])

    @property
    def tls_auth(self) -> SASLAuth:
        return SASLAuth.named([b"PLAIN", b"LOGIN"])

    @property
    def greeting(self) -> bytes:
        return b"mail.sandbox.test ready"


class _Instead(CommandResponse):
    """What a fault puts in the place of an answer."""

    def __init__(self, fault: Fault, tag: bytes) -> None:
        super().__init__(tag)
        *before, last = fault.answer.encode().splitlines() or [b""]
        last = last if last.startswith((b"* ", b"BYE")) else tag + b" " + last
        lines = [*before, b"* " + last if last.startswith(b"BYE") else last]
        self.content = GARBAGE if fault.action == "garbage" else b"\r\n".join(lines) + b"\r\n"
        self._farewell = any(line.startswith(b"* BYE") for line in lines)

    @property
    def is_terminal(self) -> bool:
        return self._farewell

    def write(self, writer: Any) -> None:
        writer.write(self.content)

    async def async_write(self, writer: Any) -> None:
        self.write(writer)


class _InsteadOfSignIn(ResponseError):  # noqa: N818  what happened, not that it is an error
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault

    def get_response(self, tag: bytes) -> Response:
        return _Instead(self._fault, tag)


class _State(ConnectionState):
    """What a connection has come to; faults stand before what it does."""

    def __init__(self, login: _Login, config: _Config, gate: Gate, effects: Effects) -> None:
        super().__init__(login, config)
        self._gate, self._effects = gate, effects

    @property
    def account(self) -> str:
        return self._session.owner if self._session else ""

    async def do_greeting(self) -> CommandResponse:
        # pymap would allow a password in the clear to clients on the same machine
        return ResponseOk(b"*", self.config.greeting, self.capability)

    async def do_command(self, cmd: Command) -> CommandResponse:
        point = POINTS.get(cmd.command) if self._session else None
        if point is None:
            return await super().do_command(cmd)
        message_id = read(cmd.messages[-1].literal).message_id if _appends(cmd) else ""
        if fault := await self._gate.pass_(Visit(point, self.account, message_id=message_id)):
            return _Instead(fault, cmd.tag)
        response = await super().do_command(cmd)
        if _appends(cmd) and isinstance(response, ResponseOk):
            for message in cmd.messages:
                self._effects.record(
                    "appended",
                    session=socket_info.get().unique_id.decode(),
                    account=self.account,
                    folder=cmd.mailbox,
                    message_id=read(message.literal).message_id,
                )
            if fault := await self._gate.pass_(Visit("imap.appended", self.account, message_id=message_id)):
                return _Instead(fault, cmd.tag)
        return response


def _appends(command: Command) -> TypeGuard[AppendCommand]:
    return isinstance(command, AppendCommand) and bool(command.messages)


class _Reader(asyncio.StreamReader):
    """asyncio's reader, and word of the client's end before anybody reads that far."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.ended.set()


class _Wire:
    """A connection, as faults see it."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, content: bytes) -> None:
        self._writer.write(content)

    def reset(self) -> None:
        reset(self._writer.transport)

    async def ended(self) -> None:
        await self._reader.ended.wait()


class _Connection(IMAPConnection):
    """pymap's connection, with faults at its answers."""

    __slots__ = ["_gate", "_met", "_wire"]

    def __init__(self, config: _Config, gate: Gate, wire: _Wire, streams: _Streams, info: SocketInfo) -> None:
        super().__init__(config.commands, config, *streams, info)
        self._gate, self._wire = gate, wire
        self._met: tuple[SetFault, Visit] | None = None  # at imap.idle, which comes after the "+"

    async def idle(self, state: ConnectionState, cmd: IdleCommand) -> CommandResponse:
        if isinstance(state, _State) and state.account:
            visit = Visit("imap.idle", state.account)
            found = self._gate.meet(visit)
            if found is not None and found.fault.action in {"answer", "garbage"}:
                return _Instead(found.fault, cmd.tag)
            self._met = (found, visit) if found else None
        return await super().idle(state, cmd)

    async def write_response(self, resp: Response) -> None:
        rate, self._gate.rate = self._gate.rate, 0.0
        if rate:
            await drip(self._wire, bytes(resp), rate)
        else:
            await super().write_response(resp)
        if isinstance(resp, ResponseContinuation) and self._met:
            (found, visit), self._met = self._met, None
            await self._gate.suffer(found, visit)


class _Identity(IdentityInterface):
    def __init__(self, address: str, login: _Login) -> None:
        self._address, self._login = address, login

    @property
    def name(self) -> str:
        return self._address

    @property
    def roles(self) -> frozenset[str]:
        return frozenset()

    @asynccontextmanager
    async def new_session(self) -> AsyncGenerator[MailSession]:
        yield MailSession(self._address, self._login.config, self._login.mailboxes(self._address))

    async def new_token(self, *, expiration: datetime | None = None) -> str | None:
        del expiration

    async def get(self) -> UserMetadata:
        raise UserNotFound(self._address)

    async def set(self, metadata: UserMetadata) -> int | None:
        del metadata
        raise NotAllowedError

    async def delete(self) -> None:
        raise NotAllowedError


class _Login(LoginInterface):
    """Signs clients in against the sandbox's accounts; wrong ones are told so at once."""

    def __init__(self, config: IMAPConfig, accounts: Accounts, store: MailStore, effects: Effects) -> None:
        self.config = config
        self._accounts, self._store, self._effects = accounts, store, effects
        self._mailboxes: dict[str, StoredMailboxes] = {}
        self.signed_in: dict[str, str] = {}  # by session: whose

    @property
    def tokens(self) -> TokensInterface:
        return AllTokens(self.config)

    def mailboxes(self, address: str) -> StoredMailboxes:
        return self._mailboxes.setdefault(address, StoredMailboxes(self._store, address))

    async def authenticate(self, credentials: ServerCredentials) -> IdentityInterface:
        if fault := await _gate.get().pass_(Visit("imap.login", credentials.authcid)):
            raise _InsteadOfSignIn(fault)
        account = self._accounts.find(credentials.authcid)
        session = socket_info.get().unique_id.decode()
        if account is None or not credentials.verify(
            UserMetadata(self.config, credentials.authcid, password=account.password)
        ):
            self._effects.record(
                "refused credentials", session=session, protocol="imap", account=credentials.authcid
            )
            raise InvalidAuth
        self._effects.record("authenticated", session=session, protocol="imap", account=account.address)
        self.signed_in[session] = account.address
        return _Identity(account.address, self)

    async def authorize(self, authenticated: IdentityInterface, authzid: str) -> IdentityInterface:
        if authzid and authzid.lower() != authenticated.name:
            raise AuthorizationFailure
        return authenticated


class ImapServer:
    """Both IMAP ports. Give it listening sockets; closing it closes every connection."""

    def __init__(
        self, accounts: Accounts, store: MailStore, effects: Effects, faults: Faults, context: SSLContext
    ) -> None:
        self._effects, self._faults, self._context = effects, faults, context
        self._starttls = _Config(context, starttls=True)
        self._implicit = _Config(context, starttls=False)
        self._login = _Login(self._starttls, accounts, store, effects)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._sessions: dict[str, asyncio.StreamWriter] = {}
        self._count = 0

    async def listen(self, starttls: socket.socket, implicit: socket.socket) -> None:
        self._starttls.apply_context()
        loop = asyncio.get_running_loop()
        self._servers = [
            await loop.create_server(self._protocol(self._starttls), sock=starttls),
            await loop.create_server(self._protocol(self._implicit), sock=implicit, ssl=self._context),
        ]

    def sign_out(self, address: str) -> None:
        """End every connection on which this account has signed in."""
        for session, writer in self._sessions.items():
            if self._login.signed_in.get(session) == address:
                writer.transport.abort()

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        tasks: Sequence[asyncio.Task[None]] = tuple(self._connections)
        for writer in self._connections.values():
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _protocol(self, config: _Config) -> Callable[[], asyncio.Protocol]:
        def made() -> asyncio.Protocol:
            reader = _Reader(MOST_BYTES)
            return asyncio.StreamReaderProtocol(reader, self._serve(config, reader))

        return made

    def _serve(
        self, config: _Config, reader: _Reader
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None:
                raise RuntimeError("a connection is always served by a task")
            self._connections[task] = writer
            try:
                await self._run(config, reader, writer)
            except (OSError, EOFError, asyncio.CancelledError):
                writer.transport.abort()  # the client is gone, or we are closing: there is nobody to tell
            finally:
                del self._connections[task]

        return connected

    async def _run(self, config: _Config, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        session = f"imap-{self._count}"
        self._effects.record("connected", session=session, protocol="imap")
        wire = _Wire(reader, writer)
        gate = Gate(self._faults, session, wire)
        _gate.set(gate)
        info = SocketInfo.get(writer, None, unique_id=session.encode())
        connection = _Connection(config, gate, wire, (reader, writer), info)
        self._sessions[session] = writer
        async with AsyncExitStack() as stack:
            connection_exit.set(stack)
            stack.callback(self._ended, session)
            stack.enter_context(closing(connection))
            if fault := await gate.pass_(Visit("imap.connect")):
                await connection.write_response(_Instead(fault, b"*"))
            else:
                await connection.run(_State(self._login, config, gate, self._effects))

    def _ended(self, session: str) -> None:
        del self._sessions[session]
        self._login.signed_in.pop(session, None)
