"""Inboxes and diagnoses as the pages show them."""

from __future__ import annotations

import asyncio
from typing import Final, Literal, cast
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.mailbox import Diagnosed, FindInbox, InboxView, ListInboxes, Server
from heraldry.contracts.scheduler import GetUsage
from heraldry.gateway.api.inboxes import volume_of
from heraldry.gateway.pages.forms import EmailRateForm, filled
from heraldry.gateway.pages.models import (
    Ceiling,
    Diagnosis,
    EmailSection,
    EmailTab,
    Inbox,
    InboxState,
    Increase,
    Rate,
    RateSection,
    Volume,
    Waiting,
)
from heraldry.gateway.state import Asker, Call, Gateway

UNKNOWN: Final = 404
AWAY: Final = 503
BRIEFLY: Final = 1.5  # seconds
STATES: Final[dict[str, InboxState]] = {"needs reconnect": "reconnect"}


async def email_section(
    gateway: Gateway, call: Call, identity: UUID, zone: str, tab: EmailTab
) -> EmailSection:
    """The identity's inboxes with what they may send. Tries that never connected are no inboxes.

    While the mailbox service is away its events say which there are: the rest of the page does not wait for it.
    """
    query = ListInboxes(identity=identity)
    try:
        found = await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=BRIEFLY)
    except Refused as refusal:
        if refusal.status != AWAY:
            raise
        inboxes = _from_events(gateway, call, identity)
    else:
        kept = [one for one in found if one.state != "failed"]
        inboxes = tuple(await asyncio.gather(*(shown(gateway, call, one) for one in kept)))
    return EmailSection(
        tab=tab,
        inboxes=inboxes,
        rates=tuple(
            rate_section(one, _volume(gateway, call, one, zone))
            for one in inboxes
            if one.state != "disconnected"
        ),
        may_change_rates=call.session.role == "admin",
    )


async def find(gateway: Gateway, call: Asker, identity: UUID, inbox: UUID) -> InboxView:
    """Refused `inbox.unknown` (404) for another identity's."""
    found = await gateway.contexts.ask(FindInbox(inbox=inbox), by=call.by, seen=call.seen)
    if found.identity != identity:
        raise Refused("inbox.unknown", "There is no such inbox.", status=404)
    return found


async def shown(gateway: Gateway, call: Call, one: InboxView) -> Inbox:
    rate, ceiling, waiting = await _rate(gateway, call, one.inbox)
    return Inbox(
        id=one.inbox,
        address=one.address,
        state=state_of(one),
        detail=one.diagnosis.cause if one.diagnosis else "",
        rate=rate,
        ceiling=ceiling,
        imap=_server(one.imap),
        smtp=_server(one.smtp),
        connected_at=one.since if one.state == "connected" else None,
        waiting=waiting,
    )


def state_of(one: InboxView) -> InboxState:
    return STATES.get(one.state, cast("InboxState", one.state))


def rate_section(inbox: Inbox, volume: Volume) -> RateSection:
    values = {"per_day": inbox.rate.per_day, "per_hour": inbox.rate.per_hour}
    return RateSection(inbox=inbox, form=filled(EmailRateForm, values), increase=Increase(volume=volume))


def diagnosis(found: Diagnosed) -> Diagnosis:
    """In the page's shape; the resolution's lines are its steps."""
    protocol = found.protocol.upper()
    return Diagnosis(
        code=found.code,
        title=f"{protocol} did not work" if protocol else "The inbox could not be connected",
        cause=found.cause,
        resolution=tuple(line.strip() for line in found.resolution.splitlines() if line.strip()),
        protocol=cast("Literal['', 'IMAP', 'SMTP']", protocol if protocol in {"IMAP", "SMTP"} else ""),
    )


def _from_events(gateway: Gateway, call: Call, identity: UUID) -> tuple[Inbox, ...]:
    return tuple(
        Inbox(id=one.id, address=one.address, state=cast("InboxState", one.state), detail=one.detail)
        for one in gateway.views.inboxes(call.organization)
        if one.identity == identity
    )


def _volume(gateway: Gateway, call: Call, inbox: Inbox, zone: str) -> Volume:
    days = volume_of(gateway, call, inbox.id, zone)
    return Volume(sent=tuple(day.sent for day in days), bounced=sum(day.bounced for day in days))


async def _rate(gateway: Gateway, call: Call, inbox: UUID) -> tuple[Rate, Ceiling, Waiting | None]:
    try:
        usage = await gateway.contexts.ask(GetUsage(inbox=inbox), by=call.by)
    except Refused as refusal:
        if refusal.status != UNKNOWN:
            raise
        return Rate(), Ceiling(), None  # the scheduler has not heard of it yet: the defaults are in force
    rate = Rate(
        used_day=usage.used_today,
        per_day=usage.rate.per_day,
        used_hour=usage.used_this_hour,
        per_hour=usage.rate.per_hour,
    )
    ceiling = Ceiling(
        per_day=usage.ceiling.per_day,
        per_hour=usage.ceiling.per_hour,
        until=usage.ceiling_until,
        asked=(usage.requested.per_day, usage.requested.per_hour) if usage.requested else None,
    )
    if usage.next_possible is None:
        return rate, ceiling, None
    return rate, ceiling, Waiting("The limit is used up", usage.next_possible)


def _server(server: Server) -> str:
    return f"{server.host}:{server.port}, {'TLS' if server.security == 'tls' else 'STARTTLS'}"
