"""Why a lead's next step waits, and until when (R-LIM-6): told from rows, and decided nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from heraldry.contracts.campaigns import CampaignState, LeadState, PauseReason, StepKind, WaitReason
from heraldry.contracts.identity import WorkingHours
from heraldry.scheduler.domain.calendar import day_end, day_start, next_opening
from heraldry.scheduler.domain.pacing import Today, even, working_between
from heraldry.scheduler.domain.scraping_pool import USED_UP

CLOSED: Final = {
    "paused": ("inbox-paused", "Its inbox is paused until somebody lets it send again."),
    "reconnect": ("reconnect", "Its inbox needs to be reconnected."),
    "disconnected": ("inbox-disconnected", "Its inbox is not connected."),
}
NO_INBOX: Final = WaitReason(
    code="no-inbox", text="The identity has no inbox that the campaign can send from.", until=None
)
CLOSED_ON_LINKEDIN: Final = {
    "reconnect": ("reconnect", "Its LinkedIn account needs to be linked again."),
    "restricted": ("restricted", "LinkedIn has restricted its account. Link it again when it is free."),
    "disconnected": ("not-linked", "Its LinkedIn account is not linked. Link the same account again."),
}
NOT_LINKED: Final = WaitReason(
    code="not-linked", text="The identity has no LinkedIn account. Link one.", until=None
)
HELD: Final = {  # what only this lead has to wait for
    "invitation.withdrawn-lately": (
        "withdrawn-lately",
        "An invitation to this person was withdrawn lately. LinkedIn takes no new one before.",
    ),
    "linkedin.slowed-down": ("slowed-down", "LinkedIn wants no more of this from its account before."),
}
MANY: Final[Mapping[StepKind, str]] = {
    "email": "Mails",
    "invitation": "Invitations",
    "message": "Messages",
    "scraping": "Read profiles",
}


@dataclass(frozen=True, slots=True)
class Account:
    """A sending account the step may go through, for its kind. `exhausted`: the limit that was met, and until when."""

    sender: str
    closed: str
    halted: bool
    hours: WorkingHours | None
    per_day: int
    used_today: int
    last: datetime | None
    exhausted: tuple[str, datetime] | None
    slowed: datetime | None = None  # by LinkedIn, until then


@dataclass(frozen=True, slots=True)
class Step:
    """A lead's next step, and what it depends on. `again`: a try of it did not leave. `ahead`: others of the same
    account are before it. `held`: why it alone is put off until it is due.
    """

    state: LeadState
    leaving_until: datetime | None
    due: datetime | None
    ahead: bool
    campaign: CampaignState
    pause: PauseReason | None
    even: bool
    accounts: Sequence[Account]
    again: bool = False
    kind: StepKind = "email"
    held: str = ""

    @property
    def account(self) -> str:
        return "inbox" if self.kind == "email" else "LinkedIn account"


def reason(step: Step, now: datetime) -> WaitReason | None:
    """None: it does not wait, or it has no next step."""
    if step.leaving_until is not None:
        return WaitReason(code="leaving", text="It is leaving now.", until=step.leaving_until)
    if step.state not in ("waiting", "in progress"):
        return None
    if (paused := _by_campaign(step)) is not None:
        return paused
    if (closed := _by_accounts(step)) is not None:
        return closed
    open_ = [account for account in step.accounts if not account.closed and not account.halted]
    if step.due is not None and step.due > now:
        return _by_delay(step, step.due, open_)
    found = [_by_limits(account, now, step) for account in open_]
    if (soonest := _soonest(found)) is not None:
        return soonest
    if step.ahead:
        return WaitReason(
            code="turn", text=f"Other leads of the same {step.account} are before it.", until=now
        )
    return WaitReason(code="turn", text="It is its turn: it leaves in a moment.", until=now)


def _by_campaign(step: Step) -> WaitReason | None:
    match step.campaign:
        case "draft":
            return WaitReason(code="campaign-draft", text="The campaign has not been started.", until=None)
        case "paused":
            text = "The campaign is paused."
            if step.pause == "identity deleted":
                text = "The campaign is paused: its identity was deleted."
            return WaitReason(code="campaign-paused", text=text, until=None)
        case _:
            return None


def _by_accounts(step: Step) -> WaitReason | None:
    """Where none of them can act until somebody does something."""
    closed = [account.closed for account in step.accounts if account.closed]
    if len(closed) == len(step.accounts):
        reasons, none = (CLOSED, NO_INBOX) if step.kind == "email" else (CLOSED_ON_LINKEDIN, NOT_LINKED)
        for code, (known_as, text) in reasons.items():
            if code in closed:
                return WaitReason(code=known_as, text=text, until=None)
        return none
    if all(account.halted for account in step.accounts if not account.closed):
        return WaitReason(code="halted", text="Everything is halted until somebody resumes it.", until=None)
    return None


def _by_delay(step: Step, due: datetime, accounts: Sequence[Account]) -> WaitReason:
    """Until it may go: what becomes due outside of the working hours waits for the next ones."""
    openings = [next_opening(due, account.hours) if account.hours else due for account in accounts]
    until = min((one for one in openings if one is not None), default=None)
    if step.held in HELD:
        code, text = HELD[step.held]
        return WaitReason(code=code, text=text, until=until)
    if step.again:
        return WaitReason(
            code="retry", text="It did not leave the last time: it is tried again then.", until=until
        )
    return WaitReason(code="delay", text="Its delay after the step before has not passed.", until=until)


def _soonest(found: Sequence[WaitReason | None]) -> WaitReason | None:
    """Of several inboxes, the one that can go on first decides; None: one can go on now."""
    waiting = [one for one in found if one is not None]
    if len(waiting) < len(found):
        return None
    ending = [(one.until, one) for one in waiting if one.until is not None]
    return min(ending, key=lambda one: one[0])[1] if ending else next(iter(waiting), None)


def _by_limits(account: Account, now: datetime, step: Step) -> WaitReason | None:
    hours = account.hours
    if hours is None:
        return None
    opening = next_opening(now, hours)
    if opening is None or opening > now:
        return WaitReason(code="hours", text="It is outside the identity's working hours.", until=opening)
    used = account.used_today if account.last and account.last >= day_start(now, hours.zone) else 0
    if account.slowed is not None and account.slowed > now:
        return WaitReason(code="slowed-down", text=HELD["linkedin.slowed-down"][1], until=account.slowed)
    if account.exhausted is not None and account.exhausted[1] > now:
        window, until = account.exhausted
        return _by_limit(step, window, next_opening(until, hours))
    if used >= account.per_day:
        return _by_limit(step, "day", next_opening(day_end(now, hours.zone), hours))
    if step.even and (at := _paced(account, hours, used, now, step.kind)) > now:
        text = f"{MANY[step.kind]} are spread over the working day."
        return WaitReason(code="pace", text=text, until=next_opening(at, hours))
    return None


def _by_limit(step: Step, window: str, until: datetime | None) -> WaitReason:
    if step.kind == "scraping":
        return WaitReason(code="pool-limit", text=USED_UP, until=until)
    if window == "day":
        text = f"Today's limit of its {step.account} is used."
        return WaitReason(code="day-limit", text=text, until=until)
    return WaitReason(code="hour-limit", text="The limit of its inbox for an hour is used.", until=until)


def _paced(account: Account, hours: WorkingHours, used: int, now: datetime, kind: StepKind) -> datetime:
    """When the engine lets the next one go, as far as rows tell."""
    opened = next_opening(day_start(now, hours.zone), hours) or now
    last = max(account.last, opened) if account.last is not None else opened
    today = Today(
        sender=account.sender if kind == "email" else f"{account.sender} {kind}",
        day=now.astimezone(ZoneInfo(hours.zone)).date(),
        used=used,
        left=max(account.per_day - used, 0),
        last=last,
        working=working_between(last, day_end(now, hours.zone), hours),
    )
    return even(today)
