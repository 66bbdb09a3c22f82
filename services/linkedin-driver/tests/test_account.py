from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.linkedin import (
    LinkedInApprovalRequested,
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInLinkingStarted,
    LinkedInNeedsReconnect,
    LinkedInProfile,
    LinkedInRestricted,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    Obstacle,
    VerificationCodeGiven,
    VerificationCodeRequested,
)
from heraldry.linkedin_driver.domain.account import (
    NO_ACCOUNT,
    Account,
    Command,
    Event,
    Link,
    LinkingAccepted,
    Lose,
    SlowDown,
    State,
    TryAgain,
    Unlink,
    decide,
    evolve,
    paused_until,
)
from heraldry.linkedin_driver.domain.linking import (
    HELD_OPEN,
    Abandon,
    AskForApproval,
    AskForCode,
    ClaimSignIn,
    EnterCode,
    Fail,
    ResendCode,
    Settle,
    SignedIn,
    SignIn,
    SignInClaimed,
    VerificationCodeEntered,
    VerificationCodeMissed,
    Working,
)
from heraldry.linkedin_driver.domain.obstacles import (
    ANOTHER_MEMBER,
    APPROVAL_LATE,
    CODE_LATE,
    INTERRUPTED,
    LINKING,
    NEEDS_CREDENTIALS,
    OF_ANOTHER_IDENTITY,
    RESTRICTED,
    SIGNED_OUT,
    SLOWED_DOWN,
    UNREACHABLE,
    WRONG_PASSWORD,
)
from hypothesis import given as any_of
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
REAL = datetime(2026, 5, 4, 9, 31, tzinfo=UTC)
SOON = REAL + timedelta(seconds=60)
OPEN_UNTIL = REAL + HELD_OPEN
SECOND = timedelta(seconds=1)
ID, NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 6))
FIRST, NEXT, ONE, TWO = (UUID(int=n) for n in range(11, 15))
EMAIL = "ada@northwind.example"
PROFILE = LinkedInProfile(first_name="Ada", last_name="Berg", url="https://www.linkedin.com/in/ada")
decider: Decider[Command, State, Event] = Decider(NO_ACCOUNT, decide, evolve)
OF: dict[str, Any] = {"account": ID, "identity": ADA, "linking": FIRST}

LINK = Link(ID, NORTHWIND, ADA, FIRST, EMAIL, "one", REAL, NOW)
ACCEPTED = LinkingAccepted(**OF, organization=NORTHWIND, secret="one", at=NOW)
STARTED = LinkedInLinkingStarted(**OF, email=EMAIL, at=NOW)
CLAIMED = SignInClaimed(linking=FIRST, claim=ONE, held_until=SOON, at=NOW)
BY_SMS = VerificationCodeRequested(**OF, by="SMS", hint="ending with 34", until=OPEN_UNTIL, at=NOW)
BY_APP = LinkedInApprovalRequested(**OF, until=OPEN_UNTIL, at=NOW)
ENTERED = VerificationCodeEntered(linking=FIRST, secret="code", held_until=SOON, at=NOW)
GIVEN = VerificationCodeGiven(**OF, at=NOW)
IN = SignedIn(
    linking=FIRST,
    identity=ADA,
    sender="ada",
    profile=PROFILE,
    sales_navigator=True,
    held_until=SOON,
    at=NOW,
)
LINKED = LinkedInLinked(**OF, sender="ada", profile=PROFILE, sales_navigator=True, at=NOW)
UNLINKED = LinkedInUnlinked(account=ID, identity=ADA, at=NOW)
ASK = AskForCode(ONE, "SMS", "ending with 34", "", REAL, NOW)
ENTER = EnterCode(NORTHWIND, "code", SOON, REAL, NOW)
RESEND = ResendCode(NORTHWIND, SOON, REAL, NOW)
SIGN_IN = SignIn(ONE, "ada", PROFILE, sales_navigator=True, held_until=SOON, at=NOW)

nothing = Scenario(decider)
started = nothing.given(ACCEPTED, STARTED)
working = started.given(CLAIMED)
code_wanted = working.given(BY_SMS)
approval_wanted = working.given(BY_APP)
inside = working.given(IN)
linked = inside.given(LINKED)


def failed(why: Obstacle, linking: UUID = FIRST) -> LinkedInLinkingFailed:
    return LinkedInLinkingFailed(account=ID, identity=ADA, linking=linking, diagnosis=why, at=NOW)


def renamed(*events: Event) -> tuple[Event, ...]:
    """The same, of the next linking."""
    return tuple(event.model_copy(update={"linking": NEXT}) for event in events)


def account(scenario: Scenario[Command, State, Event]) -> Account:
    assert isinstance(scenario.state, Account)
    return scenario.state


def test_linking_without_a_checkpoint() -> None:
    nothing.when(LINK).then(ACCEPTED, STARTED)
    started.when(ClaimSignIn(ONE, SOON, NOW)).then(CLAIMED)
    working.when(SIGN_IN).then(IN)
    inside.when(Settle(FIRST, ADA, NOW)).then(LINKED)
    assert account(linked).live == FIRST
    assert account(linked).diagnosis is None


def test_the_code_is_asked_for_and_linking_goes_on_with_it() -> None:
    working.when(ASK).then(BY_SMS)
    code_wanted.when(ASK).then_nothing()
    code_wanted.when(ENTER).then(ENTERED, GIVEN)
    entered = code_wanted.given(ENTERED)
    linking = account(entered).linking
    assert linking is not None
    assert linking.stage == Working(ONE, SOON, code="code")
    entered.when(SIGN_IN).then(IN)


@pytest.mark.parametrize("rejected", ["wrong", "expired"])
def test_a_wrong_or_expired_code_can_be_entered_again(rejected: Any) -> None:
    later = REAL + timedelta(minutes=3)
    entered = code_wanted.given(ENTERED)
    again = BY_SMS.model_copy(update={"rejected": rejected, "until": later + HELD_OPEN})
    entered.when(replace(ASK, rejected=rejected, real_now=later)).then(again)
    second = replace(ENTER, secret="another", real_now=later)
    entered.given(again).when(second).then(ENTERED.model_copy(update={"secret": "another"}), GIVEN)


def test_a_new_code_is_sent_except_by_an_authenticator() -> None:
    missed = VerificationCodeMissed(linking=FIRST, held_until=SOON, at=NOW)
    code_wanted.when(RESEND).then(missed)
    code_wanted.given(missed).when(ASK).then(BY_SMS)
    by_authenticator = working.given(BY_SMS.model_copy(update={"by": "authenticator"}))
    by_authenticator.when(RESEND).then_refused("linkedin.code-by-authenticator")


def test_no_code_is_taken_where_none_is_wanted() -> None:
    for other in (started, working, approval_wanted, inside, linked, code_wanted.given(ENTERED)):
        other.when(ENTER).then_refused("linkedin.no-code-wanted")
        other.when(RESEND).then_refused("linkedin.no-code-wanted")
    nothing.when(ENTER).then_refused("linkedin.unknown")
    code_wanted.when(replace(ENTER, organization=OTHERS)).then_refused("linkedin.unknown")


def test_the_page_is_held_open_for_ten_minutes() -> None:
    assert timedelta(minutes=10) == HELD_OPEN
    code_wanted.when(replace(ENTER, real_now=OPEN_UNTIL - SECOND)).then(ENTERED, GIVEN)
    code_wanted.when(replace(ENTER, real_now=OPEN_UNTIL)).then_refused("linkedin.code-too-late")
    code_wanted.when(replace(RESEND, real_now=OPEN_UNTIL)).then_refused("linkedin.code-too-late")
    code_wanted.when(Abandon(FIRST, ONE, OPEN_UNTIL - SECOND, NOW)).then_nothing()
    code_wanted.when(Abandon(FIRST, ONE, OPEN_UNTIL, NOW)).then(failed(CODE_LATE))
    approval_wanted.when(Abandon(FIRST, ONE, OPEN_UNTIL, NOW)).then(failed(APPROVAL_LATE))


def test_an_approval_in_the_app_is_waited_for() -> None:
    working.when(AskForApproval(ONE, REAL, NOW)).then(BY_APP)
    approval_wanted.when(AskForApproval(ONE, REAL, NOW)).then_nothing()
    approval_wanted.when(SIGN_IN).then(IN)
    approval_wanted.when(ASK).then(BY_SMS)  # LinkedIn offers another way


@pytest.mark.parametrize("why", LINKING.values(), ids=list(LINKING))
def test_every_obstacle_leaves_it_not_connected_with_the_reason(why: Obstacle) -> None:
    for stage in (working, code_wanted, approval_wanted):
        stage.when(Fail(ONE, why, NOW)).then(failed(why))
        stage.when(Fail(TWO, why, NOW)).then_nothing()
    ended = account(working.given(failed(why)))
    assert (ended.standing, ended.live, ended.linking, ended.diagnosis) == ("never", None, None, why)
    assert min(map(len, (why.code, why.cause, why.resolution))) > 0


def test_credentials_are_submitted_once() -> None:
    later = SOON + timedelta(days=1)
    for stage in (working, code_wanted, approval_wanted, inside):
        stage.when(ClaimSignIn(TWO, later, NOW)).then_nothing()
    working.when(Abandon(FIRST, ONE, SOON - SECOND, NOW)).then_nothing()
    working.when(Abandon(FIRST, ONE, SOON, NOW)).then(failed(INTERRUPTED))
    inside.when(Abandon(FIRST, ONE, SOON, NOW)).then(failed(INTERRUPTED))
    started.when(Abandon(FIRST, ONE, later, NOW)).then_nothing()


def test_trying_again_uses_the_credentials_given_last() -> None:
    again = TryAgain(NORTHWIND, NEXT, NOW)
    working.given(failed(UNREACHABLE)).when(again).then(*renamed(ACCEPTED, STARTED))
    for code in NEEDS_CREDENTIALS:
        working.given(failed(LINKING[code])).when(again).then_refused("linkedin.password-needed")
    erased = nothing.given(ACCEPTED, STARTED.model_copy(update={"email": Erased()}), failed(UNREACHABLE))
    erased.when(again).then_refused("linkedin.password-needed")
    for open_ in (started, working, code_wanted):
        open_.when(again).then_refused("linkedin.linking-under-way")
    linked.when(again).then_refused("linkedin.linked")
    nothing.when(again).then_refused("linkedin.unknown")


def test_a_second_linking_waits_for_the_browser_but_not_for_the_person() -> None:
    second = replace(LINK, linking=NEXT)
    taken = renamed(ACCEPTED, STARTED)
    for busy in (working, inside, code_wanted.given(ENTERED)):
        busy.when(second).then_refused("linkedin.linking-under-way")
        busy.when(replace(second, real_now=SOON)).then(*taken)
    for waiting in (started, code_wanted, approval_wanted):
        waiting.when(second).then(*taken)
    overtaken = code_wanted.given(*taken)
    overtaken.when(SIGN_IN).then_nothing()
    overtaken.when(Fail(ONE, WRONG_PASSWORD, NOW)).then_nothing()
    inside.given(*taken).when(Settle(FIRST, ADA, NOW)).then_nothing()


def test_a_linking_that_nobody_drives_any_more_ends_at_once() -> None:
    gone = Abandon(FIRST, ONE, REAL, NOW, gone=True)
    for scenario in (working, code_wanted, approval_wanted, code_wanted.given(ENTERED)):
        scenario.when(gone).then(failed(INTERRUPTED))
    for scenario in (nothing, started, inside, linked):  # what is inside goes on without a page
        scenario.when(gone).then()


def test_whoever_was_held_up_ends_no_linking_that_was_begun_since() -> None:
    again = nothing.given(*renamed(ACCEPTED, STARTED, CLAIMED))
    again.when(Abandon(FIRST, ONE, SOON, NOW, gone=True)).then()
    working.when(Abandon(FIRST, TWO, SOON, NOW, gone=True)).then()


def test_a_code_is_forgotten_once_it_was_entered() -> None:
    entering = code_wanted.given(ENTERED)
    assert account(entering).forgotten == frozenset()
    assert account(entering.given(BY_SMS)).forgotten == {"code"}
    assert account(entering.given(IN, LINKED)).forgotten == {"code"}


def test_a_member_belongs_to_one_identity() -> None:
    of_bobs = failed(OF_ANOTHER_IDENTITY.model_copy(update={"identity": BOB}))
    inside.when(Settle(FIRST, BOB, NOW)).then(of_bobs)
    ended = account(inside.given(of_bobs))
    assert ended.live is None
    assert ended.let_go == {("ada", FIRST)}
    assert not account(inside).let_go  # who holds it is being asked


def test_an_answer_about_an_older_linking_decides_nothing() -> None:
    newer = inside.given(*renamed(ACCEPTED, STARTED, CLAIMED, IN))
    newer.when(Settle(FIRST, BOB, NOW)).then_nothing()
    newer.when(Settle(NEXT, ADA, NOW)).then(*renamed(LINKED))


def test_an_identity_stays_with_its_member_until_it_is_unlinked() -> None:
    second = (*renamed(ACCEPTED, STARTED, CLAIMED),)
    other = replace(SIGN_IN, sender="somebody else")
    linked.given(*second).when(other).then(failed(ANOTHER_MEMBER, NEXT))
    still = account(linked.given(*second, failed(ANOTHER_MEMBER, NEXT)))
    assert (still.live, still.sender) == (FIRST, "ada")
    (entered,) = linked.given(UNLINKED, *second).when(other).events
    assert isinstance(entered, SignedIn)
    assert entered.sender == "somebody else"


def test_a_failed_try_leaves_a_linked_account_as_it_was() -> None:
    after = account(linked.given(*renamed(ACCEPTED, STARTED, CLAIMED), failed(WRONG_PASSWORD, NEXT)))
    assert after.live == FIRST
    assert not after.let_go


def test_the_session_is_lost_or_restricted() -> None:
    lost = LinkedInNeedsReconnect(account=ID, identity=ADA, diagnosis=SIGNED_OUT, at=NOW)
    restricted = LinkedInRestricted(account=ID, identity=ADA, diagnosis=RESTRICTED, at=NOW)
    linked.when(Lose(FIRST, SIGNED_OUT, restricted=False, at=NOW)).then(lost)
    linked.when(Lose(FIRST, RESTRICTED, restricted=True, at=NOW)).then(restricted)
    for after in (linked.given(lost), linked.given(restricted)):
        assert account(after).live is None
        after.when(Lose(FIRST, SIGNED_OUT, restricted=False, at=NOW)).then_nothing()
        again = after.given(*renamed(ACCEPTED, STARTED, CLAIMED, IN, LINKED))
        assert account(again).live == NEXT
        again.when(Lose(FIRST, SIGNED_OUT, restricted=False, at=NOW)).then_nothing()


def test_linkedin_slows_one_kind_down_until_it_can_go_on() -> None:
    until = NOW + timedelta(days=7)
    slow = SlowDown(FIRST, "invitation", until, SLOWED_DOWN, NOW)
    said = LinkedInSlowedDown(
        account=ID, identity=ADA, kind="invitation", until=until, diagnosis=SLOWED_DOWN, at=NOW
    )
    linked.when(slow).then(said)
    slowed = linked.given(said)
    slowed.when(slow).then_nothing()
    slowed.when(replace(slow, until=until - SECOND)).then_nothing()
    slowed.when(replace(slow, until=until + SECOND)).then(said.model_copy(update={"until": until + SECOND}))
    assert paused_until(slowed.state, "invitation", until - SECOND) == until
    assert paused_until(slowed.state, "invitation", until) is None
    assert paused_until(slowed.state, "message", NOW) is None
    all_of_it = linked.given(said.model_copy(update={"kind": "everything"}))
    assert paused_until(all_of_it.state, "message", NOW) == until
    relinked = slowed.given(*renamed(ACCEPTED, STARTED, CLAIMED, IN, LINKED))
    assert paused_until(relinked.state, "invitation", NOW) == until
    other = LINKED.model_copy(update={"sender": "somebody else"})
    assert paused_until(slowed.given(UNLINKED, other).state, "invitation", NOW) is None


def test_unlinking_forgets_credentials_and_member() -> None:
    unlink = Unlink(NORTHWIND, NOW)
    for known in (started, code_wanted, linked, working.given(failed(WRONG_PASSWORD))):
        known.when(unlink).then(UNLINKED)
        after = account(known.given(UNLINKED))
        assert (after.live, after.linking, after.diagnosis) == (None, None, None)
        assert after.forgotten == {"one"}
        known.given(UNLINKED).when(unlink).then_nothing()
        known.given(UNLINKED).when(TryAgain(NORTHWIND, NEXT, NOW)).then_refused("linkedin.password-needed")
    assert account(linked.given(UNLINKED)).let_go == {("ada", FIRST)}
    nothing.when(unlink).then_refused("linkedin.unknown")
    linked.when(Unlink(OTHERS, NOW)).then_refused("linkedin.unknown")


def test_only_the_password_given_last_is_kept() -> None:
    newer = ACCEPTED.model_copy(update={"linking": NEXT, "secret": "two"})
    assert account(linked).forgotten == frozenset()
    assert account(linked.given(newer)).forgotten == {"one"}


moments = st.integers(0, 1800).map(lambda seconds: REAL + timedelta(seconds=seconds))
claims = st.sampled_from([ONE, TWO])
linkings = st.sampled_from([FIRST, NEXT, UUID(int=20)])
senders = st.sampled_from(["ada", "bob"])
flags = st.booleans()
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(ClaimSignIn, claims, moments, st.just(NOW)),
    st.builds(
        AskForCode,
        claims,
        st.sampled_from(["SMS", "email", "authenticator"]),
        st.just(""),
        st.sampled_from(["", "wrong", "expired"]),
        moments,
        st.just(NOW),
    ),
    st.builds(AskForApproval, claims, moments, st.just(NOW)),
    st.builds(EnterCode, st.just(NORTHWIND), st.just("code"), moments, moments, st.just(NOW)),
    st.builds(ResendCode, st.just(NORTHWIND), moments, moments, st.just(NOW)),
    st.builds(SignIn, claims, senders, st.just(PROFILE), flags, moments, st.just(NOW)),
    st.builds(Settle, linkings, st.sampled_from([ADA, BOB]), st.just(NOW)),
    st.builds(Fail, claims, st.sampled_from(list(LINKING.values())), st.just(NOW)),
    st.builds(Abandon, st.just(FIRST), st.sampled_from([ONE, TWO]), moments, st.just(NOW)),
    st.builds(Lose, linkings, st.just(SIGNED_OUT), flags, st.just(NOW)),
    st.just(Unlink(NORTHWIND, NOW)),
)


@any_of(st.lists(st.one_of(commands, moments), max_size=40))
def test_whatever_happens_a_linking_submits_credentials_once_and_ends_once(
    asked: list[Command | datetime],
) -> None:
    state, history = decider.initial, list[Event]()
    for number, wish in enumerate([REAL, *asked], start=100):
        command = (
            replace(LINK, linking=UUID(int=number), real_now=wish) if isinstance(wish, datetime) else wish
        )
        if isinstance(command, Settle) and isinstance(state, Account) and state.linking is not None:
            command = replace(command, linking=state.linking.id)
        try:
            events = decider.decide(command, state)
        except Refused:
            continue
        for event in events:
            state = decider.evolve(state, event)
        history.extend(events)
        assert isinstance(state, Account)
        assert state.bound not in {sender for sender, _ in state.let_go}
        assert (state.live is None) or state.bound == state.sender != ""
    for linking in {event.linking for event in history if isinstance(event, LinkingAccepted)}:
        own = [event for event in history if getattr(event, "linking", None) == linking]
        ends = [event for event in own if isinstance(event, LinkedInLinked | LinkedInLinkingFailed)]
        assert sum(isinstance(event, SignInClaimed) for event in own) <= 1
        assert len(ends) <= 1
        if ends:
            assert own[-1] is ends[0]
        if any(isinstance(end, LinkedInLinked) for end in ends):
            assert any(isinstance(event, SignedIn) for event in own)
