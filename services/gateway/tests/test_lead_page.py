"""A lead's page shows what it got, what was taken back or left out, and what is still to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import pytest
from heraldry.contracts.base import By, Query, Refused
from heraldry.contracts.campaigns import (
    CampaignCounts,
    CampaignSettings,
    CampaignView,
    GetCampaign,
    GetLead,
    LeadData,
    LeadView,
    SendEmail,
    SendInvitation,
    SendMessage,
    WaitReason,
)
from heraldry.contracts.linkedin import ActionStep, ActionView, GetLinkedInAction, Obstacle
from heraldry.gateway.pages.models import Shell
from heraldry.gateway.pages.models.campaigns import LeadDetails
from heraldry.gateway.pages.render import render
from heraldry.gateway.routes.leads import lead_details
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import Call, Gateway

A = TypeVar("A")
LEAD, CAMPAIGN, INVITED, BACK, ELSEWHERE = (UUID(int=n) for n in range(3, 8))
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CALL = Call(Session("token", "csrf", UUID(int=8), UUID(int=9), "admin", demo=False), LEAD, LEAD, ())
STEPS = (
    SendInvitation(note="Shall we connect?"),
    SendMessage(delay=24, only_if="connected", text="Thanks"),
    SendEmail(delay=72, subject="A question", text="Hello"),
)
ALREADY = Obstacle(
    code="invitation.already-invited", cause="An invitation to this person is pending already.", resolution=""
)
LEAVING = WaitReason(code="leaving", text="It is leaving now.", until=NOON)


class Views:
    def inboxes(self, _: UUID) -> Sequence[object]:
        return ()

    def mail(self, _: UUID, __: UUID) -> object:
        raise Refused("mail.unknown", "There is no such mail.", status=404)


@dataclass(frozen=True)
class Others:
    """The scheduler and the LinkedIn driver: an invitation that was withdrawn."""

    lead: LeadView

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A:
        del by, seen, deadline
        return cast("A", self._answer(query))

    def _answer(self, query: object) -> object:
        match query:
            case GetLead():
                return self.lead
            case GetCampaign():
                settings = CampaignSettings(name="Spring", identity=UUID(int=1), steps=STEPS)
                return CampaignView(
                    campaign=CAMPAIGN,
                    settings=settings,
                    state="active",
                    pause_reason=None,
                    leaving=0,
                    counts=CampaignCounts(),
                    created=NOON,
                    revision=1,
                )
            case GetLinkedInAction(attempt=attempt):
                return action(attempt)
            case _:
                raise AssertionError(query)


def action(attempt: UUID) -> ActionView:
    return ActionView(
        attempt=attempt,
        kind="withdrawal" if attempt == BACK else "invitation",
        account=UUID(int=2),
        identity=UUID(int=1),
        person=UUID(int=7),
        name="Kim Lee",
        profile="https://www.linkedin.com/in/kim",
        text="",
        state="failed" if attempt == ELSEWHERE else "done",
        diagnosis=ALREADY if attempt == ELSEWHERE else None,
        withdrawal=BACK if attempt == INVITED else None,
        steps=(ActionStep(type="LinkedInActionQueued", at=NOON, actor="system:scheduler", detail=""),),
    )


async def shown(**known: Any) -> tuple[LeadDetails, str]:
    facts: dict[str, Any] = {
        "enrollment": LEAD,
        "campaign": CAMPAIGN,
        "identity": UUID(int=1),
        "person": UUID(int=7),
        "data": LeadData(name="Kim Lee"),
        "state": "in progress",
        "step": 0,
        "steps": len(STEPS),
        "inbox": None,
        "waiting": None,
        "failure": None,
        "attempts": (),
        "since": NOON,
        **known,
    }
    parts = dict.fromkeys(Gateway.__dataclass_fields__)
    parts |= {"contexts": Others(LeadView.model_validate(facts)), "views": Views(), "now": lambda: NOON}
    page = await lead_details(Gateway(**cast("dict[str, Any]", parts)), CALL, LEAD)
    return page, render("lead.html", shell=Shell(csrf="c"), page=page)


async def test_an_invitation_that_was_withdrawn_says_so_and_leads_to_its_withdrawal() -> None:
    page, html = await shown(step=1, attempts=(INVITED,))
    assert [(one.title, one.state.text) for one in page.done] == [
        ("LinkedIn invitation", "Sent"),
        ("Withdrawal of the LinkedIn invitation", "Withdrawn"),
    ]
    assert f'href="/activity/steps/{BACK}"' in html


@pytest.mark.parametrize(
    ("known", "ahead"),
    [
        ({"state": "waiting"}, ["LinkedIn invitation", "LinkedIn message, only if connected", "Email"]),
        (
            {"state": "waiting", "waiting": LEAVING, "attempts": (INVITED,)},
            ["LinkedIn message, only if connected", "Email"],
        ),
        ({"step": 2, "skipped": (1,), "attempts": (INVITED,)}, ["Email"]),
        ({"step": 1, "state": "outcome unknown", "attempts": (INVITED,)}, ["Email"]),
        ({"step": 1, "state": "replied", "attempts": (INVITED,)}, []),
        ({"step": 3, "state": "finished", "attempts": (INVITED,)}, []),
    ],
)
async def test_the_steps_to_come_are_those_that_nothing_was_done_about(
    known: dict[str, Any], ahead: list[str]
) -> None:
    page, html = await shown(**known)
    assert [what for _, what, _ in page.ahead] == ahead
    assert ("Steps to come" in html) is bool(ahead)
    assert ("Left out, because" in html) is ("skipped" in known)


async def test_a_lead_that_ended_because_the_person_was_invited_already_says_so() -> None:
    _, html = await shown(step=3, state="finished", attempts=(ELSEWHERE,))
    assert "Not done" in html
    assert ALREADY.cause in html


async def test_of_a_lead_that_failed_the_steps_to_come_depend_on_what_resolves_it() -> None:
    _, html = await shown(state="failed", failure=("x", "Its inbox is gone.", "Connect it again."))
    assert "If its sequence goes on." in html
