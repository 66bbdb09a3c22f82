"""pymap's view of the mail store: its interfaces for folders, and nothing of the network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from heraldry.sandbox.mail.store import Folder, Mail, MailStore
from pymap.backend.mailbox import MailboxDataInterface, MailboxSetInterface
from pymap.backend.session import BaseSession
from pymap.bytes import Writeable
from pymap.concurrent import Event
from pymap.config import IMAPConfig
from pymap.flags import FlagOp
from pymap.interfaces.message import CachedMessage
from pymap.listtree import ListTree
from pymap.mailbox import MailboxSnapshot
from pymap.message import BaseLoadedMessage, BaseMessage
from pymap.mime import MessageContent
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement, ObjectId
from pymap.parsing.specials.flag import Flag, Seen
from pymap.selected import SelectedMailbox, SelectedSet

DEEPEST = 100  # parts in parts whose structure is told
SPECIAL_USE = {"Sent": b"Sent", "Drafts": b"Drafts", "Trash": b"Trash", "Junk": b"Junk"}


class StoredMessage(BaseMessage):
    """A mail without its content, which is read from the store when somebody asks for it."""

    __slots__ = ("_folder",)

    def __init__(self, folder: Folder, mail: Mail, *, expunged: bool = False) -> None:
        super().__init__(
            mail.uid,
            mail.received,
            [Flag(flag) for flag in mail.flags],
            email_id=ObjectId(b"M%d-%d" % (folder.uid_validity, mail.uid)),
            expunged=expunged,
        )
        self._folder = folder

    async def load_content(self, requirement: FetchRequirement) -> LoadedMessage:
        if requirement.has_none(FetchRequirement.CONTENT):
            return LoadedMessage(self, requirement, None, b"")
        try:
            raw = self._folder.content(self.uid)
        except KeyError:  # removed meanwhile by another client
            return LoadedMessage(self, requirement, None, b"")
        return LoadedMessage(self, requirement, _parsed(raw), raw)


def _parsed(raw: bytes) -> MessageContent:
    """Its structure; of one too deep for pymap, which takes seconds or fails, the outermost headers."""
    shallow = raw.lower().count(b"multipart/") <= DEEPEST
    return MessageContent.parse(raw if shallow else raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


class LoadedMessage(BaseLoadedMessage):
    """A mail with its content. The whole of it is handed out byte for byte."""

    __slots__ = ("_raw",)

    def __init__(
        self,
        message: StoredMessage,
        requirement: FetchRequirement,
        content: MessageContent | None,
        raw: bytes,
    ) -> None:
        super().__init__(message, requirement, content)
        self._raw = raw

    def __bytes__(self) -> bytes:
        return self._raw

    def get_body(self, section: Sequence[int] | None = None, binary: bool = False) -> Writeable:  # noqa: FBT001, FBT002  pymap's signature
        return super().get_body(section, binary) if section or binary else Writeable.wrap(self._raw)

    def get_size(self, section: Sequence[int] | None = None) -> int:
        return super().get_size(section) if section else len(self._raw)


class StoredMailbox(MailboxDataInterface[StoredMessage]):
    """A folder as pymap wants it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._selected_set = SelectedSet()

    @property
    def mailbox_id(self) -> ObjectId:
        return ObjectId(b"F%d" % self.folder.uid_validity)

    @property
    def readonly(self) -> bool:
        return False

    @property
    def uid_validity(self) -> int:
        return self.folder.uid_validity

    @property
    def selected_set(self) -> SelectedSet:
        return self._selected_set

    async def update_selected(
        self, selected: SelectedMailbox, *, wait_on: Event | None = None
    ) -> SelectedMailbox:
        seen: int = selected.mod_sequence or 0
        if wait_on is not None and self.folder.change <= seen:
            event = wait_on.or_event()
            stop = self.folder.watch(event.set)
            try:
                await event.wait()
            finally:
                stop()
        selected.mod_sequence = self.folder.change
        selected.add_updates(
            [StoredMessage(self.folder, mail) for mail in self.folder.mails() if mail.change > seen],
            [uid for uid, change in self.folder.gone.items() if change > seen],
        )
        return selected

    async def append(self, append_msg: AppendMessage, *, recent: bool = False) -> StoredMessage:
        del recent  # who saw a mail first matters to nobody here
        when = append_msg.when or datetime.now(UTC)
        mail = self.folder.append(
            append_msg.literal, _texts(append_msg.flag_set & self.permanent_flags), when.astimezone(UTC)
        )
        return StoredMessage(self.folder, mail)

    async def copy(  # pyright: ignore[reportIncompatibleMethodOverride]  pymap only ever gives one of ours
        self, uid: int, destination: StoredMailbox, *, recent: bool = False
    ) -> int | None:
        del recent
        mail = self.folder.find(uid)
        if mail is None:
            return None
        return destination.folder.append(self.folder.content(uid), mail.flags, mail.received).uid

    async def move(  # pyright: ignore[reportIncompatibleMethodOverride]  pymap only ever gives one of ours
        self, uid: int, destination: StoredMailbox, *, recent: bool = False
    ) -> int | None:
        moved = await self.copy(uid, destination, recent=recent)
        if moved is not None:
            self.folder.remove((uid,))
        return moved

    async def get(self, uid: int, cached_msg: CachedMessage) -> StoredMessage:
        if mail := self.folder.find(uid):
            return StoredMessage(self.folder, mail)
        flags = _texts(cached_msg.permanent_flags)
        gone = Mail(uid, cached_msg.internal_date, flags, 0, self.folder.change)
        return StoredMessage(self.folder, gone, expunged=True)

    async def update(
        self, uid: int, cached_msg: CachedMessage, flag_set: frozenset[Flag], mode: FlagOp
    ) -> StoredMessage:
        found = await self.get(uid, cached_msg)
        if found.expunged:
            return found
        mail = self.folder.set_flags(uid, _texts(mode.apply(found.permanent_flags, flag_set)))
        return found if mail is None else StoredMessage(self.folder, mail)

    async def delete(self, uids: Iterable[int]) -> None:
        self.folder.remove(uids)

    async def claim_recent(self, selected: SelectedMailbox) -> None:
        """No mail is ever \\Recent: the flag is deprecated and clients must not rely on it."""

    async def cleanup(self) -> None:
        """Nothing to tidy."""

    async def snapshot(self) -> MailboxSnapshot:
        mails = self.folder.mails()
        unseen = [place for place, mail in enumerate(mails, 1) if Seen.value.decode() not in mail.flags]
        return MailboxSnapshot(
            self.mailbox_id,
            self.readonly,
            self.uid_validity,
            self.permanent_flags,
            self.session_flags,
            len(mails),
            0,
            len(unseen),
            unseen[0] if unseen else None,
            self.folder.next_uid,
        )


class StoredMailboxes(MailboxSetInterface[StoredMailbox]):
    """All folders of one account as pymap wants them."""

    def __init__(self, store: MailStore, account: str) -> None:
        self._store, self._account = store, account
        self._open: dict[int, StoredMailbox] = {}

    @property
    def delimiter(self) -> str:
        return "/"

    async def set_subscribed(self, name: str, subscribed: bool) -> None:  # noqa: FBT001  pymap's signature
        self._store.subscribe(self._account, name, subscribed=subscribed)

    async def list_subscribed(self) -> ListTree:
        folders = self._store.folders(self._account).values()
        return self._tree(folder.name for folder in folders if folder.subscribed)

    async def list_mailboxes(self) -> ListTree:
        return self._tree(self._store.folders(self._account))

    async def get_mailbox(self, name: str) -> StoredMailbox:
        folder = self._store.folder(self._account, name)
        return self._open.setdefault(folder.key, StoredMailbox(folder))

    async def add_mailbox(self, name: str) -> ObjectId:
        return StoredMailbox(self._store.create(self._account, name)).mailbox_id

    async def delete_mailbox(self, name: str) -> None:
        self._store.delete(self._account, name)

    async def rename_mailbox(self, before: str, after: str) -> None:
        tree = await self.list_mailboxes()
        if tree.get(before) is None:
            raise KeyError(before)
        if tree.get(after) is not None:
            raise ValueError(after)
        for old, new in tree.get_renames(before, after):
            self._store.rename(self._account, old, new)
            if old == "INBOX":  # its mails move away, the folder stays: RFC 9051 section 6.3.6
                self._store.create(self._account, "INBOX")

    def _tree(self, names: Iterable[str]) -> ListTree:
        return ListTree(self.delimiter).update("INBOX", *(name for name in names if name != "INBOX"))


class MailSession(BaseSession[StoredMessage]):
    """A signed-in client's view of its account."""

    def __init__(self, account: str, config: IMAPConfig, mailboxes: StoredMailboxes) -> None:
        super().__init__(account)
        self._config, self._mailboxes = config, mailboxes

    @property
    def config(self) -> IMAPConfig:
        return self._config

    @property
    def mailbox_set(self) -> StoredMailboxes:
        return self._mailboxes

    async def list_mailboxes(
        self,
        ref_name: str,
        filter_: str,
        subscribed: bool = False,  # noqa: FBT001, FBT002  pymap's signature
        selected: SelectedMailbox | None = None,
    ) -> tuple[Iterable[tuple[str, str | None, Sequence[bytes]]], SelectedMailbox | None]:
        found, updated = await super().list_mailboxes(ref_name, filter_, subscribed, selected)
        special = [
            (name, separator, [*attributes, SPECIAL_USE[name]] if name in SPECIAL_USE else attributes)
            for name, separator, attributes in found
        ]
        return special, updated


def _texts(flags: Iterable[Flag]) -> frozenset[str]:
    return frozenset(flag.value.decode("ascii") for flag in flags)
