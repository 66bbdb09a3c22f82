"""Keys that live in memory: for what is tested or simulated without a bus."""

from __future__ import annotations

import secrets

from heraldry.chassis.vault.keys import KEY_BYTES, Destroyed, Key, KeyDestroyedError, KeyRing, KeyUnknownError
from heraldry.chassis.vault.master import MasterKey
from nats.aio.client import Client


class MemoryKeys(KeyRing):
    """A key ring of one process that ends with it."""

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
