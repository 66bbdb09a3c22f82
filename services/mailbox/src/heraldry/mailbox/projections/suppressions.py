"""The suppression list of every organization."""

from __future__ import annotations

from sqlite3 import Connection
from typing import cast

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.mailbox import (
    RecipientSuppressed,
    RecipientUnsuppressed,
    Suppression,
    SuppressionPage,
)
from heraldry.contracts.markers import Position
from heraldry.mailbox.domain.email import text_of

suppressions = Projection(
    name="suppressions",
    version=2,
    tables=("suppressions",),
    schema="""CREATE TABLE suppressions (
  recipient TEXT PRIMARY KEY, organization TEXT NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL,
  since TEXT NOT NULL, actor TEXT NOT NULL, position INTEGER NOT NULL, person TEXT NOT NULL) STRICT;
CREATE INDEX suppressions_of ON suppressions (organization, position);
CREATE INDEX suppressions_person ON suppressions (person)""",
    holds=(Holds("suppressions", "person = ?1", "address = ''"),),
)


@suppressions.on(RecipientSuppressed)
def suppressed(db: Connection, event: RecipientSuppressed, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO suppressions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.recipient,
            str(event.organization),
            text_of(event.address),
            event.reason,
            event.at.isoformat(),
            fact.actor,
            Position.parse(fact.position).number,
            str(event.person),
        ),
    )


@suppressions.on(RecipientUnsuppressed)
def unsuppressed(db: Connection, event: RecipientUnsuppressed, _: Fact) -> None:
    db.execute("DELETE FROM suppressions WHERE recipient = ?", (event.recipient,))


def suppressed_by(
    db: Connection, organization: str, search: str, before: int | None, limit: int
) -> SuppressionPage:
    """A page of an organization's list, newest first: what was put on it `before` that position."""
    matching = (
        "FROM suppressions WHERE organization = ?1 AND (?2 = '' OR instr(lower(address), lower(?2)) > 0)"
    )
    (total,) = cast(
        "tuple[int]", db.execute(f"SELECT count(*) {matching}", (organization, search)).fetchone()
    )
    rows = cast(
        "list[tuple[str, str, str, str, str, int]]",
        db.execute(
            f"SELECT recipient, address, reason, since, actor, position {matching}"
            " AND (?3 IS NULL OR position < ?3) ORDER BY position DESC LIMIT ?4",
            (organization, search, before, limit + 1),
        ).fetchall(),
    )
    shown = rows[:limit]
    return SuppressionPage(
        suppressions=tuple(
            Suppression.model_validate(
                {"recipient": recipient, "address": address, "reason": reason, "since": since, "actor": actor}
            )
            for recipient, address, reason, since, actor, _ in shown
        ),
        next=str(shown[-1][-1]) if len(rows) > limit else "",
        total=total,
    )
