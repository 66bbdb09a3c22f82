"""The wish to get no more mail: stored once a link, again when it may have been taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.gateway import RecipientUnsubscribed, UnsubscribeToken
from heraldry.gateway.domain import unsubscribe
from heraldry.gateway.domain.unsubscribe import AGAIN, Unsubscribe
from heraldry.gateway.pages.models import Shell, UnsubscribePage
from heraldry.gateway.pages.render import render
from heraldry.gateway.routes.unsubscribe import masked
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SCENARIO = Scenario(Decider(unsubscribe.initial, unsubscribe.decide, unsubscribe.evolve))
LINK = UnsubscribeToken(
    organization=UUID(int=1),
    identity=UUID(int=2),
    person=UUID(int=3),
    attempt=UUID(int=4),
    address="lea@brisa.example",
)


def wished(at: datetime = AT, attempt: UUID = LINK.attempt) -> RecipientUnsubscribed:
    return RecipientUnsubscribed(
        at=at,
        organization=LINK.organization,
        identity=LINK.identity,
        person=LINK.person,
        address=LINK.address,
        attempt=attempt,
    )


def test_the_same_link_used_twice_is_one_wish() -> None:
    SCENARIO.when(Unsubscribe(LINK, AT)).then(wished())
    SCENARIO.given(wished()).when(Unsubscribe(LINK, AT + AGAIN / 2)).then_nothing()


def test_a_wish_is_stored_again_where_the_address_may_have_been_taken_off_the_list_meanwhile() -> None:
    later = AT + AGAIN
    SCENARIO.given(wished()).when(Unsubscribe(LINK, later)).then(wished(later))
    other = LINK.model_copy(update={"attempt": UUID(int=5)})
    SCENARIO.given(wished()).when(Unsubscribe(other, AT)).then(wished(attempt=other.attempt))


@given(
    st.lists(st.tuples(st.integers(0, 3600), st.integers(1, 3)), max_size=30).map(sorted),
    st.integers(0, 29),
)
def test_whoever_unsubscribes_has_a_wish_no_older_than_a_repeat_may_be(
    uses: list[tuple[int, int]], last: int
) -> None:
    scenario = SCENARIO
    newest: dict[UUID, datetime] = {}
    for seconds, mail in uses[: last + 1]:
        at, link = AT + timedelta(seconds=seconds), LINK.model_copy(update={"attempt": UUID(int=mail)})
        outcome = scenario.when(Unsubscribe(link, at))
        scenario = scenario.given(*outcome.events)
        newest |= {one.attempt: one.at for one in outcome.events}
        assert newest[link.attempt] > at - AGAIN


@pytest.mark.parametrize(
    ("address", "shown"),
    [("lea@brisa.example", "l…@brisa.example"), ("@brisa.example", "…@brisa.example"), ("", "…@")],
)
def test_an_address_is_shown_as_far_as_its_owner_needs_it(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_the_page_runs_nothing_and_sets_nothing_and_escapes_the_name() -> None:
    page = UnsubscribePage("asking", organization="<script>alert(1)</script>", address="l…@brisa.example")
    text = render("unsubscribe.html", shell=Shell(csrf=""), page=page)
    assert "<script" not in text
    assert text.count("<form") == 1
