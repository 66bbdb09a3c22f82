"""LinkedIn accounts, invitations and messages, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import linkedin, scheduler
from heraldry.contracts.base import Event
from heraldry.contracts.linkedin import ActionKind, CodeBy, SlowedDown
from heraldry.gateway.sentences.words import Said, Words, text

ACCOUNTS: Final = (
    "LinkedInLinkingStarted",
    "VerificationCodeRequested",
    "VerificationCodeGiven",
    "LinkedInApprovalRequested",
    "LinkedInLinked",
    "LinkedInLinkingFailed",
    "LinkedInNeedsReconnect",
    "LinkedInRestricted",
    "LinkedInSlowedDown",
    "LinkedInUnlinked",
    "LinkedInLimitsChanged",
    "WithdrawalPolicyChanged",
)
ACTIONS: Final = (
    "LinkedInActionQueued",
    "LinkedInActionClaimed",
    "LinkedInActionStarted",
    "InvitationSent",
    "InvitationAccepted",
    "InvitationWithdrawn",
    "LinkedInMessageSent",
    "ProfileScraped",
    "LinkedInActionFailed",
    "LinkedInActionOutcomeUnknown",
)
REPLIES: Final = ("LinkedInReplyReceived",)
CODES: Final[Mapping[CodeBy, str]] = {
    "authenticator": "from the authenticator",
    "SMS": "sent by SMS",
    "email": "sent by email",
}
DOING: Final[Mapping[ActionKind, str]] = {
    "invitation": "An invitation",
    "message": "A LinkedIn message",
    "withdrawal": "The withdrawal of an invitation",
    "scraping": "The reading of a LinkedIn profile",
}
SLOWED: Final[Mapping[SlowedDown, str]] = {
    "invitation": "invitations",
    "note": "invitations with a note",
    "message": "messages",
    "everything": "anything",
}
ALWAYS: Final[Mapping[type[Event], Said]] = {
    linkedin.VerificationCodeGiven: Said("The code was given to LinkedIn", "Code given", "info"),
    linkedin.LinkedInApprovalRequested: Said(
        "LinkedIn wants the sign-in approved in its app", "Approval wanted", "warn"
    ),
    linkedin.LinkedInLinked: Said("LinkedIn account linked", "Linked"),
    linkedin.LinkedInRestricted: Said("LinkedIn restricted the account", "Restricted", "bad"),
    linkedin.LinkedInUnlinked: Said("LinkedIn account unlinked", "Unlinked", "idle"),
}
"""What is said in the same words whatever the event holds."""


def said(event: Event, words: Words) -> Said | None:
    if (always := ALWAYS.get(type(event))) is not None:
        return always
    match event:
        case linkedin.LinkedInLinkingStarted():
            return Said(f"Linking LinkedIn as {text(event.email)} started", "Started", "info")
        case linkedin.VerificationCodeRequested():
            again = f" again: the last one was {event.rejected}" if event.rejected else ""
            return Said(f"LinkedIn wants the code {CODES[event.by]}{again}", "Code wanted", "warn")
        case linkedin.LinkedInLinkingFailed():
            return Said(f"Linking LinkedIn failed: {event.diagnosis.cause}", "Failed", "bad")
        case linkedin.LinkedInNeedsReconnect():
            return Said(f"LinkedIn needs to be linked again: {event.diagnosis.cause}", "Reconnect", "bad")
        case linkedin.LinkedInSlowedDown():
            until = words.time(event.until)
            return Said(f"LinkedIn wants no more of {SLOWED[event.kind]} until {until}", "Paused", "warn")
        case scheduler.LinkedInLimitsChanged():
            limits = event.limits
            return Said(
                f"LinkedIn limits: {limits.invitations} invitations and {limits.messages} messages a day"
            )
        case scheduler.WithdrawalPolicyChanged():
            return _policy(event.policy)
        case _:
            return _of_actions(event, words)


def _whose(kind: ActionKind, to: str) -> str:
    """A profile is somebody's, all else goes to somebody."""
    return to.replace(" to ", " of ", 1) if kind == "scraping" else to


def _policy(policy: scheduler.WithdrawalPolicy) -> Said:
    if policy.days is None:
        return Said("Pending invitations are withdrawn by hand only now")
    days = "a day" if policy.days == 1 else f"{policy.days} days"
    return Said(f"Invitations pending for more than {days} are withdrawn now")


def _under_way(event: linkedin.LinkedInActionClaimed | linkedin.LinkedInActionStarted, words: Words) -> Said:
    claimed = isinstance(event, linkedin.LinkedInActionClaimed)
    if words.erased:
        done = "taken in hand" if claimed else "begun"
        return Said(f"LinkedIn step of an erased person was {done}", "Erased", "idle")
    if claimed:
        return Said(f"LinkedIn step{words.to} taken in hand", "Nothing was done yet", "info")
    return Said(f"LinkedIn step{words.to} is being done", "Under way", "info")


def _of_actions(event: Event, words: Words) -> Said | None:
    match event:
        case linkedin.LinkedInActionQueued():
            to = f" to {text(event.name)}" if event.name else ""
            return Said(f"{DOING[event.kind]}{_whose(event.kind, to)} is on its way", "Queued", "info")
        case linkedin.LinkedInActionClaimed() | linkedin.LinkedInActionStarted():
            return _under_way(event, words)
        case linkedin.InvitationSent():
            return Said(f"Invitation{words.to} sent{' with a note' if event.with_note else ''}", "Sent")
        case linkedin.InvitationAccepted():
            return Said(f"Invitation{words.to} was accepted", "Accepted")
        case linkedin.InvitationWithdrawn():
            how = "automatically" if event.automatic else "by hand"
            until = words.time(event.blocked_until)
            return Said(
                f"Invitation to {text(event.name)} withdrawn {how}: no new one before {until}", "Withdrawn"
            )
        case linkedin.LinkedInMessageSent():
            return Said(f"LinkedIn message{words.to} sent", "Sent")
        case linkedin.ProfileScraped():
            whose = _whose("scraping", words.to)
            return Said(f"LinkedIn profile{whose} read", "Read")
        case linkedin.LinkedInReplyReceived():
            return Said(f"LinkedIn reply received: “{text(event.text)}”", "Replied")
        case linkedin.LinkedInActionFailed():
            cause = event.diagnosis.cause
            whose = _whose(event.kind, words.to)
            return Said(f"{DOING[event.kind]}{whose} was not done: {cause}", "Not done", "bad")
        case linkedin.LinkedInActionOutcomeUnknown():
            return Said(
                f"{DOING[event.kind]}{words.to} may have been done or not: {event.reason}",
                "Outcome unknown",
                "warn",
            )
        case _:
            return None
