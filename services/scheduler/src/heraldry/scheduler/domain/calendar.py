"""Local days and rolling hours. Pure: the instant and the zone come in as arguments."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(minutes=60)
LONGEST_DAY = timedelta(hours=25)  # the day on which clocks go back


def day_start(instant: datetime, zone: str) -> datetime:
    """When the local day that `instant` lies in began, in UTC."""
    local = instant.astimezone(ZoneInfo(zone))
    return _midnight(local, zone)


def day_end(instant: datetime, zone: str) -> datetime:
    """When the local day that `instant` lies in ends, in UTC."""
    local = instant.astimezone(ZoneInfo(zone))
    return _midnight(local + timedelta(days=1), zone)


def _midnight(local: datetime, zone: str) -> datetime:
    """A zone whose clocks skip midnight begins its day when the skipped hour ends: what UTC makes of it."""
    return datetime.combine(local.date(), time(), ZoneInfo(zone)).astimezone(UTC)
