"""What the history says of mails and LinkedIn steps whose person is erased: the same from rows that went as from a rebuild."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Event
from heraldry.contracts.erasure import ErasureRequested
from heraldry.contracts.linkedin import (
    InvitationWithdrawn,
    LinkedInActionClaimed,
    LinkedInActionQueued,
    LinkedInActionStarted,
)
from heraldry.contracts.mailbox import EmailClaimed, EmailQueued, EmailSent, EmailSubmissionStarted
from heraldry.gateway.history import HistoryFilter
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.views import Views

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
US, ADA, KIM, LEA, ACCOUNT, INBOX, CLAIM = (UUID(int=number) for number in range(1, 8))


def story(person: UUID) -> list[tuple[str, Event]]:
    """A step and a mail to a person, each event with whose data it carries: what is under way names nobody."""
    action: dict[str, Any] = {"at": NOON, "account": ACCOUNT, "identity": ADA}
    action["attempt"] = UUID(int=person.int + 100)
    mail: dict[str, Any] = {
        "at": NOON,
        "inbox": INBOX,
        "identity": ADA,
        "attempt": UUID(int=person.int + 200),
    }
    profile = "https://www.linkedin.com/in/kim"
    return [
        (
            str(person),
            LinkedInActionQueued(
                **action, person=person, kind="withdrawal", profile=profile, name="Kim", valid_until=NOON
            ),
        ),
        ("", LinkedInActionClaimed(**action, claim=CLAIM, held_until=NOON)),
        ("", LinkedInActionStarted(**action, claim=CLAIM)),
        (
            str(person),
            InvitationWithdrawn(
                **action,
                person=person,
                proof="seen",
                invitation=None,
                name="Kim",
                sent_at=None,
                automatic=True,
                blocked_until=NOON,
            ),
        ),
        (
            str(person),
            EmailQueued(
                **mail, person=person, to="kim@maison.example", subject="Hi", text="Hi", valid_until=NOON
            ),
        ),
        ("", EmailClaimed(**mail, claim=CLAIM)),
        ("", EmailSubmissionStarted(**mail, claim=CLAIM, message_id="<1@x>")),
        ("", EmailSent(**mail, person=person, message_id="<1@x>", answer="250 taken")),
    ]


def shown(file: Path, happened: list[tuple[int, str, Event]], erased: str = "") -> list[tuple[str, str, str]]:
    with closing(ReadModel(file, VIEWS)) as model:
        batch = [
            (
                number,
                event.model_copy(update={"at": NOON + timedelta(seconds=number)}),
                Fact(
                    str(number),
                    type(event).__name__,
                    NOON,
                    "s",
                    number,
                    "",
                    str(US),
                    "",
                    "user:1",
                    persons=persons,
                ),
            )
            for number, persons, event in happened
        ]
        model.apply(batch, upto=len(batch), reached=[])
        if erased:
            model.forget({erased: 1})
        page = Views(model).history(US, HistoryFilter())
        return [(one.type, one.what, one.outcome) for one in reversed(page.entries)]


@pytest.mark.parametrize("rebuilt", [False, True])
def test_what_was_under_way_to_an_erased_person_says_so_and_of_others_nothing_changes(
    tmp_path: Path, *, rebuilt: bool
) -> None:
    happened = [
        (number, persons, event)
        for number, (persons, event) in enumerate([*story(KIM), *story(LEA)], 1)
        if not (rebuilt and persons == str(KIM))
    ]
    found = shown(tmp_path / "model.sqlite", happened, "" if rebuilt else str(KIM))
    assert found[:5] == [
        ("LinkedInActionClaimed", "LinkedIn step of an erased person was taken in hand", "Erased"),
        ("LinkedInActionStarted", "LinkedIn step of an erased person was begun", "Erased"),
        ("EmailClaimed", "Mail to an erased person was taken in hand", "Erased"),
        ("EmailSubmissionStarted", "Mail to an erased person was handed to the mail server", "Erased"),
        ("EmailSent", "Mail sent from the inbox", "Sent"),
    ]
    assert [outcome for _, _, outcome in found[5:]] == [
        "Queued",
        "Nothing was done yet",
        "Under way",
        "Withdrawn",
        "Queued",
        "Nothing has left yet",
        "Leaving",
        "Sent",
    ]


def test_an_erasure_that_was_asked_for_is_not_said_to_be_done(tmp_path: Path) -> None:
    asked = ErasureRequested(
        at=NOON, erasure=UUID(int=9), organization=US, kind="lead", subjects=(KIM,), reason="Asked by mail"
    )
    assert shown(tmp_path / "model.sqlite", [(1, "", asked)]) == [
        ("ErasureRequested", "Erasing the data of a lead: Asked by mail", "Requested")
    ]
