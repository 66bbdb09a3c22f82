"""Which request an Idempotency-Key came with first, remembered for a day in the bucket REQUESTS."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Final
from uuid import UUID

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.vault.hashing import keyed_hash
from heraldry.chassis.vault.keys import EXPECTED, WRONG_SEQUENCE, Key
from heraldry.contracts.base import Refused
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

STREAM: Final = "KV_REQUESTS"
log = structlog.stdlib.get_logger(__name__)


class Repeats:
    """A keyed hash of the body is kept, never the body: it may hold a password."""

    def __init__(self, nc: Client, key: Key) -> None:
        self._js = border.jetstream(nc)
        self._key = key

    async def check(self, command: UUID, body: bytes) -> None:
        """Refused `idempotency-key.other-request` where the command's key came with another body before."""
        where = f"$KV.REQUESTS.{keyed_hash(self._key, f'request {command}')}"
        mark = hashlib.blake2b(_canonical(body), key=self._key.secret, digest_size=32).digest()
        try:
            await self._js.publish(where, mark, stream=STREAM, headers={EXPECTED: "0"})
        except APIError as error:
            if error.err_code not in WRONG_SEQUENCE:  # no room: a repeat is still harmless, only not compared
                log.warning("a request is not remembered", error=error.description)
                return
        else:
            return
        try:
            first = await self._js.get_msg(STREAM, subject=where, direct=True)
        except NotFoundError:  # a day has passed at this moment
            return
        if not hmac.compare_digest(first.data or b"", mark):
            raise Refused(
                "idempotency-key.other-request",
                "This Idempotency-Key came with another request before. Use a new key for a new request.",
                status=422,
                field="Idempotency-Key",
            )


def _canonical(body: bytes) -> bytes:
    """The same JSON is the same request, however it is written."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body
