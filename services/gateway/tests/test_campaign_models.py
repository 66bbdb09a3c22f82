"""What the pages of campaigns say when an identity is gone, a lead has failed, or there is no lead yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import pytest
from heraldry.contracts.base import By, Query, Refused
from heraldry.contracts.campaigns import (
    CampaignCounts,
    CampaignSettings,
    CampaignState,
    CampaignView,
    Channel,
    LeadData,
    LeadPage,
    LeadView,
    ListLeads,
    PreviewSteps,
    ReadProfile,
    RenderedStep,
    SendEmail,
    SendInvitation,
    SendMessage,
)
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin_steps import (
    Allowance,
    GetLinkedInUsage,
    LinkedInUsage,
    LinkedInUse,
    SharedPool,
)
from heraldry.contracts.scheduler import LinkedInLimits, WithdrawalPolicy
from heraldry.gateway.pages.models import Shell
from heraldry.gateway.pages.models.campaigns import UploadPage
from heraldry.gateway.pages.render import render
from heraldry.gateway.routes.campaign_models import campaign_page, editor_page, row
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import Call, Gateway
from heraldry.gateway.views import IdentitySeen, InboxSeen, LinkedInSeen

A = TypeVar("A")
ADA, BO, CAMPAIGN = UUID(int=1), UUID(int=2), UUID(int=3)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CALL = Call(Session("token", "csrf", UUID(int=8), UUID(int=9), "admin", demo=False), CAMPAIGN, CAMPAIGN, ())
SETTINGS = CampaignSettings(name="Spring", identity=ADA, steps=(SendEmail(subject="Hi", text="Hello"),))
ALLOWED: Mapping[Allowance, int] = {"invitation": 20, "message": 100, "withdrawal": 20, "scraping": 50}
WITHOUT = {"name": "Alex Example", "email": "alex@example.com"}


@dataclass(frozen=True)
class Views:
    """Ada was deleted; Bo is there."""

    def identities(self, _: UUID) -> Sequence[IdentitySeen]:
        return (IdentitySeen(BO, "Bo Lind", "", "", WorkingHours(zone="UTC", week=())),)

    def deleted(self, _: UUID) -> Mapping[UUID, str]:
        return {ADA: "Ada Lovelace"}

    linked: tuple[UUID, ...] = ()
    sending: tuple[UUID, ...] = ()

    def inboxes(self, _: UUID) -> Sequence[InboxSeen]:
        return tuple(
            InboxSeen(one, one, "bo@northwind.example", "connected", NOON, "") for one in self.sending
        )

    def linkedin(self, _: UUID, now: datetime) -> Sequence[LinkedInSeen]:
        return tuple(LinkedInSeen(one, one, "linked", now, "") for one in self.linked)


@dataclass(frozen=True)
class Scheduler:
    leads: tuple[LeadView, ...] = ()

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A:
        del by, seen, deadline
        return cast("A", self._answer(query))

    def _answer(self, query: object) -> object:
        match query:
            case ListLeads():
                return LeadPage(leads=self.leads, next="", total=len(self.leads))
            case GetLinkedInUsage():
                return LinkedInUsage(
                    identity=BO,
                    account=BO,
                    limits=LinkedInLimits(),
                    warnings=(),
                    policy=WithdrawalPolicy(),
                    use=tuple(
                        LinkedInUse(kind=kind, used_today=0, allowed=allowed, next_possible=None)
                        for kind, allowed in ALLOWED.items()
                    ),
                    zone="UTC",
                    pool=SharedPool(used_today=0, allowed=100, zone="UTC"),
                )
            case PreviewSteps() if query.settings.identity != BO:
                raise Refused("identity.unknown", "There is no such identity.", status=404)
            case PreviewSteps():
                return (RenderedStep(delay=0, subject="Hi", text="Hello", html=""),)
            case _:
                raise AssertionError(query)


def gateway(*leads: LeadView, linked: tuple[UUID, ...] = (), inboxes: tuple[UUID, ...] = ()) -> Gateway:
    parts = dict.fromkeys(Gateway.__dataclass_fields__)
    parts |= {
        "contexts": Scheduler(leads),
        "views": Views(linked, inboxes),
        "public_url": "https://heraldry.example",
        "now": lambda: NOON,
    }
    return Gateway(**cast("dict[str, Any]", parts))


def campaign(state: CampaignState, counts: CampaignCounts | None = None) -> CampaignView:
    return CampaignView(
        campaign=CAMPAIGN,
        settings=SETTINGS,
        state=state,
        pause_reason="identity deleted" if state == "paused" else None,
        leaving=0,
        counts=counts or CampaignCounts(),
        created=NOON,
        revision=1,
    )


def lead(number: int, data: LeadData, *, retryable: bool = True) -> LeadView:
    return LeadView(
        enrollment=UUID(int=number),
        campaign=CAMPAIGN,
        identity=ADA,
        person=UUID(int=number),
        data=data,
        state="failed",
        step=0,
        steps=1,
        inbox=None,
        waiting=None,
        failure=("address.malformed", "This is no address.", "Import the lead again."),
        attempts=(),
        since=NOON,
        retryable=retryable,
    )


async def shown(state: CampaignState, *leads: LeadView, counts: CampaignCounts | None = None) -> str:
    wanted = ListLeads(campaign=CAMPAIGN)
    page = await campaign_page(gateway(*leads), CALL, campaign(state, counts), wanted)
    return render("campaign.html", shell=Shell(csrf="c"), page=page)


@pytest.mark.parametrize("state", ["draft", "paused", "finished"])
async def test_an_identity_that_was_deleted_keeps_its_name_and_nothing_leads_to_it(
    state: CampaignState,
) -> None:
    page = await shown(state)
    assert "Ada Lovelace (deleted)" in page
    assert f"/identities/{ADA}" not in page
    listed = row(campaign(state), {BO: "Bo Lind"}, {ADA: "Ada Lovelace"})
    assert (listed.identity, listed.identity_name) == (None, "Ada Lovelace (deleted)")
    assert listed.note == ("" if state == "finished" else "Its identity was deleted.")


async def test_a_draft_that_lost_its_identity_gets_another_one_or_is_put_away() -> None:
    page = await shown("draft")
    assert "Choose another identity" in page
    assert "Finish campaign" in page
    editor = await editor_page(gateway(), CALL, campaign("draft"))
    assert editor.form.identity.error == "Ada Lovelace (deleted): choose another identity."
    assert [one.label for one in editor.identities] == ["Choose an identity", "Bo Lind (nothing connected)"]
    assert editor.problem == "Choose an identity to see how a lead gets it."
    typed = {"identity": str(BO), "step-0-text": "Hello"}
    chosen = await editor_page(gateway(), CALL, campaign("draft"), typed)
    assert chosen.form.identity.error == ""
    assert [one.text for one in chosen.preview] == ["Hello"]


@pytest.mark.parametrize(("waiting", "offered"), [(0, False), (2, True)])
async def test_another_identity_is_offered_only_where_leads_wait_for_one(
    waiting: int, *, offered: bool
) -> None:
    page = await shown("paused", counts=CampaignCounts(waiting=waiting, failed=1))
    assert ("Give this identity" in page) is offered


@pytest.mark.parametrize("retryable", [False, True])
async def test_a_retry_is_offered_only_where_it_may_succeed(*, retryable: bool) -> None:
    failed = lead(5, LeadData(email="kim"), retryable=retryable)
    page = await shown("active", failed, counts=CampaignCounts(failed=1))
    assert ("/retry" in page) is retryable


async def test_variables_are_those_of_the_lead_that_the_preview_is_made_for() -> None:
    kim = lead(5, LeadData(email="kim@maison.example", own={"city": "Lyon"}))
    lea = lead(6, LeadData(name="Léa Fournier", own={"size": "12"}))
    place = gateway(kim, lea)
    first = dict((await editor_page(place, CALL, campaign("draft"))).variables)
    assert (first["email"], first["name"], first["city"], first["size"]) == (
        "kim@maison.example",
        "",
        "Lyon",
        "",
    )
    values = {"lead": str(UUID(int=6)), "identity": str(BO)}
    other = dict((await editor_page(place, CALL, campaign("draft"), values)).variables)
    assert (other["email"], other["name"], other["city"], other["size"]) == ("", "Léa Fournier", "", "12")
    nobody = dict((await editor_page(gateway(), CALL, campaign("draft"))).variables)
    assert {name: nobody[name] for name in WITHOUT} == WITHOUT


@pytest.mark.parametrize(
    ("channels", "needed"),
    [
        (("email",), "A column of email addresses is needed."),
        (("linkedin",), "A column of LinkedIn URLs is needed: this campaign writes no emails."),
        (("email", "linkedin"), "A column of email addresses and one of LinkedIn URLs are needed."),
        ((), "A column of email addresses or of LinkedIn URLs is needed."),
    ],
)
def test_an_import_says_which_columns_this_campaign_needs(channels: Sequence[Channel], needed: str) -> None:
    page = UploadPage(campaign=CAMPAIGN, campaign_name="Spring", channels=frozenset(channels))
    assert needed in render("import_new.html", shell=Shell(csrf="c"), page=page)


async def test_before_it_starts_a_campaign_says_the_limits_of_every_channel_it_uses() -> None:
    steps = (ReadProfile(), SendEmail(subject="Hi", text="Hello"), SendInvitation(), SendMessage(text="Hi"))
    both = CampaignSettings(name="Spring", identity=BO, steps=steps)
    counts = CampaignCounts(waiting=2)
    view = campaign("draft", counts).model_copy(update={"settings": both, "pause_reason": None})
    place = gateway(linked=(BO,), inboxes=(BO,))
    page = await campaign_page(place, CALL, view, ListLeads(campaign=CAMPAIGN))
    text = render("campaign.html", shell=Shell(csrf="c"), page=page)
    assert "Start this campaign?" in text
    assert "Emails leave from Shuffle: bo@northwind.example, within their limits" in text
    assert "(20 connection requests, 100 messages and 50 profiles to read a day)" in text
