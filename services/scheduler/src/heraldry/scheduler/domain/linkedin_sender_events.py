"""What stands in the stream of a LinkedIn sender, beside what is published. Storage formats.

Closing, campaigns, hours and outcomes are said as in the stream of an inbox's sender.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.base import Value
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import ActionKind, SlowedDown
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    WithdrawalPolicy,
    WithdrawalPolicyChanged,
)
from heraldry.scheduler.domain.sender_events import (
    Mark,
    PermitSettled,
    QuotasAssumedUsed,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    Zone,
)


class Pause(Value):
    """LinkedIn wants no more of this kind before `until`."""

    kind: SlowedDown
    until: datetime


class SaidOf(Value):
    """That nothing more of a kind is permitted before `until` was published."""

    kind: ActionKind
    until: datetime


class LinkedInSenderOpened(AnyEvent):
    """Private. The identity acts as this member, under these settings. `linked_at`: as the driver said it."""

    sender: str
    organization: UUID
    account: UUID
    identity: UUID
    linked_at: datetime
    sales_navigator: bool
    limits: LinkedInLimits
    policy: WithdrawalPolicy
    hours: WorkingHours


class LinkedInSenderSlowedDown(AnyEvent):
    """Private. Nothing of this kind is permitted before `until` (R-LIM-5)."""

    sender: str
    kind: SlowedDown
    until: datetime


class LinkedInSettingsRepeated(AnyEvent):
    """Private. All a decision needs beside the permits, so that the stream need not be read from its start."""

    sender: str
    organization: UUID
    account: UUID
    identity: UUID
    linked_at: datetime
    sales_navigator: bool
    limits: LinkedInLimits
    policy: WithdrawalPolicy
    zones: tuple[Zone, ...]
    hours: WorkingHours
    closed: str
    reason: str
    pauses: tuple[Pause, ...]
    campaigns: tuple[Mark, ...]
    said: tuple[SaidOf, ...]


Event: TypeAlias = (
    LinkedInSenderOpened
    | LinkedInSenderSlowedDown
    | LinkedInSettingsRepeated
    | LinkedInLimitsChanged
    | WithdrawalPolicyChanged
    | SenderHoursChanged
    | SenderClosed
    | SenderCampaignOpened
    | SenderCampaignStopped
    | PermitSettled
    | QuotasAssumedUsed
    | QuotaConsumed
    | QuotaReleased
    | QuotaExhausted
    | LinkedInStepDispatched
    | LinkedInStepCancelled
)
