"""The last gate: what keeps an action from being done at this moment, read from streams and NATS, never from rows."""

from __future__ import annotations

from datetime import datetime

from heraldry.chassis.halt import HaltUnknownError, organization
from heraldry.chassis.halt import account as halted_account
from heraldry.contracts.base import Erased
from heraldry.contracts.linkedin import LinkedInActionQueued, SlowedDown
from heraldry.linkedin_driver.actions import Actions
from heraldry.linkedin_driver.domain import account, action, pending
from heraldry.linkedin_driver.domain.hindrances import FORGOTTEN, NOT_ON_THE_LIST
from heraldry.linkedin_driver.domain.obstacles import NOT_LINKED, SLOWED_DOWN
from heraldry.linkedin_driver.workers.desk import Desk


async def last_gate(
    desk: Desk, actions: Actions, wanted: LinkedInActionQueued, of: account.Account | None = None
) -> action.Gate:
    """`of`: the account, if it was read just now."""
    found = of or await desk.application.account(wanted.account)
    if isinstance(wanted.profile, Erased) or isinstance(wanted.text, Erased):
        return action.Gate(FORGOTTEN)
    if not desk.recipients.may_hear(wanted.profile):
        return action.Gate(NOT_ON_THE_LIST)
    if found is None or found.live is None or found.identity != wanted.identity:
        return action.Gate(NOT_LINKED, again=True)
    if wanted.sender not in {"", found.sender}:
        return action.Gate(NOT_LINKED, again=True)  # another member is linked now: the permit is not theirs
    now = desk.clock.now()
    if until := paused_until(found, wanted, now):
        told = f"{SLOWED_DOWN.cause} It goes on from {until:%d %B %Y, %H:%M} UTC."
        return action.Gate(SLOWED_DOWN.model_copy(update={"cause": told}), again=True)
    if wanted.kind == "invitation":
        both = await actions.between(found.organization, found.sender, wanted.profile)
        if way := pending.in_the_way(both, now):
            return action.Gate(way)
    return action.Gate(halted=await _is_halted(desk, found))


def paused_until(of: account.Account, wanted: LinkedInActionQueued, now: datetime) -> datetime | None:
    """Until when LinkedIn wants none of this; None: it may be done."""
    kinds: tuple[SlowedDown, ...]
    match wanted.kind:
        case "invitation":
            kinds = ("invitation", "note") if wanted.text else ("invitation",)
        case "message":
            kinds = ("message",)
        case "withdrawal" | "scraping":
            kinds = ("everything",)
    ends = [until for kind in kinds if (until := account.paused_until(of, kind, now))]
    return max(ends, default=None)


async def _is_halted(desk: Desk, of: account.Account) -> bool:
    """Nothing is done while a halt is set, nor while nobody can say whether one is."""
    sender = (halted_account(of.sender),) if of.sender else ()
    try:
        return await desk.halt.check_now(organization(of.organization), *sender) is not None
    except HaltUnknownError:
        return True
