from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import ContactDetails
from heraldry.contracts.share_links import (
    Kind,
    LinkState,
    ShareLinkIssued,
    ShareLinkRedeemed,
    ShareLinkRevoked,
    Way,
)
from heraldry.identity.domain.identity import initial_hours
from heraldry.identity.domain.share_link import (
    HELD,
    LIFETIME,
    MOST_TRIES,
    NO_LINK,
    Command,
    Event,
    FilledForm,
    Issue,
    Redeem,
    Revoke,
    ShareLink,
    ShareLinkTaken,
    State,
    Take,
    decide,
    evolve,
    identity_of,
    state_of,
)
from hypothesis import given as any_of
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LINK, NORTHWIND, OTHERS = UUID(int=1), UUID(int=2), UUID(int=3)
ADAS, BOBS = "a" * 64, "b" * 64  # browsers
FORM = FilledForm(
    name="Ada Bergström",
    details=ContactDetails(first_name="Ada", last_name="Bergström"),
    hours=initial_hours("Europe/Stockholm"),
)
decider: Decider[Command, State, Event] = Decider(NO_LINK, decide, evolve)
nothing = Scenario(decider)


def issued(kind: Kind = "create") -> ShareLinkIssued:
    return ShareLinkIssued(
        link=LINK,
        organization=NORTHWIND,
        kind=kind,
        identity=identity_of(LINK),
        valid_until=NOW + LIFETIME,
        at=NOW,
    )


def taken(number: int, browser: str, way: Way, at: datetime) -> ShareLinkTaken:
    return ShareLinkTaken(
        link=LINK,
        organization=NORTHWIND,
        identity=identity_of(LINK),
        browser=browser,
        way=way,
        number=number,
        form=FORM,
        at=at,
    )


def take(browser: str = ADAS, way: Way = "credentials", after: timedelta = timedelta()) -> Take:
    return Take(NORTHWIND, browser, way, FORM, NOW + after)


REDEEMED = ShareLinkRedeemed(link=LINK, organization=NORTHWIND, identity=identity_of(LINK), at=NOW)
REVOKED = ShareLinkRevoked(link=LINK, organization=NORTHWIND, identity=identity_of(LINK), at=NOW)
link = nothing.given(issued())
tried = link.given(taken(1, ADAS, "credentials", NOW))
typed = link.given(taken(1, ADAS, "manually", NOW))


def seen(
    scenario: Scenario[Command, State, Event], browser: str, after: timedelta = timedelta()
) -> LinkState:
    assert isinstance(scenario.state, ShareLink)
    return state_of(scenario.state, browser, NOW + after)


def test_a_link_is_valid_for_24_hours_to_the_second() -> None:
    nothing.when(Issue(LINK, NORTHWIND, "create", identity_of(LINK), NOW)).then(issued())
    last = LIFETIME - timedelta(microseconds=1)
    link.when(take(after=last)).then(taken(1, ADAS, "credentials", NOW + last))
    link.when(take(after=LIFETIME)).then_refused("share-link.expired")
    assert (seen(link, ADAS, last), seen(link, ADAS, LIFETIME)) == ("open", "expired")


def test_what_was_typed_by_hand_decides_at_once() -> None:
    typed.when(take(BOBS, "manually")).then_refused("share-link.used")
    typed.when(Revoke(NORTHWIND, NOW)).then_refused("share-link.used")
    typed.when(take(ADAS, "manually")).then_nothing()  # the same browser sent its form once more
    typed.when(Redeem(NOW)).then(REDEEMED)
    typed.given(REDEEMED).when(take(BOBS)).then_refused("share-link.used")


def test_a_second_browser_waits_until_the_first_has_not_tried_for_15_minutes() -> None:
    refusal = tried.when(take(BOBS, after=HELD - timedelta(seconds=1))).then_refused("share-link.taken")
    assert refusal.extra == {"until": (NOW + HELD).isoformat()}
    tried.when(take(BOBS, after=HELD)).then(taken(2, BOBS, "credentials", NOW + HELD))
    later = tried.given(taken(2, ADAS, "credentials", NOW + HELD))
    later.when(take(BOBS, after=HELD * 2 - timedelta(seconds=1))).then_refused("share-link.taken")


def test_a_failed_try_goes_on_with_the_same_identity_in_either_way() -> None:
    again = timedelta(minutes=2)
    tried.when(take(after=again)).then(taken(2, ADAS, "credentials", NOW + again))
    tried.when(take(way="manually", after=again)).then(taken(2, ADAS, "manually", NOW + again))


def test_ten_failed_tries_are_all() -> None:
    step = timedelta(minutes=1)
    worn = link.given(*(taken(n, ADAS, "credentials", NOW + step * n) for n in range(1, MOST_TRIES + 1)))
    worn.when(take(after=step * 11)).then_refused("share-link.too-many-tries")
    worn.when(take(BOBS, after=step * 10 + HELD)).then_refused("share-link.too-many-tries")
    assert seen(worn, ADAS, step * 11) == "open"  # the last try may still come to its end
    worn.when(Redeem(NOW + step * 12)).then(REDEEMED.model_copy(update={"at": NOW + step * 12}))


def test_who_began_in_time_may_finish_after_the_link_ended() -> None:
    late = LIFETIME - timedelta(minutes=1)
    begun = link.given(taken(1, ADAS, "credentials", NOW + late))
    assert seen(begun, ADAS, LIFETIME) == "open"
    assert seen(begun, BOBS, LIFETIME) == "expired"
    assert seen(begun, ADAS, late + HELD) == "expired"


def test_a_revoked_link_works_for_nobody_and_stays_unused() -> None:
    link.when(Revoke(NORTHWIND, NOW)).then(REVOKED)
    gone = tried.given(REVOKED)
    gone.when(Revoke(NORTHWIND, NOW)).then_nothing()
    gone.when(take()).then_refused("share-link.revoked")
    gone.when(Redeem(NOW)).then_nothing()
    link.given(REDEEMED).when(Revoke(NORTHWIND, NOW)).then_refused("share-link.used")


def test_a_link_whose_identity_was_deleted_works_no_more() -> None:
    tried.when(replace(take(), gone=True)).then_refused("share-link.revoked")


def test_only_what_was_tried_is_used_up_and_only_once() -> None:
    link.when(Redeem(NOW)).then_nothing()
    nothing.when(Redeem(NOW)).then_nothing()
    tried.given(REDEEMED).when(Redeem(NOW)).then_nothing()


def test_a_refresh_link_makes_no_identity_and_is_never_used_up() -> None:
    refresh = nothing.given(issued("refresh"))
    refresh.when(take()).then_refused("share-link.unknown")
    refresh.when(Redeem(NOW)).then_nothing()
    refresh.when(Revoke(NORTHWIND, NOW)).then(REVOKED)
    assert (seen(refresh, ADAS), seen(refresh, ADAS, LIFETIME)) == ("open", "expired")


def test_another_organizations_link_is_unknown() -> None:
    link.when(Revoke(OTHERS, NOW)).then_refused("share-link.unknown")
    link.when(replace(take(), organization=OTHERS)).then_refused("share-link.unknown")
    nothing.when(take()).then_refused("share-link.unknown")


MOMENTS = st.timedeltas(timedelta(), timedelta(hours=26)).map(NOW.__add__)
COMMANDS = st.one_of(
    st.builds(
        take,
        st.sampled_from((ADAS, BOBS, "c" * 64)),
        st.sampled_from(("manually", "credentials")),
        st.timedeltas(timedelta(), timedelta(hours=26)),
    ),
    st.builds(Revoke, st.just(NORTHWIND), MOMENTS),
    st.builds(Redeem, MOMENTS),
)


def history(wishes: Sequence[Command]) -> Sequence[Event]:
    """What is recorded when all this is asked, one after the other in time."""
    ordered = sorted(wishes, key=lambda one: one.at)
    recorded: list[Event] = [issued()]
    for wish in ordered:
        try:
            recorded += decide(wish, decider.fold(recorded))
        except Refused:
            continue
    return recorded


@any_of(st.lists(COMMANDS, max_size=30))
def test_however_it_is_used_there_is_one_winner_and_one_identity(wishes: list[Command]) -> None:
    recorded = history(wishes)
    tries = [one for one in recorded if isinstance(one, ShareLinkTaken)]
    ends = [one for one in recorded if isinstance(one, ShareLinkRedeemed | ShareLinkRevoked)]
    assert {one.identity for one in tries} <= {identity_of(LINK)}
    assert [one.number for one in tries] == list(range(1, len(tries) + 1))
    assert len(tries) <= MOST_TRIES
    assert len(ends) <= 1
    assert all(one.way == "credentials" for one in tries[:-1])  # by hand is the last word
    for before, after in pairwise(tries):
        assert before.browser == after.browser or after.at - before.at >= HELD


@pytest.mark.parametrize("browser", [ADAS, BOBS, ""])
@any_of(st.lists(COMMANDS, max_size=20), st.timedeltas(timedelta(), timedelta(hours=30)))
def test_what_a_page_says_is_what_the_form_meets(
    browser: str, wishes: list[Command], after: timedelta
) -> None:
    recorded = history(wishes)
    now = max(NOW + after, recorded[-1].at)
    state = decider.fold(recorded)
    assert isinstance(state, ShareLink)
    said = state_of(state, browser, now)
    try:
        decide(replace(take(browser), at=now), state)
    except Refused:
        assert said != "open" or state.tries == MOST_TRIES
    else:
        assert said == "open" or (state.settled and state.browser == browser)
