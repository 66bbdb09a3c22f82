"""What the identity context answers questions from. One function per event type."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.base import Erased
from heraldry.contracts.erasure import ErasureCompleted, ErasureRequested
from heraldry.contracts.identity import (
    ContactDetails,
    ContactDetailsChanged,
    CrmUserMapped,
    IdentityCreated,
    IdentityDeleted,
    IdentityRenamed,
    IdentityView,
    LikingsOptOutChanged,
    ProfilePictureChanged,
    WorkingHours,
    WorkingHoursChanged,
)
from heraldry.contracts.share_links import (
    Kind,
    ShareLinkIssued,
    ShareLinkRedeemed,
    ShareLinkRevoked,
    ShareLinkView,
    Way,
)
from heraldry.identity.domain.share_link import ShareLink, ShareLinkTaken, state_of

NO_DETAILS: Final = ContactDetails().model_dump_json()

identities = Projection(
    name="identities",
    version=1,
    tables=("identities",),
    schema="""CREATE TABLE identities (
  identity TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL, found_by TEXT NOT NULL, details
  TEXT NOT NULL, picture TEXT NOT NULL, hours TEXT NOT NULL, likings_opted_out INTEGER NOT NULL DEFAULT 0,
  crm_user TEXT NOT NULL DEFAULT '', deleted INTEGER NOT NULL DEFAULT 0, position TEXT NOT NULL) STRICT;
CREATE INDEX identities_of ON identities (organization, deleted, found_by)""",
    holds=(Holds("identities", "identity = ?1", f"name = '', found_by = '', details = '{NO_DETAILS}'"),),
)


@identities.on(IdentityCreated)
def created(db: Connection, event: IdentityCreated, fact: Fact) -> None:
    name = _text(event.name)
    db.execute(
        "INSERT OR REPLACE INTO identities"
        " (identity, organization, name, found_by, details, picture, hours, position)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(event.identity),
            str(event.organization),
            name,
            name.casefold(),
            _details(event.details),
            event.picture,
            event.hours.model_dump_json(),
            fact.position,
        ),
    )


@identities.on(IdentityRenamed)
def renamed(db: Connection, event: IdentityRenamed, fact: Fact) -> None:
    name = _text(event.name)
    db.execute(
        "UPDATE identities SET name = ?, found_by = ?, position = ? WHERE identity = ?",
        (name, name.casefold(), fact.position, str(event.identity)),
    )


@identities.on(ContactDetailsChanged)
def details_changed(db: Connection, event: ContactDetailsChanged, fact: Fact) -> None:
    _set(db, "details", _details(event.details), str(event.identity), fact)


@identities.on(ProfilePictureChanged)
def picture_changed(db: Connection, event: ProfilePictureChanged, fact: Fact) -> None:
    _set(db, "picture", event.picture, str(event.identity), fact)


@identities.on(WorkingHoursChanged)
def hours_changed(db: Connection, event: WorkingHoursChanged, fact: Fact) -> None:
    _set(db, "hours", event.hours.model_dump_json(), str(event.identity), fact)


@identities.on(LikingsOptOutChanged)
def opted_out(db: Connection, event: LikingsOptOutChanged, fact: Fact) -> None:
    _set(db, "likings_opted_out", int(event.opted_out), str(event.identity), fact)


@identities.on(CrmUserMapped)
def mapped(db: Connection, event: CrmUserMapped, fact: Fact) -> None:
    _set(db, "crm_user", event.crm_user, str(event.identity), fact)


@identities.on(IdentityDeleted)
def deleted(db: Connection, event: IdentityDeleted, fact: Fact) -> None:
    _set(db, "deleted", 1, str(event.identity), fact)


share_links = Projection(
    name="share_links",
    version=1,
    tables=("share_links",),
    schema="""CREATE TABLE share_links (
  link TEXT PRIMARY KEY, organization TEXT NOT NULL, kind TEXT NOT NULL, identity TEXT NOT NULL, issued_at TEXT
  NOT NULL, valid_until TEXT NOT NULL, actor TEXT NOT NULL, way TEXT, tries INTEGER NOT NULL DEFAULT 0,
  last_try TEXT, used INTEGER NOT NULL DEFAULT 0, revoked INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX share_links_of ON share_links (organization, kind, identity, issued_at)""",
)


@share_links.on(ShareLinkIssued)
def issued(db: Connection, event: ShareLinkIssued, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO share_links (link, organization, kind, identity, issued_at, valid_until, actor)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            str(event.link),
            str(event.organization),
            event.kind,
            str(event.identity),
            _instant(event.at),
            _instant(event.valid_until),
            fact.actor,
        ),
    )


@share_links.on(ShareLinkTaken)
def taken(db: Connection, event: ShareLinkTaken, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE share_links SET way = ?, tries = ?, last_try = ? WHERE link = ?",
        (event.way, event.number, _instant(event.at), str(event.link)),
    )


@share_links.on(ShareLinkRedeemed)
def redeemed(db: Connection, event: ShareLinkRedeemed, fact: Fact) -> None:
    del fact
    db.execute("UPDATE share_links SET used = 1 WHERE link = ?", (str(event.link),))


@share_links.on(ShareLinkRevoked)
def revoked(db: Connection, event: ShareLinkRevoked, fact: Fact) -> None:
    del fact
    db.execute("UPDATE share_links SET revoked = 1 WHERE link = ?", (str(event.link),))


LINKS_SHOWN = 100
LinkRow = tuple[str, str, str, str, str, str, str | None, int, str | None, int, int, int]


def links(
    db: Connection, organization: str, identity: UUID | None, now: datetime
) -> tuple[ShareLinkView, ...]:
    """Newest first, as they are now: the refresh links of an identity, or the organization's create links."""
    about = "l.kind = 'create'" if identity is None else "l.kind = 'refresh' AND l.identity = ?"
    rows = cast(
        "list[LinkRow]",
        db.execute(
            "SELECT l.link, l.kind, l.identity, l.issued_at, l.valid_until, l.actor, l.way, l.tries, l.last_try,"
            " l.used, l.revoked, coalesce(i.deleted, 0) FROM share_links l"
            " LEFT JOIN identities i ON i.identity = l.identity"
            f" WHERE l.organization = ? AND {about} ORDER BY l.issued_at DESC, l.link LIMIT {LINKS_SHOWN}",
            (organization,) if identity is None else (organization, str(identity)),
        ).fetchall(),
    )
    return tuple(_link(row, UUID(organization), now) for row in rows)


def _link(row: LinkRow, organization: UUID, now: datetime) -> ShareLinkView:
    link, kind, identity, issued_at, valid_until, actor, way, tries, last_try, used, revoked_, gone = row
    found = ShareLink(
        id=UUID(link),
        organization=organization,
        kind=cast("Kind", kind),
        identity=UUID(identity),
        valid_until=datetime.fromisoformat(valid_until),
        way=cast("Way | None", way),
        tries=tries,
        last_try=None if last_try is None else datetime.fromisoformat(last_try),
        used=bool(used),
        revoked=bool(revoked_),
    )
    return ShareLinkView(
        link=found.id,
        kind=found.kind,
        identity=found.identity,
        state=state_of(found, "", now, gone=bool(gone)),
        issued_at=datetime.fromisoformat(issued_at),
        valid_until=found.valid_until,
        actor=actor,
    )


COLUMNS = "identity, name, details, picture, hours, likings_opted_out, crm_user, deleted, position"
Row = tuple[str, str, str, str, str, int, str, int, str]


def one(db: Connection, organization: str, identity: str) -> IdentityView | None:
    """The organization's identity, also a deleted one."""
    row = cast(
        "Row | None",
        db.execute(
            f"SELECT {COLUMNS} FROM identities WHERE identity = ? AND organization = ?",
            (identity, organization),
        ).fetchone(),
    )
    return None if row is None else _view(row)


def active(db: Connection, organization: str, search: str) -> tuple[IdentityView, ...]:
    """The organization's identities that are not deleted, by name; `search` anywhere in the name."""
    rows = cast(
        "list[Row]",
        db.execute(
            f"SELECT {COLUMNS} FROM identities WHERE organization = ? AND deleted = 0"
            " AND instr(found_by, ?) > 0 ORDER BY found_by, identity",
            (organization, search.strip().casefold()),
        ).fetchall(),
    )
    return tuple(_view(row) for row in rows)


def _view(row: Row) -> IdentityView:
    identity, name, details, picture, hours, opted, crm_user, gone, position = row
    return IdentityView.model_validate(
        {
            "identity": identity,
            "name": name,
            "details": json.loads(details),
            "picture": picture,
            "hours": WorkingHours.model_validate_json(hours),
            "likings_opted_out": bool(opted),
            "crm_user": crm_user,
            "deleted": bool(gone),
            "position": position,
        }
    )


def _set(db: Connection, column: str, value: str | int, identity: str, fact: Fact) -> None:
    db.execute(
        f"UPDATE identities SET {column} = ?, position = ? WHERE identity = ?",
        (value, fact.position, identity),
    )


def _details(details: ContactDetails | Erased) -> str:
    return (ContactDetails() if isinstance(details, Erased) else details).model_dump_json()


def _instant(at: datetime) -> str:
    """UTC text that sorts like the instants it stands for."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _text(value: str | Erased) -> str:
    return "" if isinstance(value, Erased) else value


erasures = Projection(
    name="erasures",
    version=1,
    tables=("erasure", "erasure_subject"),
    schema="""CREATE TABLE erasure (id TEXT PRIMARY KEY, completed INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX erasure_under_way ON erasure (id) WHERE completed = 0;
CREATE TABLE erasure_subject (subject TEXT PRIMARY KEY, erasure TEXT NOT NULL) STRICT, WITHOUT ROWID""",
)


@erasures.on(ErasureRequested)
def erasure_requested(db: Connection, event: ErasureRequested, fact: Fact) -> None:
    del fact
    db.execute("INSERT OR IGNORE INTO erasure (id) VALUES (?)", (str(event.erasure),))
    db.executemany(
        "INSERT OR REPLACE INTO erasure_subject VALUES (?, ?)",
        [(str(subject), str(event.erasure)) for subject in event.subjects],
    )


@erasures.on(ErasureCompleted)
def erasure_completed(db: Connection, event: ErasureCompleted, fact: Fact) -> None:
    del fact
    db.execute("UPDATE erasure SET completed = 1 WHERE id = ?", (str(event.erasure),))


def erasures_under_way(db: Connection) -> tuple[UUID, ...]:
    rows = cast("list[tuple[str]]", db.execute("SELECT id FROM erasure WHERE completed = 0").fetchall())
    return tuple(UUID(about) for (about,) in rows)


def erasure_about(db: Connection, subject: UUID) -> UUID | None:
    """The erasure of who has this id."""
    asked = "SELECT erasure FROM erasure_subject WHERE subject = ?"
    row = cast("tuple[str] | None", db.execute(asked, (str(subject),)).fetchone())
    return None if row is None else UUID(row[0])
