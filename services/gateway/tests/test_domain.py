"""The gateway's aggregates, given/when/then."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Refused
from heraldry.contracts.gateway import (
    OrganizationCreated,
    OrganizationHalted,
    OrganizationResumed,
    OrganizationZoneChanged,
    SubscriberCreated,
    SubscriberRevoked,
    UserJoined,
)
from heraldry.gateway.domain import login, organization, setup, subscriber, user
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
US, ME, THEM = UUID(int=1), UUID(int=2), UUID(int=3)
ORGANIZATION = Scenario(Decider(organization.initial, organization.decide, organization.evolve))
USER = Scenario(Decider(user.initial, user.decide, user.evolve))
LOGIN = Scenario(Decider(login.initial, login.decide, login.evolve))
SUBSCRIBER = Scenario(Decider(subscriber.initial, subscriber.decide, subscriber.evolve))
SETUP = Scenario(Decider(setup.initial, setup.decide, setup.evolve))
CREATED = OrganizationCreated(at=AT, organization=US, name="Northwind", zone="UTC")
SUBSCRIBED = SubscriberCreated(at=AT, subscriber=ME, organization=US, name="CRM")


def test_an_organization_is_created_once() -> None:
    create = organization.CreateOrganization(US, " Northwind ", "UTC", AT)
    ORGANIZATION.when(create).then(CREATED)
    ORGANIZATION.given(CREATED).when(create).then_nothing()
    other = organization.CreateOrganization(US, "Other", "UTC", AT)
    ORGANIZATION.given(CREATED).when(other).then_refused("organization.exists")


def test_an_organization_needs_a_name_and_a_zone() -> None:
    nameless = organization.CreateOrganization(US, "  ", "UTC", AT)
    assert ORGANIZATION.when(nameless).then_refused("organization.name-missing").field == "organization"
    nowhere = organization.CreateOrganization(US, "Northwind", "Middle/Earth", AT)
    assert ORGANIZATION.when(nowhere).then_refused("zone.unknown").field == "zone"


def test_the_zone_of_the_day_changes() -> None:
    change = organization.ChangeZone("Europe/Stockholm", AT)
    changed = OrganizationZoneChanged(at=AT, organization=US, zone="Europe/Stockholm")
    ORGANIZATION.given(CREATED).when(change).then(changed)
    ORGANIZATION.given(CREATED, changed).when(change).then_nothing()
    ORGANIZATION.when(change).then_refused("organization.unknown")


def test_a_halt_and_its_end_are_recorded_once_each_with_their_reasons() -> None:
    halt, resume = organization.RecordHalt(" A wrong text ", AT), organization.RecordResumption("Mended", AT)
    halted = OrganizationHalted(at=AT, organization=US, reason="A wrong text")
    resumed = OrganizationResumed(at=AT, organization=US, reason="Mended")
    ORGANIZATION.given(CREATED).when(halt).then(halted)
    ORGANIZATION.given(CREATED, halted).when(organization.RecordHalt("Another", AT)).then_nothing()
    ORGANIZATION.given(CREATED, halted).when(resume).then(resumed)
    ORGANIZATION.given(CREATED).when(resume).then_nothing()
    ORGANIZATION.given(CREATED, halted, resumed).when(resume).then_nothing()
    ORGANIZATION.given(CREATED, halted, resumed).when(halt).then(halted)
    ORGANIZATION.when(halt).then_refused("organization.unknown")
    ORGANIZATION.when(resume).then_refused("organization.unknown")


def test_a_halt_needs_a_reason_that_fits() -> None:
    ORGANIZATION.given(CREATED).when(organization.RecordHalt("  ", AT)).then_refused("halt.reason-missing")
    long = "x" * (organization.LONGEST_REASON + 1)
    ORGANIZATION.given(CREATED).when(organization.RecordHalt(long, AT)).then_refused("halt.reason-long")
    halted = OrganizationHalted(at=AT, organization=US, reason="A wrong text")
    ending = ORGANIZATION.given(CREATED, halted).when(organization.RecordResumption(long, AT))
    assert ending.then_refused("halt.reason-long").field == "reason"


def test_a_user_joins_one_organization() -> None:
    join = user.Join(ME, US, "Mina", "mina@northwind.example", "admin", AT)
    joined = UserJoined(
        at=AT, user=ME, organization=US, name="Mina", email="mina@northwind.example", role="admin"
    )
    USER.when(join).then(joined)
    USER.given(joined).when(join).then_nothing()
    elsewhere = user.Join(ME, THEM, "Mina", "mina@northwind.example", "admin", AT)
    USER.given(joined).when(elsewhere).then_refused("user.exists")


@pytest.mark.parametrize("address", ["", "mina", "mina@", "@northwind.example", "a b@c.example", "a@b@c"])
def test_what_is_no_address_is_refused(address: str) -> None:
    join = user.Join(ME, US, "Mina", address, "admin", AT)
    assert USER.when(join).then_refused("user.email-malformed").field == "email"


def test_a_short_password_is_refused() -> None:
    with pytest.raises(Refused, match="12 characters"):
        user.acceptable("short")


def test_an_address_signs_in_as_one_user() -> None:
    taken = login.LoginTaken(at=AT, user=ME, organization=US)
    LOGIN.when(login.TakeLogin(ME, US, AT)).then(taken)
    LOGIN.given(taken).when(login.TakeLogin(ME, US, AT)).then_nothing()
    LOGIN.given(taken).when(login.TakeLogin(THEM, US, AT)).then_refused("login.taken")


@given(st.emails())
def test_case_and_spaces_make_no_other_address(address: str) -> None:
    assert login.normalised(f" {address.upper()} ") == login.normalised(address.upper())
    assert login.normalised(login.normalised(address)) == login.normalised(address)


def test_a_subscriber_is_revoked_by_its_own_organization_only() -> None:
    SUBSCRIBER.when(subscriber.CreateSubscriber(ME, US, "CRM", AT)).then(SUBSCRIBED)
    SUBSCRIBER.given(SUBSCRIBED).when(subscriber.CreateSubscriber(ME, US, "CRM", AT)).then_nothing()
    revoked = SubscriberRevoked(at=AT, subscriber=ME, organization=US)
    SUBSCRIBER.given(SUBSCRIBED).when(subscriber.RevokeSubscriber(US, AT)).then(revoked)
    SUBSCRIBER.given(SUBSCRIBED, revoked).when(subscriber.RevokeSubscriber(US, AT)).then_nothing()
    foreign = SUBSCRIBER.given(SUBSCRIBED).when(subscriber.RevokeSubscriber(THEM, AT))
    assert foreign.then_refused("subscriber.unknown").status == 404


def test_the_first_link_works_once() -> None:
    made = setup.FirstAdminLinkMade(at=AT, link="a")
    used = setup.FirstAdminLinkUsed(at=AT, link="a", organization=US)
    SETUP.when(setup.MakeLink("a", AT)).then(made)
    SETUP.given(made).when(setup.UseLink("a", US, AT)).then(used)
    SETUP.given(made, used).when(setup.UseLink("a", THEM, AT)).then_refused("first-admin.link-used")
    SETUP.given(made).when(setup.UseLink("b", US, AT)).then_refused("first-admin.link-unknown")


def test_a_start_that_was_killed_half_way_gets_another_link() -> None:
    made = setup.FirstAdminLinkMade(at=AT, link="a")
    used = setup.FirstAdminLinkUsed(at=AT, link="a", organization=US)
    again = setup.FirstAdminLinkMade(at=AT, link="b")
    SETUP.given(made, used).when(setup.MakeLink("b", AT)).then(again)
    done = setup.FirstOrganizationMade(at=AT, organization=US)
    SETUP.given(made, used, done).when(setup.MakeLink("b", AT)).then_nothing()
    SETUP.given(made, again, done).when(setup.UseLink("b", US, AT)).then_refused("first-admin.link-used")


COMMANDS = st.one_of(
    st.builds(setup.MakeLink, st.sampled_from("abc"), st.just(AT)),
    st.builds(setup.UseLink, st.sampled_from("abc"), st.builds(uuid4), st.just(AT)),
    st.builds(setup.Finish, st.just(US), st.just(AT)),
)


@given(st.lists(COMMANDS, max_size=20))
def test_no_history_of_links_lets_one_be_used_twice(commands: list[setup.Command]) -> None:
    scenario, used = SETUP, list[str]()
    for command in commands:
        outcome = scenario.when(command)
        used += [event.link for event in outcome.events if isinstance(event, setup.FirstAdminLinkUsed)]
        scenario = scenario.given(*outcome.events)
    assert len(used) == len(set(used))
