"""The scheduler's aggregates in one place: each one's events by the name they have in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Upcasters
from heraldry.scheduler.domain.acquaintance import AcquaintanceImported
from heraldry.scheduler.domain.block import InvitationBlocked
from heraldry.scheduler.domain.connection import ConnectionImported, PauseImported
from heraldry.scheduler.domain.enrollment import (
    InboxAssigned,
    LeadDropped,
    LeadEnrolled,
    LeadProfileRead,
    LinkedInAssigned,
    StepFailed,
    StepPutOff,
    StepSent,
    StepUndecided,
    StepUnknown,
)
from heraldry.scheduler.domain.importing import (
    ImportChecked,
    ImportCleared,
    ImportConfirmed,
    ImportOpened,
    ImportPartAdded,
    ImportRefused,
    ImportUndone,
)
from heraldry.scheduler.domain.invitation import InvitationEnded, InvitationImported, WithdrawalTried
from heraldry.scheduler.domain.linkedin_sender_events import (
    LinkedInSenderOpened,
    LinkedInSenderSlowedDown,
    LinkedInSettingsRepeated,
)
from heraldry.scheduler.domain.linking import LinkingImported, SignalImported
from heraldry.scheduler.domain.profile import (
    DeletionImported,
    DetailsImported,
    HoursImported,
    NameImported,
    OwnerImported,
)
from heraldry.scheduler.domain.scraping_pool import (
    PoolAssumedUsed,
    PoolPermitReturned,
    PoolPermitTaken,
    PoolZoneImported,
)
from heraldry.scheduler.domain.sender_events import (
    PermitSettled,
    QuotasAssumedUsed,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    SenderOpened,
    SenderZoneChanged,
    SettingsRepeated,
)
from heraldry.scheduler.domain.suppression import SuppressionImported, SuppressionLifted
from heraldry.scheduler.domain.withdrawal import WithdrawalRequested, WithdrawalsAnswered

PRIVATE: Final[Mapping[str, type[Event]]] = {  # storage formats
    "SenderOpened": SenderOpened,
    "SenderHoursChanged": SenderHoursChanged,
    "SenderZoneChanged": SenderZoneChanged,
    "SenderClosed": SenderClosed,
    "SenderCampaignOpened": SenderCampaignOpened,
    "SenderCampaignStopped": SenderCampaignStopped,
    "PermitSettled": PermitSettled,
    "QuotasAssumedUsed": QuotasAssumedUsed,
    "SettingsRepeated": SettingsRepeated,
    "HoursImported": HoursImported,
    "OwnerImported": OwnerImported,
    "NameImported": NameImported,
    "DetailsImported": DetailsImported,
    "DeletionImported": DeletionImported,
    "ConnectionImported": ConnectionImported,
    "PauseImported": PauseImported,
    "LinkedInSenderOpened": LinkedInSenderOpened,
    "LinkedInSenderSlowedDown": LinkedInSenderSlowedDown,
    "LinkedInSettingsRepeated": LinkedInSettingsRepeated,
    "LinkingImported": LinkingImported,
    "SignalImported": SignalImported,
    "PoolZoneImported": PoolZoneImported,
    "PoolPermitTaken": PoolPermitTaken,
    "PoolPermitReturned": PoolPermitReturned,
    "PoolAssumedUsed": PoolAssumedUsed,
    "InvitationBlocked": InvitationBlocked,
    "InvitationImported": InvitationImported,
    "InvitationEnded": InvitationEnded,
    "WithdrawalTried": WithdrawalTried,
    "WithdrawalRequested": WithdrawalRequested,
    "WithdrawalsAnswered": WithdrawalsAnswered,
    "LeadEnrolled": LeadEnrolled,
    "LeadDropped": LeadDropped,
    "InboxAssigned": InboxAssigned,
    "LinkedInAssigned": LinkedInAssigned,
    "StepPutOff": StepPutOff,
    "LeadProfileRead": LeadProfileRead,
    "AcquaintanceImported": AcquaintanceImported,
    "StepSent": StepSent,
    "StepFailed": StepFailed,
    "StepUnknown": StepUnknown,
    "StepUndecided": StepUndecided,
    "SuppressionImported": SuppressionImported,
    "SuppressionLifted": SuppressionLifted,
    "ImportOpened": ImportOpened,
    "ImportPartAdded": ImportPartAdded,
    "ImportChecked": ImportChecked,
    "ImportRefused": ImportRefused,
    "ImportConfirmed": ImportConfirmed,
    "ImportUndone": ImportUndone,
    "ImportCleared": ImportCleared,
}
TYPES: Final[Mapping[str, type[Event]]] = {**registry.types_of("scheduler"), **PRIVATE}
UPCASTERS: Final[Upcasters] = {}  # of the private ones: from each version to the next
