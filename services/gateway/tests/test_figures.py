"""The dashboard's figures, from events: what counts, in whose day, and how fast it is counted."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Event
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    InvitationSent,
    LinkedInLinked,
    LinkedInMessageSent,
    LinkedInNeedsReconnect,
    LinkedInProfile,
    LinkedInReplyReceived,
    LinkedInSlowedDown,
    Obstacle,
)
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailBounced,
    EmailSent,
    MailboxConnected,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    ReplyReceived,
)
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaExhausted,
    RateCeilingExpired,
)
from heraldry.gateway.cards import Card, Figures, InboxState, on_linkedin
from heraldry.gateway.figures import Counted, Dashboard, Volume, count, volume
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.routes.home import chips
from heraldry.gateway.views import Views

US, ADA, SOFIA, SALES, SUPPORT, LEA, TOM = (UUID(int=number) for number in range(1, 8))
NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY: Final = NOON.date()


@contextmanager
def views(folder: Path, *events: Event) -> Generator[Views]:
    model = ReadModel(folder / "model.sqlite", VIEWS)
    batch = [
        (
            number,
            event,
            Fact(str(number), type(event).__name__, event.at, "s", number, "", str(US), "", "", ""),
        )
        for number, event in enumerate(events, 1)
    ]
    model.apply(batch, upto=len(events), reached=[])
    yield Views(model)
    model.close()


def counted(
    folder: Path, *events: Event, zone: str = "UTC", own: str = "UTC", first: date = TODAY, last: date = TODAY
) -> Counted:
    with views(folder, *events) as found:
        return count(found, US, zone, {ADA: own}, first, last).by_identity[ADA]


def mail(number: int, **changes: Any) -> dict[str, Any]:
    named = {"attempt": UUID(int=1000 + number), "inbox": SALES, "identity": ADA, "person": LEA}
    return {"at": NOON, **named, **changes}


def sent(number: int, **changes: Any) -> EmailSent:
    return EmailSent(**mail(number, **changes), message_id=f"<{number}@x>", answer="250")


def bounced(number: int, **changes: Any) -> EmailBounced:
    report: dict[str, Any] = {"hard": True, "category": "unknown", "status": "5.1.1", "answer": "No"}
    return EmailBounced(**{**mail(number), **report, **changes})


def replied(number: int, **changes: Any) -> ReplyReceived:
    return ReplyReceived(
        **mail(number, **changes), message_id=f"<r{number}@x>", subject="Re: Hello", text="Yes"
    )


def connected(inbox: UUID = SALES, at: datetime = NOON, identity: UUID = ADA) -> MailboxConnected:
    return MailboxConnected(at=at, inbox=inbox, identity=identity, address="ada@northwind.example")


def limits(per_day: int, at: datetime = NOON, inbox: UUID = SALES) -> LimitsChanged:
    rate = EmailRate(per_day=per_day, per_hour=5)
    return LimitsChanged(at=at, sender="s", inbox=inbox, identity=ADA, rate=rate)


def test_a_conversation_counts_once_by_its_first_reply(tmp_path: Path) -> None:
    yesterday = NOON - timedelta(days=1)
    events = (
        replied(1, at=yesterday),
        replied(2),  # the same lead again
        replied(3, inbox=SUPPORT),  # and at another inbox of the same identity
        replied(4, person=TOM),
    )
    assert counted(tmp_path, *events).replied == 1
    assert counted(tmp_path, *events, first=TODAY - timedelta(days=1)).replied == 2
    assert counted(tmp_path / "late", *reversed(events)).replied == 1


def test_the_bounce_rate_is_of_hard_bounces_and_of_what_was_sent(tmp_path: Path) -> None:
    events = (
        *(sent(number) for number in range(4)),
        bounced(0),
        bounced(0, at=NOON + timedelta(days=1)),  # reported twice: the first counts
        bounced(1, hard=False),
    )
    with views(tmp_path, *events) as found:
        board = count(found, US, "UTC", {ADA: "UTC"}, TODAY, TODAY + timedelta(days=1))
    assert board.by_identity[ADA] == Counted(messages_sent=4, emails_sent=4, emails_bounced=1)
    assert board.bounce_rate == (25.0, 25.0)


def test_messages_allowed_are_the_days_times_the_rates_of_what_is_connected(tmp_path: Path) -> None:
    day = timedelta(days=1)
    broken = MailboxNeedsReconnect(
        at=NOON + day, inbox=SUPPORT, identity=ADA, diagnosis=Diagnosed(code="x", cause="x", resolution="x")
    )
    events = (
        connected(),
        connected(SUPPORT),
        limits(40, NOON + day),
        broken,
        connected(SOFIA, identity=SOFIA),
    )
    assert counted(tmp_path / "1", *events).messages_allowed == 30 + 30
    assert counted(tmp_path / "2", *events, last=TODAY + day).messages_allowed == 60 + 40 + 30
    assert counted(tmp_path / "3", *events, last=TODAY + 2 * day).messages_allowed == 60 + 70 + 40
    gone = MailboxDisconnected(at=NOON + 2 * day, inbox=SALES, identity=ADA)
    assert counted(tmp_path / "4", *events, gone, first=TODAY + 3 * day, last=TODAY + 3 * day) == Counted()


def of_step(number: int, at: datetime = NOON, person: UUID = LEA) -> dict[str, Any]:
    return {"at": at, "attempt": UUID(int=2000 + number), "account": ADA, "identity": ADA, "person": person}


def invited(number: int, at: datetime = NOON) -> InvitationSent:
    return InvitationSent(**of_step(number, at), proof="It is pending.")


def accepted(number: int, at: datetime = NOON) -> InvitationAccepted:
    return InvitationAccepted(**of_step(number, at))


def messaged(number: int, at: datetime = NOON) -> LinkedInMessageSent:
    return LinkedInMessageSent(**of_step(number, at), proof="It is in the conversation.")


def linked(at: datetime = NOON) -> LinkedInLinked:
    of: dict[str, Any] = {"account": ADA, "identity": ADA, "linking": UUID(int=3000)}
    return LinkedInLinked(at=at, **of, sender="s", profile=LinkedInProfile())


def test_connections_are_requests_accepted_and_sent_each_on_its_day(tmp_path: Path) -> None:
    day = timedelta(days=1)
    events = (
        *(invited(number, NOON - day) for number in range(3)),
        invited(3),
        accepted(0),
        accepted(0, NOON + day),  # found out again: it was accepted once
        accepted(1, NOON + day),
    )
    figures = [
        (found.invitations_accepted, found.invitations_sent, found.messages_sent)
        for n in (-1, 0, 1)
        for found in [counted(tmp_path / str(n), *events, first=TODAY + n * day, last=TODAY + n * day)]
    ]
    assert figures == [(0, 3, 0), (1, 1, 0), (1, 0, 0)]
    with views(tmp_path, *events) as found:
        board = count(found, US, "UTC", {ADA: "UTC"}, TODAY - day, TODAY + day)
    assert board.connections == (0.0, 1.0, 1.0)


def test_messages_are_emails_and_linkedin_messages_of_what_both_allow_in_the_identitys_own_day(
    tmp_path: Path,
) -> None:
    late = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)  # the 25th in Tokyo
    limits = LinkedInLimitsChanged(
        at=late, sender="s", account=ADA, identity=ADA, limits=LinkedInLimits(messages=40)
    )
    events = (connected(), linked(), sent(1), messaged(1), messaged(2, late), invited(3), limits)
    here = counted(tmp_path, *events)
    assert (here.messages_sent, here.messages_allowed, here.emails_sent) == (3, 30 + 40, 1)
    today, tomorrow = (
        counted(tmp_path / str(day), *events, own="Asia/Tokyo", first=day, last=day)
        for day in (TODAY, TODAY + timedelta(days=1))
    )
    assert (today.messages_sent, today.messages_allowed) == (2, 30 + 100)
    assert (tomorrow.messages_sent, tomorrow.messages_allowed) == (1, 30 + 40)


def test_an_account_that_needs_to_be_linked_again_allows_nothing_from_the_next_day(tmp_path: Path) -> None:
    day = timedelta(days=1)
    why = Obstacle(code="x", cause="x", resolution="x")
    events = (
        linked(),
        LinkedInNeedsReconnect(at=NOON + day, account=ADA, identity=ADA, diagnosis=why),
        linked(NOON + 3 * day),
    )
    allowed = [
        counted(tmp_path / str(n), *events, first=TODAY + n * day, last=TODAY + n * day).messages_allowed
        for n in range(-1, 4)
    ]
    assert allowed == [0, 100, 100, 0, 100]


def test_an_account_says_on_its_card_what_linkedin_wants_no_more_of_and_which_limit_is_used_up(
    tmp_path: Path,
) -> None:
    later = NOON + timedelta(hours=9)
    of: dict[str, Any] = {"account": ADA, "identity": ADA, "at": NOON}
    why = Obstacle(code="x", cause="x", resolution="x")
    slowed = LinkedInSlowedDown(**of, kind="note", until=later, diagnosis=why)
    exhausted = QuotaExhausted(**of, sender="s", kind="invitation", window="day", until=later)
    raised = LinkedInLimitsChanged(**of, sender="s", limits=LinkedInLimits(invitations=30))
    with views(tmp_path / "1", linked(), slowed, exhausted) as found:
        (seen,) = found.linkedin(US, NOON)
        assert (seen.slowed, seen.waiting) == ((("note", later),), (("invitation", later),))
        (seen,) = found.linkedin(US, later)
        assert (seen.slowed, seen.waiting) == ((), ())
    with views(tmp_path / "2", linked(), exhausted, raised) as found:
        assert found.linkedin(US, NOON)[0].waiting == ()
    assert [one.reason for one in on_linkedin(replace(seen, waiting=(("message", later),)))] == [
        "Today's LinkedIn messages are used up."
    ]


def test_a_lead_who_answers_on_both_channels_is_two_conversations(tmp_path: Path) -> None:
    def answered(number: int, at: datetime = NOON) -> LinkedInReplyReceived:
        return LinkedInReplyReceived(**of_step(number, at), text="Gladly")

    events = (replied(1), answered(1), answered(2, NOON + timedelta(days=1)))
    assert counted(tmp_path, *events, last=TODAY + timedelta(days=1)).replied == 2
    assert counted(tmp_path / "late", *reversed(events)).replied == 2


def test_a_raise_that_ended_counts_no_more(tmp_path: Path) -> None:
    day = timedelta(days=1)
    back = RateCeilingExpired(
        at=NOON + day, sender="s", inbox=SALES, identity=ADA, rate=EmailRate(per_day=80, per_hour=10)
    )
    events = (connected(), limits(150), back)
    assert counted(tmp_path, *events, last=TODAY + day).messages_allowed == 150 + 80


def test_messages_count_in_the_identitys_own_day_and_all_else_in_the_organizations(tmp_path: Path) -> None:
    late = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)  # the 25th in Tokyo and in Stockholm's summer only
    events = (
        connected(at=NOON - timedelta(days=9)),
        sent(1, at=late),
        replied(1, at=late),
        bounced(1, at=late),
    )
    found = counted(tmp_path, *events, zone="UTC", own="Asia/Tokyo")
    assert (found.messages_sent, found.emails_sent, found.replied, found.emails_bounced) == (0, 1, 1, 1)
    other = counted(tmp_path / "other", *events, zone="Asia/Tokyo", own="UTC")
    assert (other.messages_sent, other.emails_sent, other.replied, other.emails_bounced) == (1, 0, 0, 0)


def test_a_trend_adds_up_to_its_figure_whatever_the_zones(tmp_path: Path) -> None:
    events = [sent(number, at=NOON + timedelta(hours=number)) for number in range(-30, 30)]
    events += [sent(100 + number, at=NOON + timedelta(hours=number), identity=SOFIA) for number in range(9)]
    zones = {ADA: "Asia/Kathmandu", SOFIA: "America/St_Johns"}
    for first, last in ((TODAY, TODAY), (TODAY - timedelta(days=1), TODAY + timedelta(days=1))):
        with views(tmp_path / str(first), *events) as found:
            board = count(found, US, "Europe/Stockholm", zones, first, last)
        assert sum(board.messages) == sum(one.messages_sent for one in board.by_identity.values()) > 0


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 24), 24)]
)
def test_a_day_has_the_hours_it_has(tmp_path: Path, day: date, hours: int) -> None:
    midnight = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
    with views(tmp_path, sent(1, at=midnight)) as found:
        board = count(found, US, "UTC", {ADA: "Europe/Stockholm"}, day, day)
    assert len(board.messages) == hours


@pytest.mark.parametrize(
    ("ends", "hours"),
    [(datetime(2026, 4, 5, 13, 30, tzinfo=UTC), 25), (datetime(2026, 10, 4, 13, 0, tzinfo=UTC), 24)],
)
def test_a_day_is_counted_to_its_end_where_clocks_change_by_half_an_hour(
    tmp_path: Path, ends: datetime, hours: int
) -> None:
    there, day = "Australia/Lord_Howe", ends.date()
    moments = (timedelta(minutes=-1), timedelta())
    with views(tmp_path, *(sent(n, at=ends + moment) for n, moment in enumerate(moments))) as found:
        board = count(found, US, there, {ADA: there}, day, day)
    assert len(board.messages) == hours
    assert board.messages[-1] == board.by_identity[ADA].messages_sent == 1


def test_where_nothing_happened_there_is_no_trend(tmp_path: Path) -> None:
    with views(tmp_path, connected()) as found:
        assert count(found, US, "UTC", {ADA: "UTC"}, TODAY, TODAY) == Dashboard(
            {ADA: Counted(messages_allowed=30)}
        )


def test_the_volume_of_an_inbox_is_its_own(tmp_path: Path) -> None:
    events = (sent(1), sent(2), bounced(1), sent(3, inbox=SUPPORT), sent(4, at=NOON - timedelta(days=40)))
    with views(tmp_path, *events) as found:
        days = volume(found, US, SALES, "UTC", TODAY, 30)
        assert volume(found, TOM, SALES, "UTC", TODAY, 30)[-1].sent == 0
    assert len(days) == 30
    assert days[-1] == Volume(TODAY, 2, 1)
    assert sum(day.sent for day in days) == 2


def test_a_paused_inbox_is_told_on_its_card_until_it_may_send_again(tmp_path: Path) -> None:
    of: dict[str, Any] = {"inbox": SALES, "identity": ADA}
    paused = MailboxPaused(at=NOON, **of, code="bounce-rate", reason="Too many bounce.", sent=20, bounced=2)
    resumed = MailboxResumed(at=NOON, **of)
    for number, (events, state) in enumerate(
        (
            ((connected(), paused), "paused"),
            ((connected(), paused, resumed), "connected"),
            ((connected(), MailboxDisconnected(at=NOON, **of), resumed), "disconnected"),
        )
    ):
        with views(tmp_path / str(number), *events) as found:
            (inbox,) = found.inboxes(US)
        card = Card(
            identity=ADA,
            name="Ada",
            job_title="",
            picture="",
            figures=Figures(),
            inboxes=(
                InboxState(inbox=inbox.id, address=inbox.address, state=inbox.state, detail=inbox.detail),
            ),
            waiting=(),
        )
        assert inbox.state == state
        assert [chip.text.rpartition(": ")[2] for chip in chips(card)] == (
            [] if state == "disconnected" else [state.capitalize()]
        )
