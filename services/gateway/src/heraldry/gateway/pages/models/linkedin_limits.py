"""What a LinkedIn account may do a day, which invitations are pending, and what was withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from heraldry.contracts.linkedin_steps import LONGEST_FREE_NOTE, LONGEST_NOTE
from heraldry.contracts.scheduler import (
    ABOVE_RECOMMENDED,
    RECOMMENDED_INVITATIONS,
    RECOMMENDED_MESSAGES,
    WithdrawalOutcome,
)
from heraldry.gateway.pages.forms import InviteForm, LinkedInLimitsForm, WithdrawalPolicyForm
from heraldry.gateway.pages.models.shell import Chip, Outcome, Waiting

LimitsTab = Literal["limits", "withdrawals"]
OUTCOMES: Final[dict[WithdrawalOutcome, Chip]] = {
    "waiting": Chip("Waiting", "info"),
    "withdrawn": Chip("Withdrawn", "good"),
    "accepted meanwhile": Chip("Accepted meanwhile", "info"),
    "not found": Chip("Not found", "warn"),
    "failed": Chip("Failed", "bad"),
    "not attempted": Chip("Not attempted", "idle"),
    "outcome unknown": Chip("Outcome unknown", "warn"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyUse:
    """One kind of action in the identity's day. `waiting`: why nothing is possible now, and until when."""

    name: str
    used: int
    allowed: int
    waiting: Waiting | None = None

    @property
    def left(self) -> int:
        return max(0, self.allowed - self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedUse:
    """What is left today of what the identities of the organization share. `zone`: whose midnight begins its day."""

    left: int
    allowed: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPanel:
    """Posts to /identities/<id>/linkedin/limits. `zone`: whose midnight begins the day. `slowed`: what LinkedIn
    itself wants no more of. `above`: the names of the limits in force that are above what is recommended. `pool`: the
    profiles all identities may read; `own`: those that Sales Navigator adds, None without it.
    """

    use: tuple[DailyUse, ...] = ()
    zone: str = "UTC"
    slowed: tuple[Waiting, ...] = ()
    pool: SharedUse = field(default_factory=lambda: SharedUse(left=0, allowed=0, zone="UTC"))
    own: DailyUse | None = None
    above: tuple[str, ...] = ()
    form: LinkedInLimitsForm = field(default_factory=LinkedInLimitsForm)
    outcome: Outcome | None = None
    may_change: bool = True
    recommended_invitations: int = RECOMMENDED_INVITATIONS
    recommended_messages: int = RECOMMENDED_MESSAGES
    warning: str = ABOVE_RECOMMENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An invitation nobody has accepted yet. `name` empty: it was erased, or never known."""

    id: UUID
    name: str
    profile: str
    sent_at: datetime
    days: int
    withdrawing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRow:
    """What became of one invitation that was to be withdrawn."""

    name: str
    profile: str
    outcome: WithdrawalOutcome
    detail: str = ""

    @property
    def chip(self) -> Chip:
        return OUTCOMES[self.outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalResults:
    """`request`: what was asked for, by which the page looks again while any is waiting."""

    request: UUID
    rows: tuple[WithdrawalRow, ...] = ()

    @property
    def waiting(self) -> int:
        return sum(row.outcome == "waiting" for row in self.rows)

    @property
    def summary(self) -> str:
        """How many came to what, in words."""
        counts = {outcome: sum(row.outcome == outcome for row in self.rows) for outcome in OUTCOMES}
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """`by`: who withdrew it, in words. `sent_at` None: nobody knows."""

    name: str
    sent_at: datetime | None
    withdrawn_at: datetime
    by: str
    blocked_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalsPanel:
    """The pending invitations post to /identities/<id>/linkedin/withdraw, the policy to …/withdrawal-policy.

    `again_from`: when somebody whose invitation is withdrawn now can be invited again. `after`, `next`: cursors of
    the pending ones; `history_after`, `history_next`: of those withdrawn. `problem`: why they cannot be read now.
    """

    policy: WithdrawalPolicyForm = field(default_factory=WithdrawalPolicyForm)
    policy_outcome: Outcome | None = None
    pending: tuple[Pending, ...] = ()
    total: int = 0
    after: str = ""
    next: str = ""
    again_from: datetime
    allowance: DailyUse | None = None
    error: str = ""
    results: WithdrawalResults | None = None
    history: tuple[Withdrawn, ...] = ()
    history_total: int = 0
    history_after: str = ""
    history_next: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedInLimitsSection:
    """What follows the account in the configuration's LinkedIn section. `problem`: why it cannot be read now.

    `linked`: it can act now. `unlinked`: it cannot before somebody links it anew, so nothing is allowed or used.
    """

    identity: UUID
    tab: LimitsTab = "limits"
    limits: LimitsPanel = field(default_factory=LimitsPanel)
    withdrawals: WithdrawalsPanel
    linked: bool = True
    unlinked: bool = False
    problem: str = ""

    def url(self, **more: str) -> str:
        parts = {"section": "linkedin", "tab": "withdrawals", **more}
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/identities/{self.identity}?{query}"

    @property
    def here(self) -> str:
        """This page with its place in both lists, for the live refresh."""
        panel = self.withdrawals
        request = str(panel.results.request) if panel.results else ""
        return self.url(after=panel.after, withdrawn=panel.history_after, request=request)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitePage:
    """invite.html at GET /identities/<id>/linkedin/invite; posts there. Opens as a dialog where scripts run.

    `refused`: why it may not leave, and from when it may. `queued`: it is on its way.
    """

    identity: UUID
    identity_name: str
    form: InviteForm = field(default_factory=InviteForm)
    refused: Waiting | None = None
    queued: bool = False
    longest_note: int = LONGEST_NOTE
    longest_free_note: int = LONGEST_FREE_NOTE

    @property
    def url(self) -> str:
        return f"/identities/{self.identity}/linkedin/invite"
