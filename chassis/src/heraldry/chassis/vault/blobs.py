"""Blobs: what is too large for an event (a picture, a CSV, a mail's MIME), encrypted, named by its
content.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.rights import blob_store, blob_stream
from heraldry.chassis.vault.keys import Key, UnreadableError, decrypt, encrypt
from nats.aio.client import Client
from nats.js.api import ObjectInfo
from nats.js.errors import NotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore

PURPOSE = b"heraldry-blob"
DIGEST_BYTES = 32
AT_ONCE = 8  # pieces asked for together, of 128 KiB each


class BlobUnknownError(Exception):
    """There is no such blob (any more)."""


class BlobTooLargeError(Exception):
    """More bytes than the caller allows; nothing was stored."""

    def __init__(self, size: int, max_size: int) -> None:
        super().__init__(f"{size} bytes, at most {max_size} are allowed")
        self.size, self.max_size = size, max_size


@dataclass(frozen=True, slots=True)
class BlobReference:
    """What an event holds instead of the blob. `digest` is a keyed hash: it betrays nothing about the
    content.
    """

    subject: str  # the data subject whose key it is encrypted with
    digest: str
    size: int  # bytes of the content


class Blobs:
    """Encrypted blobs of one context, in a store of its own. The same content under the same key is stored once."""

    def __init__(self, nc: Client, context: str) -> None:
        self._nc, self._js = nc, border.jetstream(nc)
        self._context = context
        self._store: ObjectStore | None = None

    async def put(self, key: Key, content: bytes, *, max_size: int) -> BlobReference:
        """Store the content; on disk when this returns. Raises BlobTooLargeError, KeyDestroyedError."""
        if len(content) > max_size:
            raise BlobTooLargeError(len(content), max_size)
        reference = BlobReference(key.subject, _digest(key, content), len(content))
        name = self._name(reference)
        store = await self._bound()
        try:
            await store.get_info(name)
        except (ObjectNotFoundError, NotFoundError):
            await store.put(name, encrypt(key, content, name.encode()))
        return reference

    async def get(self, key: Key, reference: BlobReference) -> bytes:
        """Raises BlobUnknownError; UnreadableError if it is not what was put."""
        name = self._name(reference)
        try:
            told = await (await self._bound()).get_info(name)
        except (ObjectNotFoundError, NotFoundError):
            raise BlobUnknownError(f"no blob {reference.digest} of {reference.subject}") from None
        content = decrypt(key, await self._pieces(told), name.encode())
        if _digest(key, content) != reference.digest:
            raise UnreadableError(f"the blob {reference.digest} has another content")
        return content

    async def delete(self, reference: BlobReference) -> None:
        """Deleting what is gone changes nothing."""
        try:
            await (await self._bound()).delete(self._name(reference))
        except (ObjectNotFoundError, NotFoundError):
            return

    async def _pieces(self, told: ObjectInfo) -> bytes:
        """Asked for one by one: a consumer would need a right that reaches further than this store."""
        direct, found, after = DirectGet(self._nc, blob_stream(self._context)), bytearray(), 0
        try:
            while some := await direct.following(
                f"$O.{blob_store(self._context)}.C.{told.nuid}", after, AT_ONCE
            ):
                found += b"".join(one.data for one in some)
                after = some[-1].sequence
        finally:
            await direct.stop()
        return bytes(found)

    async def _bound(self) -> ObjectStore:
        if self._store is None:
            self._store = await self._js.object_store(blob_store(self._context))
        return self._store

    def _name(self, reference: BlobReference) -> str:
        return f"{self._context}.{reference.subject}.{reference.digest}"


def _digest(key: Key, content: bytes) -> str:
    return hashlib.blake2b(content, key=key.secret, digest_size=DIGEST_BYTES, person=PURPOSE).hexdigest()
