"""Keys in memory, for tests and simulations of what is built on keys and needs no server."""

from __future__ import annotations

import secrets
from dataclasses import replace

from heraldry.chassis.vault.keys import Destroyed, Key, KeyRing, KeyUnknownError, Known, Record
from heraldry.chassis.vault.master import MasterKey
from heraldry.chassis.vault.sealing import KEY_BYTES
from nats.aio.client import Client


class KeysInMemory:
    """The codec's part of a key ring. `elsewhere` are keys another process made: `fetch` finds them."""

    def __init__(self, *subjects: object) -> None:
        self.known: dict[str, Key | Destroyed] = {}
        self.elsewhere: dict[str, Key | Destroyed] = {}
        for subject in subjects:
            self.make(subject)

    def make(self, subject: object) -> None:
        self.known[str(subject)] = Key(str(subject), secrets.token_bytes(KEY_BYTES))

    def destroy(self, subject: object) -> None:
        self.known[str(subject)] = Destroyed(str(subject))

    def seal(self, subject: object) -> None:
        key = self.known[str(subject)]
        if isinstance(key, Key):
            self.known[str(subject)] = replace(key, sealed=True)

    def get(self, subject: str) -> Key | Destroyed:
        try:
            return self.known[subject]
        except KeyError:
            raise KeyUnknownError("test", subject) from None

    async def fetch(self, subject: str) -> Key | Destroyed:
        if subject not in self.known and subject in self.elsewhere:
            self.known[subject] = self.elsewhere[subject]
        return self.get(subject)


class MemoryKeys(KeyRing):
    """A whole key ring, of one process, that ends with it."""

    def __init__(self, context: str) -> None:
        super().__init__(Client(), context, MasterKey(secrets.token_bytes(KEY_BYTES)))
        self._name, self._records = context, 0

    async def _append(self, subject: str, record: Record, *, expected: int) -> int:
        del subject, record, expected
        self._records += 1
        return self._records

    async def _read(self, subject: str) -> Known:
        found = self._known.get(subject)
        if found is None:
            raise KeyUnknownError(self._name, subject)
        return found
