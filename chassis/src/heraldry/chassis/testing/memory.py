"""A vault of keys in memory, for tests of what is built on keys and needs no server."""

from __future__ import annotations

import secrets

from heraldry.chassis.vault.keys import Destroyed, Key, KeyUnknownError
from heraldry.chassis.vault.sealing import KEY_BYTES


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
