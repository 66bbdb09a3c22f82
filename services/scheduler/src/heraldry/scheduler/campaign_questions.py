"""Questions about campaigns, answered from the read model; another organization's campaign is unknown."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.past import Pasts, before_it_was
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import StoredEvent
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    EXAMPLE,
    CampaignCounts,
    CampaignSettings,
    CampaignView,
    GetCampaign,
    LeadData,
    ListCampaigns,
    PreviewSteps,
    ReadProfile,
    RenderedStep,
    SendEmail,
    Step,
)
from heraldry.contracts.linkedin import ProfileData
from heraldry.scheduler.application import CONTEXT, Scheduling
from heraldry.scheduler.domain import campaign
from heraldry.scheduler.domain.enrollment import with_profile
from heraldry.scheduler.ports import Speaker, TemplateError, Templates
from heraldry.scheduler.projections import campaign_senders, lead_rows, tallies
from heraldry.scheduler.projections import campaigns as rows
from heraldry.scheduler.projections.leads import leads as all_leads
from heraldry.scheduler.speakers import Speakers

UNREAD: Final = ProfileData.model_validate({name: f"[{name}]" for name in ProfileData.model_fields})
"""Stands in a preview for what a profile says that was not read yet."""


class CampaignQuestions:
    """R-CAMP-2 and 4: the campaigns of an organization, and what their steps look like."""

    def __init__(
        self,
        model: ReadModel,
        scheduling: Scheduling,
        speakers: Speakers,
        templates: Templates,
        pasts: Pasts,
    ) -> None:
        self._model, self._scheduling, self._pasts = model, scheduling, pasts
        self._speakers, self._templates = speakers, templates

    async def list(self, query: ListCampaigns, asking: Asking) -> tuple[CampaignView, ...]:
        organization = str(asking.by.organization)
        identity = "" if query.identity is None else str(query.identity)
        found = self._model.read(lambda db: rows.of_organization(db, organization, identity))
        return tuple([await self._view(row) for row in found])

    async def get(self, query: GetCampaign, asking: Asking) -> CampaignView:
        if query.as_of is not None:
            return await self._as_it_was(self._mine(query.campaign, asking), query.as_of)
        return await self._view(self._mine(query.campaign, asking))

    async def preview(self, query: PreviewSteps, asking: Asking) -> tuple[RenderedStep, ...]:
        """Steps as they are typed, as a lead would get them; what cannot be rendered says why."""
        row = self._mine(query.campaign, asking)
        known = await self._speakers.known(query.settings.identity)
        if str(known.organization) != row.organization:
            raise Refused("identity.unknown", "There is no such identity in your organization.", status=404)
        speaker = Speaker(known.name, known.details)
        lead = self._lead(row, query.enrollment)
        if lead is None:
            lead = self._example(query.settings, speaker)
        rendered: list[RenderedStep] = []
        for step in query.settings.steps:
            if isinstance(step, ReadProfile):
                lead = with_profile(lead, UNREAD)
            first = next((one for one in rendered if one.kind == "email"), None)
            rendered.append(self._rendered(step, lead, speaker, first))
        return tuple(rendered)

    async def _view(self, row: rows.Row) -> CampaignView:
        which = UUID(row.id)
        counts, leaving, begun = self._model.read(
            lambda db: (
                tallies.counts(db, row.id),
                tallies.leaving(db, row.id),
                tallies.begun(db, row.id),
            )
        )
        if leaving:  # exactly: what is past its time leaves no more
            leaving = await self._scheduling.leaving(which, UUID(row.identity))
        return _shown(row, counts, leaving, begun)

    async def _as_it_was(self, row: rows.Row, at: datetime) -> CampaignView:
        """By what is in its own stream, in those of its imports and leads, and in its accounts' of its steps."""
        names = self._model.read(lambda db: campaign_senders.of_campaign(db, row.id))
        leads, imports = self._model.read(lambda db: lead_rows.streams_of(db, row.id))
        accounts = {f"{CONTEXT}.{kind}-{name}" for kind in ("sender", "linkedin") for name in names}
        its = row.id.encode()

        def of_others(stored: StoredEvent) -> bool:
            return stored.stream in accounts and its not in stored.data

        streams = [
            f"campaign-{row.id}",
            *(f"import-{one}" for one in imports),
            *(f"enrollment-{one}" for one in leads),
            *(one.removeprefix(f"{CONTEXT}.") for one in accounts),
        ]
        past = self._pasts.at(at)
        then = await past.model([rows.campaigns, all_leads], await past.events(streams, but=of_others))
        was = then.read(lambda db: rows.one(db, row.id))
        if was is None:
            raise before_it_was()
        counts, leaving, begun = then.read(
            lambda db: (
                tallies.counts(db, row.id),
                tallies.leaving(db, row.id),
                tallies.begun(db, row.id),
            )
        )
        if leaving:
            leaving = await self._scheduling.leaving_then(UUID(row.id), names, at)
        return _shown(was, counts, leaving, begun).model_copy(update={"as_of": then.moment})

    def _mine(self, which: UUID, asking: Asking) -> rows.Row:
        row = self._model.read(lambda db: rows.one(db, str(which)))
        if row is None or row.organization != str(asking.by.organization):
            raise campaign.unknown()
        return row

    def _lead(self, row: rows.Row, enrollment: UUID | None) -> LeadData | None:
        wanted = "" if enrollment is None else str(enrollment)
        found = self._model.read(lambda db: tallies.data_of(db, row.id, wanted))
        if found is None and enrollment is not None:
            raise Refused("lead.unknown", "There is no such lead in this campaign.", status=404)
        return found

    def _example(self, settings: CampaignSettings, speaker: Speaker) -> LeadData:
        """Somebody who has every column that the steps name."""
        own: dict[str, str] = {}
        for step in settings.steps:
            try:
                lacking = self._templates.missing((step,), EXAMPLE.model_copy(update={"own": own}), speaker)
            except TemplateError:
                continue  # said where it is rendered
            own |= {name: f"[{name}]" for name in lacking if not name.startswith("identity.")}
        return EXAMPLE.model_copy(update={"own": own})

    def _rendered(
        self, step: Step, lead: LeadData, speaker: Speaker, in_thread_of: RenderedStep | None
    ) -> RenderedStep:
        blank = RenderedStep(
            delay=step.delay, subject="", text="", html="", kind=step.kind, only_if=step.only_if
        )
        try:
            if not isinstance(step, SendEmail):
                return blank.model_copy(update={"text": self._templates.words(step, lead, speaker)})
            mail = self._templates.render(step, lead, speaker)
        except TemplateError as error:
            return blank.model_copy(update={"problem": error.detail})
        subject = in_thread_of.subject if in_thread_of else mail.subject
        return blank.model_copy(update={"subject": subject, "text": mail.text, "html": mail.html})


def _shown(row: rows.Row, counts: CampaignCounts, leaving: int, begun: int) -> CampaignView:
    return CampaignView.model_validate(
        {
            "campaign": row.id,
            "settings": CampaignSettings.model_validate_json(row.settings),
            "state": row.state,
            "pause_reason": row.pause_reason or None,
            "leaving": leaving,
            "counts": counts,
            "created": datetime.fromisoformat(row.created),
            "revision": row.revision,
            "begun": begun,
        }
    )
