"""Data keys: one per context and data subject, on the stream KEYS, wrapped by the master key.

A key is created before it is needed, expecting none there. Reading never creates one: an unknown key is an
error, a destroyed one an explicit record. Of a person who is being erased it is live, then sealed, then destroyed:
with a sealed one everything is still read, and nothing is encrypted any more.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.vault.master import MasterKey, MasterKeyError, OtherMasterKeyError
from heraldry.chassis.vault.sealing import KEY_BYTES, open_with, seal_with
from nacl.exceptions import CryptoError
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

WRONG_SEQUENCE = (10071, 10164)  # the server's codes: the subject has moved
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,128}")


class KeyUnknownError(Exception):
    """No key of this data subject was ever made, or it has not reached us: never a reason to make one."""

    def __init__(self, context: str, subject: str) -> None:
        super().__init__(f"{context} has no key of {subject}")
        self.context, self.subject = context, subject


class KeyDestroyedError(Exception):
    """The data subject is erased, or about to be; nothing is encrypted for it any more."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"the key of {subject} is sealed or destroyed")
        self.subject = subject


class UnreadableError(Exception):
    """A ciphertext was changed, belongs elsewhere, or was made with another key."""


@dataclass(frozen=True, slots=True)
class Key:
    """The data key of one data subject. Its id is the subject. `sealed`: for reading only."""

    subject: str
    secret: bytes = field(repr=False)
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What stands where a key stood."""

    subject: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a key: its newest record's sequence, and what that says."""

    sequence: int
    key: Key | Destroyed


class Record(BaseModel):
    """A message on heraldry.keys.<context>.<subject>. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    state: Literal["live", "sealed", "destroyed"]
    wrapped: str = ""  # base64
    master: str = ""  # fingerprint of the master key


def encrypt(key: Key, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt a field; `associated` says where it belongs (event id and key id) and is needed to read it.

    Raises KeyDestroyedError if the key is sealed.
    """
    if key.sealed:
        raise KeyDestroyedError(key.subject)
    return seal_with(key.secret, plaintext, associated)


def decrypt(key: Key, sealed: bytes, associated: bytes) -> bytes:
    """Read what `encrypt` made. Raises UnreadableError."""
    try:
        return open_with(key.secret, sealed, associated)
    except CryptoError as error:
        raise UnreadableError(f"a value encrypted with the key of {key.subject} cannot be read") from error


def address(context: str, subject: str) -> str:
    """The NATS subject of a data subject's key. ValueError for what is no id."""
    if not SUBJECT.fullmatch(subject):
        raise ValueError(f"{subject!r} is no id of a data subject")
    return f"heraldry.keys.{context}.{subject}"


class KeyRing:
    """One context's keys: filled at `start`, live from then on, so that `get` needs no await."""

    def __init__(self, nc: Client, context: str, master: MasterKey) -> None:
        self._js = border.jetstream(nc)
        self._context, self._master = context, master
        self._known: dict[str, Known] = {}
        self._superseded: dict[str, set[int]] = {}
        self._erased: dict[str, int] = {}
        self._started = False
        self._needed: OtherMasterKeyError | None = None  # said once, however many need it
        self.heard = 0  # every record up to this sequence is known here
        self._moved: set[asyncio.Event] = set()
        self._follower = Follower(nc, rights.KEYS, f"heraldry.keys.{context}.>", self._take)

    async def start(self) -> None:
        """Return when all keys there are now are known. Raises TimeoutError if NATS is out of reach for 30 s.

        Raises MasterKeyError if a key needs another master key; a record that is damaged is logged and its key stays
        unknown.
        """
        await self._follower.start()
        if self._needed is not None:
            await self._follower.stop()
            raise self._needed
        self._started = True

    async def stop(self) -> None:
        await self._follower.stop()

    async def create(self, subject: str) -> Key:
        """The subject's key, made if there is none; on disk when this returns.

        Of several who create the same key at once all get the one that was made. Raises KeyDestroyedError,
        ValueError for what is no id, and nats.errors.Error if NATS is out of reach.
        """
        known = self._known.get(subject)
        if known is None:
            made = Key(subject, secrets.token_bytes(KEY_BYTES))
            try:
                sequence = await self._append(subject, self._wrapped(made), expected=0)
            except APIError as error:
                if error.err_code not in WRONG_SEQUENCE:
                    raise
                known = await self._read(subject)
            else:
                known = self._learn(Known(sequence, made))
        if isinstance(known.key, Destroyed) or known.key.sealed:
            raise KeyDestroyedError(subject)
        return known.key

    def get(self, subject: str) -> Key | Destroyed:
        """From memory. Raises KeyUnknownError."""
        known = self._known.get(subject)
        if known is None:
            raise KeyUnknownError(self._context, subject)
        return known.key

    async def fetch(self, subject: str) -> Key | Destroyed:
        """From memory, else from the stream: what another process made a moment ago. Raises
        KeyUnknownError.
        """
        known = self._known.get(subject)
        return known.key if known else (await self._read(subject)).key

    async def seal(self, subject: str) -> None:
        """Record that nothing is encrypted with the key any more, in every process. Idempotent.

        Where there is no key it is recorded as destroyed: none is ever made then.
        """
        while True:
            try:
                known = await self._read(subject)
            except KeyUnknownError:
                expected, record, key = 0, Record(state="destroyed"), Destroyed(subject)
            else:
                if isinstance(known.key, Destroyed) or known.key.sealed:
                    return
                expected, key = known.sequence, replace(known.key, sealed=True)
                record = self._wrapped(key)
            if await self._record(subject, record, key, expected):
                return

    async def destroy(self, subject: str) -> None:
        """Record that the key is destroyed; every process forgets it. Idempotent. Raises KeyUnknownError.

        The wrapped key's bytes are still in the stream until `shred` has overwritten them.
        """
        while True:
            known = await self._read(subject)
            if isinstance(known.key, Destroyed):
                return
            record = Record(state="destroyed")
            if await self._record(subject, record, Destroyed(subject), known.sequence):
                return

    def erased(self) -> Mapping[str, int]:
        """The data subjects nothing is encrypted for any more, each with the sequence of its key's last record."""
        return dict(self._erased)

    def is_erased(self, subject: str) -> bool:
        """Whether the data subject is erased, or about to be, as far as this process has heard."""
        return subject in self._erased

    async def is_destroyed(self, subject: str) -> bool:
        """Whether nothing that was encrypted for the data subject can be read any more; False where it has no key."""
        try:
            return isinstance(await self.fetch(subject), Destroyed)
        except KeyUnknownError:
            return False

    def superseded(self) -> Sequence[int]:
        """The sequences of records of destroyed keys that are there beside those that say so: to be overwritten."""
        return sorted(
            sequence
            for subject, sequences in self._superseded.items()
            if isinstance(self._known[subject].key, Destroyed)
            for sequence in sequences
        )

    async def changes(self) -> AsyncIterator[None]:
        """Once now, and whenever it was heard since the last time that a key is sealed or destroyed."""
        moved = asyncio.Event()
        moved.set()
        self._moved.add(moved)
        try:
            while True:
                await moved.wait()
                moved.clear()
                yield
        finally:
            self._moved.discard(moved)

    async def _record(self, subject: str, record: Record, key: Key | Destroyed, expected: int) -> bool:
        """False: somebody else was quicker."""
        try:
            sequence = await self._append(subject, record, expected=expected)
        except APIError as error:
            if error.err_code not in WRONG_SEQUENCE:
                raise
            return False
        self._learn(Known(sequence, key))
        return True

    async def _append(self, subject: str, record: Record, *, expected: int) -> int:
        acknowledged = await self._js.publish(
            address(self._context, subject),
            record.model_dump_json().encode(),
            stream=rights.KEYS,
            headers={EXPECTED: str(expected)},
        )
        return acknowledged.seq

    async def _read(self, subject: str) -> Known:
        try:
            message = await self._js.get_msg(
                rights.KEYS, subject=address(self._context, subject), direct=True
            )
        except NotFoundError:
            raise KeyUnknownError(self._context, subject) from None
        return self._learn(Known(message.seq or 0, self._opened(subject, message.data or b"")))

    def _take(self, entry: Entry) -> None:
        subject = entry.subject.rpartition(".")[2]
        try:
            self._learn(Known(entry.sequence, self._opened(subject, entry.data)))
        except OtherMasterKeyError as error:
            if self._started:
                raise
            self._needed = error
        finally:
            self.heard = entry.sequence
        if subject in self._erased:
            for moved in self._moved:
                moved.set()

    def _learn(self, found: Known) -> Known:
        subject = found.key.subject
        known = self._known.get(subject)
        if known is not None and known.sequence >= found.sequence:
            if known.sequence > found.sequence:
                self._superseded.setdefault(subject, set()).add(found.sequence)
            return known
        self._known[subject] = found
        if known is not None:
            self._superseded.setdefault(subject, set()).add(known.sequence)
        if isinstance(found.key, Destroyed) or found.key.sealed:
            self._erased[subject] = found.sequence
        return found

    def _wrapped(self, key: Key) -> Record:
        wrapped = self._master.wrap(key.secret, address(self._context, key.subject))
        return Record(
            state="sealed" if key.sealed else "live",
            wrapped=base64.b64encode(wrapped).decode(),
            master=self._master.fingerprint,
        )

    def _opened(self, subject: str, data: bytes) -> Key | Destroyed:
        try:
            record = Record.model_validate_json(data)
        except ValidationError as error:
            raise MasterKeyError(f"The record of the data key of {subject} is damaged.") from error
        if record.state == "destroyed":
            return Destroyed(subject)
        name = address(self._context, subject)
        if record.master not in {"", self._master.fingerprint}:
            raise OtherMasterKeyError(
                f"The data keys need the master key {record.master}, and this is {self._master.fingerprint}."
                " Start with the master key this installation has now."
            )
        secret = self._master.unwrap(base64.b64decode(record.wrapped), name)
        return Key(subject, secret, sealed=record.state == "sealed")


async def shred(js: JetStreamContext, context: str, subject: str) -> int:
    """Overwrite every record of a destroyed key but the one that says so; needs the operator's rights.

    Returns how many were overwritten. Raises KeyUnknownError if the key was not destroyed before. While the
    services run, the erasure does it.
    """
    name = address(context, subject)
    try:
        last = await js.get_last_msg(rights.KEYS, name)
    except NotFoundError:
        raise KeyUnknownError(context, subject) from None
    if Record.model_validate_json(last.data or b"").state != "destroyed":
        raise KeyUnknownError(context, subject)
    shredded, sequence = 0, 0
    while True:
        message = await js.get_msg(rights.KEYS, seq=sequence + 1, subject=name, next=True)
        sequence = message.seq or 0
        if sequence >= (last.seq or 0):
            return shredded
        await js.delete_msg(rights.KEYS, sequence)
        shredded += 1


async def mark_destroyed(js: JetStreamContext, context: str, subject: str) -> bool:
    """Record that a key is destroyed, whether or not there is one; needs the operator's rights.

    No master key is needed: nothing is opened. False: it was recorded before.
    """
    name = address(context, subject)
    while True:
        try:
            last = await js.get_last_msg(rights.KEYS, name)
        except NotFoundError:
            expected = 0
        else:
            if Record.model_validate_json(last.data or b"").state == "destroyed":
                return False
            expected = last.seq or 0
        record = Record(state="destroyed").model_dump_json().encode()
        try:
            await js.publish(name, record, stream=rights.KEYS, headers={EXPECTED: str(expected)})
        except APIError as error:
            if error.err_code not in WRONG_SEQUENCE:
                raise
        else:
            return True
