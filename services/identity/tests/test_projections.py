from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from sqlite3 import Connection
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact, prepare
from heraldry.contracts.base import Erased
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
from heraldry.contracts.registry import PUBLISHED
from heraldry.identity.domain.identity import Event
from heraldry.identity.domain.share_link import ShareLinkTaken
from heraldry.identity.projections import active, erasures, identities, one, share_links

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA, NORTHWIND, OTHERS = UUID(int=1), UUID(int=2), UUID(int=3)
HOURS = WorkingHours(zone="Europe/Stockholm")
DETAILS = ContactDetails(first_name="Ada", job_title="Head of Sales")
CREATED = IdentityCreated(
    identity=ADA, organization=NORTHWIND, name="Ada Bergström", details=DETAILS, hours=HOURS, at=NOW
)


@pytest.fixture
def db() -> Iterator[Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        prepare(opened, [identities])
        yield opened


def given(db: Connection, *events: Event) -> IdentityView | None:
    for number, event in enumerate(events, start=1):
        position = f"identity:e:{number}"
        fact = Fact(f"{number}", "", NOW, "identity.identity-1", number - 1, position, "", "", "user:ada")
        identities.apply(db, event, fact)
    return one(db, str(NORTHWIND), str(ADA))


def created(identity: UUID, name: str, organization: UUID = NORTHWIND) -> IdentityCreated:
    return CREATED.model_copy(update={"identity": identity, "name": name, "organization": organization})


VIEW = IdentityView(
    identity=ADA,
    name="Ada Bergström",
    details=DETAILS,
    picture="",
    hours=HOURS,
    likings_opted_out=False,
    crm_user="",
    deleted=False,
    position="identity:e:1",
)
ELSEWHERE = WorkingHours(zone="UTC")


def test_every_event_of_the_context_is_shown() -> None:
    shown = {*identities.handlers, *share_links.handlers, *erasures.handlers}
    assert shown - {ShareLinkTaken} == set(PUBLISHED["identity"].values())


def test_a_created_identity_is_shown(db: Connection) -> None:
    assert given(db, CREATED) == VIEW


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (IdentityRenamed(identity=ADA, name="Ada Lind", at=NOW), {"name": "Ada Lind"}),
        (
            ContactDetailsChanged(identity=ADA, details=ContactDetails(phone="1"), at=NOW),
            {"details": ContactDetails(phone="1")},
        ),
        (ProfilePictureChanged(identity=ADA, picture="abc.7", at=NOW), {"picture": "abc.7"}),
        (WorkingHoursChanged(identity=ADA, hours=ELSEWHERE, at=NOW), {"hours": ELSEWHERE}),
        (LikingsOptOutChanged(identity=ADA, opted_out=True, at=NOW), {"likings_opted_out": True}),
        (CrmUserMapped(identity=ADA, crm_user="42", at=NOW), {"crm_user": "42"}),
        (IdentityDeleted(identity=ADA, at=NOW), {"deleted": True}),
    ],
)
def test_a_change_shows_and_moves_the_position(
    db: Connection, event: Event, shown: dict[str, object]
) -> None:
    assert given(db, CREATED, event) == VIEW.model_copy(update={**shown, "position": "identity:e:2"})


def test_a_repeat_does_no_harm(db: Connection) -> None:
    events = (CREATED, IdentityRenamed(identity=ADA, name="Ada Lind", at=NOW))
    assert given(db, *events) == given(db, *events)


def test_an_erased_person_s_fields_are_empty(db: Connection) -> None:
    shown = given(
        db,
        CREATED.model_copy(update={"name": Erased(), "details": Erased()}),
        IdentityRenamed(identity=ADA, name=Erased(), at=NOW),
        ContactDetailsChanged(identity=ADA, details=Erased(), at=NOW),
    )
    assert shown is not None
    assert (shown.name, shown.details) == ("", ContactDetails())


def test_another_organization_sees_nothing(db: Connection) -> None:
    given(db, CREATED)
    assert one(db, str(OTHERS), str(ADA)) is None
    assert active(db, str(OTHERS), "") == ()
    assert active(db, "None", "") == ()


def test_active_identities_come_by_name_and_without_the_deleted(db: Connection) -> None:
    bo, cilla = UUID(int=11), UUID(int=12)
    given(db, created(bo, "bo ek"), CREATED, created(cilla, "Cilla"), IdentityDeleted(identity=cilla, at=NOW))
    given(db, created(UUID(int=13), "Aaron", OTHERS))
    assert [view.name for view in active(db, str(NORTHWIND), "")] == ["Ada Bergström", "bo ek"]


@pytest.mark.parametrize(
    ("search", "found"),
    [("STRÖM", 1), (" berg ", 1), ("%", 0), ("_", 0), ("'", 0), ("a b", 1), ("x", 0)],
)
def test_a_search_finds_what_stands_anywhere_in_the_name(db: Connection, search: str, found: int) -> None:
    given(db, CREATED, created(UUID(int=11), "Bo Ek"))
    assert len(active(db, str(NORTHWIND), search)) == found


def test_a_renamed_identity_is_found_by_its_new_name_only(db: Connection) -> None:
    given(db, CREATED, IdentityRenamed(identity=ADA, name="Cilla Ås", at=NOW))
    assert [len(active(db, str(NORTHWIND), text)) for text in ("ås", "bergström")] == [1, 0]
