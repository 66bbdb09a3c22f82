"""Secrets: passwords and tokens, encrypted with their data subject's key, changed only by compare-and-set."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from heraldry.chassis.bus import border
from heraldry.chassis.together import Together
from heraldry.chassis.vault.keys import (
    EXPECTED,
    WRONG_SEQUENCE,
    Destroyed,
    Key,
    KeyDestroyedError,
    KeyRing,
    address,
    decrypt,
    encrypt,
)
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

STREAM = "KV_VAULT"
NONE_THERE = 0  # the revision to expect where no secret is
OPERATION = "KV-Operation"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SecretUnknownError(Exception):
    """There is no such secret, or it was deleted."""


class SecretConflictError(Exception):
    """Somebody else changed the secret meanwhile: read it again and decide again."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it stands. `revision` is what the next change must expect."""

    value: bytes = field(repr=False)
    revision: int


class Secrets:
    """One context's part of the vault. It is no read model: every call asks NATS.

    Those who want the same secret in the same moment are answered by one question, put after all of them asked.
    """

    def __init__(self, nc: Client, context: str, ring: KeyRing) -> None:
        self._js = border.jetstream(nc)
        self._context, self._ring = context, ring
        self._asked = Together(self._messages)

    async def put(self, subject: str, name: str, value: bytes, *, expected_revision: int) -> int:
        """Store a secret and return its revision; on disk when this returns.

        `expected_revision` is that of the secret it replaces, NONE_THERE for a new one. The subject's key
        must have been created. Raises SecretConflictError, KeyUnknownError, KeyDestroyedError (a sealed one, too).
        """
        where = self._where(subject, name)
        sealed = encrypt(await self._key(subject), value, where.encode())
        expected = expected_revision
        if expected == NONE_THERE and (message := await self._message(where)) and _deleted(message):
            expected = message.seq or 0  # a deleted secret is none, but its marker has a revision
        try:
            acknowledged = await self._js.publish(
                where, sealed, stream=STREAM, headers={EXPECTED: str(expected)}
            )
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                raise SecretConflictError(f"{name} of {subject} was changed meanwhile") from error
            raise
        return acknowledged.seq

    async def get(self, subject: str, name: str) -> Secret:
        """Raises SecretUnknownError, KeyUnknownError, KeyDestroyedError, UnreadableError."""
        where = self._where(subject, name)
        message = (await self._asked.ask(where))[where]
        if message is None or _deleted(message):
            raise SecretUnknownError(f"{subject} has no {name}")
        value = decrypt(await self._key(subject), message.data or b"", where.encode())
        return Secret(value, message.seq or 0)

    async def delete(self, subject: str, name: str, *, expected_revision: int) -> None:
        """Raises SecretConflictError. Deleting what is deleted changes nothing."""
        where = self._where(subject, name)
        message = await self._message(where)
        if message is None or _deleted(message):
            return
        headers = {OPERATION: "DEL", EXPECTED: str(expected_revision)}
        try:
            await self._js.publish(where, b"", stream=STREAM, headers=headers)
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                raise SecretConflictError(f"{name} of {subject} was changed meanwhile") from error
            raise

    async def _key(self, subject: str) -> Key:
        key = await self._ring.fetch(subject)
        if isinstance(key, Destroyed):
            raise KeyDestroyedError(subject)
        return key

    async def _messages(self, places: frozenset[str]) -> Mapping[str, RawStreamMsg | None]:
        wanted = tuple(places)
        found = await asyncio.gather(*(self._message(where) for where in wanted))
        return dict(zip(wanted, found, strict=True))

    async def _message(self, where: str) -> RawStreamMsg | None:
        try:
            return await self._js.get_msg(STREAM, subject=where, direct=True)
        except NotFoundError:
            return None

    def _where(self, subject: str, name: str) -> str:
        address(self._context, subject)  # the same rule for ids of data subjects
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a secret")
        return f"$KV.VAULT.{self._context}.{subject}.{name}"


def _deleted(message: RawStreamMsg) -> bool:
    headers = cast("Mapping[str, str] | None", message.headers)  # pyright: ignore[reportUnknownMemberType]  open in nats-py
    return OPERATION in (headers or {})
