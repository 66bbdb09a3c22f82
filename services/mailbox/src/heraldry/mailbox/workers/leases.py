"""Who reads an inbox: a lease in NATS KV. For comfort only; what is read twice is one event anyway."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from heraldry.chassis.clock import Clock
from heraldry.chassis.vault.keys import EXPECTED, WRONG_SEQUENCE
from heraldry.contracts.base import Value
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from pydantic import ValidationError

STREAM: Final = "KV_LEASES"
HELD: Final = timedelta(seconds=30)
RENEWED_EVERY: Final = 10.0  # seconds


class Leases(Protocol):
    async def take(self, inbox: UUID) -> bool:
        """Take or renew the lease on an inbox; False while somebody else holds it."""
        ...


class _Lease(Value):
    """The value in the bucket. A storage format."""

    holder: str
    until: datetime


class KvLeases:
    """Leases of one process. `holder` names it, so that a restarted one takes over from itself at once."""

    def __init__(self, js: JetStreamContext, holder: str, real: Clock) -> None:
        self._js, self._holder, self._real = js, holder, real

    async def take(self, inbox: UUID) -> bool:
        """Raises what nats-py raises if NATS is out of reach."""
        where, now, revision = f"$KV.LEASES.mailbox.reader.{inbox}", self._real.now(), 0
        try:
            message = await self._js.get_msg(STREAM, subject=where, direct=True)
        except NotFoundError:
            pass
        else:
            revision = message.seq or 0
            lease = _read(message.data)
            if lease is not None and lease.holder != self._holder and lease.until > now:
                return False
        mine = _Lease(holder=self._holder, until=now + HELD).model_dump_json().encode()
        try:
            await self._js.publish(where, mine, stream=STREAM, headers={EXPECTED: str(revision)})
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                return False
            raise
        return True


def _read(data: bytes | None) -> _Lease | None:
    try:
        return _Lease.model_validate_json(data or b"")
    except ValidationError:
        return None
