"""Instants as the views store them."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(at: datetime) -> str:
    """UTC text that sorts like the instants it stands for. A storage format of the views."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
