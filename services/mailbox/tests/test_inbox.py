from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Refused
from heraldry.contracts.mailbox import (
    Diagnosed,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    Server,
)
from heraldry.mailbox.domain.bouncing import AT_LEAST, LAST, Figures
from heraldry.mailbox.domain.inbox import (
    NO_INBOX,
    ClaimCheck,
    Close,
    Command,
    Connect,
    Disconnect,
    Event,
    FinishCheck,
    FinishPause,
    Inbox,
    Lose,
    MailboxCheckClaimed,
    MailboxClosing,
    MailboxConnectionStarted,
    MailboxPausing,
    Pause,
    Resume,
    State,
    decide,
    evolve,
    well_formed,
)

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
ID, NORTHWIND, OTHERS = UUID(int=1), UUID(int=2), UUID(int=3)
ADA, BOB, TRIAL, AGAIN, CLAIM, CLAIM2 = (UUID(int=n) for n in range(10, 16))
IMAP = Server(host="mail.example", port=993, security="tls")
SMTP = Server(host="mail.example", port=465, security="tls")
WRONG = Diagnosed(code="credentials.invalid", cause="Wrong.", resolution="Check it.")
decider: Decider[Command, State, Event] = Decider(NO_INBOX, decide, evolve)

CONNECT = Connect(ID, NORTHWIND, ADA, TRIAL, "ada@northwind.example", IMAP, SMTP, "one", "", NOW)
STARTED = MailboxConnectionStarted(
    inbox=ID,
    organization=NORTHWIND,
    identity=ADA,
    trial=TRIAL,
    address="ada@northwind.example",
    imap=IMAP,
    smtp=SMTP,
    secret="one",
    at=NOW,
)
CLAIMED = MailboxCheckClaimed(inbox=ID, trial=TRIAL, claim=CLAIM, held_until=LATER, at=NOW)
CONNECTED = MailboxConnected(inbox=ID, identity=ADA, address="ada@northwind.example", at=NOW)
FAILED = MailboxConnectionFailed(inbox=ID, identity=ADA, diagnosis=WRONG, at=NOW)
DISCONNECTED = MailboxDisconnected(inbox=ID, identity=ADA, at=NOW)
LOST = MailboxNeedsReconnect(inbox=ID, identity=ADA, diagnosis=WRONG, at=NOW)
nothing = Scenario(decider)
started = nothing.given(STARTED)
in_hand = started.given(CLAIMED)
connected = in_hand.given(CONNECTED)


def inbox(scenario: Scenario[Command, State, Event]) -> Inbox:
    assert isinstance(scenario.state, Inbox)
    return scenario.state


def test_connecting_begins_with_a_try_and_ends_connected() -> None:
    nothing.when(CONNECT).then(STARTED)
    started.when(ClaimCheck(CLAIM, LATER, NOW, NOW)).then(CLAIMED)
    in_hand.when(FinishCheck(CLAIM, None, NOW)).then(CONNECTED)
    assert inbox(connected).live is not None


def test_one_claims_the_check_until_its_time_is_over() -> None:
    in_hand.when(ClaimCheck(CLAIM2, LATER, LATER - timedelta(seconds=1), NOW)).then_nothing()
    taken = CLAIMED.model_copy(update={"claim": CLAIM2, "held_until": LATER})
    in_hand.when(ClaimCheck(CLAIM2, LATER, LATER, NOW)).then(taken)
    in_hand.given(taken).when(FinishCheck(CLAIM, None, NOW)).then_nothing()


def test_a_first_try_that_fails_leaves_no_inbox_and_frees_the_address() -> None:
    in_hand.when(FinishCheck(CLAIM, WRONG, NOW)).then(FAILED)
    failed = in_hand.given(FAILED)
    assert inbox(failed).standing == "never"
    assert inbox(failed).holder is None
    failed.when(Disconnect(NORTHWIND, NOW)).then_refused("inbox.unknown")
    failed.when(replace(CONNECT, identity=BOB)).then(STARTED.model_copy(update={"identity": BOB}))


def test_an_inbox_that_works_goes_on_when_a_reconnection_fails() -> None:
    again = STARTED.model_copy(update={"trial": AGAIN, "secret": "two"})
    claimed = CLAIMED.model_copy(update={"trial": AGAIN})
    trying = connected.given(again, claimed)
    assert inbox(trying).live is not None
    after = inbox(trying.given(FAILED))
    assert after.live is not None
    assert after.live.secret == "one"
    after = inbox(trying.given(CONNECTED))
    assert after.live is not None
    assert after.live.secret == "two"


@pytest.mark.parametrize("taken", [started, connected, connected.given(LOST)])
def test_an_address_belongs_to_one_identity_and_the_refusal_names_it(
    taken: Scenario[Command, State, Event],
) -> None:
    theirs = replace(CONNECT, identity=BOB, holder="Ada Bergström")
    refusal = taken.when(theirs).then_refused("inbox.belongs-to-another-identity")
    assert "Ada Bergström" in refusal.detail
    assert refusal.field == "address"


def test_a_disconnected_address_is_free_and_keeps_its_inbox() -> None:
    connected.when(Disconnect(NORTHWIND, NOW)).then(DISCONNECTED)
    gone = connected.given(DISCONNECTED)
    assert inbox(gone).live is None
    gone.when(Disconnect(NORTHWIND, NOW)).then_nothing()
    gone.when(replace(CONNECT, identity=BOB)).then(STARTED.model_copy(update={"identity": BOB}))


def test_before_it_is_disconnected_nothing_more_leaves() -> None:
    closing = MailboxClosing(inbox=ID, identity=ADA, at=NOW)
    connected.when(Close(NORTHWIND, NOW)).then(closing)
    closed = connected.given(closing)
    assert inbox(closed).live is None
    assert inbox(closed).holder == ADA
    closed.when(Close(NORTHWIND, NOW)).then_nothing()
    closed.when(Disconnect(NORTHWIND, NOW)).then(DISCONNECTED)
    connected.given(LOST).when(Close(NORTHWIND, NOW)).then_nothing()
    connected.when(Close(OTHERS, NOW)).then_refused("inbox.unknown")
    again = closed.given(DISCONNECTED, STARTED, CLAIMED, CONNECTED)
    assert inbox(again).live is not None


PAUSE = Pause("Too many.", 20, 2, None, NOW)
PAUSING = MailboxPausing(inbox=ID, identity=ADA, reason="Too many.", sent=20, bounced=2, at=NOW)
PAUSED = MailboxPaused(
    inbox=ID, identity=ADA, code="bounce-rate", reason="Too many.", sent=20, bounced=2, at=NOW
)
RESUMED = MailboxResumed(inbox=ID, identity=ADA, at=NOW)
paused = connected.given(PAUSING, PAUSED)


def test_a_paused_inbox_is_connected_until_somebody_resumes_it() -> None:
    connected.when(PAUSE).then(PAUSING)
    pausing = connected.given(PAUSING)
    assert inbox(pausing).held_back
    pausing.when(PAUSE).then_nothing()
    pausing.when(FinishPause(NOW)).then(PAUSED)
    pausing.when(Resume(NORTHWIND, NOW)).then_refused("inbox.not-paused")
    paused.when(FinishPause(NOW)).then_nothing()
    assert inbox(paused).live is not None
    paused.when(PAUSE).then_nothing()
    paused.when(Resume(NORTHWIND, NOW)).then(RESUMED)
    connected.when(Resume(NORTHWIND, NOW)).then_refused("inbox.not-paused")
    paused.when(Resume(OTHERS, NOW)).then_refused("inbox.unknown")
    for other in (nothing, started, connected.given(DISCONNECTED)):
        other.when(PAUSE).then_nothing()


def test_what_was_counted_before_it_was_resumed_pauses_it_no_more() -> None:
    resumed = paused.given(RESUMED)
    resumed.when(PAUSE).then_nothing()
    resumed.when(replace(PAUSE, resumed=NOW)).then(PAUSING)


def test_a_pause_belongs_to_the_address_and_is_said_again_when_it_is_reconnected() -> None:
    gone = paused.given(DISCONNECTED)
    theirs = gone.given(STARTED.model_copy(update={"identity": BOB}), CLAIMED)
    theirs.when(FinishCheck(CLAIM, None, LATER)).then(
        CONNECTED.model_copy(update={"identity": BOB, "at": LATER}),
        PAUSED.model_copy(update={"identity": BOB, "at": LATER}),
    )


@pytest.mark.parametrize(
    ("sent", "bounced", "too_many"),
    [
        (AT_LEAST - 1, AT_LEAST - 1, False),
        (20, 1, False),
        (20, 2, True),
        (40, 2, False),
        (LAST, 5, False),
        (LAST, 6, True),
    ],
)
def test_more_than_five_percent_of_at_least_twenty_are_too_many(
    sent: int,
    bounced: int,
    too_many: bool,  # noqa: FBT001  a case of the table
) -> None:
    assert Figures(sent, bounced).too_many is too_many


def test_disconnecting_ends_a_try_under_way() -> None:
    started.when(Disconnect(NORTHWIND, NOW)).then(DISCONNECTED)
    started.given(DISCONNECTED).when(ClaimCheck(CLAIM, LATER, NOW, NOW)).then_nothing()


def test_news_of_an_older_password_says_nothing_about_the_present_one() -> None:
    connected.when(Lose("one", WRONG, NOW)).then(LOST)
    connected.when(Lose("zero", WRONG, NOW)).then_nothing()
    connected.given(LOST).when(Lose("one", WRONG, NOW)).then_nothing()


def test_another_organization_sees_nothing() -> None:
    assert connected.when(Disconnect(OTHERS, NOW)).then_refused("inbox.unknown").status == 404
    nothing.when(Disconnect(NORTHWIND, NOW)).then_refused("inbox.unknown")


@pytest.mark.parametrize(
    "address",
    ["ada", "@northwind.example", "ada@", "a da@northwind.example", "a\n@b.c", "ädä@northwind.example"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Refused) as refused:
        well_formed(address)
    assert refused.value.code == "inbox.address-malformed"
