"""Campaigns: commands come in, the decider decides, and what must stand in every sender is brought there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Loaded, Ran, Runner
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    ChangeCampaign,
    Channel,
    CreateCampaign,
    FinishCampaign,
    GiveIdentity,
    PauseCampaign,
    ResumeCampaign,
    StartCampaign,
)
from heraldry.scheduler.application import CONTEXT, Scheduling, derived
from heraldry.scheduler.domain import campaign
from heraldry.scheduler.domain.campaign import UNCREATED, Campaign
from heraldry.scheduler.linkedin_standing import linkings
from heraldry.scheduler.ports import TemplateError, Templates
from heraldry.scheduler.projections import campaigns as rows
from heraldry.scheduler.projections import linkedin_senders, senders, tallies
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import connections

decider: Decider[campaign.Command, campaign.State, campaign.Event] = Decider(
    UNCREATED, campaign.decide, campaign.evolve
)
CampaignRan = Ran[campaign.State, campaign.Event]
HEARD_WITHIN: Final = 1.5  # seconds: what another context did a moment ago is heard of here a little later
LOOK_AGAIN: Final = 0.05


class Campaigns:
    """R-CAMP-4. Another organization's campaign is unknown."""

    def __init__(
        self,
        runner: Runner,
        model: ReadModel,
        clock: Clock,
        scheduling: Scheduling,
        speakers: Speakers,
        templates: Templates,
        heard_within: float = HEARD_WITHIN,
    ) -> None:
        self._runner, self._model, self._clock = runner, model, clock
        self._scheduling, self._speakers, self._templates = scheduling, speakers, templates
        self._heard_within = heard_within

    # --- what users ask

    async def create(self, command: CreateCampaign, asking: Asking) -> Accepted:
        """Refused `identity.unknown`, `inbox.unknown` (404), `template.invalid` (422)."""
        organization = _organization(asking)
        found = (await self.load(command.campaign)).state
        if isinstance(found, Campaign) and found.organization != organization:
            raise campaign.unknown()
        if not isinstance(found, Campaign):  # else refused, or a repeat: there is nothing to check
            await self._check_sender(command.settings, organization)
            self._check_steps(command.settings)
        create = campaign.Create(command.campaign, organization, command.settings, self._clock.now())
        return self._runner.accepted(await self._run(command.campaign, create, asking))

    async def change(self, command: ChangeCampaign, asking: Asking) -> Accepted:
        before = await self._mine(command.campaign, asking)
        settings, now = command.settings, before.settings
        if before.state == "draft" and settings.identity != now.identity:
            await self._check_sender(settings, before.organization)
        elif settings.identity == now.identity and settings.inbox != now.inbox:
            await self._check_inbox(settings, before.organization)
        if settings.steps != now.steps:
            self._check_steps(settings)
        change = campaign.Change(before.organization, self._clock.now(), settings)
        return self._runner.accepted(await self._run(command.campaign, change, asking))

    async def start(self, command: StartCampaign, asking: Asking) -> Accepted:
        """R-ID-1, R-ID-2. Refused `campaign.channel-missing` (extra: channel), `campaign.empty`."""
        found = await self._mine(command.campaign, asking)
        if found.state == "draft" and (await self._speakers.known(found.identity)).deleted:
            raise Refused(
                "campaign.identity-deleted",
                "The identity of this campaign was deleted. Choose another one, then start it.",
            )
        await self._scheduling.up_to_date()
        leads = self._model.read(lambda db: tallies.ready(db, str(command.campaign)))
        channels = await self._channels(found)
        start = campaign.Start(found.organization, self._clock.now(), leads, channels)
        return await self._set_going(command.campaign, start, asking)

    async def pause(self, command: PauseCampaign, asking: Asking) -> Accepted:
        """Answered when it stands in every sender."""
        pause = campaign.Pause(_organization(asking), self._clock.now())
        return await self._halt(command.campaign, pause, asking)

    async def resume(self, command: ResumeCampaign, asking: Asking) -> Accepted:
        found = await self._mine(command.campaign, asking)
        channels = await self._channels(found)
        resume = campaign.Resume(found.organization, self._clock.now(), channels)
        return await self._set_going(command.campaign, resume, asking)

    async def finish(self, command: FinishCampaign, asking: Asking) -> Accepted:
        """Answered when it stands in every sender."""
        finish = campaign.Finish(_organization(asking), self._clock.now())
        return await self._halt(command.campaign, finish, asking)

    async def give_identity(self, command: GiveIdentity, asking: Asking) -> Accepted:
        """R-ID-4: to the leads that have not begun. Refused `campaign.identity-not-lost`, `identity.unknown`."""
        found = await self._mine(command.campaign, asking)
        if found.lost or found.state == "draft":
            await self._check_identity(command.identity, found.organization)
        give = campaign.Give(found.organization, self._clock.now(), command.identity)
        return await self._set_going(command.campaign, give, asking)

    # --- what this context asks of itself

    async def load(self, which: UUID) -> Loaded[campaign.State, campaign.Event]:
        """As its stream says; `revision` is what senders know it by."""
        return await self._runner.load(decider, _stream(which))

    async def finish_if_done(self, which: UUID) -> bool:
        """Whether it ended by this: it has leads, and none of them may get another step."""
        await self._scheduling.up_to_date()
        leads, going_on = self._model.read(
            lambda db: (tallies.ready(db, str(which)), tallies.going_on(db, str(which)))
        )
        done = campaign.FinishIfDone(leads, going_on, self._clock.now())
        asking = Asking(uuid4(), By(organization=None, actor=f"system:{CONTEXT}"))
        return (await self._run(which, done, asking)).fresh

    async def stop(self, which: UUID, revision: int, asking: Asking) -> None:
        """It was paused or ended at `revision`: until this returns, that may not stand in every sender."""
        found = (await self.load(which)).state
        if isinstance(found, Campaign):
            await self._scheduling.stop_campaign(which, found.identity, revision, asking)

    async def lose_identity(self, identity: UUID, asking: Asking) -> None:
        """The identity was deleted: when this returns, that stands in every campaign of it that has begun."""
        await self._scheduling.up_to_date()
        for row in self._model.read(lambda db: rows.of_identity(db, str(identity), "active", "paused")):
            await self._lose(UUID(row.id), identity, asking)

    async def check_identity(self, which: UUID, asking: Asking) -> None:
        """A campaign that got going while its identity was being deleted has lost it, too."""
        found = (await self.load(which)).state
        if isinstance(found, Campaign) and (await self._speakers.known(found.identity)).deleted:
            await self._lose(which, found.identity, asking)

    async def _lose(self, which: UUID, identity: UUID, asking: Asking) -> None:
        lost = Asking(derived(asking.id, f"{which} lost {identity}"), asking.by)
        ran = await self._run(which, campaign.LoseIdentity(identity, self._clock.now()), lost)
        await self._stop(which, ran, lost)

    async def _set_going(self, which: UUID, command: campaign.Command, asking: Asking) -> Accepted:
        ran = await self._run(which, command, asking)
        await self.check_identity(which, asking)
        return self._runner.accepted(ran)

    async def _halt(self, which: UUID, command: campaign.Command, asking: Asking) -> Accepted:
        ran = await self._run(which, command, asking)
        await self._stop(which, ran, asking)
        return self._runner.accepted(ran)

    async def _stop(self, which: UUID, ran: CampaignRan, asking: Asking) -> None:
        """Unless it goes on by now: then the senders know it by a newer revision."""
        if isinstance(ran.state, Campaign) and ran.state.state in {"paused", "finished"}:
            stopping = Asking(derived(asking.id, "stop"), asking.by)
            await self._scheduling.stop_campaign(which, ran.state.identity, ran.revision, stopping)

    async def _run(self, which: UUID, command: campaign.Command, asking: Asking) -> CampaignRan:
        found = (await self.load(which)).state
        identity, organization = None, asking.by.organization
        if isinstance(found, Campaign):
            identity, organization = found.identity, found.organization
        match command:
            case campaign.Create(settings=settings) | campaign.Change(settings=settings):
                identity = settings.identity
            case campaign.Give(identity=given):
                identity = given
            case _:
                pass
        asked = Asked(asking.id, asking.by, self._clock.now(), identity, organization)
        return await self._runner.run(decider, _stream(which), command, asked)

    async def _mine(self, which: UUID, asking: Asking) -> Campaign:
        found = (await self.load(which)).state
        if not isinstance(found, Campaign) or found.organization != asking.by.organization:
            raise campaign.unknown()
        return found

    # --- what a campaign needs

    def _check_steps(self, settings: CampaignSettings) -> None:
        first = settings.first_email
        if first is not None and not first.subject:
            number = next(number for number, step in enumerate(settings.steps) if step.kind == "email")
            raise _invalid(f"steps.{number}.subject", "Give the first email a subject.")
        for number, step in enumerate(settings.steps):
            try:
                self._templates.check(step)
            except TemplateError as error:
                raise _invalid(f"steps.{number}.{error.part or 'text'}", error.detail) from None

    async def _check_sender(self, settings: CampaignSettings, organization: UUID) -> None:
        await self._check_identity(settings.identity, organization)
        await self._check_inbox(settings, organization)

    async def _check_identity(self, identity: UUID, organization: UUID) -> None:
        async def usable() -> bool:
            known = await self._speakers.known(identity)
            return known.organization == organization and not known.deleted

        if not await self._heard(usable):
            raise Refused(
                "identity.unknown",
                "There is no such identity in your organization. It may have been deleted.",
                status=404,
                field="identity",
            )

    async def _check_inbox(self, settings: CampaignSettings, organization: UUID) -> None:
        async def usable() -> bool:
            row = self._model.read(lambda db: senders.of_inbox(db, str(settings.inbox)))
            return row is not None and (row.organization, row.identity) == (
                str(organization),
                str(settings.identity),
            )

        if settings.inbox is not None and not await self._heard(usable):
            raise Refused(
                "inbox.unknown",
                "This identity has no such inbox. Choose one of its inboxes, or Shuffle.",
                status=404,
                field="inbox",
            )

    async def _channels(self, found: Campaign) -> frozenset[str]:
        """The channels that the identity, or the inbox the campaign chose, has connected."""

        async def email() -> bool:
            inboxes = self._model.read(lambda db: senders.of_identity(db, str(found.identity)))
            for row in inboxes:
                if found.settings.inbox is not None and str(found.settings.inbox) != row.inbox:
                    continue
                if (await self._runner.load(connections, f"connection-{row.inbox}")).state.connected:
                    return True
            return False

        async def linked() -> bool:
            row = self._model.read(lambda db: linkedin_senders.of_identity(db, str(found.identity)))
            if row is None:
                return False
            state = (await self._runner.load(linkings, f"linking-{row.account}")).state
            return state.linked_at is not None and state.code is None

        asked: Mapping[Channel, Callable[[], Awaitable[bool]]] = {"email": email, "linkedin": linked}
        wanted = found.settings.channels
        return frozenset([channel for channel in wanted if await self._heard(asked[channel])])

    async def _heard(self, condition: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it is so, or becomes so within a moment."""
        until = asyncio.get_running_loop().time() + self._heard_within
        while not await condition():
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(LOOK_AGAIN)
        return True


def _stream(which: UUID) -> str:
    return f"campaign-{which}"


def _invalid(field: str, detail: str) -> Refused:
    return Refused("template.invalid", detail, status=422, field=field)


def _organization(asking: Asking) -> UUID:
    if asking.by.organization is None:
        raise Refused(
            "organization.missing", "Campaigns belong to an organization. Sign in to one.", status=403
        )
    return asking.by.organization
