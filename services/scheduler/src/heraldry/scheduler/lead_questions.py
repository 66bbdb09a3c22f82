"""What is asked about leads, answered from rows: where each is, why it waits, and what a deletion would do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.halt import HaltFlags, HaltUnknownError, account, organization
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CampaignState,
    Consequences,
    GetConsequences,
    GetLead,
    LeadData,
    LeadPage,
    LeadState,
    LeadView,
    ListLeads,
    PauseReason,
    StepKind,
)
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import ProfileData
from heraldry.scheduler.domain import waiting
from heraldry.scheduler.domain.campaign import unknown as campaign_unknown
from heraldry.scheduler.domain.sequence import IDENTITY_DELETED
from heraldry.scheduler.domain.sequence import unknown as lead_unknown
from heraldry.scheduler.projections import campaigns, consequences, lead_pages
from heraldry.scheduler.projections.lead_pages import Filter, Row
from pydantic import TypeAdapter

FOR_GOOD: Final = frozenset({IDENTITY_DELETED, "recipient.suppressed"})
_DATA: Final[TypeAdapter[LeadData | Erased]] = TypeAdapter(LeadData | Erased)


class LeadQuestions:
    """Another organization's leads are unknown."""

    def __init__(self, model: ReadModel, clock: Clock, halt: HaltFlags, pool_size: int) -> None:
        """`pool_size`: how many profiles an organization's identities may read a day, together."""
        self._model, self._clock, self._halt, self._pool_size = model, clock, halt, pool_size

    async def list(self, query: ListLeads, asking: Asking) -> LeadPage:
        """In the order they were imported."""
        campaign = self._model.read(lambda db: campaigns.one(db, str(query.campaign)))
        if campaign is None or campaign.organization != str(asking.by.organization):
            raise campaign_unknown()
        wanted = Filter(
            campaign.id, query.state or "", query.search.strip(), _cursor(query.after), query.limit
        )
        rows, total = self._model.read(lambda db: lead_pages.page(db, wanted))
        last = rows[-1] if len(rows) == query.limit else None
        settings = CampaignSettings.model_validate_json(campaign.settings)
        return LeadPage(
            leads=tuple(self._view(row, settings, campaign.organization) for row in rows),
            next="" if last is None else f"{last.ordinal}.{last.enrollment}",
            total=total,
        )

    async def get(self, query: GetLead, asking: Asking) -> LeadView:
        mine = str(asking.by.organization)
        row = self._model.read(lambda db: lead_pages.one(db, mine, str(query.enrollment)))
        campaign = None if row is None else self._model.read(lambda db: campaigns.one(db, row.campaign))
        if row is None or campaign is None:
            raise lead_unknown()
        return self._view(row, CampaignSettings.model_validate_json(campaign.settings), mine)

    async def consequences(self, query: GetConsequences, asking: Asking) -> Consequences:
        """R-ID-4, R-BOX-11: said before it is done."""
        mine = str(asking.by.organization)
        match query.identity, query.inbox, query.unlinked:
            case UUID() as one, None, None:
                ask = consequences.of_deletion
            case None, UUID() as one, None:
                ask = consequences.of_disconnection
            case None, None, UUID() as one:
                ask = consequences.of_unlinking
            case _:
                raise Refused("input.invalid", "Name one identity or one inbox.", status=422)
        found = self._model.read(lambda db: ask(db, mine, str(one)))
        names = [
            (UUID(id_), CampaignSettings.model_validate_json(text).name) for id_, text in found.campaigns
        ]
        return Consequences(campaigns=tuple(names), begun=found.begun, waiting=found.waiting)

    def _view(self, row: Row, settings: CampaignSettings, organization_id: str) -> LeadView:
        return LeadView(
            enrollment=UUID(row.enrollment),
            campaign=UUID(row.campaign),
            identity=UUID(row.identity),
            person=UUID(row.person),
            data=_DATA.validate_json(row.data),
            state=cast("LeadState", row.state),
            step=row.step,
            steps=len(settings.steps),
            inbox=UUID(row.inbox) if row.inbox else None,
            waiting=waiting.reason(self._step(row, settings, organization_id), self._clock.now()),
            failure=(row.code, row.reason, row.resolution) if row.state == "failed" else None,
            attempts=tuple(UUID(one) for one in cast("list[str]", json.loads(row.attempts))),
            since=datetime.fromisoformat(row.since),
            connected=bool(row.connected),
            skipped=tuple(cast("list[int]", json.loads(row.skipped))),
            read=ProfileData.model_validate_json(row.read) if row.read else None,
            retryable=row.state == "failed" and row.running != "finished" and row.code not in FOR_GOOD,
        )

    def _step(self, row: Row, settings: CampaignSettings, organization_id: str) -> waiting.Step:
        found = cast(
            "list[Mapping[str, str | int]]",
            json.loads(row.accounts if row.kind == "email" else row.lanes),
        )
        return waiting.Step(
            kind=cast("StepKind", row.kind),
            held=row.held,
            state=cast("LeadState", row.state),
            leaving_until=datetime.fromisoformat(row.valid_until) if row.attempt else None,
            due=_due(row, settings),
            ahead=bool(row.ahead),
            campaign=cast("CampaignState", row.running),
            pause=cast("PauseReason", row.pause_reason) if row.pause_reason else None,
            even=row.pace == "even",
            again=row.tries > 0,
            accounts=[
                self._account(one, organization_id) for one in found if one.get("kind", row.kind) == row.kind
            ],
        )

    def _account(self, found: Mapping[str, str | int], organization_id: str) -> waiting.Account:
        sender, last, until = str(found["sender"]), str(found["last_at"]), str(found["exhausted_until"])
        hours, slowed = str(found["hours"]), str(found.get("slowed_until", ""))
        return waiting.Account(
            sender=sender,
            closed=str(found["closed"]),
            halted=self._is_halted(organization_id, sender),
            hours=WorkingHours.model_validate_json(hours) if hours else None,
            per_day=int(found["per_day"]) + (self._pool_size if found.get("kind") == "scraping" else 0),
            used_today=int(found["used_today"]),
            last=datetime.fromisoformat(last) if last else None,
            exhausted=(str(found["exhausted_window"]), datetime.fromisoformat(until)) if until else None,
            slowed=datetime.fromisoformat(slowed) if slowed else None,
        )

    def _is_halted(self, organization_id: str, sender: str) -> bool:
        try:
            return self._halt.halted(organization(UUID(organization_id)), account(sender)) is not None
        except HaltUnknownError:
            return True


def _due(row: Row, settings: CampaignSettings) -> datetime | None:
    if row.due_at:
        return datetime.fromisoformat(row.due_at)
    if not row.started_at or not settings.steps:
        return None
    return datetime.fromisoformat(row.started_at) + timedelta(hours=settings.steps[0].delay)


def _cursor(after: str) -> tuple[int, str]:
    ordinal, _, enrollment = after.partition(".")
    if not after:
        return (-1, "")
    if not ordinal.isdigit() or not enrollment:
        raise Refused(
            "cursor.invalid",
            "This is no place in the list. Start from its beginning.",
            status=422,
            field="after",
        )
    return (int(ordinal), enrollment)
