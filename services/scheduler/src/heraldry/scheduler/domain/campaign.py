"""The campaign: what is sent, in whose name, and whether it may be. Stream `campaign-<id>`.

Its revision is what every sender knows it by: whoever opens or stops it there says at which revision it was so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    CampaignChanged,
    CampaignCreated,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    CampaignState,
    PauseReason,
)


@dataclass(frozen=True, slots=True)
class Create:
    campaign: UUID
    organization: UUID
    settings: CampaignSettings
    at: datetime


@dataclass(frozen=True, slots=True)
class _Wish:
    """Something asked for by `organization`, which sees nothing of other organizations' campaigns."""

    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Change(_Wish):
    settings: CampaignSettings


@dataclass(frozen=True, slots=True)
class Start(_Wish):
    """`leads` it has; `channels` that its identity, or the inbox it chose, has connected."""

    leads: int
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pause(_Wish):
    pass


@dataclass(frozen=True, slots=True)
class Resume(_Wish):
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finish(_Wish):
    pass


@dataclass(frozen=True, slots=True)
class FinishIfDone:
    """`leads` it has, and how many of them may still get a step, those of imports under way included."""

    leads: int
    going_on: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LoseIdentity:
    """The identity was deleted. A campaign that has another one by now is not concerned."""

    identity: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Give(_Wish):
    identity: UUID


Command: TypeAlias = Create | Change | Start | Pause | Resume | Finish | FinishIfDone | LoseIdentity | Give
Event: TypeAlias = (
    CampaignCreated | CampaignChanged | CampaignStarted | CampaignPaused | CampaignResumed | CampaignFinished
)


@dataclass(frozen=True, slots=True)
class Uncreated:
    """There is no such campaign (yet)."""


@dataclass(frozen=True, slots=True)
class Campaign:
    id: UUID
    organization: UUID
    settings: CampaignSettings
    state: CampaignState = "draft"
    paused_because: PauseReason | None = None

    @property
    def identity(self) -> UUID:
        return self.settings.identity

    @property
    def lost(self) -> bool:
        """Whether its identity was deleted and nobody gave it another one."""
        return self.paused_because == "identity deleted"


State: TypeAlias = Uncreated | Campaign
UNCREATED = Uncreated()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Create():
            return _create(command, state)
        case FinishIfDone() | LoseIdentity():
            return () if isinstance(state, Uncreated) else _notice(command, state)
        case Change() | Start() | Pause() | Resume() | Finish() | Give():
            return _fulfil(command, _own(command, state))
        case _:
            assert_never(command)


def _create(command: Create, state: State) -> Sequence[Event]:
    if isinstance(state, Campaign):
        if state.organization != command.organization:
            raise unknown()
        raise Refused("campaign.exists", "A campaign with this id exists already. Open it instead.")
    created = CampaignCreated(
        campaign=command.campaign,
        organization=command.organization,
        identity=command.settings.identity,
        settings=command.settings,
        at=command.at,
    )
    return (created,)


def _notice(command: FinishIfDone | LoseIdentity, campaign: Campaign) -> Sequence[Event]:
    who, identity, at = campaign.id, campaign.identity, command.at
    match command:
        case FinishIfDone(leads=leads, going_on=going_on):
            if campaign.state != "active" or not leads or going_on:
                return ()
            return (CampaignFinished(campaign=who, identity=identity, at=at),)
        case LoseIdentity():
            if command.identity != identity or campaign.state not in {"active", "paused"} or campaign.lost:
                return ()
            return (CampaignPaused(campaign=who, identity=identity, reason="identity deleted", at=at),)
        case _:
            assert_never(command)


def _fulfil(command: Change | Start | Pause | Resume | Finish | Give, campaign: Campaign) -> Sequence[Event]:
    who, identity, at = campaign.id, campaign.identity, command.at
    match command:
        case Change(settings=settings):
            return _change(settings, campaign, at)
        case Start():
            _may_start(command, campaign)
            return (CampaignStarted(campaign=who, identity=identity, at=at),)
        case Pause():
            if campaign.state == "paused":
                return ()
            if campaign.state != "active":
                raise Refused("campaign.not-active", "Only a campaign that was started can be paused.")
            return (CampaignPaused(campaign=who, identity=identity, reason="by hand", at=at),)
        case Resume(channels=channels):
            _may_resume(campaign)
            _needs(campaign.settings, channels)
            return (CampaignResumed(campaign=who, identity=identity, at=at),)
        case Finish():
            if campaign.state == "finished":
                return ()
            return (CampaignFinished(campaign=who, identity=identity, at=at),)
        case Give():
            return _give(command, campaign)
        case _:
            assert_never(command)


def _change(settings: CampaignSettings, campaign: Campaign, at: datetime) -> Sequence[Event]:
    if campaign.state == "finished":
        raise _finished()
    if campaign.state != "draft" and _frame(settings) != _frame(campaign.settings):
        raise Refused(
            "campaign.begun",
            "This campaign has begun. Its name, inbox, pace and the texts of its steps can still be changed,"
            " but not its identity, and no step can be added, removed, moved in time or given another condition.",
        )
    if settings == campaign.settings:
        return ()
    return (CampaignChanged(campaign=campaign.id, identity=settings.identity, settings=settings, at=at),)


def _frame(settings: CampaignSettings) -> tuple[UUID, tuple[tuple[str, int, str], ...]]:
    """What a campaign that has begun keeps."""
    return settings.identity, tuple((step.kind, step.delay, step.only_if) for step in settings.steps)


def _may_start(command: Start, campaign: Campaign) -> None:
    if campaign.state != "draft":
        raise Refused("campaign.not-draft", "This campaign was started before.")
    if not campaign.settings.steps:
        raise Refused("campaign.empty", "This campaign has no steps. Add one, then start it.")
    if not command.leads:
        raise Refused("campaign.empty", "This campaign has no leads. Import some, then start it.")
    _needs(campaign.settings, command.channels)


def _may_resume(campaign: Campaign) -> None:
    if campaign.state == "finished":
        raise _finished()
    if campaign.lost:
        raise Refused(
            "campaign.identity-deleted",
            "The identity of this campaign was deleted. Give its leads another identity, then resume it.",
        )
    if campaign.state != "paused":
        raise Refused("campaign.not-paused", "This campaign is not paused.")


def _needs(settings: CampaignSettings, channels: frozenset[str]) -> None:
    """R-ID-2: whether every channel of the steps is connected."""
    for channel in settings.channels:
        if channel in channels:
            continue
        which = "this inbox" if settings.inbox else "an inbox of its identity"
        match channel:
            case "email":
                detail = f"This campaign sends by email, and email is not connected. Connect {which} first."
            case "linkedin":
                detail = (
                    "This campaign has LinkedIn steps, and LinkedIn is not connected."
                    " Link the LinkedIn account of its identity first."
                )
        raise Refused("campaign.channel-missing", detail, extra={"channel": channel})


def _give(command: Give, campaign: Campaign) -> Sequence[Event]:
    if campaign.state == "finished":
        raise _finished()
    if command.identity == campaign.identity and not campaign.lost:
        return ()
    may = campaign.lost or campaign.state == "draft"
    if not may or command.identity == campaign.identity:
        raise Refused(
            "campaign.identity-not-lost",
            "Another identity can be given to a campaign only when its own was deleted.",
        )
    settings = campaign.settings.model_copy(update={"identity": command.identity, "inbox": None})
    changed = CampaignChanged(
        campaign=campaign.id, identity=command.identity, settings=settings, at=command.at
    )
    return (changed,)


def evolve(state: State, event: Event) -> State:
    if isinstance(event, CampaignCreated):
        return Campaign(event.campaign, event.organization, event.settings)
    if isinstance(state, Uncreated):
        return state
    match event:
        case CampaignChanged(settings=settings):
            given = state.lost and settings.identity != state.identity
            because: PauseReason | None = "by hand" if given else state.paused_because
            return replace(state, settings=settings, paused_because=because)
        case CampaignStarted() | CampaignResumed():
            return replace(state, state="active", paused_because=None)
        case CampaignPaused(reason=reason):
            return replace(state, state="paused", paused_because=reason)
        case CampaignFinished():
            return replace(state, state="finished", paused_because=None)
        case _:
            assert_never(event)


def _own(command: _Wish, state: State) -> Campaign:
    if isinstance(state, Uncreated) or state.organization != command.organization:
        raise unknown()
    return state


def unknown() -> Refused:
    return Refused("campaign.unknown", "There is no such campaign in your organization.", status=404)


def _finished() -> Refused:
    return Refused("campaign.finished", "This campaign is finished. Create a new one.")
