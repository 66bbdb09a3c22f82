"""The dashboard: identities as cards with their figures, states and reasons to wait."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from heraldry.contracts.base import Refused
from heraldry.gateway.figures import LONGEST_PERIOD, Counted, count
from heraldry.gateway.state import Gateway
from heraldry.gateway.views import InboxSeen, WaitingSeen
from pydantic import BaseModel, ConfigDict

FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(9999, 12, 1)  # its days end within the calendar, in every zone


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Waiting(_Shown):
    """Why an inbox waits (R-LIM-6), as a sentence, and until when."""

    inbox: UUID
    reason: str
    until: datetime


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


class Overview(_Shown):
    """`identities`: how many the organization has, whatever is searched. `totals` are those of the cards.

    Trends: a figure a day, or an hour for a single day; the bounce rate is that of what was sent so far.
    """

    zone: str
    first: date
    last: date
    identities: int
    cards: tuple[Card, ...]
    totals: Figures
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
    cards = tuple(
        Card(
            identity=one.id,
            name=one.name,
            job_title=one.job_title,
            picture=f"/identities/{one.id}/picture?v={one.picture[:16]}" if one.picture else "",
            figures=_figures([counted.by_identity[one.id]]),
            inboxes=tuple(_state(inbox) for inbox in inboxes if inbox.identity == one.id),
            waiting=_waiting([inbox for inbox in inboxes if inbox.identity == one.id], waiting),
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
