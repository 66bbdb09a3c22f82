"""The sandbox's clock: one offset for everything that runs with it, which only ever grows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from heraldry.sandbox.errors import SandboxError
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

BUCKET, KEY = "CLOCK", "offset"
PATIENCE = 2.0  # seconds
MOST_SECONDS = Decimal(20 * 366 * 24 * 3600)  # in sum; beyond, dates of far tables and certificates break
AWAY = "The clock cannot be reached: NATS does not answer. Try again when it is back."


class SandboxClock:
    """Reads and moves the offset in NATS KV; every service follows it there."""

    def __init__(self, bucket: KeyValue, real: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bucket, self._real = bucket, real
        self._offset = Decimal(0)

    def now(self) -> datetime:
        """The sandbox's time by the offset this process saw last."""
        return self._real() + timedelta(seconds=float(self._offset))

    @property
    def offset(self) -> Decimal:
        """Seconds, as seen last."""
        return self._offset

    async def refresh(self) -> Decimal:
        """Read the offset. SandboxError `clock_away` while NATS does not answer."""
        offset, _ = await self._read()
        return offset

    async def advance(self, seconds: Decimal) -> Decimal:
        """Move forward; of several at once every one counts.

        Refused: clock_backward, clock_too_far, clock_away.
        """
        if not seconds.is_finite() or seconds < 0:
            raise SandboxError(
                "clock_backward",
                "The clock only moves forward: give 0 or more seconds.",
                status=422,
                field="seconds",
            )
        while True:
            before, revision = await self._read()
            after = before + seconds
            if after > MOST_SECONDS:
                raise SandboxError(
                    "clock_too_far",
                    "The clock can be moved forward by 20 years in sum.",
                    status=422,
                    field="seconds",
                )
            text = f"{after.normalize():f}".encode()
            try:
                async with asyncio.timeout(PATIENCE):
                    if revision == 0:
                        await self._bucket.create(KEY, text)
                    else:
                        await self._bucket.update(KEY, text, last=revision)
            except KeyWrongLastSequenceError:
                continue  # somebody else moved it in between: add to what they left
            except (NatsError, TimeoutError, OSError):
                raise SandboxError("clock_away", AWAY, status=503) from None
            self._offset = after
            return after

    async def _read(self) -> tuple[Decimal, int]:
        try:
            async with asyncio.timeout(PATIENCE):
                entry = await self._bucket.get(KEY)
        except KeyNotFoundError:
            return Decimal(0), 0
        except (NatsError, TimeoutError, OSError):
            raise SandboxError("clock_away", AWAY, status=503) from None
        self._offset = Decimal((entry.value or b"0").decode())
        return self._offset, entry.revision or 0
