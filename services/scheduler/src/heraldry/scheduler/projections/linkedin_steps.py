"""What was dispatched to the LinkedIn driver, so that an outcome finds its sender and its person again."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.base import Erased
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched

linkedin_steps = Projection(
    name="linkedin-steps",
    version=1,
    tables=("linkedin_step",),
    # invitation: what a withdrawal withdraws
    schema="""CREATE TABLE linkedin_step (
  attempt TEXT PRIMARY KEY, sender TEXT NOT NULL, kind TEXT NOT NULL, organization TEXT NOT NULL,
  account TEXT NOT NULL, identity TEXT NOT NULL, person TEXT NOT NULL, profile TEXT NOT NULL,
  name TEXT NOT NULL, invitation TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    holds=(Holds("linkedin_step", "person = ?1", "profile = '', name = ''"),),
)
COLUMNS: Final = "attempt, sender, kind, organization, account, identity, person, profile, name, invitation"


@dataclass(frozen=True, slots=True)
class Step:
    attempt: str
    sender: str
    kind: str
    organization: str
    account: str
    identity: str
    person: str
    profile: str
    name: str
    invitation: str


@linkedin_steps.on(LinkedInStepDispatched)
def dispatched(db: Connection, event: LinkedInStepDispatched, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO linkedin_step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(event.attempt),
            event.sender,
            event.kind,
            fact.organization,
            str(event.account),
            str(event.identity),
            str(event.person),
            "" if isinstance(event.profile, Erased) else event.profile,
            "" if isinstance(event.name, Erased) else event.name,
            "" if event.invitation is None else str(event.invitation),
        ),
    )


def of_attempt(db: Connection, attempt: str) -> Step | None:
    row = cast(
        "tuple[str, str, str, str, str, str, str, str, str, str] | None",
        db.execute(f"SELECT {COLUMNS} FROM linkedin_step WHERE attempt = ?", (attempt,)).fetchone(),
    )
    return None if row is None else Step(*row)
