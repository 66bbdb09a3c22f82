"""One LinkedIn step's page says everything that is recorded of it, and by what it is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from heraldry.contracts.linkedin import ActionStep, ActionView, Obstacle, ProfileData
from heraldry.gateway.entries import HistoryEntry
from heraldry.gateway.pages.models import Shell, UndecidedPage, UndecidedStep
from heraldry.gateway.pages.render import render
from heraldry.gateway.routes.steps import LOOKED_FOR, step_page

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADA = UUID(int=1)
OF: dict[str, Any] = {
    "attempt": UUID(int=7),
    "kind": "invitation",
    "account": UUID(int=2),
    "identity": ADA,
    "person": UUID(int=3),
    "name": "Kim Lee",
    "profile": "https://www.linkedin.com/in/kim",
    "text": "Shall we connect?",
}


def entry(number: int, kind: str, what: str = "", tone: Any = "good") -> HistoryEntry:
    return HistoryEntry(
        cursor=str(number),
        at=NOON + timedelta(seconds=number),
        type=kind,
        kind="step",
        actor="system:linkedin-driver",
        actor_name="Heraldry",
        what=what,
        cause="",
        outcome="Done",
        tone=tone,
        identity=str(ADA),
        identity_name="Ada",
        inbox="",
        attempt=str(UUID(int=7)),
        step=True,
    )


QUEUED, STARTED, SENT = (
    entry(1, "LinkedInActionQueued", "An invitation to Kim Lee is on its way", "info"),
    entry(2, "LinkedInActionStarted", "LinkedIn step is being done", "info"),
    entry(3, "InvitationSent", "Invitation sent"),
)


def shown(view: ActionView, *entries: HistoryEntry) -> str:
    page = step_page(view, entries, {ADA: "Ada Bergström"})
    return render("step.html", shell=Shell(csrf="", user="Mina"), page=page)


def test_what_was_done_shows_by_what_it_is_known() -> None:
    proof = ActionStep(
        type="InvitationSent", at=SENT.at, actor="system:linkedin-driver", detail="Seen as pending."
    )
    page = shown(ActionView(**OF, state="done", steps=(proof,)), QUEUED, STARTED, SENT)
    for text in (
        "Invitation to Kim Lee",
        "Ada Bergström",
        "Seen as pending.",
        "Shall we connect?",
        "The note",
    ):
        assert text in page
    assert "not yet" not in page


def test_a_profile_that_was_read_shows_what_stood_there_and_is_not_looked_for_when_it_is_lost() -> None:
    read = ProfileData(first_name="Kim", headline="Baker", company="Green & Sons")
    about: dict[str, Any] = {**OF, "kind": "scraping", "text": ""}
    page = shown(ActionView(**about, state="done", data=read), QUEUED, STARTED)
    for text in ("LinkedIn profile of Kim Lee", "What the profile says", "Baker", "Green &amp; Sons"):
        assert text in page
    assert "Location" not in page
    under_way = step_page(ActionView(**about, state="started"), (QUEUED, STARTED), {})
    assert [one.title for one in under_way.steps if one.state == "waiting"] == ["Read"]
    assert under_way.looked_for_until is None


def test_what_is_under_way_says_what_comes_and_until_when_it_is_looked_for() -> None:
    page = step_page(ActionView(**OF, state="started"), (QUEUED, STARTED), {})
    assert [one.title for one in page.steps if one.state == "waiting"] == ["Seen on LinkedIn afterwards"]
    assert page.looked_for_until == STARTED.at + LOOKED_FOR


@pytest.mark.parametrize("kind", ["invitation", "message", "withdrawal"])
def test_what_nobody_knows_is_decided_on_the_page(kind: str) -> None:
    view = ActionView.model_validate({**OF, "kind": kind, "state": "outcome unknown"})
    page = shown(view, QUEUED, STARTED)
    assert "Nobody knows whether it was done" in page
    assert f'action="/activity/steps/{OF["attempt"]}/outcome"' in page
    for answer in ("yes", "no"):
        assert f'name="done" value="{answer}"' in page


def test_what_failed_says_what_can_be_done() -> None:
    why = Obstacle(code="x", cause="Not linked.", resolution="Link the account again.")
    failed = entry(3, "LinkedInActionFailed", "An invitation was not done: Not linked.", "bad")
    page = shown(ActionView(**OF, state="failed", diagnosis=why), QUEUED, failed)
    assert "Link the account again." in page
    assert "Not linked." in page


def test_an_accepted_invitation_and_its_replies_show() -> None:
    view = ActionView(**OF, state="done", accepted_at=NOON, replies=("Gladly.",))
    page = shown(view, QUEUED, SENT, entry(4, "LinkedInReplyReceived", "LinkedIn reply received"))
    assert "Accepted" in page
    assert "Gladly." in page


def test_the_work_list_has_both_kinds_and_says_where_one_of_them_cannot_be_shown() -> None:
    step = UndecidedStep(
        attempt=UUID(int=7),
        title="Invitation to Kim Lee",
        person="Kim Lee",
        profile=OF["profile"],
        identity=ADA,
        identity_name="Ada",
        since=NOON,
        reason="The browser stopped.",
    )
    shell = Shell(csrf="", user="Mina")
    page = render("undecided.html", shell=shell, page=UndecidedPage(steps=(step,)))
    assert "Invitation to Kim Lee" in page
    assert "Nothing to decide" not in page
    page = render("undecided.html", shell=shell, page=UndecidedPage(steps=None))
    assert "LinkedIn steps cannot be shown at the moment." in page
