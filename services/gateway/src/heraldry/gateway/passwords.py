"""Passwords of users: only their argon2id hash is kept, in the vault."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY = 19_456  # KiB: OWASP's least for argon2id, so that many sign-ins at once do not exhaust the machine
ROUNDS = 2
LANES = 1
AT_ONCE = 4  # each takes MEMORY and a thread


class Passwords:
    """Makes and checks hashes in threads, a few at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY, parallelism=LANES)
        self._threads = ThreadPoolExecutor(
            AT_ONCE, thread_name_prefix="password"
        )  # nobody else's work is in it
        self._nobodys = ""

    async def hash(self, password: str) -> bytes:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._threads, self._hasher.hash, password)).encode()

    async def matches(self, password: str, hashed: bytes | None) -> bool:
        """Takes as long whether there is a hash or not, so that nobody learns which addresses are known."""
        if hashed is None and not self._nobodys:
            self._nobodys = (await self.hash(secrets.token_urlsafe())).decode()
        known = self._nobodys if hashed is None else hashed.decode()
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._verify, known, password)
        return found and hashed is not None

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
