"""Who is connected with whom on LinkedIn, as far as is known. What a decision rests on is read from the stream."""

from __future__ import annotations

from sqlite3 import Connection

from heraldry.chassis.projection import Fact, Projection
from heraldry.scheduler.domain.acquaintance import AcquaintanceImported

acquaintances = Projection(
    name="acquaintances",
    version=1,
    tables=("acquaintance",),
    schema="""CREATE TABLE acquaintance (
  identity TEXT NOT NULL, person TEXT NOT NULL, PRIMARY KEY (identity, person)) STRICT, WITHOUT ROWID""",
)


@acquaintances.on(AcquaintanceImported)
def imported(db: Connection, event: AcquaintanceImported, fact: Fact) -> None:
    del fact
    db.execute("INSERT OR IGNORE INTO acquaintance VALUES (?, ?)", (str(event.identity), str(event.person)))
