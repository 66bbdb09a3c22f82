"""Data keys: one per context and data subject, on the stream KEYS, wrapped by the master key.

A key is created before it is needed, expecting none there. Reading never creates one: an unknown key is an
error, a destroyed one an explicit record.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.vault.master import MasterKey, MasterKeyError
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
    """The data subject was erased; nothing is encrypted for it any more."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"the key of {subject} was destroyed")
        self.subject = subject


class UnreadableError(Exception):
    """A ciphertext was changed, belongs elsewhere, or was made with another key."""


@dataclass(frozen=True, slots=True)
class Key:
    """The data key of one data subject. Its id is the subject."""

    subject: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What stands where a key stood."""

    subject: str


@dataclass(frozen=True, slots=True)
class _Known:
    sequence: int
    key: Key | Destroyed


class _Record(BaseModel):
    """A message on heraldry.keys.<context>.<subject>. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    state: Literal["live", "destroyed"]
    wrapped: str = ""  # base64
    master: str = ""  # fingerprint of the master key


def encrypt(key: Key, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt a field; `associated` says where it belongs (event id and key id) and is needed to read it."""
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
        self._known: dict[str, _Known] = {}
        self._follower = Follower(nc, rights.KEYS, f"heraldry.keys.{context}.>", self._take)

    async def start(self) -> None:
        """Return when all keys there are now are known. Raises TimeoutError if NATS is out of reach for 30 s.

        A record that cannot be read (another master key) is logged and its key stays unknown.
        """
        await self._follower.start()

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
                sequence = await self._append(subject, self._live(made), expected=0)
            except APIError as error:
                if error.err_code not in WRONG_SEQUENCE:
                    raise
                known = await self._read(subject)
            else:
                known = self._learn(_Known(sequence, made))
        if isinstance(known.key, Destroyed):
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

    async def destroy(self, subject: str) -> None:
        """Record that the key is destroyed; every process forgets it. Idempotent. Raises KeyUnknownError.

        The wrapped key's bytes are still in the stream until `shred` has overwritten them.
        """
        while True:
            known = await self._read(subject)
            if isinstance(known.key, Destroyed):
                return
            try:
                sequence = await self._append(subject, _Record(state="destroyed"), expected=known.sequence)
            except APIError as error:
                if error.err_code not in WRONG_SEQUENCE:
                    raise
            else:
                self._learn(_Known(sequence, Destroyed(subject)))

    async def _append(self, subject: str, record: _Record, *, expected: int) -> int:
        acknowledged = await self._js.publish(
            address(self._context, subject),
            record.model_dump_json().encode(),
            stream=rights.KEYS,
            headers={EXPECTED: str(expected)},
        )
        return acknowledged.seq

    async def _read(self, subject: str) -> _Known:
        try:
            message = await self._js.get_msg(
                rights.KEYS, subject=address(self._context, subject), direct=True
            )
        except NotFoundError:
            raise KeyUnknownError(self._context, subject) from None
        return self._learn(_Known(message.seq or 0, self._opened(subject, message.data or b"")))

    def _take(self, entry: Entry) -> None:
        subject = entry.subject.rpartition(".")[2]
        self._learn(_Known(entry.sequence, self._opened(subject, entry.data)))

    def _learn(self, found: _Known) -> _Known:
        known = self._known.get(found.key.subject)
        if known is not None and known.sequence >= found.sequence:
            return known
        self._known[found.key.subject] = found
        return found

    def _live(self, key: Key) -> _Record:
        wrapped = self._master.wrap(key.secret, address(self._context, key.subject))
        return _Record(
            state="live", wrapped=base64.b64encode(wrapped).decode(), master=self._master.fingerprint
        )

    def _opened(self, subject: str, data: bytes) -> Key | Destroyed:
        try:
            record = _Record.model_validate_json(data)
        except ValidationError as error:
            raise MasterKeyError(f"The record of the data key of {subject} is damaged.") from error
        if record.state == "destroyed":
            return Destroyed(subject)
        name = address(self._context, subject)
        return Key(subject, self._master.unwrap(base64.b64decode(record.wrapped), name))


async def shred(js: JetStreamContext, context: str, subject: str) -> int:
    """Overwrite every record of a destroyed key but the one that says so; needs the operator's rights.

    Returns how many were overwritten. Raises KeyUnknownError if the key was not destroyed before.
    """
    name = address(context, subject)
    try:
        last = await js.get_last_msg(rights.KEYS, name)
    except NotFoundError:
        raise KeyUnknownError(context, subject) from None
    if _Record.model_validate_json(last.data or b"").state != "destroyed":
        raise KeyUnknownError(context, subject)
    shredded, sequence = 0, 0
    while True:
        message = await js.get_msg(rights.KEYS, seq=sequence + 1, subject=name, next=True)
        sequence = message.seq or 0
        if sequence >= (last.seq or 0):
            return shredded
        await js.delete_msg(rights.KEYS, sequence)
        shredded += 1
