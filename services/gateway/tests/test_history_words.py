"""What an entry of the history says: about which mail, at which inbox, and what it followed from."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.campaigns import (
    CampaignChanged,
    CampaignCreated,
    CampaignPaused,
    CampaignSettings,
    LeadReplied,
    LeadUnsubscribed,
)
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailFailed,
    EmailQueued,
    EmailSent,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
    ReplyReceived,
)
from heraldry.contracts.registry import PUBLISHED, event_type
from heraldry.contracts.scheduler import EmailRate, QuotaConsumed, QuotaReleased
from heraldry.gateway.entries import HistoryEntry, kind_of
from heraldry.gateway.history import HistoryFilter
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.sentences import KINDS, UNNAMED, Words, said
from heraldry.gateway.views import Views

GOLDEN = Path(__file__).resolve().parents[3] / "contracts" / "tests" / "golden"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
US, ADA, INBOX, LEA, ATTEMPT = (UUID(int=number) for number in range(1, 6))
OF: dict[str, Any] = {"inbox": INBOX, "identity": ADA}
MAIL: dict[str, Any] = {**OF, "attempt": ATTEMPT, "person": LEA}
WRONG = Diagnosed(code="x", cause="The password is wrong.", resolution="Try again.")
CONNECTED = MailboxConnected(at=NOON, **OF, address="ada@northwind.example")
PERMITTED = QuotaConsumed(
    at=NOON,
    sender="s",
    organization=US,
    **OF,
    attempt=ATTEMPT,
    used_today=1,
    used_this_hour=1,
    rate=EmailRate(per_day=30, per_hour=5),
    zone="UTC",
    valid_until=NOON,
)
QUEUED = EmailQueued(
    at=NOON, **MAIL, to="lea@maison.example", subject="A first hello", text="Hello", valid_until=NOON
)
SENT = EmailSent(at=NOON, **MAIL, message_id="<1@x>", answer="250 taken")
FAILED = EmailFailed(at=NOON, **MAIL, diagnosis=WRONG)
RELEASED = QuotaReleased(at=NOON, sender="s", **OF, attempt=ATTEMPT, used_today=0, used_this_hour=0)
REPLIED = ReplyReceived(at=NOON, **MAIL, message_id="<2@x>", subject="Re: A first hello", text="Yes")
NAMED = "“A first hello” to lea@maison.example"


@contextmanager
def seen(folder: Path, *events: Event, actor: str = "user:1") -> Generator[Views]:
    """Views of events that happened a second apart and whose recorded cause nobody sees."""
    with closing(ReadModel(folder / "model.sqlite", VIEWS)) as model:
        batch = [
            (
                number,
                event.model_copy(update={"at": NOON + timedelta(seconds=number)}),
                Fact(str(number), type(event).__name__, NOON, "s", number, "", str(US), "", actor, "cmd"),
            )
            for number, event in enumerate(events, 1)
        ]
        model.apply(batch, upto=len(events), reached=[])
        yield Views(model)


def told(folder: Path, *events: Event, actor: str = "user:1") -> Mapping[str, HistoryEntry]:
    """The entries by type."""
    with seen(folder, *events, actor=actor) as views:
        return {one.type: one for one in views.history(US, HistoryFilter()).entries}


@pytest.mark.parametrize("name", sorted(name for types in PUBLISHED.values() for name in types))
def test_everything_that_is_published_has_a_sentence_and_a_filter(name: str) -> None:
    sample = (GOLDEN / f"{name}.v{event_type(name).version}.json").read_bytes()
    told = said(event_type(name).model_validate_json(sample), Words())
    assert name not in told.what
    assert len(told.what.split()) > 1
    assert "None" not in told.what
    assert [kind for kind, (_, types) in KINDS.items() if name in types] == [kind_of(name)]


@pytest.mark.parametrize(
    ("inbox", "what"),
    [(UNNAMED, "The inbox disconnected"), ("ada@northwind.example", "ada@northwind.example disconnected")],
)
def test_a_sentence_begins_with_a_capital_where_the_inbox_has_no_name(inbox: str, what: str) -> None:
    gone = MailboxDisconnected(at=NOON, inbox=UUID(int=7), identity=ADA)
    assert said(gone, Words(inbox=inbox)).what == what


def test_a_campaign_is_named_as_it_is_now(tmp_path: Path) -> None:
    of: dict[str, Any] = {"campaign": UUID(int=9), "identity": ADA}
    settings = CampaignSettings(name="Spring", identity=ADA)
    created = CampaignCreated(at=NOON, **of, organization=US, settings=settings)
    changed = CampaignChanged(at=NOON, **of, settings=settings.model_copy(update={"name": "May"}))
    found = told(tmp_path, created, changed, CampaignPaused(at=NOON, **of, reason="identity deleted"))
    assert found["CampaignCreated"].what == "Campaign “Spring” created"
    assert found["CampaignPaused"].what == "Campaign “May” paused: its identity was deleted"


def test_whoever_used_the_link_in_a_mail_is_its_recipient(tmp_path: Path) -> None:
    wish = RecipientUnsubscribed(
        at=NOON, organization=US, identity=ADA, person=LEA, address="lea@maison.example", attempt=ATTEMPT
    )
    found = told(tmp_path, QUEUED, wish, actor="link:unsubscribe")["RecipientUnsubscribed"]
    assert (found.actor_name, found.cause) == ("The recipient", f"Mail {NAMED}")
    assert found.what == "lea@maison.example unsubscribed by the link in a mail"


def test_of_who_is_written_to_no_more_it_is_not_told_that_they_wished_so(tmp_path: Path) -> None:
    """The list, an erasure and a link in a mail end a sequence alike."""
    ended = LeadUnsubscribed(at=NOON, campaign=UUID(int=9), enrollment=UUID(int=8), identity=ADA, person=LEA)
    found = told(tmp_path, ended)["LeadUnsubscribed"]
    assert found.what.endswith("is written to no more: the sequence has ended")
    assert found.outcome == "Ended"


def test_of_a_mail_that_is_known_by_its_lead_only_nothing_is_told_yet(tmp_path: Path) -> None:
    lead = LeadReplied(
        at=NOON, campaign=UUID(int=9), enrollment=UUID(int=8), identity=ADA, person=LEA, attempt=ATTEMPT
    )
    with seen(tmp_path, lead) as views, pytest.raises(Refused, match="no such mail"):
        views.mail(US, ATTEMPT)


def test_every_step_of_a_mail_names_the_mail(tmp_path: Path) -> None:
    found = told(tmp_path, CONNECTED, QUEUED, SENT)
    assert found["EmailSent"].what == f"Mail {NAMED} sent from ada@northwind.example"


def test_an_inbox_that_did_not_connect_is_named_where_its_address_is_known(tmp_path: Path) -> None:
    failed = MailboxConnectionFailed(at=NOON, **OF, diagnosis=WRONG)
    known = told(tmp_path / "known", CONNECTED, failed)["MailboxConnectionFailed"].what
    assert known == "Connecting ada@northwind.example failed: The password is wrong."
    unknown = told(tmp_path / "unknown", failed)["MailboxConnectionFailed"].what
    assert unknown == "Connecting an inbox failed: The password is wrong."


@pytest.mark.parametrize(
    ("events", "effect", "cause"),
    [
        (
            (CONNECTED, PERMITTED, QUEUED),
            "EmailQueued",
            "Sending from ada@northwind.example permitted: 1 of 30 today, 1 of 5 this hour",
        ),
        ((QUEUED, SENT, REPLIED), "ReplyReceived", f"Mail {NAMED}"),
        ((QUEUED, FAILED, RELEASED), "QuotaReleased", f"Mail {NAMED} not sent: The password is wrong."),
        ((PERMITTED,), "QuotaConsumed", ""),
        ((RELEASED,), "QuotaReleased", ""),
    ],
)
def test_an_entry_says_what_it_followed_from(
    tmp_path: Path, events: tuple[Event, ...], effect: str, cause: str
) -> None:
    assert told(tmp_path, *events)[effect].cause == cause
