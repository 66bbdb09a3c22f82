"""What stands in a sender's stream, beside what is published. Storage formats."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.base import Value
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    RateCeilingExpired,
    RateCeilingRaised,
    RateIncreaseRequested,
    StepCancelled,
    StepDispatched,
)

Window: TypeAlias = Literal["day", "hour"]


class Zone(Value):
    """A zone and when it was in force; `until` None: it is now."""

    name: str
    until: datetime | None = None


class Mark(Value):
    """How a campaign stands here, as its own stream said at `revision`."""

    campaign: UUID
    revision: int
    open: bool
    at: datetime


class Said(Value):
    """That nothing more is permitted before `until` was published."""

    window: Window
    until: datetime


class SenderOpened(AnyEvent):
    """Private. The account can send, for this inbox, under these settings. Without `hours`: an older release
    did not need them.
    """

    sender: str
    organization: UUID
    inbox: UUID
    identity: UUID
    zone: str
    rate: EmailRate
    hours: WorkingHours | None = None


class SenderHoursChanged(AnyEvent):
    """Private. The identity's working hours from now on, and their zone."""

    sender: str
    hours: WorkingHours


class SenderZoneChanged(AnyEvent):
    """Private. Of an older release, which did not need the hours."""

    sender: str
    zone: str


class SenderClosed(AnyEvent):
    """Private. The account cannot send. `reason` is for people; `code`: disconnected, reconnect, paused or
    identity-deleted.
    """

    sender: str
    reason: str
    code: str = ""


class SenderCampaignOpened(AnyEvent):
    """Private. The campaign may send from here. `source_revision`: of the campaign's own stream."""

    sender: str
    campaign: UUID
    source_revision: int


class SenderCampaignStopped(AnyEvent):
    """Private. The campaign sends nothing more from here, until it is opened at a later revision."""

    sender: str
    campaign: UUID
    source_revision: int


class PermitSettled(AnyEvent):
    """Private. What was permitted has an outcome; from now its hour runs."""

    sender: str
    attempt: UUID


class QuotasAssumedUsed(AnyEvent):
    """Private. A backup was restored, and what was done since it was taken is not known: the running day and the last
    hour count as used up.
    """

    sender: str


class SettingsRepeated(AnyEvent):
    """Private. All a decision needs beside the permits, so that the stream need not be read from its start."""

    sender: str
    organization: UUID
    inbox: UUID
    identity: UUID
    rate: EmailRate
    ceiling: EmailRate
    ceiling_until: datetime | None
    requested: EmailRate | None
    zones: tuple[Zone, ...]
    hours: WorkingHours | None
    closed: str
    reason: str
    campaigns: tuple[Mark, ...]
    said: tuple[Said, ...]


Event: TypeAlias = (
    SenderOpened
    | SenderHoursChanged
    | SenderZoneChanged
    | SenderClosed
    | SenderCampaignOpened
    | SenderCampaignStopped
    | PermitSettled
    | QuotasAssumedUsed
    | SettingsRepeated
    | LimitsChanged
    | RateIncreaseRequested
    | RateCeilingRaised
    | RateCeilingExpired
    | QuotaConsumed
    | StepDispatched
    | StepCancelled
    | QuotaReleased
    | QuotaExhausted
)
