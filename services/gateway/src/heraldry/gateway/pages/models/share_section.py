"""Share links where they are made: under adding an identity, and in an identity's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from heraldry.contracts.share_links import LinkState
from heraldry.gateway.pages.models.shell import Chip

LINK_STATES: Final[dict[LinkState, Chip]] = {
    "open": Chip("Not used yet", "info"),
    "taken": Chip("In use now", "info"),
    "used": Chip("Used", "good"),
    "expired": Chip("Expired", "idle"),
    "revoked": Chip("Revoked", "idle"),
    "exhausted": Chip("Tried too often", "bad"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLink:
    """A link that was just made. Its address is shown once."""

    url: str
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One line of the list. `by`: who made it, in words. `revoke`: where revoking it posts to; empty: it cannot."""

    id: UUID
    state: LinkState
    refreshes: bool
    issued_at: datetime
    valid_until: datetime
    by: str
    revoke: str = ""

    @property
    def chip(self) -> Chip:
        return Chip("Works", "good") if self.refreshes and self.state == "open" else LINK_STATES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSection:
    """_share_links.html. `url`: where making a link posts to. `made`: the one just made."""

    url: str = ""
    links: tuple[Link, ...] = ()
    made: MadeLink | None = None
