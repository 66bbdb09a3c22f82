"""The dashboard: identities as cards with their figures, states and reasons to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin import SlowedDown
from heraldry.contracts.scheduler import QuotaKind
from heraldry.gateway.figures import LONGEST_PERIOD, Counted, count
from heraldry.gateway.state import Gateway
from heraldry.gateway.views import InboxSeen, LinkedInSeen, WaitingSeen
from pydantic import BaseModel, ConfigDict

FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(9999, 12, 1)  # its days end within the calendar, in every zone
SLOWED: Final[Mapping[SlowedDown, str]] = {
    "invitation": "invitations",
    "note": "invitations with a note",
    "message": "messages",
    "everything": "of this account",
}
USED_UP: Final[Mapping[QuotaKind, str]] = {
    "invitation": "Today's connection requests are used up.",
    "message": "Today's LinkedIn messages are used up.",
    "withdrawal": "Today's withdrawals are used up.",
    "scraping": "The organization's shared pool of LinkedIn profiles for today is used up.",
}


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Waiting(_Shown):
    """Why an inbox or a LinkedIn account waits (R-LIM-5 and 6), as a sentence, and until when."""

    inbox: UUID | None
    reason: str
    until: datetime


class LinkedInState(_Shown):
    """`state`: linking, code wanted, code given, approval wanted, failed, linked, needs reconnect, restricted."""

    account: UUID
    state: str
    detail: str


class InboxState(_Shown):
    inbox: UUID
    address: str
    state: str
    detail: str


class Figures(_Shown):
    """`bounce_rate` in percent; null while nothing was sent."""

    invitations_sent: int = 0
    invitations_accepted: int = 0
    messages_sent: int = 0
    messages_allowed: int = 0
    replied: int = 0
    emails_sent: int = 0
    emails_bounced: int = 0
    bounce_rate: float | None = None


class Card(_Shown):
    identity: UUID
    name: str
    job_title: str
    picture: str
    figures: Figures
    inboxes: tuple[InboxState, ...]
    waiting: tuple[Waiting, ...]
    linkedin: LinkedInState | None = None


class Overview(_Shown):
    """`identities`: how many the organization has, whatever is searched. `totals` are those of the cards.

    Trends: a figure a day, or an hour for a single day; connections are requests accepted, the bounce rate is
    that of what was sent so far.
    """

    zone: str
    first: date
    last: date
    identities: int
    cards: tuple[Card, ...]
    totals: Figures
    connections_trend: tuple[float, ...]
    messages_trend: tuple[float, ...]
    replied_trend: tuple[float, ...]
    bounce_rate_trend: tuple[float, ...]


def overview(
    gateway: Gateway, organization: UUID, first: date | None, last: date | None, search: str
) -> Overview:
    """Of the days `first` to `last` of the organization (default: today). Refused `period.malformed`."""
    views = gateway.views
    zone = views.organization(organization).zone
    today = gateway.now().astimezone(ZoneInfo(zone)).date()
    begin = first or last or today
    end = last or first or today
    if begin > end or (end - begin).days >= LONGEST_PERIOD or not FIRST_DAY <= begin <= end <= LAST_DAY:
        raise Refused(
            "period.malformed",
            f"Choose a first day that is not after the last, at most {LONGEST_PERIOD} days.",
            status=422,
            field="from",
        )
    found = views.identities(organization, search)
    counted = count(views, organization, zone, {one.id: one.hours.zone for one in found}, begin, end)
    inboxes = views.inboxes(organization)
    waiting = views.waiting(organization, gateway.now())
    accounts = {one.identity: one for one in views.linkedin(organization, gateway.now())}
    cards = tuple(
        Card(
            identity=one.id,
            name=one.name,
            job_title=one.job_title,
            picture=f"/identities/{one.id}/picture?v={one.picture[:16]}" if one.picture else "",
            figures=_figures([counted.by_identity[one.id]]),
            inboxes=tuple(_state(inbox) for inbox in inboxes if inbox.identity == one.id),
            waiting=(
                *_waiting([inbox for inbox in inboxes if inbox.identity == one.id], waiting),
                *on_linkedin(accounts.get(one.id)),
            ),
            linkedin=_linkedin(accounts.get(one.id)),
        )
        for one in found
    )
    return Overview(
        zone=zone,
        first=begin,
        last=end,
        identities=len(found) if not search.strip() else len(views.identities(organization)),
        cards=cards,
        totals=_figures(list(counted.by_identity.values())),
        connections_trend=counted.connections,
        messages_trend=counted.messages,
        replied_trend=counted.replied,
        bounce_rate_trend=counted.bounce_rate,
    )


def _figures(several: list[Counted]) -> Figures:
    sent = sum(one.emails_sent for one in several)
    bounced = sum(one.emails_bounced for one in several)
    return Figures(
        invitations_sent=sum(one.invitations_sent for one in several),
        invitations_accepted=sum(one.invitations_accepted for one in several),
        messages_sent=sum(one.messages_sent for one in several),
        messages_allowed=sum(one.messages_allowed for one in several),
        replied=sum(one.replied for one in several),
        emails_sent=sent,
        emails_bounced=bounced,
        bounce_rate=100 * bounced / sent if sent else None,
    )


def _state(inbox: InboxSeen) -> InboxState:
    return InboxState(inbox=inbox.id, address=inbox.address, state=inbox.state, detail=inbox.detail)


def _linkedin(account: LinkedInSeen | None) -> LinkedInState | None:
    if account is None or account.state == "unlinked":
        return None
    return LinkedInState(account=account.id, state=account.state, detail=account.detail)


def on_linkedin(account: LinkedInSeen | None) -> tuple[Waiting, ...]:
    """What waits of a LinkedIn account, and until when."""
    if account is None or account.state != "linked":
        return ()
    slowed = ((f"LinkedIn wants no more {SLOWED[kind]} now.", until) for kind, until in account.slowed)
    used_up = ((USED_UP[kind], until) for kind, until in account.waiting if kind in USED_UP)
    return tuple(
        Waiting(inbox=None, reason=reason, until=until.astimezone(UTC))
        for reason, until in (*slowed, *used_up)
    )


def _waiting(inboxes: list[InboxSeen], waiting: tuple[WaitingSeen, ...]) -> tuple[Waiting, ...]:
    addresses = {inbox.id: inbox.address for inbox in inboxes if inbox.state == "connected"}
    return tuple(
        Waiting(
            inbox=one.inbox,
            reason=f"{addresses[one.inbox]} has used up the limit of this {one.window}.",
            until=one.until.astimezone(UTC),
        )
        for one in waiting
        if one.inbox in addresses
    )
