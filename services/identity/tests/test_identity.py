from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Erased
from heraldry.contracts.identity import (
    ContactDetails,
    ContactDetailsChanged,
    IdentityCreated,
    IdentityDeleted,
    IdentityRenamed,
    Interval,
    WorkingHours,
    WorkingHoursChanged,
)
from heraldry.identity.domain.identity import (
    NOBODY,
    ChangeDetails,
    ChangeHours,
    Command,
    Create,
    Delete,
    Event,
    FillDetails,
    Identity,
    Rename,
    State,
    decide,
    evolve,
    initial_hours,
)
from hypothesis import given as any_of
from hypothesis import strategies as st
from pydantic import ValidationError

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA, NORTHWIND, OTHERS = UUID(int=1), UUID(int=2), UUID(int=3)
HOURS = initial_hours("Europe/Stockholm")
decider: Decider[Command, State, Event] = Decider(NOBODY, decide, evolve)
nobody = Scenario(decider)
CREATED = IdentityCreated(
    identity=ADA,
    organization=NORTHWIND,
    name="Ada Bergström",
    details=ContactDetails(first_name="Ada", last_name="Bergström"),
    hours=HOURS,
    at=NOW,
)
ada = nobody.given(CREATED)


def create(name: str = "Ada Bergström", details: ContactDetails | None = None) -> Create:
    return Create(ADA, NORTHWIND, name, details or ContactDetails(), "", HOURS, NOW)


def test_the_name_becomes_first_and_last_name_when_created_manually() -> None:
    nobody.when(create("  Ada   Bergström ")).then(CREATED)


SAID = ContactDetails(
    first_name="Ada",
    last_name="Bergström-Lind",
    job_title="COO",
    linkedin_url="https://www.linkedin.com/in/ada",
)
awaiting = nobody.given(CREATED.model_copy(update={"from_linkedin": True}))


def test_what_linkedin_says_fills_the_details_of_an_identity_that_is_being_created() -> None:
    asked = Create(ADA, NORTHWIND, "Ada Bergström", ContactDetails(), "", HOURS, NOW, from_linkedin=True)
    nobody.when(asked).then(CREATED.model_copy(update={"from_linkedin": True}))
    filled = ContactDetailsChanged(identity=ADA, details=SAID, at=NOW)
    awaiting.when(FillDetails(SAID, NOW)).then(filled)
    other = SAID.model_copy(update={"job_title": "CEO"})
    awaiting.given(filled).when(FillDetails(other, NOW)).then_nothing()


def test_what_linkedin_says_overwrites_nothing_that_somebody_typed() -> None:
    ada.when(FillDetails(SAID, NOW)).then_nothing()
    typed = ContactDetailsChanged(identity=ADA, details=ContactDetails(job_title="Editor"), at=NOW)
    awaiting.given(typed).when(FillDetails(SAID, NOW)).then_nothing()
    awaiting.given(IdentityDeleted(identity=ADA, at=NOW)).when(FillDetails(SAID, NOW)).then_nothing()
    nobody.when(FillDetails(SAID, NOW)).then_nothing()


def test_what_linkedin_does_not_say_stays_and_a_profile_elsewhere_is_not_taken() -> None:
    said = ContactDetails(job_title="COO", linkedin_url="https://evil.example/in/ada")
    kept = ContactDetails(first_name="Ada", last_name="Bergström", job_title="COO")
    awaiting.when(FillDetails(said, NOW)).then(ContactDetailsChanged(identity=ADA, details=kept, at=NOW))


def test_no_name_is_refused_beside_the_field() -> None:
    refusal = nobody.when(create("  ")).then_refused("identity.name-missing")
    assert (refusal.status, refusal.field) == (422, "name")


def test_an_identity_is_created_once() -> None:
    ada.when(create()).then_refused("identity.exists")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "linkedin.com/in/ada", "data:text/html,x"])
def test_links_are_web_addresses(address: str) -> None:
    refusal = ada.when(ChangeDetails(NORTHWIND, NOW, ContactDetails(linkedin_url=address))).then_refused(
        "identity.address-not-a-link"
    )
    assert refusal.field == "linkedin_url"


@pytest.mark.parametrize(
    "address", ["https://evil.example/in/ada", "https://notlinkedin.com/in/ada", "https://[x/in/ada"]
)
def test_a_profile_is_at_linkedin(address: str) -> None:
    refusal = ada.when(ChangeDetails(NORTHWIND, NOW, ContactDetails(linkedin_url=address))).then_refused(
        "identity.not-of-linkedin"
    )
    assert refusal.field == "linkedin_url"


def test_every_change_is_recorded_once() -> None:
    ada.when(Rename(NORTHWIND, NOW, "Ada B.")).then(IdentityRenamed(identity=ADA, name="Ada B.", at=NOW))
    ada.when(Rename(NORTHWIND, NOW, "Ada Bergström")).then_nothing()
    details = ContactDetails(job_title="Head of Partnerships")
    ada.when(ChangeDetails(NORTHWIND, NOW, details)).then(
        ContactDetailsChanged(identity=ADA, details=details, at=NOW)
    )
    hours = WorkingHours(zone="Europe/Madrid", week=(Interval(day=7),))
    ada.when(ChangeHours(NORTHWIND, NOW, hours)).then(WorkingHoursChanged(identity=ADA, hours=hours, at=NOW))
    ada.given(WorkingHoursChanged(identity=ADA, hours=hours, at=NOW)).when(
        ChangeHours(NORTHWIND, NOW, hours)
    ).then_nothing()


def test_another_organization_sees_no_identity() -> None:
    for command in (Rename(OTHERS, NOW, "Mine"), Delete(OTHERS, NOW)):
        assert ada.when(command).then_refused("identity.unknown").status == 404
        assert nobody.when(command).then_refused("identity.unknown").status == 404


def test_a_deleted_identity_is_gone() -> None:
    gone = ada.given(IdentityDeleted(identity=ADA, at=NOW))
    gone.when(Rename(NORTHWIND, NOW, "Back")).then_refused("identity.unknown")
    gone.when(Delete(NORTHWIND, NOW)).then_refused("identity.unknown")
    gone.when(create()).then_refused("identity.exists")


def test_an_erased_person_leaves_an_identity_without_a_name() -> None:
    erased = CREATED.model_copy(update={"name": Erased(), "details": Erased()})
    state = nobody.given(erased).state
    assert isinstance(state, Identity)
    assert (state.name, state.details) == ("", ContactDetails())


def test_hours_that_make_no_sense_are_refused() -> None:
    for zone, week in (
        ("Mars/Olympus", (Interval(day=1),)),
        ("UTC", (Interval(day=1), Interval(day=1, start="17:00", end="20:00"))),
    ):
        with pytest.raises(ValidationError):
            WorkingHours(zone=zone, week=week)
    with pytest.raises(ValidationError):
        Interval(day=1, start="18:00", end="09:00")


names = st.text(min_size=1, max_size=30).filter(str.strip)


@any_of(st.lists(names, max_size=6), names)
def test_a_decision_repeated_on_its_outcome_decides_nothing(before: list[str], name: str) -> None:
    past = ada
    for one in before:
        past = past.given(*past.when(Rename(NORTHWIND, NOW, one)).events)
    command = Rename(NORTHWIND, NOW, name)
    past.given(*past.when(command).events).when(command).then_nothing()
