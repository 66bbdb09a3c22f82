"""The clock. Business time follows the sandbox's offset in demo mode; nothing else may move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Business time, in UTC."""
        ...


class SystemClock:
    """The real clock: time-outs, leases, TLS; and business time without the sandbox."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FrozenClock:
    """Stands still. For tests."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass(slots=True)
class MovableClock:
    """Moved by a test."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by


class SandboxClock:
    """The real clock plus the sandbox's offset, which only grows and is the same for all services."""

    def __init__(self, real: Callable[[], datetime] | None = None) -> None:
        self._real = real or SystemClock().now
        self._offset = timedelta()

    def now(self) -> datetime:
        return self._real() + self._offset

    def moved(self, offset_seconds: str) -> None:
        """The stored offset changed; `offset_seconds` is decimal text. One that goes back is ignored."""
        self._offset = max(self._offset, timedelta(seconds=float(offset_seconds)))
