"""Keys in memory, for tests and simulations of what is built on keys and needs no server."""

from __future__ import annotations

import secrets

from heraldry.chassis.vault.keys import Destroyed, Key, KeyDestroyedError, KeyRing, KeyUnknownError
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
        self._name = context
        self._keys: dict[str, Key | Destroyed] = {}

    async def create(self, subject: str) -> Key:
        found = self._keys.setdefault(subject, Key(subject, secrets.token_bytes(KEY_BYTES)))
        if isinstance(found, Destroyed):
            raise KeyDestroyedError(subject)
        return found

    def get(self, subject: str) -> Key | Destroyed:
        found = self._keys.get(subject)
        if found is None:
            raise KeyUnknownError(self._name, subject)
        return found

    async def fetch(self, subject: str) -> Key | Destroyed:
        return self.get(subject)

    async def destroy(self, subject: str) -> None:
        self._keys[subject] = Destroyed(subject)
