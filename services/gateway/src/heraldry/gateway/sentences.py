"""What happened, in words: one sentence and one outcome for every published event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from heraldry.contracts import gateway, identity, mailbox, scheduler
from heraldry.contracts.base import Erased, Event

Tone = Literal["good", "warn", "bad", "idle", "info"]
KINDS: Final[
    Mapping[str, tuple[str, tuple[str, ...]]]
] = {  # a filter's value, its words, what it lets through
    "mail": (
        "Mails",
        (
            "EmailQueued",
            "EmailClaimed",
            "EmailSubmissionStarted",
            "EmailSent",
            "EmailFailed",
            "EmailOutcomeUnknown",
        ),
    ),
    "reply": ("Replies", ("ReplyReceived",)),
    "bounce": ("Bounces", ("EmailBounced",)),
    "limit": ("Limits", ("LimitsChanged", "QuotaConsumed", "QuotaReleased", "QuotaExhausted")),
    "inbox": (
        "Inboxes",
        ("MailboxConnected", "MailboxConnectionFailed", "MailboxNeedsReconnect", "MailboxDisconnected"),
    ),
    "identity": (
        "Identities",
        (
            "IdentityCreated",
            "IdentityRenamed",
            "ContactDetailsChanged",
            "ProfilePictureChanged",
            "WorkingHoursChanged",
            "LikingsOptOutChanged",
            "CrmUserMapped",
            "IdentityDeleted",
        ),
    ),
    "organization": (
        "Organization",
        (
            "OrganizationCreated",
            "OrganizationZoneChanged",
            "OrganizationHalted",
            "OrganizationResumed",
            "UserJoined",
            "SignedIn",
            "SubscriberCreated",
            "SubscriberRevoked",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Said:
    """`outcome` in a word or two, `tone` its colour."""

    what: str
    outcome: str = "Done"
    tone: Tone = "good"


UNNAMED: Final = "the inbox"


@dataclass(frozen=True, slots=True)
class Words:
    """Names to say things with, and the zone to say times in. `inbox` and `mail`: what the event is about; the
    mail with a space before it, ` “subject” to recipient`, or empty where nobody needs its name.
    """

    inbox: str = UNNAMED
    zone: str = "UTC"
    mail: str = ""

    def time(self, at: datetime) -> str:
        return at.astimezone(ZoneInfo(self.zone)).strftime("%d %B %Y, %H:%M")


def said(event: Event, words: Words) -> Said:
    """The sentence for an event; its type's name for one nobody wrote a sentence for."""
    match event:
        case identity.IdentityCreated():
            return Said(f"Identity {_text(event.name)} created")
        case identity.IdentityRenamed():
            return Said(f"Identity renamed to {_text(event.name)}")
        case identity.ContactDetailsChanged():
            return Said("Contact details changed")
        case identity.ProfilePictureChanged():
            return Said("Profile picture changed" if event.picture else "Profile picture removed")
        case identity.WorkingHoursChanged():
            days = len({one.day for one in event.hours.week})
            return Said(f"Working hours changed: {days} days a week, {event.hours.zone}")
        case identity.LikingsOptOutChanged():
            return Said("Opted out of automated likes" if event.opted_out else "Opted in to automated likes")
        case identity.CrmUserMapped():
            return Said(f"Mapped to CRM user {event.crm_user}" if event.crm_user else "Mapped to no CRM user")
        case identity.IdentityDeleted():
            return Said("Identity deleted", "Deleted", "idle")
        case _:
            return (
                _of_organization(event)
                or _of_limits(event, words)
                or _of_inbox(event, words)
                or _of_mail(event, words)
            )


def _of_organization(event: Event) -> Said | None:
    match event:
        case gateway.OrganizationCreated():
            return Said(f"Organization {event.name} created")
        case gateway.OrganizationZoneChanged():
            return Said(f"The organization's day follows {event.zone} now")
        case gateway.OrganizationHalted():
            return Said(f"Everything halted: {event.reason}", "Halted", "bad")
        case gateway.OrganizationResumed():
            because = f": {event.reason}" if event.reason else ""
            return Said(f"Things leave again{because}", "Resumed")
        case gateway.UserJoined():
            return Said(f"{_text(event.name)} joined as {event.role}")
        case gateway.SignedIn():
            return Said("Signed in")
        case gateway.SubscriberCreated():
            return Said(f"Event subscriber {event.name} created")
        case gateway.SubscriberRevoked():
            return Said("Event subscriber revoked", "Revoked", "idle")
        case _:
            return None


def _of_limits(event: Event, words: Words) -> Said | None:
    match event:
        case scheduler.LimitsChanged():
            rate = event.rate
            return Said(f"Email rate of {words.inbox}: {rate.per_day} a day, {rate.per_hour} an hour")
        case scheduler.QuotaConsumed():
            rate = event.rate
            used = f"{event.used_today} of {rate.per_day} today, {event.used_this_hour} of {rate.per_hour} this hour"
            return Said(f"Sending from {words.inbox} permitted: {used}", "Permitted")
        case scheduler.QuotaReleased():
            return Said(f"A permit of {words.inbox} was given back: nothing had left", "Given back", "info")
        case scheduler.QuotaExhausted():
            until = words.time(event.until)
            return Said(
                f"The {event.window}'s limit of {words.inbox} is used up until {until}", "Waiting", "warn"
            )
        case _:
            return None


def _of_inbox(event: Event, words: Words) -> Said | None:
    match event:
        case mailbox.MailboxConnected():
            return Said(f"Inbox {_text(event.address)} connected", "Connected")
        case mailbox.MailboxConnectionFailed():
            return Said(
                f"Connecting {'an inbox' if words.inbox == UNNAMED else words.inbox} failed:"
                f" {event.diagnosis.cause}",
                "Failed",
                "bad",
            )
        case mailbox.MailboxNeedsReconnect():
            return Said(f"{words.inbox} needs to be reconnected: {event.diagnosis.cause}", "Reconnect", "bad")
        case mailbox.MailboxDisconnected():
            return Said(f"{words.inbox} disconnected", "Disconnected", "idle")
        case _:
            return None


def _of_mail(event: Event, words: Words) -> Said:
    match event:
        case mailbox.EmailQueued():
            return Said(f"Mail {named(event.subject, event.to)} is on its way", "Queued", "info")
        case mailbox.EmailClaimed():
            return Said(f"Mail{words.mail} taken in hand", "Nothing has left yet", "info")
        case mailbox.EmailSubmissionStarted():
            return Said(f"Mail{words.mail} handed to the mail server", "Leaving", "info")
        case mailbox.EmailSent():
            return Said(f"Mail{words.mail} sent from {words.inbox}", "Sent")
        case mailbox.EmailFailed():
            return Said(f"Mail{words.mail} not sent: {event.diagnosis.cause}", "Not sent", "bad")
        case mailbox.EmailOutcomeUnknown():
            return Said(
                f"Nobody knows whether the mail{words.mail} left: {event.reason}", "Outcome unknown", "warn"
            )
        case mailbox.EmailBounced():
            answer = _text(event.answer)
            said_by = f": {answer}" if answer else "."
            if event.hard:
                return Said(f"Mail{words.mail} bounced: it will never arrive{said_by}", "Bounced", "bad")
            return Said(
                f"Mail{words.mail} was not taken by its recipient's server{said_by}", "Not delivered", "warn"
            )
        case mailbox.ReplyReceived():
            return Said(f"Reply received at {words.inbox}: “{_text(event.subject)}”", "Replied")
        case _:
            return Said(type(event).__name__)


def named(subject: str | Erased, to: str | Erased) -> str:
    """How a mail is named to people."""
    return f"“{_text(subject)}” to {_text(to)}"


def _text(value: str | Erased) -> str:
    return "(erased)" if isinstance(value, Erased) else value
