"""LinkedIn steps in the history: told by whom they are about, apart from mails, and counted while nobody knows."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Event
from heraldry.contracts.linkedin import (
    InvitationSent,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInActionQueued,
    LinkedInLinkingFailed,
    LinkedInLinkingStarted,
    Obstacle,
    VerificationCodeGiven,
    VerificationCodeRequested,
)
from heraldry.contracts.mailbox import EmailQueued
from heraldry.gateway.history import HistoryFilter
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.views import Views

US, ADA, STEP, MAIL = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHY = Obstacle(code="x", cause="A puzzle.", resolution="Solve it.")


@contextmanager
def views(folder: Path, *events: Event) -> Generator[Views]:
    model = ReadModel(folder / "model.sqlite", VIEWS)
    model.apply(
        [
            (
                number,
                event,
                Fact(str(number), type(event).__name__, event.at, "s", number, "", str(US), "", "", ""),
            )
            for number, event in enumerate(events, 1)
        ],
        upto=len(events),
        reached=[],
    )
    yield Views(model)
    model.close()


def of(second: int) -> dict[str, Any]:
    """What every event of the step has."""
    return {
        "attempt": STEP,
        "account": UUID(int=7),
        "identity": ADA,
        "person": UUID(int=8),
        "at": NOON + timedelta(seconds=second),
    }


QUEUED = LinkedInActionQueued(
    **of(1), kind="invitation", profile="https://www.linkedin.com/in/kim", name="Kim Lee", valid_until=NOON
)
UNKNOWN = LinkedInActionOutcomeUnknown(**of(2), kind="invitation", reason="The browser stopped.")


def test_a_step_is_told_by_whom_it_is_about_and_leads_to_its_own_page(tmp_path: Path) -> None:
    mail = EmailQueued(
        attempt=MAIL,
        inbox=UUID(int=9),
        identity=ADA,
        person=UUID(int=8),
        to="kim@maison.example",
        subject="Hello",
        text="Hello",
        valid_until=NOON,
        at=NOON,
    )
    with views(tmp_path, mail, QUEUED, InvitationSent(**of(3), proof="seen")) as seen:
        sent, queued, posted = seen.history(US, HistoryFilter()).entries
        assert (sent.what, sent.step) == ("Invitation to Kim Lee sent", True)
        assert (queued.step, posted.step) == (True, False)
        assert [one.type for one in seen.of_attempt(US, STEP)] == ["LinkedInActionQueued", "InvitationSent"]
        assert seen.of_attempt(UUID(int=99), STEP) == (), "another organization's"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, 1),
        (InvitationSent(**of(3), proof="A person decided that it was done."), 0),
        (LinkedInActionFailed(**of(3), kind="invitation", diagnosis=WHY, proven=False), 0),
    ],
)
def test_a_step_counts_as_undecided_until_somebody_knows(
    tmp_path: Path, last: Event | None, expected: int
) -> None:
    with views(tmp_path, QUEUED, UNKNOWN, *((last,) if last else ())) as seen:
        assert seen.undecided_steps(US) == expected
        assert seen.undecided_steps(UUID(int=99)) == 0


def test_an_account_that_waits_for_its_code_says_so_until_the_try_has_ended(tmp_path: Path) -> None:
    linking: dict[str, Any] = {"account": UUID(int=7), "identity": ADA, "linking": UUID(int=6), "at": NOON}
    started = LinkedInLinkingStarted(**linking, email="ada@northwind.example")
    asked = VerificationCodeRequested(**linking, by="SMS", until=NOON)
    given = VerificationCodeGiven(**linking)
    failed = LinkedInLinkingFailed(**linking, diagnosis=WHY)
    for number, (events, state) in enumerate(
        (
            ((started,), "linking"),
            ((started, asked), "code wanted"),
            ((started, asked, given), "code given"),
            ((started, asked, given, asked), "code wanted"),
            ((started, asked, given, failed), "failed"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with views(folder, *events) as seen:
            (account,) = seen.linkedin(US, NOON)
            assert account.state == state
