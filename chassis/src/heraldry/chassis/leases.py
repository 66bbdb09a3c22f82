"""Who does a lasting piece of work among replicas: a lease in NATS KV. For comfort only.

Correctness comes from claims on streams. A lease keeps two replicas from doing the same at the same time for
nothing; a process that was frozen longer than its lease may still believe that it holds it.
"""

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


class Leases(Protocol):
    @property
    def held(self) -> timedelta:
        """How long one keeps others away from when it was asked for."""
        ...

    @property
    def renewed_every(self) -> float:
        """Seconds."""
        ...

    async def take(self, what: UUID) -> bool:
        """Take or renew the lease; False while somebody else holds it. Raises what nats-py raises."""
        ...

    async def release(self, what: UUID) -> None:
        """Let others have it at once; nothing if it is not ours. Raises what nats-py raises."""
        ...


class _Lease(Value):
    """The value in the bucket. A storage format."""

    holder: str
    until: datetime


class KvLeases:
    """The leases of one process for one kind of work, `kind` such as `mailbox.reader`.

    `holder` names the process, so that a restarted one takes over from itself at once. `real` is the real
    clock.
    """

    def __init__(
        self, js: JetStreamContext, kind: str, holder: str, real: Clock, held: timedelta = HELD
    ) -> None:
        self._js, self._kind, self._holder, self._real, self._held = js, kind, holder, real, held

    @property
    def held(self) -> timedelta:
        return self._held

    @property
    def renewed_every(self) -> float:
        return self._held.total_seconds() / 3

    async def take(self, what: UUID) -> bool:
        now = self._real.now()  # a lease begins when it is asked for: nobody knows how long the answer takes
        revision, lease = await self._present(what)
        if lease is not None and lease.holder != self._holder and lease.until > now:
            return False
        return await self._write(what, now + self._held, revision)

    async def release(self, what: UUID) -> None:
        revision, lease = await self._present(what)
        if lease is not None and lease.holder == self._holder:
            await self._write(what, self._real.now(), revision)

    async def _present(self, what: UUID) -> tuple[int, _Lease | None]:
        try:
            message = await self._js.get_msg(STREAM, subject=self._where(what), direct=True)
        except NotFoundError:
            return 0, None
        try:
            return message.seq or 0, _Lease.model_validate_json(message.data or b"")
        except ValidationError:  # what nobody can read is nobody's
            return message.seq or 0, None

    async def _write(self, what: UUID, until: datetime, revision: int) -> bool:
        mine = _Lease(holder=self._holder, until=until).model_dump_json().encode()
        headers = {EXPECTED: str(revision)}
        try:
            await self._js.publish(self._where(what), mine, stream=STREAM, headers=headers)
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                return False
            raise
        return True

    def _where(self, what: UUID) -> str:
        return f"$KV.LEASES.{self._kind}.{what}"
