"""Limits, pending invitations and withdrawals as the pages show them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin import (
    ListPendingInvitations,
    ListWithdrawals,
    PendingInvitation,
    PendingPage,
    Withdrawal,
    WithdrawalPage,
)
from heraldry.contracts.linkedin_steps import Allowance, GetLinkedInUsage, LinkedInUsage, LinkedInUse
from heraldry.contracts.scheduler import GetWithdrawalResults, WithdrawalResult
from heraldry.gateway.cards import SLOWED
from heraldry.gateway.pages.forms import LinkedInLimitsForm, WithdrawalPolicyForm, filled
from heraldry.gateway.pages.models import Waiting
from heraldry.gateway.pages.models.linkedin_limits import (
    DailyUse,
    LimitsPanel,
    LimitsTab,
    LinkedInLimitsSection,
    Pending,
    SharedUse,
    WithdrawalResults,
    WithdrawalRow,
    WithdrawalsPanel,
    Withdrawn,
)
from heraldry.gateway.state import Call, Gateway
from heraldry.gateway.views import InviteeSeen

PAGE: Final = 50  # invitations
BLOCKED_FOR: Final = timedelta(days=21)  # R-WD-4
HELD: Final = frozenset({"linked", "needs reconnect", "restricted"})
UNKNOWN: Final = 404
AWAY: Final = 503
BRIEFLY: Final = 1.5  # seconds: the rest of the page does not wait for a service that is away
KINDS: Final[Mapping[Allowance, str]] = {
    "invitation": "Connection requests",
    "message": "Messages",
    "withdrawal": "Withdrawals",
    "scraping": "Profiles read",
}
DAYS: Final = "7"  # of the threshold, where nobody has chosen one


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What of it is looked at: a tab, places in both lists, and a withdrawal that was asked for."""

    tab: LimitsTab = "limits"
    after: str = ""
    withdrawn: str = ""
    request: UUID | None = None


async def limits_section(
    gateway: Gateway, call: Call, identity: UUID, place: Place
) -> LinkedInLimitsSection | None:
    """None: the identity never had a LinkedIn account, or nobody has heard of it yet."""
    states = {one.identity: one.state for one in gateway.views.linkedin(call.organization, gateway.now())}
    if identity not in states:
        return None
    query = GetLinkedInUsage(identity=identity)
    try:
        usage = await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=BRIEFLY)
    except Refused as refusal:
        if refusal.status == UNKNOWN:  # the scheduler has not heard of it yet
            return None
        if refusal.status != AWAY:
            raise
        nothing = WithdrawalsPanel(again_from=gateway.now())
        return LinkedInLimitsSection(identity=identity, withdrawals=nothing, problem=refusal.detail)
    return LinkedInLimitsSection(
        identity=identity,
        tab=place.tab,
        limits=_limits(usage, may_change=call.session.role == "admin"),
        withdrawals=await _withdrawals(gateway, call, identity, place, usage),
        linked=states[identity] == "linked",
        unlinked=states[identity] not in HELD,
    )


def _limits(usage: LinkedInUsage, *, may_change: bool) -> LimitsPanel:
    own = "" if usage.own_scrapings is None else usage.own_scrapings.allowed
    return LimitsPanel(
        use=tuple(_use(one) for one in usage.use),
        zone=usage.zone,
        slowed=tuple(
            Waiting(f"LinkedIn wants no more {SLOWED[kind]} now.", until) for kind, until in usage.slowed
        ),
        above=usage.warnings,
        form=filled(LinkedInLimitsForm, {**usage.limits.model_dump(), "scrapings": own}),
        pool=SharedUse(left=usage.pool.left, allowed=usage.pool.allowed, zone=usage.pool.zone),
        own=None
        if usage.own_scrapings is None
        else DailyUse(
            name="Profiles read with Sales Navigator",
            used=usage.own_scrapings.used_today,
            allowed=usage.own_scrapings.allowed,
        ),
        may_change=may_change,
    )


def _use(one: LinkedInUse) -> DailyUse:
    waiting = Waiting(one.why or "The limit is used up.", one.next_possible) if one.next_possible else None
    return DailyUse(name=KINDS[one.kind], used=one.used_today, allowed=one.allowed, waiting=waiting)


async def _withdrawals(
    gateway: Gateway, call: Call, identity: UUID, place: Place, usage: LinkedInUsage
) -> WithdrawalsPanel:
    pending, withdrawn = (
        PendingPage(invitations=(), next="", total=0),
        WithdrawalPage(withdrawals=(), next="", total=0),
    )
    problem = ""
    try:
        pending, withdrawn = await asyncio.gather(
            gateway.contexts.ask(
                ListPendingInvitations(identity=identity, after=place.after, limit=PAGE),
                by=call.by,
                seen=call.seen,
                deadline=BRIEFLY,
            ),
            gateway.contexts.ask(
                ListWithdrawals(identity=identity, after=place.withdrawn, limit=PAGE),
                by=call.by,
                seen=call.seen,
                deadline=BRIEFLY,
            ),
        )
    except Refused as refusal:
        if refusal.status != AWAY:
            raise
        problem = refusal.detail
    now = gateway.now()
    days = usage.policy.days
    allowance = next((_use(one) for one in usage.use if one.kind == "withdrawal"), None)
    return WithdrawalsPanel(
        policy=filled(WithdrawalPolicyForm, {"automatic": "on" if days else "", "days": days or DAYS}),
        pending=tuple(_pending(one, now) for one in pending.invitations),
        total=pending.total,
        after=place.after,
        next=pending.next,
        again_from=now + BLOCKED_FOR,
        allowance=allowance,
        results=await _results(gateway, call, place.request, withdrawn) if place.request else None,
        history=_history(gateway, call, withdrawn.withdrawals),
        history_total=withdrawn.total,
        history_after=place.withdrawn,
        history_next=withdrawn.next,
        problem=problem,
    )


async def _results(
    gateway: Gateway, call: Call, request: UUID, withdrawn: WithdrawalPage
) -> WithdrawalResults:
    """What the history has already does not wait any more. Refused `withdrawal.unknown`."""
    query = GetWithdrawalResults(request=request)
    found = await gateway.contexts.ask(query, by=call.by, seen=call.seen)
    names = gateway.views.invitees(call.organization, [one.invitation for one in found])
    done = {one.invitation for one in withdrawn.withdrawals}
    return WithdrawalResults(request=request, rows=tuple(_result(one, names, done) for one in found))


def _result(
    one: WithdrawalResult, names: Mapping[UUID, InviteeSeen], done: Collection[UUID | None]
) -> WithdrawalRow:
    who = names.get(one.invitation)
    return WithdrawalRow(
        name=who.name if who else "",
        profile=who.profile if who else "",
        outcome="withdrawn" if one.outcome == "waiting" and one.invitation in done else one.outcome,
        detail=one.detail,
    )


def _pending(one: PendingInvitation, now: datetime) -> Pending:
    return Pending(
        id=one.invitation,
        name=one.name,
        profile=one.profile,
        sent_at=one.sent_at,
        days=max(0, (now - one.sent_at).days),
        withdrawing=one.withdrawing,
    )


def _history(gateway: Gateway, call: Call, found: Sequence[Withdrawal]) -> tuple[Withdrawn, ...]:
    actors = gateway.views.actors(call.organization, {one.actor for one in found})
    return tuple(
        Withdrawn(
            name=one.name,
            sent_at=one.sent_at,
            withdrawn_at=one.withdrawn_at,
            by="Automatically" if one.automatic else actors[one.actor],
            blocked_until=one.blocked_until,
        )
        for one in found
    )
