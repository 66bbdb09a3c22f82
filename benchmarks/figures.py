"""The dashboard's figures of a month with 100,000 mails ÷ the least SQL that counts them: rows by identity and day."""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from heraldry.chassis.readmodel import ReadModel
from heraldry.gateway.figures import count
from heraldry.gateway.instants import instant
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.views import Views
from measure import ROUNDS, Figure, quiet, tell

NOON: Final = datetime(2026, 5, 31, 12, tzinfo=UTC)
TODAY: Final = date(2026, 5, 31)
MAILS: Final = 100_000
ORGANIZATION, INBOX = UUID(int=1), UUID(int=2)
IDENTITIES: Final = [UUID(int=5000 + number) for number in range(40)]
ZONES: Final = ("Asia/Tokyo", "Europe/Stockholm", "UTC")
BARE: Final = "SELECT identity, substr(at, 1, 10), count(*) FROM sent WHERE organization = ? GROUP BY 1, 2"


def prepared(path: Path) -> Views:
    model = ReadModel(path, VIEWS)
    apart = timedelta(days=30) / MAILS
    rows = (
        (str(UUID(int=n)), str(ORGANIZATION), str(IDENTITIES[n % 40]), str(INBOX), instant(NOON - n * apart))
        for n in range(MAILS)
    )
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany("INSERT INTO sent VALUES (?, ?, ?, ?, ?)", rows)
    return Views(model)


def seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        views = prepared(Path(folder) / "views.sqlite3")
        zones = {one: ZONES[one.int % 3] for one in IDENTITIES}

        def ours() -> float:
            first = TODAY - timedelta(days=29)
            return seconds(lambda: count(views, ORGANIZATION, "Europe/Stockholm", zones, first, TODAY))

        def bare() -> float:
            return seconds(
                lambda: views.model.read(lambda db: db.execute(BARE, (str(ORGANIZATION),)).fetchall())
            )

        found = [(ours(), bare()) for _ in range(ROUNDS)]
        own, floor = (statistics.median(column) for column in zip(*found, strict=True))
    tell(
        Figure(
            "The dashboard's figures of a month with 100,000 mails ÷ counting them by identity and day",
            own / floor,
            1.0,
            at_most=True,
            unit="×",
            measured={"ms, figures": 1000 * own, "ms, counting": 1000 * floor},
        )
    )


if __name__ == "__main__":
    main()
