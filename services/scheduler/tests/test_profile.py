from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Envelope, Erased, Event
from heraldry.contracts.campaigns import CampaignPaused
from heraldry.contracts.identity import (
    ContactDetails,
    ContactDetailsChanged,
    IdentityCreated,
    IdentityRenamed,
    WorkingHours,
)
from heraldry.scheduler.campaign_reactions import (
    ImportPerson,
    StopCampaign,
    import_people,
    stop_everywhere,
)
from heraldry.scheduler.domain import profile
from heraldry.scheduler.domain.profile import (
    UNKNOWN,
    DetailsImported,
    ImportDeletion,
    ImportHours,
    NameImported,
    OwnerImported,
    decide,
    evolve,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ORG, ADA = UUID(int=1), UUID(int=3)
HOURS = WorkingHours(zone="UTC")
ASTRID, LIND = ContactDetails(first_name="Astrid"), ContactDetails(first_name="Astrid", last_name="Lind")
decider: Decider[profile.Command, profile.Profile, profile.Event] = Decider(UNKNOWN, decide, evolve)


def said(name: str | None, details: ContactDetails | None, revision: int) -> profile.ImportPerson:
    return profile.ImportPerson(ADA, ORG, name, details, revision, NOON)


def test_a_person_is_known_by_what_was_said_last_of_each() -> None:
    created = Scenario(decider).when(said("Astrid", ASTRID, 0))
    created.then(
        OwnerImported(identity=ADA, organization=ORG, at=NOON),
        NameImported(identity=ADA, name="Astrid", source_revision=0, at=NOON),
        DetailsImported(identity=ADA, details=ASTRID, source_revision=0, at=NOON),
    )
    known = Scenario(decider).given(*created.events)
    known.when(said("Astrid", ASTRID, 0)).then_nothing()
    known.when(said(None, LIND, 1)).then(
        DetailsImported(identity=ADA, details=LIND, source_revision=1, at=NOON)
    )


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_what_is_known_does_not_depend_on_the_order_in_which_it_arrives(order: tuple[int, ...]) -> None:
    commands: tuple[profile.Command, ...] = (
        said("Astrid", ASTRID, 0),
        said("A. Lind", None, 1),
        said(None, LIND, 2),
        ImportHours(ADA, HOURS, 0, NOON),
        ImportDeletion(ADA, NOON),
    )
    scenario = Scenario(decider)
    for number in order:
        scenario = scenario.given(*scenario.when(commands[number]).events)
        scenario.when(commands[number]).then_nothing()
    known = scenario.state
    assert (known.organization, known.name, known.details) == (ORG, "A. Lind", LIND)
    assert (known.hours, known.deleted) == (HOURS, True)


def test_who_was_erased_is_nobody() -> None:
    erased = (
        NameImported(identity=ADA, name=Erased(), source_revision=0, at=NOON),
        DetailsImported(identity=ADA, details=Erased(), source_revision=0, at=NOON),
    )
    assert Scenario(decider).given(*erased).state.details == ContactDetails()
    assert not Scenario(decider).given(*erased).state.name


def envelope(event: Event, revision: int) -> Envelope[Event]:
    kind = type(event).__name__
    return Envelope[Event](
        id=str(uuid4()),
        source="/heraldry/identity",
        type=kind,
        time=NOON,
        dataschema=f"heraldry:{kind}:1",
        organization=str(ORG),
        stream="identity.x",
        revision=revision,
        position="identity:x:1",
        data=event,
    ).model_copy(update={"data": event})


def test_what_the_identity_context_says_of_a_person_is_imported() -> None:
    created = IdentityCreated(
        identity=ADA, organization=ORG, name="Astrid", details=ASTRID, hours=HOURS, at=NOON
    )
    renamed = IdentityRenamed(identity=ADA, name="A. Lind", at=NOON)
    changed = ContactDetailsChanged(identity=ADA, details=LIND, at=NOON)
    wishes = [
        import_people(envelope(event, revision))  # pyright: ignore[reportArgumentType]  one of the union
        for revision, event in enumerate((created, renamed, changed))
    ]
    whose = {"organization": ORG, "identity": ADA}
    assert wishes == [
        (ImportPerson(**whose, name="Astrid", details=ASTRID, revision=0),),
        (ImportPerson(**whose, name="A. Lind", details=None, revision=1),),
        (ImportPerson(**whose, name=None, details=LIND, revision=2),),
    ]
    erased = changed.model_copy(update={"details": Erased()})
    assert import_people(envelope(erased, 3)) == ()  # pyright: ignore[reportArgumentType]  as above


def test_a_pause_is_brought_to_the_senders_as_of_its_revision() -> None:
    paused = CampaignPaused(campaign=ORG, identity=ADA, reason="by hand", at=NOON)
    assert stop_everywhere(envelope(paused, 7)) == (StopCampaign(campaign=ORG, revision=7),)  # pyright: ignore[reportArgumentType]
