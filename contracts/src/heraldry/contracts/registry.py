"""The only list of what leaves a context. What nobody wrote here is private.

A name is a storage format: it stands in every log and in every subscriber's code, and never changes. A
context adds its types with one line below, and one golden sample each (`python tools/golden.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from heraldry.contracts import (
    campaigns,
    erasure,
    gateway,
    identity,
    linkedin,
    linkedin_steps,
    mailbox,
    scheduler,
    share_links,
)
from heraldry.contracts.base import Event, Internal, Published
from heraldry.contracts.evolution import Document, Upcasters, additive, check, upcast

PUBLISHED: Final[Mapping[str, Mapping[str, type[Published]]]] = MappingProxyType(
    {
        "identity": {
            "IdentityCreated": identity.IdentityCreated,
            "IdentityRenamed": identity.IdentityRenamed,
            "ContactDetailsChanged": identity.ContactDetailsChanged,
            "ProfilePictureChanged": identity.ProfilePictureChanged,
            "WorkingHoursChanged": identity.WorkingHoursChanged,
            "LikingsOptOutChanged": identity.LikingsOptOutChanged,
            "CrmUserMapped": identity.CrmUserMapped,
            "IdentityDeleted": identity.IdentityDeleted,
            "ShareLinkIssued": share_links.ShareLinkIssued,
            "ShareLinkRedeemed": share_links.ShareLinkRedeemed,
            "ShareLinkRevoked": share_links.ShareLinkRevoked,
            "ErasureRequested": erasure.ErasureRequested,
            "ErasureCompleted": erasure.ErasureCompleted,
        },
        "mailbox": {
            "MailboxConnected": mailbox.MailboxConnected,
            "MailboxConnectionFailed": mailbox.MailboxConnectionFailed,
            "MailboxNeedsReconnect": mailbox.MailboxNeedsReconnect,
            "MailboxDisconnected": mailbox.MailboxDisconnected,
            "MailboxPaused": mailbox.MailboxPaused,
            "MailboxResumed": mailbox.MailboxResumed,
            "RecipientSuppressed": mailbox.RecipientSuppressed,
            "RecipientUnsuppressed": mailbox.RecipientUnsuppressed,
            "EmailQueued": mailbox.EmailQueued,
            "EmailClaimed": mailbox.EmailClaimed,
            "EmailSubmissionStarted": mailbox.EmailSubmissionStarted,
            "EmailSent": mailbox.EmailSent,
            "EmailFailed": mailbox.EmailFailed,
            "EmailOutcomeUnknown": mailbox.EmailOutcomeUnknown,
            "EmailBounced": mailbox.EmailBounced,
            "ReplyReceived": mailbox.ReplyReceived,
        },
        "linkedin-driver": {
            "LinkedInLinkingStarted": linkedin.LinkedInLinkingStarted,
            "VerificationCodeRequested": linkedin.VerificationCodeRequested,
            "VerificationCodeGiven": linkedin.VerificationCodeGiven,
            "LinkedInApprovalRequested": linkedin.LinkedInApprovalRequested,
            "LinkedInLinked": linkedin.LinkedInLinked,
            "LinkedInLinkingFailed": linkedin.LinkedInLinkingFailed,
            "LinkedInNeedsReconnect": linkedin.LinkedInNeedsReconnect,
            "LinkedInRestricted": linkedin.LinkedInRestricted,
            "LinkedInSlowedDown": linkedin.LinkedInSlowedDown,
            "LinkedInUnlinked": linkedin.LinkedInUnlinked,
            "LinkedInActionQueued": linkedin.LinkedInActionQueued,
            "LinkedInActionClaimed": linkedin.LinkedInActionClaimed,
            "LinkedInActionStarted": linkedin.LinkedInActionStarted,
            "InvitationSent": linkedin.InvitationSent,
            "InvitationAccepted": linkedin.InvitationAccepted,
            "InvitationWithdrawn": linkedin.InvitationWithdrawn,
            "LinkedInMessageSent": linkedin.LinkedInMessageSent,
            "ProfileScraped": linkedin.ProfileScraped,
            "LinkedInReplyReceived": linkedin.LinkedInReplyReceived,
            "LinkedInActionFailed": linkedin.LinkedInActionFailed,
            "LinkedInActionOutcomeUnknown": linkedin.LinkedInActionOutcomeUnknown,
        },
        "scheduler": {
            "LimitsChanged": scheduler.LimitsChanged,
            "QuotaConsumed": scheduler.QuotaConsumed,
            "QuotaReleased": scheduler.QuotaReleased,
            "QuotaExhausted": scheduler.QuotaExhausted,
            "RateIncreaseRequested": scheduler.RateIncreaseRequested,
            "RateCeilingRaised": scheduler.RateCeilingRaised,
            "RateCeilingExpired": scheduler.RateCeilingExpired,
            "CampaignCreated": campaigns.CampaignCreated,
            "CampaignChanged": campaigns.CampaignChanged,
            "CampaignStarted": campaigns.CampaignStarted,
            "CampaignPaused": campaigns.CampaignPaused,
            "CampaignResumed": campaigns.CampaignResumed,
            "CampaignFinished": campaigns.CampaignFinished,
            "LeadsImported": campaigns.LeadsImported,
            "StepSkipped": campaigns.StepSkipped,
            "LeadReplied": campaigns.LeadReplied,
            "LeadBounced": campaigns.LeadBounced,
            "LeadUnsubscribed": campaigns.LeadUnsubscribed,
            "LeadFinished": campaigns.LeadFinished,
            "LeadFailed": campaigns.LeadFailed,
            "LeadRecovered": campaigns.LeadRecovered,
            "LinkedInLimitsChanged": scheduler.LinkedInLimitsChanged,
            "WithdrawalPolicyChanged": scheduler.WithdrawalPolicyChanged,
        },
        "gateway": {
            "OrganizationCreated": gateway.OrganizationCreated,
            "OrganizationZoneChanged": gateway.OrganizationZoneChanged,
            "OrganizationHalted": gateway.OrganizationHalted,
            "OrganizationResumed": gateway.OrganizationResumed,
            "UserJoined": gateway.UserJoined,
            "SignedIn": gateway.SignedIn,
            "RecipientUnsubscribed": gateway.RecipientUnsubscribed,
            "SubscriberCreated": gateway.SubscriberCreated,
            "SubscriberRevoked": gateway.SubscriberRevoked,
        },
    }
)

INTERNAL: Final[Mapping[str, Mapping[str, type[Internal]]]] = MappingProxyType(
    {
        "scheduler": {
            "StepDispatched": scheduler.StepDispatched,
            "StepCancelled": scheduler.StepCancelled,
            "LinkedInStepDispatched": linkedin_steps.LinkedInStepDispatched,
            "LinkedInStepCancelled": linkedin_steps.LinkedInStepCancelled,
        },
    }
)

UPCASTERS: Final[Upcasters] = MappingProxyType(
    {
        ("QuotaConsumed", 1): additive,  # not every action is an email since
        ("QuotaReleased", 1): additive,
        ("QuotaExhausted", 1): additive,
    }
)


@dataclass(frozen=True, slots=True)
class Registered:
    """One event type that leaves its context."""

    name: str
    context: str
    kind: type[Event]
    internal: bool


def _table() -> Mapping[str, Registered]:
    rows = [
        *(Registered(name, context, kind, internal=False) for context, name, kind in _rows(PUBLISHED)),
        *(Registered(name, context, kind, internal=True) for context, name, kind in _rows(INTERNAL)),
    ]
    table = {row.name: row for row in rows}
    if len(table) != len(rows) or len({row.kind for row in rows}) != len(rows):
        raise ValueError("the registry names an event type twice")
    check({row.name: row.kind for row in rows}, UPCASTERS)
    return MappingProxyType(table)


def _rows(table: Mapping[str, Mapping[str, type[Event]]]) -> list[tuple[str, str, type[Event]]]:
    return [(context, name, kind) for context, types in table.items() for name, kind in types.items()]


REGISTERED: Final = _table()
_NAMES: Final = {row.kind: row for row in REGISTERED.values()}


def registered(name: str) -> Registered | None:
    """What the registry says of this name; None: private, or of a newer release."""
    return REGISTERED.get(name)


def event_type(name: str) -> type[Event]:
    """The class of a registered name; KeyError for any other."""
    return REGISTERED[name].kind


def of(kind: type[Event]) -> Registered:
    """The entry of an event class; KeyError for a private one."""
    return _NAMES[kind]


def is_published(name: str) -> bool:
    entry = REGISTERED.get(name)
    return entry is not None and not entry.internal


def is_internal(name: str) -> bool:
    entry = REGISTERED.get(name)
    return entry is not None and entry.internal


def types_of(context: str) -> Mapping[str, type[Event]]:
    """Every type of this context that leaves it, by name."""
    return {row.name: row.kind for row in REGISTERED.values() if row.context == context}


def upcasters(types: Mapping[str, type[Event]], private: Upcasters) -> Upcasters:
    """The steps of all these types: those of the registered ones from here. Raises EvolutionError."""
    known = {
        (name, step): upcaster
        for (name, step), upcaster in UPCASTERS.items()
        if name in types and types[name] is REGISTERED[name].kind
    }
    every = {**known, **private}
    check(types, every)
    return every


def event(name: str, dataschema: str, data: Document) -> Event | None:
    """The event of an envelope's `type`, `dataschema` and `data`, of whatever release; None: only a newer one knows it.

    Raises pydantic's ValidationError for a damaged one.
    """
    entry, version = REGISTERED.get(name), dataschema.rpartition(":")[2]
    if entry is None or not version.isdecimal() or int(version) > entry.kind.version:
        return None
    return entry.kind.model_validate(upcast(name, int(version), entry.kind.version, data, UPCASTERS))
