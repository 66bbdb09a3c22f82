"""IMAP in front of the mail store: pymap, STARTTLS on one port, TLS from the first byte on the other."""

from __future__ import annotations

import asyncio
import socket
from argparse import Namespace
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import datetime
from ssl import SSLContext

from heraldry.sandbox.mail.accounts import Accounts
from heraldry.sandbox.mail.effects import Effects
from heraldry.sandbox.mail.mailboxes import MailSession, StoredMailboxes
from heraldry.sandbox.mail.store import MailStore
from proxyprotocol.sock import SocketInfo
from pymap.config import BackendCapability, IMAPConfig
from pymap.context import connection_exit, socket_info
from pymap.exceptions import AuthorizationFailure, InvalidAuth, NotAllowedError, UserNotFound
from pymap.imap import IMAPConnection
from pymap.imap.state import ConnectionState
from pymap.interfaces.login import IdentityInterface, LoginInterface
from pymap.interfaces.token import TokensInterface
from pymap.parsing.response import CommandResponse, ResponseOk
from pymap.token import AllTokens
from pymap.user import UserMetadata
from pysasl import SASLAuth
from pysasl.creds.server import ServerCredentials
from pysasl.hashing import Cleartext

MOST_BYTES = 33_554_432  # of one mail, as at the SMTP side


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


class _State(ConnectionState):
    async def do_greeting(self) -> CommandResponse:
        # pymap would allow a password in the clear to clients on the same machine
        return ResponseOk(b"*", self.config.greeting, self.capability)


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

    @property
    def tokens(self) -> TokensInterface:
        return AllTokens(self.config)

    def mailboxes(self, address: str) -> StoredMailboxes:
        return self._mailboxes.setdefault(address, StoredMailboxes(self._store, address))

    async def authenticate(self, credentials: ServerCredentials) -> IdentityInterface:
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
        return _Identity(account.address, self)

    async def authorize(self, authenticated: IdentityInterface, authzid: str) -> IdentityInterface:
        if authzid and authzid.lower() != authenticated.name:
            raise AuthorizationFailure
        return authenticated


class ImapServer:
    """Both IMAP ports. Give it listening sockets; closing it closes every connection."""

    def __init__(self, accounts: Accounts, store: MailStore, effects: Effects, context: SSLContext) -> None:
        self._effects, self._context = effects, context
        self._starttls = _Config(context, starttls=True)
        self._implicit = _Config(context, starttls=False)
        self._login = _Login(self._starttls, accounts, store, effects)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._count = 0

    async def listen(self, starttls: socket.socket, implicit: socket.socket) -> None:
        self._starttls.apply_context()
        for listener, config, context in (
            (starttls, self._starttls, None),
            (implicit, self._implicit, self._context),
        ):
            self._servers.append(
                await asyncio.start_server(self._serve(config), sock=listener, ssl=context, limit=MOST_BYTES)
            )

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        tasks: Sequence[asyncio.Task[None]] = tuple(self._connections)
        for writer in self._connections.values():
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _serve(
        self, config: _Config
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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

    async def _run(self, config: _Config, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        session = f"imap-{self._count}"
        self._effects.record("connected", session=session, protocol="imap")
        info = SocketInfo.get(writer, None, unique_id=session.encode())
        connection = IMAPConnection(config.commands, config, reader, writer, info)
        async with AsyncExitStack() as stack:
            connection_exit.set(stack)
            stack.enter_context(closing(connection))
            await connection.run(_State(self._login, config))
