"""Where the mails lie: one SQLite file, every byte as it was delivered, UIDs for ever.

pymap's own Maildir backend was looked at first: it writes mails out again through Python's parser, which
changes bytes, and notices new mail by polling once a second.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

STANDARD_FOLDERS = ("INBOX", "Sent", "Drafts", "Trash", "Junk")
SCHEMA = """
CREATE TABLE IF NOT EXISTS folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, name TEXT NOT NULL,
    uid_validity INTEGER NOT NULL, next_uid INTEGER NOT NULL, subscribed INTEGER NOT NULL,
    UNIQUE (account, name)
);
CREATE TABLE IF NOT EXISTS mail (
    folder INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE, uid INTEGER NOT NULL,
    received REAL NOT NULL, flags TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in a folder, without its content. `change` orders all changes of the folder in this process."""

    uid: int
    received: datetime
    flags: frozenset[str]  # \\Seen, \\Answered …
    size: int
    change: int


class Folder:
    """One folder of one account. All methods are quick and are called in the event loop's thread only."""

    def __init__(self, db: sqlite3.Connection, key: int, name: str) -> None:
        self._db, self.key, self.name = db, key, name
        validity, next_uid, subscribed = db.execute(
            "SELECT uid_validity, next_uid, subscribed FROM folder WHERE id = ?", (key,)
        ).fetchone()
        self.uid_validity: int = validity
        self.next_uid: int = next_uid
        self.subscribed = bool(subscribed)
        self.change = 1
        self.gone: dict[int, int] = {}  # uid of a removed mail -> the change that removed it
        self._watchers: set[Callable[[], None]] = set()
        self._mails: dict[int, Mail] = {
            uid: Mail(uid, datetime.fromtimestamp(received, UTC), frozenset(flags.split()), size, 1)
            for uid, received, flags, size in db.execute(
                "SELECT uid, received, flags, length(content) FROM mail WHERE folder = ? ORDER BY uid", (key,)
            )
        }

    def mails(self) -> tuple[Mail, ...]:
        return tuple(self._mails.values())

    def find(self, uid: int) -> Mail | None:
        return self._mails.get(uid)

    def content(self, uid: int) -> bytes:
        """The bytes of a mail, as they came; KeyError if there is none with this UID."""
        row = self._db.execute(
            "SELECT content FROM mail WHERE folder = ? AND uid = ?", (self.key, uid)
        ).fetchone()
        if row is None:
            raise KeyError(uid)
        return bytes(row[0])

    def append(self, content: bytes, flags: Iterable[str] = (), received: datetime | None = None) -> Mail:
        """Put a mail at the end. Whoever watches the folder is told before this returns."""
        received = received or datetime.now(UTC)
        mail = Mail(self.next_uid, received, frozenset(flags), len(content), self.change + 1)
        with self._db:
            self._db.execute(
                "INSERT INTO mail (folder, uid, received, flags, content) VALUES (?, ?, ?, ?, ?)",
                (self.key, mail.uid, received.timestamp(), " ".join(sorted(mail.flags)), content),
            )
            self._db.execute("UPDATE folder SET next_uid = ? WHERE id = ?", (mail.uid + 1, self.key))
        self.next_uid += 1
        self._mails[mail.uid] = mail
        self._changed()
        return mail

    def set_flags(self, uid: int, flags: frozenset[str]) -> Mail | None:
        found = self._mails.get(uid)
        if found is None or found.flags == flags:
            return found
        with self._db:
            self._db.execute(
                "UPDATE mail SET flags = ? WHERE folder = ? AND uid = ?",
                (" ".join(sorted(flags)), self.key, uid),
            )
        self._mails[uid] = changed = replace(found, flags=flags, change=self.change + 1)
        self._changed()
        return changed

    def remove(self, uids: Iterable[int]) -> None:
        there = [uid for uid in uids if uid in self._mails]
        with self._db:
            self._db.executemany(
                "DELETE FROM mail WHERE folder = ? AND uid = ?", ((self.key, uid) for uid in there)
            )
        for uid in there:
            del self._mails[uid]
            self.gone[uid] = self.change + 1
        if there:
            self._changed()

    def watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` at every change, until the returned function is called."""
        self._watchers.add(told)
        return lambda: self._watchers.discard(told)

    async def wait_beyond(self, change: int, seconds: float) -> bool:
        """Wait until something changed after `change`; False when that took longer than `seconds`."""
        happened = asyncio.Event()
        stop = self.watch(happened.set)
        try:
            if self.change > change:
                return True
            async with asyncio.timeout(seconds):
                await happened.wait()
        except TimeoutError:
            return False
        finally:
            stop()
        return True

    def _changed(self) -> None:
        self.change += 1
        for told in tuple(self._watchers):
            told()


class MailStore:
    """All folders of all accounts in one file. One process at a time.

    Whatever was acknowledged stays when the process is killed.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;")
        self._db.executescript(SCHEMA)
        self._folders: dict[str, dict[str, Folder]] = {}

    def folders(self, account: str) -> dict[str, Folder]:
        """The folders of an account by name; the standard ones are made at first use."""
        if account not in self._folders:
            keys = self._db.execute("SELECT id, name FROM folder WHERE account = ? ORDER BY id", (account,))
            self._folders[account] = {name: Folder(self._db, key, name) for key, name in keys.fetchall()}
            for name in STANDARD_FOLDERS:
                if name not in self._folders[account]:
                    self.create(account, name)
        return self._folders[account]

    def folder(self, account: str, name: str) -> Folder:
        """One folder; KeyError if there is none of this name."""
        return self.folders(account)["INBOX" if name.upper() == "INBOX" else name]

    def create(self, account: str, name: str) -> Folder:
        """Make a folder; ValueError if there is one of this name."""
        folders = self._folders[account] if account in self._folders else self.folders(account)
        if name in folders:
            raise ValueError(name)
        with self._db:
            key = self._db.execute(
                "INSERT INTO folder (account, name, uid_validity, next_uid, subscribed)"
                " VALUES (?, ?, ?, 1, 1) RETURNING id",
                (account, name, int(time.time())),
            ).fetchone()[0]
            # both parts only grow: a folder made anew under an old name never has the old one's validity
            self._db.execute("UPDATE folder SET uid_validity = uid_validity + id WHERE id = ?", (key,))
        folder = folders[name] = Folder(self._db, key, name)
        return folder

    def delete(self, account: str, name: str) -> None:
        folder = self.folders(account).pop(name)
        with self._db:
            self._db.execute("DELETE FROM folder WHERE id = ?", (folder.key,))

    def rename(self, account: str, before: str, after: str) -> None:
        folders = self.folders(account)
        folder = folders.pop(before)
        with self._db:
            self._db.execute("UPDATE folder SET name = ? WHERE id = ?", (after, folder.key))
        folder.name = after
        folders[after] = folder

    def subscribe(self, account: str, name: str, *, subscribed: bool) -> None:
        folder = self.folder(account, name)
        folder.subscribed = subscribed
        with self._db:
            self._db.execute("UPDATE folder SET subscribed = ? WHERE id = ?", (int(subscribed), folder.key))

    def close(self) -> None:
        self._db.close()
