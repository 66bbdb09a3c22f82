from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact, prepare
from heraldry.contracts.base import Erased, Event
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailBounced,
    EmailClaimed,
    EmailFailed,
    EmailQueued,
    EmailSent,
    EmailSubmissionStarted,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    RecipientSuppressed,
    RecipientUnsuppressed,
    ReplyReceived,
    Server,
)
from heraldry.mailbox import projections
from heraldry.mailbox.domain.email import EmailCopyClaimed, EmailCopyKept, EmailPutBack
from heraldry.mailbox.domain.inbox import MailboxCheckClaimed, MailboxConnectionStarted
from heraldry.mailbox.service import PROJECTIONS

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
END = NOW + timedelta(minutes=10)
INBOX, NORTHWIND, ADA, BOB, ATTEMPT, KIM, CLAIM, CLAIM2 = (UUID(int=n) for n in range(1, 9))
IMAP = Server(host="mail.example", port=993, security="tls")
SMTP = Server(host="mail.example", port=465, security="tls")
WRONG = Diagnosed(code="credentials.invalid", cause="Wrong.", resolution="Check it.")
OURS = f"<{ATTEMPT}@northwind.example>"


def started(identity: UUID = ADA, imap: Server = IMAP) -> MailboxConnectionStarted:
    return MailboxConnectionStarted(
        inbox=INBOX,
        organization=NORTHWIND,
        identity=identity,
        trial=CLAIM,
        address="ada@northwind.example",
        imap=imap,
        smtp=SMTP,
        secret="one",
        at=NOW,
    )


CLAIMED = MailboxCheckClaimed(inbox=INBOX, trial=CLAIM, claim=CLAIM, held_until=LATER, at=NOW)
CONNECTED = MailboxConnected(inbox=INBOX, identity=ADA, address="ada@northwind.example", at=NOW)
FAILED = MailboxConnectionFailed(inbox=INBOX, identity=ADA, diagnosis=WRONG, at=NOW)
LOST = MailboxNeedsReconnect(inbox=INBOX, identity=ADA, diagnosis=WRONG, at=NOW)
GONE = MailboxDisconnected(inbox=INBOX, identity=ADA, at=NOW)
QUEUED = EmailQueued(
    attempt=ATTEMPT,
    inbox=INBOX,
    identity=ADA,
    person=KIM,
    to="kim@fabrikam.example",
    subject="Hello",
    text="Hi",
    valid_until=END,
    at=NOW,
)
TAKEN = EmailClaimed(attempt=ATTEMPT, inbox=INBOX, identity=ADA, claim=CLAIM, held_until=LATER, at=NOW)
DUE = projections.Due(ATTEMPT, INBOX)
BEGUN = EmailSubmissionStarted(
    attempt=ATTEMPT, inbox=INBOX, identity=ADA, claim=CLAIM, message_id=OURS, at=NOW
)
SENT = EmailSent(
    attempt=ATTEMPT, inbox=INBOX, identity=ADA, person=KIM, message_id=OURS, answer="250 ok", at=NOW
)
COPYING = EmailCopyClaimed(attempt=ATTEMPT, claim=CLAIM, held_until=LATER, at=NOW)
REPLY = ReplyReceived(
    inbox=INBOX,
    identity=ADA,
    attempt=ATTEMPT,
    person=KIM,
    message_id="<answer@fabrikam.example>",
    subject="Re: Hello",
    text="Yes.",
    at=NOW,
)


PAUSED = MailboxPaused(
    inbox=INBOX, identity=ADA, code="bounce-rate", reason="Too many.", sent=20, bounced=2, at=NOW
)
RESUMED = MailboxResumed(inbox=INBOX, identity=ADA, at=LATER)


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection, PROJECTIONS)
    yield connection
    connection.close()


def apply(
    db: sqlite3.Connection, events: Sequence[Event], stream: str = "mailbox.email-x", before: int = 0
) -> None:
    """`before`: the position before the first of them."""
    for revision, event in enumerate(events):
        fact = Fact(
            id=str(revision),
            type=type(event).__name__,
            time=NOW,
            stream=stream,
            revision=revision,
            position=f"mailbox:one:{before + revision + 1}",
            organization=str(NORTHWIND),
            identity=str(ADA),
            actor="system:mailbox",
        )
        for projection in PROJECTIONS:
            projection.apply(db, event, fact)


@pytest.mark.parametrize(
    ("history", "state", "listed"),
    [
        ((started(),), "connecting", True),
        ((started(), CLAIMED, FAILED), "failed", False),
        ((started(), CLAIMED, CONNECTED), "connected", True),
        ((started(), CLAIMED, CONNECTED, started()), "connecting", True),
        ((started(), CLAIMED, CONNECTED, started(), FAILED), "connected", True),
        ((started(), CLAIMED, CONNECTED, LOST), "needs reconnect", True),
        ((started(), CLAIMED, CONNECTED, LOST, started(), FAILED), "needs reconnect", True),
        ((started(), CLAIMED, CONNECTED, GONE), "disconnected", True),
        ((started(), GONE), "failed", False),
        ((started(), CONNECTED, PAUSED), "paused", True),
        ((started(), CONNECTED, PAUSED, RESUMED), "connected", True),
        ((started(), CONNECTED, PAUSED, LOST), "needs reconnect", True),
        ((started(), CONNECTED, PAUSED, GONE, started(), CONNECTED, PAUSED), "paused", True),
    ],
)
def test_the_state_of_an_inbox(
    db: sqlite3.Connection,
    history: tuple[Event, ...],
    state: str,
    listed: bool,  # noqa: FBT001  a case of the table
) -> None:
    apply(db, history)
    view = projections.inbox_of(db, str(NORTHWIND), str(INBOX))
    assert view is not None
    assert view.state == state
    assert bool(projections.inboxes_of(db, str(NORTHWIND), "")) is listed
    assert projections.inbox_of(db, str(BOB), str(INBOX)) is None
    apply(db, history)
    assert projections.inbox_of(db, str(NORTHWIND), str(INBOX)) == view


def test_a_try_shows_its_own_settings_and_a_failed_one_the_old(db: sqlite3.Connection) -> None:
    other = IMAP.model_copy(update={"host": "other.example"})
    history = (started(), CONNECTED, started(imap=other))
    apply(db, history)
    view = projections.inbox_of(db, str(NORTHWIND), str(INBOX))
    assert view is not None
    assert view.imap == other
    assert projections.readable(db)
    apply(db, (*history, FAILED))
    view = projections.inbox_of(db, str(NORTHWIND), str(INBOX))
    assert view is not None
    assert (view.imap, view.diagnosis) == (IMAP, WRONG)


def test_settings_to_check_are_found_until_somebody_has_them_in_hand(db: sqlite3.Connection) -> None:
    apply(db, (started(),))
    assert [held.inbox for held in projections.unchecked(db, NOW)] == [INBOX]
    apply(db, (started(), CLAIMED))
    assert not projections.unchecked(db, NOW)
    assert projections.unchecked(db, LATER)
    apply(db, (started(), CLAIMED, CONNECTED))
    assert not projections.unchecked(db, LATER)


def test_what_an_identity_holds(db: sqlite3.Connection) -> None:
    apply(db, (started(),))
    assert projections.held_by(db, str(ADA))
    apply(db, (started(), CONNECTED, GONE, started(BOB)))
    assert not projections.held_by(db, str(ADA))
    assert projections.held_by(db, str(BOB))


def test_a_mail_with_every_step(db: sqlite3.Connection) -> None:
    history = (QUEUED, TAKEN, BEGUN, SENT, COPYING, EmailCopyKept(attempt=ATTEMPT, put=True, at=NOW))
    for _ in range(2):
        apply(db, history)
        apply(db, (REPLY,), stream="mailbox.reply-x")
    view = projections.email_of(db, str(NORTHWIND), str(ATTEMPT))
    assert view is not None
    assert (view.state, view.message_id, view.replies) == ("sent", OURS, ("Yes.",))
    assert [step.type for step in view.steps] == [
        "EmailQueued",
        "EmailClaimed",
        "EmailSubmissionStarted",
        "EmailSent",
        "EmailCopyKept",
    ]
    assert projections.email_of(db, str(BOB), str(ATTEMPT)) is None
    assert projections.is_known_reply(db, str(ATTEMPT), REPLY.message_id, "Other words.")
    assert not projections.is_known_reply(db, str(ATTEMPT), "<other@x.example>", "Yes.")
    assert not projections.is_known_reply(db, str(ATTEMPT), "", "Yes.")
    apply(db, (REPLY.model_copy(update={"message_id": ""}),), stream="mailbox.reply-y")
    assert projections.is_known_reply(db, str(ATTEMPT), "", "Yes.")
    assert not projections.is_known_reply(db, str(ATTEMPT), "", "No.")


def test_work_is_found_again_after_a_crash(db: sqlite3.Connection) -> None:
    apply(db, (QUEUED,))
    assert projections.to_send(db, NOW, NOW, most=9) == (DUE,)
    apply(db, (QUEUED, TAKEN))
    assert projections.to_send(db, NOW, NOW, most=9) == ()
    assert projections.to_send(db, NOW, LATER, most=9) == (DUE,)
    assert projections.to_send(db, END, NOW, most=9) == (DUE,)
    back = EmailPutBack(attempt=ATTEMPT, claim=CLAIM, reason="Away.", not_before=END, at=NOW)
    apply(db, (QUEUED, TAKEN, back))
    assert projections.to_send(db, NOW, LATER, most=9) == ()
    apply(db, (QUEUED, TAKEN, BEGUN))
    assert projections.to_send(db, END, END, most=9) == ()
    assert projections.to_look_up(db) == (DUE,)
    apply(db, (QUEUED, TAKEN, BEGUN, SENT))
    assert projections.to_look_up(db) == ()
    assert (projections.inboxes_to_copy(db, NOW), projections.to_copy(db, INBOX, NOW)) == ((INBOX,), ATTEMPT)
    apply(db, (QUEUED, TAKEN, BEGUN, SENT, COPYING))
    assert (projections.inboxes_to_copy(db, NOW), projections.to_copy(db, INBOX, NOW)) == ((), None)
    assert (projections.inboxes_to_copy(db, LATER), projections.to_copy(db, INBOX, LATER)) == (
        (INBOX,),
        ATTEMPT,
    )


def test_a_mail_to_copy_that_was_passed_over_does_not_hide_the_next(db: sqlite3.Connection) -> None:
    others = tuple(UUID(int=n) for n in (77, 78))
    for attempt in (ATTEMPT, *others):
        of_it = [each.model_copy(update={"attempt": attempt}) for each in (QUEUED, TAKEN, BEGUN, SENT)]
        apply(db, of_it, stream=f"mailbox.email-{attempt}")
    passed = set[UUID]()
    while (found := projections.to_copy(db, INBOX, NOW, passed)) is not None:
        passed.add(found)
    assert passed == {ATTEMPT, *others}


def test_no_more_mails_to_send_than_asked_for_and_none_of_a_busy_inbox(db: sqlite3.Connection) -> None:
    elsewhere = UUID(int=99)
    for number in range(5):
        changed = {"attempt": UUID(int=77 + number), "inbox": elsewhere if number == 4 else INBOX}
        apply(db, (QUEUED.model_copy(update=changed),), stream=f"mailbox.email-{number}")
    assert len(projections.to_send(db, NOW, NOW, most=3)) == 3
    found = projections.to_send(db, NOW, NOW, most=3, busy=(INBOX,))
    assert [due.inbox for due in found] == [elsewhere]


def test_a_mail_never_tried_goes_before_those_that_are_tried_again(db: sqlite3.Connection) -> None:
    back = EmailPutBack(attempt=ATTEMPT, claim=CLAIM, reason="Away.", not_before=NOW, at=NOW)
    apply(db, (QUEUED, TAKEN, back))
    other = UUID(int=77)
    apply(db, (QUEUED.model_copy(update={"attempt": other}),), stream="mailbox.email-77")
    assert [due.attempt for due in projections.to_send(db, NOW, LATER, most=9)] == [other, ATTEMPT]


def test_a_sent_folder_that_always_refuses_is_left_alone(db: sqlite3.Connection) -> None:
    tries = tuple(
        COPYING.model_copy(update={"held_until": NOW + timedelta(minutes=n)})
        for n in range(projections.MOST_COPY_TRIES)
    )
    apply(db, (QUEUED, TAKEN, BEGUN, SENT, *tries))
    assert (projections.inboxes_to_copy(db, END), projections.to_copy(db, INBOX, END)) == ((), None)


def test_an_erased_person_leaves_a_mail_without_words(db: sqlite3.Connection) -> None:
    apply(db, (QUEUED.model_copy(update={"to": Erased(), "subject": Erased(), "text": Erased()}),))
    failed = EmailFailed(attempt=ATTEMPT, inbox=INBOX, identity=ADA, person=KIM, diagnosis=WRONG, at=NOW)
    apply(db, (failed,))
    view = projections.email_of(db, str(NORTHWIND), str(ATTEMPT))
    assert view is not None
    assert (view.to, view.text, view.state) == ("", "", "failed")


def test_a_paused_inbox_says_why_and_is_read(db: sqlite3.Connection) -> None:
    apply(db, (started(), CONNECTED, PAUSED))
    view = projections.inbox_of(db, str(NORTHWIND), str(INBOX))
    assert view is not None
    assert view.diagnosis is not None
    assert (view.diagnosis.code, view.diagnosis.cause) == ("bounce-rate", "Too many.")
    assert view.diagnosis.resolution
    assert projections.readable(db)


def numbered(number: int) -> UUID:
    return UUID(int=1000 + number)


def a_sent_mail(db: sqlite3.Connection, number: int) -> None:
    of_it = {"attempt": numbered(number)}
    history = [one.model_copy(update=of_it) for one in (QUEUED, TAKEN, BEGUN, SENT)]
    apply(db, history, stream=f"mailbox.email-{number}", before=10 * number)


def a_bounce(db: sqlite3.Connection, number: int, *, hard: bool = True) -> None:
    bounced = EmailBounced(
        inbox=INBOX,
        identity=ADA,
        attempt=numbered(number),
        person=KIM,
        hard=hard,
        category="unknown-address" if hard else "mailbox-full",
        status="5.1.1" if hard else "4.2.2",
        answer="No.",
        at=NOW,
    )
    apply(db, (bounced,), stream=f"mailbox.reply-{number}-{hard}", before=10_000 + number)


def test_an_inbox_is_judged_by_its_last_hundred_mails_since_it_was_resumed(db: sqlite3.Connection) -> None:
    apply(db, (started(), CONNECTED))
    assert not projections.has_bounced(db, str(INBOX))
    for number in range(1, 121):
        a_sent_mail(db, number)
    for number in (3, 30, 40, 119):  # the first of them is older than the last hundred
        a_bounce(db, number)
    a_bounce(db, 50, hard=False)
    a_bounce(db, 30)
    assert projections.has_bounced(db, str(INBOX))
    figures = projections.figures(db, str(INBOX))
    assert (figures.sent, figures.bounced, figures.resumed) == (100, 3, None)
    apply(db, (RESUMED,), before=1005)  # after the 100th
    figures = projections.figures(db, str(INBOX))
    assert (figures.sent, figures.bounced, figures.resumed) == (20, 1, LATER)
    nobody = projections.figures(db, str(BOB))
    assert (nobody.sent, nobody.bounced) == (0, 0)


def test_open_mails_are_found_by_recipient_lead_and_inbox(db: sqlite3.Connection) -> None:
    lead, other = UUID(int=70), UUID(int=71)
    apply(db, (QUEUED.model_copy(update={"enrollment": lead, "to": "Kim@FABRIKAM.example"}),))
    taken = (QUEUED, TAKEN)
    apply(db, [one.model_copy(update={"attempt": other}) for one in taken], stream="mailbox.email-y")
    begun = (QUEUED, TAKEN, BEGUN)
    apply(db, [one.model_copy(update={"attempt": UUID(int=72)}) for one in begun], stream="mailbox.email-z")
    both = {ATTEMPT, other}
    assert {one.attempt for one in projections.open_to(db, str(NORTHWIND), "kim@fabrikam.example")} == both
    assert {one.attempt for one in projections.open_through(db, str(INBOX))} == both
    assert [one.attempt for one in projections.open_of(db, str(lead))] == [ATTEMPT]
    assert not projections.open_to(db, str(BOB), "kim@fabrikam.example")
    assert not projections.open_to(db, str(NORTHWIND), "")


def test_the_suppression_list_comes_in_pages_newest_first(db: sqlite3.Connection) -> None:
    def suppressed(number: int) -> RecipientSuppressed:
        return RecipientSuppressed(
            organization=NORTHWIND,
            recipient=f"r{number}",
            person=KIM,
            address=f"Kim{number}@fabrikam.example",
            reason="by hand",
            at=NOW,
        )

    for number in range(1, 6):
        apply(db, (suppressed(number),), before=number)
    lifted = RecipientUnsuppressed(organization=NORTHWIND, recipient="r4", person=KIM, address="x", at=NOW)
    apply(db, (lifted,), before=10)
    first = projections.suppressed_by(db, str(NORTHWIND), "", None, 2)
    assert ([one.recipient for one in first.suppressions], first.total) == (["r5", "r3"], 4)
    second = projections.suppressed_by(db, str(NORTHWIND), "", int(first.next), 2)
    assert ([one.recipient for one in second.suppressions], second.next) == (["r2", "r1"], "")
    found = projections.suppressed_by(db, str(NORTHWIND), "kIM3@", None, 2)
    assert ([one.recipient for one in found.suppressions], found.total) == (["r3"], 1)
    assert projections.suppressed_by(db, str(BOB), "", None, 2).total == 0


def test_what_is_looked_for_fifty_times_a_second_is_found_without_reading_every_mail(
    db: sqlite3.Connection,
) -> None:
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    projections.to_send(db, NOW, NOW, most=3)
    projections.to_look_up(db)
    projections.inboxes_to_copy(db, NOW)
    projections.to_copy(db, INBOX, NOW)
    db.set_trace_callback(None)
    assert len(asked) == 4
    for each in asked:
        plan = cast("list[tuple[int, int, int, str]]", db.execute(f"EXPLAIN QUERY PLAN {each}").fetchall())
        assert [row for row in plan if "INDEX emails_" not in row[3]] == []
