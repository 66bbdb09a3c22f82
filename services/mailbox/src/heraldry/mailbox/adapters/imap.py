"""Reading a mailbox by IMAP: the port's `Mailbox` and `Reader` on the hardened connection."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from heraldry.mailbox.adapters import answers, resolve
from heraldry.mailbox.adapters.folders import Folder, folders_in, is_sent, sent_among
from heraldry.mailbox.adapters.hardened import Connection, Limits, Reply
from heraldry.mailbox.adapters.probe import greeted
from heraldry.mailbox.adapters.problems import Broken, without_secrets
from heraldry.mailbox.adapters.tls import client_context
from heraldry.mailbox.adapters.wire import folder_to_wire, pieces
from heraldry.mailbox.domain.diagnosis import Failure, Stage, diagnose, diagnose_failure
from heraldry.mailbox.ports import (
    Account,
    FolderChanged,
    FolderState,
    MailProblem,
    Patience,
    RawMessage,
    Trust,
)

OWN_HEADER = "X-Heraldry-Attempt"
LARGEST = 25 << 20  # bytes of a message we read; of larger ones only the headers
_AT_MOST = 200  # UIDs in one command
_NEAR = 20  # UIDs asked for together with what begins there
_SMALL = 64 << 10  # bytes of each that come at once; most mails are smaller
_LAST_UID = 2**32 - 1
_POLL = 60.0  # seconds between two questions where a server knows no IDLE


class Session:
    """A connection to one account's IMAP server. Whatever goes wrong is raised as MailProblem."""

    def __init__(self, account: Account, patience: Patience, limits: Limits) -> None:
        self.account = account
        self.patience = patience
        self.connection = Connection(limits)
        self.state: FolderState | None = None  # the folder selected now
        self._home: FolderState | None = None  # the one our caller asked for
        self._folders: tuple[Folder, ...] | None = None

    # --- coming in ----------------------------------------------------------------------------------

    async def enter(self, trust: Trust) -> None:
        """Connect, encrypt, sign in."""
        try:
            async with asyncio.timeout(self.patience.connect):
                await self._connect(trust)
            await self._sign_in()
        except Broken as broken:
            raise self._problem(broken) from broken
        except TimeoutError as error:
            raise self._problem(self.connection.drop(Broken(Failure.TIMEOUT))) from error

    async def _connect(self, trust: Trust) -> None:
        loop, target, seconds = asyncio.get_running_loop(), self.account.imap, self.patience.connect
        context = await asyncio.to_thread(client_context, trust.extra_ca_file)
        dialled = await resolve.connect(
            target.host, target.port, allow_private=trust.allow_private_addresses, seconds=seconds
        )
        try:
            if target.tls == "tls":
                await loop.create_connection(
                    lambda: self.connection,
                    sock=dialled,
                    ssl=context,
                    server_hostname=target.host,
                    ssl_handshake_timeout=seconds,
                )
            else:
                await loop.create_connection(lambda: self.connection, sock=dialled)
        except (OSError, ValueError) as error:
            dialled.close()
            raise Broken.of(error) from error
        greeting = self.connection.greeted(seconds)
        try:
            await greeted(greeting, target, allow_private=trust.allow_private_addresses)
        except Broken as broken:
            raise self.connection.drop(broken) from broken
        if target.tls == "starttls":
            if "STARTTLS" not in await self.capabilities():
                raise self.connection.drop(Broken(Failure.NO_STARTTLS))
            reply = await self.connection.upgrade(context, target.host, seconds=seconds)
            if not reply.ok:
                raise self.connection.drop(Broken(Failure.NO_STARTTLS, reply.words))

    async def capabilities(self) -> frozenset[str]:
        if not self.connection.known:
            reply = await self._perform("CAPABILITY")
            if not reply.ok or not self.connection.known:
                raise self.connection.drop(Broken(Failure.NOT_MAIL, reply.words))
        return self.connection.known

    async def _sign_in(self) -> None:
        """One try only, since each one counts against the account."""
        user, password = self.account.user, self.account.password.get_secret_value()
        known = await self.capabilities()
        self.connection.known = frozenset()  # another set holds after the sign-in
        if self.account.auth == "xoauth2":
            reply = await self._authenticate(
                "XOAUTH2", f"user={user}\1auth=Bearer {password}\1\1".encode(), initial="SASL-IR" in known
            )
        elif "LOGINDISABLED" in known or "\0" in user + password:
            if "AUTH=PLAIN" not in known:
                raise self.connection.drop(Broken(Failure.NO_AUTH))
            blob = b"\0" + user.encode() + b"\0" + password.encode()
            reply = await self._authenticate("PLAIN", blob, initial="SASL-IR" in known)
        else:
            reply = await self._perform("LOGIN", pieces(user, password))
        if not reply.ok:
            raise self._refused("login", reply)
        self.connection.signed_in()

    async def _authenticate(self, mechanism: str, blob: bytes, *, initial: bool) -> Reply:
        encoded = base64.b64encode(blob)
        name = mechanism.encode()
        return await self._perform("AUTHENTICATE", (name + b" " + encoded,) if initial else (name, encoded))

    async def leave(self) -> None:
        """Say goodbye if there is somebody to say it to; never raises and never takes long."""
        if self.connection.lost is None and self.connection.transport is not None:
            with suppress(Broken):
                await self.connection.perform("LOGOUT", silence=2.0, total=2.0)
        self.connection.drop(Broken(Failure.CLOSED, "left"))

    # --- the port -----------------------------------------------------------------------------------

    async def folder(self, name: str = "INBOX") -> FolderState:
        try:
            self._home = await self._select(name)
        except Broken as broken:
            raise self._problem(broken) from broken
        return self._home

    async def _at_home(self) -> FolderState:
        """Back in the caller's folder after a look into another; what may have come meanwhile counts as
        news.
        """
        if self._home is None:
            self._home = await self._select("INBOX")
        elif self.state is None or self.state.name != self._home.name:
            before, self._home = self._home, await self._select(self._home.name)
            if before != self._home:
                self.connection.news.set()
        return self._home

    async def _select(self, name: str) -> FolderState:
        stage: Stage = "inbox" if name.upper() == "INBOX" else "folder"
        self.state = None
        reply = await self._perform("SELECT", pieces(folder_to_wire(name)))
        if not reply.ok:
            raise self._refused(stage, reply)
        self.connection.selected()
        self.connection.news.clear()
        counts = (first for first, second in answers.heads(reply) if second == "EXISTS")
        messages = next((int(count) for count in counts if count.isdigit()), 0)
        codes = dict(answers.codes(reply))
        if "UIDVALIDITY" not in codes:
            raise self._refused(stage, reply)
        uidnext = codes.get("UIDNEXT") or await self._uidnext(name)
        self.state = FolderState(name, codes["UIDVALIDITY"], uidnext, messages)
        return self.state

    async def _uidnext(self, name: str) -> int:
        reply = await self._perform("STATUS", (*pieces(folder_to_wire(name), b"(UIDNEXT)"),))
        for data in answers.data(reply, "STATUS"):
            items = answers.pairs(data[-1])
            if isinstance(found := items.get("UIDNEXT"), str) and found.isdigit():
                return int(found)
        return 0

    async def fetch_since(
        self, uid: int, uidvalidity: int, *, limit: int = _AT_MOST
    ) -> AsyncIterator[RawMessage]:
        try:
            state = await self._at_home()
            if state.uidvalidity != uidvalidity:
                raise FolderChanged(state)
            self.connection.news.clear()
            left = min(limit, _AT_MOST)
            sizes, whole = await self._near(uid, left)
            if not sizes:
                sizes = await self._far(uid, left)
            while sizes:
                for group in answers.groups(sizes, alone=whole.keys()):
                    first, _ = group[0]
                    if first in whole:
                        yield RawMessage(first, uidvalidity, whole[first])
                        continue
                    for message in await self._bodies(group, uidvalidity):
                        yield message
                left -= len(sizes)
                uid, full = sizes[-1][0], sizes[-1][0] == uid + _NEAR
                if not full or left <= 0:
                    return
                sizes, whole = await self._near(uid, left)
        except Broken as broken:
            raise self._problem(broken) from broken

    async def _near(self, uid: int, limit: int) -> tuple[Sequence[tuple[int, int]], Mapping[int, bytes]]:
        """New mail mostly has the next UIDs: UIDs and sizes, oldest first, and those mails that are small, whole."""
        next_ones = range(uid + 1, min(uid + min(limit, _NEAR), _LAST_UID) + 1)
        if not next_ones:
            return (), {}
        reply = await self._fetch(next_ones, b"RFC822.SIZE BODY.PEEK[]<0.%d>" % _SMALL)
        if not reply.ok:  # perhaps one of them cannot be read: find out which
            reply = await self._fetch(next_ones, b"RFC822.SIZE")
        sizes = self._sizes(reply, next_ones)
        begun = self._contents(reply)
        return sizes, {uid: begun[uid] for uid, _ in sizes if uid in begun and len(begun[uid]) < _SMALL}

    async def _far(self, uid: int, limit: int) -> Sequence[tuple[int, int]]:
        """What lies behind a gap is found by a search: UIDs and sizes, oldest first."""
        found = await self._search(b"UID", b"%d:*" % (uid + 1))
        uids = sorted({each for each in found if each > uid})[:limit]
        if not uids:
            return ()
        reply = await self._fetch(uids, b"RFC822.SIZE")
        if not reply.ok:
            raise self._refused("inbox", reply)
        return self._sizes(reply, uids)

    @staticmethod
    def _sizes(reply: Reply, uids: Sequence[int]) -> Sequence[tuple[int, int]]:
        sizes = {
            int(uid): int(size)
            for items in answers.fetched(reply)
            if isinstance(uid := items.get("UID"), str) and isinstance(size := items.get("RFC822.SIZE"), str)
            if uid.isdigit() and size.isdigit()
        }
        return [(uid, sizes[uid]) for uid in uids if uid in sizes]

    async def _bodies(self, group: Sequence[tuple[int, int]], uidvalidity: int) -> Sequence[RawMessage]:
        whole = all(size <= LARGEST for _, size in group)
        part = b"BODY.PEEK[]" if whole else b"BODY.PEEK[HEADER]"
        uids = [uid for uid, _ in group]
        reply = await self._fetch(uids, part)
        bodies = self._contents(reply)
        if not reply.ok and len(group) > 1:  # one of them cannot be read: find out which
            return [message for each in group for message in await self._bodies((each,), uidvalidity)]
        if not reply.ok:
            return [RawMessage(uids[0], uidvalidity, b"", complete=False)]
        return [RawMessage(uid, uidvalidity, bodies[uid], whole) for uid in uids if uid in bodies]

    @staticmethod
    def _contents(reply: Reply) -> dict[int, bytes]:
        bodies: dict[int, bytes] = {}
        for items in answers.fetched(reply):
            uid = items.get("UID")
            body = next((value for key, value in items.items() if key.startswith("BODY[")), None)
            if isinstance(uid, str) and uid.isdigit() and isinstance(body, bytes):
                bodies[int(uid)] = body
        return bodies

    async def wait(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        news = self.connection.news
        try:
            await self._at_home()
            idles = "IDLE" in await self.capabilities()
            while not news.is_set() and (left := deadline - loop.time()) > 0:
                if idles:
                    await self.connection.idle_for(
                        min(left, self.patience.idle), silence=self.patience.command
                    )
                    continue
                await asyncio.sleep(min(left, _POLL))
                await self._perform("NOOP")
        except Broken as broken:
            raise self._problem(broken) from broken
        if self.connection.lost is not None:
            raise self._problem(self.connection.lost)
        found = news.is_set()
        news.clear()
        return found

    async def append_sent(self, raw: bytes) -> bool:
        try:
            return await self._append_sent(raw)
        except Broken as broken:
            raise self._problem(broken) from broken

    async def _append_sent(self, raw: bytes) -> bool:
        folder = await self.sent_folder() or await self._make_sent()
        own, known_as = (answers.header_of(raw, name) for name in (OWN_HEADER, "Message-ID"))
        if await self._lies_in(folder, own, known_as):
            return False
        *before, last = pieces(folder_to_wire(folder))
        opening = last + rb" (\Seen) {%d}" % len(raw)
        reply = await self._perform("APPEND", (*before, opening, raw))
        if not reply.ok:
            raise self._refused("folder", reply)
        return True

    async def _lies_in(self, folder: str, own: str, known_as: str) -> bool:
        """Whether a mail with our header, or with its Message-ID, is there: one question where both are known."""
        if not (own and known_as):
            name, value = (OWN_HEADER, own) if own else ("Message-ID", known_as)
            return bool(value and await self.find_by_header(folder, name, value))
        if self.state is None or self.state.name != folder:
            await self._select(folder)
        either = pieces(OWN_HEADER, own, b"HEADER", "Message-ID", known_as)
        return bool(await self._search(b"OR HEADER", *either))

    async def _make_sent(self) -> str:
        separator = next((each.separator for each in self._folders or () if each.separator), "/")
        reply: Reply | None = None
        for name in ("Sent", f"INBOX{separator}Sent"):
            reply = await self._perform("CREATE", pieces(folder_to_wire(name)))
            if reply.ok:
                self._folders = None
                return name
        raise self._refused("folder", reply or Reply("NO", "", ()))

    async def find_by_header(self, folder: str, name: str, value: str) -> tuple[int, ...]:
        try:
            if self.state is None or self.state.name != folder:
                await self._select(folder)
            return await self._search(b"HEADER", *pieces(name, value))
        except Broken as broken:
            raise self._problem(broken) from broken

    async def sent_folder(self) -> str | None:
        try:
            return sent_among(await self._all_folders())
        except Broken as broken:
            raise self._problem(broken) from broken

    # --- asking -----------------------------------------------------------------------------------

    async def _all_folders(self) -> tuple[Folder, ...]:
        if self._folders is None:
            reply = await self._perform("LIST", pieces("", "*"))
            found = folders_in(answers.data(reply, "LIST"))
            if not any(map(is_sent, found)) and "SPECIAL-USE" in await self.capabilities():
                reply = await self._perform("LIST", (b'(SPECIAL-USE) "" "*"',))
                found += folders_in(answers.data(reply, "LIST"))
            self._folders = found
        return self._folders

    async def _search(self, *criteria: bytes) -> tuple[int, ...]:
        first, *rest = criteria
        words = (first + b" " + rest[0], *rest[1:]) if rest else (first,)
        reply = await self._perform("UID SEARCH", words, kind="SEARCH")
        if not reply.ok:
            raise self._refused("folder", reply)
        numbers = (word for data in answers.data(reply, "SEARCH") for word in data if isinstance(word, str))
        return tuple(int(word) for word in numbers if word.isdigit())

    async def _fetch(self, uids: Sequence[int], item: bytes) -> Reply:
        wanted = answers.uid_set(uids) + b" (UID " + item + b")"
        return await self._perform("UID FETCH", (wanted,), kind="FETCH")

    async def _perform(self, name: str, parts: Sequence[bytes] = (), *, kind: str = "") -> Reply:
        patience = self.patience
        return await self.connection.perform(
            name, parts, kind=kind, silence=patience.command, total=patience.transfer
        )

    # --- what went wrong --------------------------------------------------------------------------

    def _refused(self, stage: Stage, reply: Reply) -> MailProblem:
        words = f"{reply.status} {reply.words}"
        if reply.challenge:
            words += " " + answers.challenge_text(reply.challenge)
        return MailProblem(
            diagnose("imap", stage, self._clean(words), connected_before=self.account.connected_before)
        )

    def _problem(self, broken: Broken) -> MailProblem:
        before = self.account.connected_before
        if broken.words.upper().startswith("BYE"):
            return MailProblem(
                diagnose("imap", "connect", self._clean(broken.words), connected_before=before)
            )
        return MailProblem(diagnose_failure("imap", broken.failure, connected_before=before))

    def _clean(self, words: str) -> str:
        return without_secrets(words, self.account.user, self.account.password.get_secret_value())


class ImapMailbox:
    """The port's `Mailbox` over IMAP."""

    def __init__(self, trust: Trust, patience: Patience | None = None, limits: Limits | None = None) -> None:
        self._trust = trust
        self._patience = patience or Patience()
        self._limits = limits or Limits()

    @asynccontextmanager
    async def open(self, account: Account) -> AsyncGenerator[Session]:
        session = Session(account, self._patience, self._limits)
        try:
            await session.enter(self._trust)
            yield session
        finally:
            await session.leave()
