"""What somebody sees who opens the unsubscribe link of a mail, and the organization's suppression list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode

from heraldry.contracts.mailbox import SuppressionReason
from heraldry.gateway.pages.forms import SuppressForm
from heraldry.gateway.pages.models.shell import Chip

UnsubscribeStage = Literal["asking", "done", "unknown"]


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """unsubscribe.html at GET and POST /unsubscribe/<token>. `organization` empty: its name is not known now.

    `address` is masked: the link may have been forwarded.
    """

    stage: UnsubscribeStage
    organization: str = ""
    address: str = ""


SUPPRESSION_REASONS: Final[dict[SuppressionReason, Chip]] = {
    "unsubscribed": Chip("Unsubscribed", "info"),
    "bounced": Chip("Bounced", "bad"),
    "by hand": Chip("Added by hand", "idle"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """One address nobody writes to. `address` empty: erased. `by`: who put it there, in words."""

    recipient: str
    address: str
    reason: SuppressionReason
    since: datetime
    by: str

    @property
    def chip(self) -> Chip:
        return SUPPRESSION_REASONS[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionsPage:
    """suppressions.html at GET /suppressions?q=&after=; the form posts there. `total`: of the search.

    `next`: the cursor of the page after this one; empty: there is none.
    """

    suppressed: tuple[Suppressed, ...] = ()
    total: int = 0
    search: str = ""
    after: str = ""
    next: str = ""
    form: SuppressForm = field(default_factory=SuppressForm)

    @property
    def url(self) -> str:
        return _url(self.search, self.after)

    @property
    def next_url(self) -> str:
        return _url(self.search, self.next)

    @property
    def first_url(self) -> str:
        return _url(self.search, "")


def _url(search: str, after: str) -> str:
    parts = {name: value for name, value in (("q", search), ("after", after)) if value}
    return "/suppressions" + (f"?{urlencode(parts)}" if parts else "")
