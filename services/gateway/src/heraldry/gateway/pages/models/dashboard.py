"""The identities of the organization, and how they perform."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import add
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from heraldry.gateway.pages.models.shell import Chip, Notice, Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The performance of one identity, or of several, over a period."""

    invitations_sent: int = 0
    invitations_accepted: int = 0
    messages_sent: int = 0
    messages_allowed: int = 0
    replied: int = 0
    emails_sent: int = 0
    emails_bounced: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            invitations_sent=self.invitations_sent + other.invitations_sent,
            invitations_accepted=self.invitations_accepted + other.invitations_accepted,
            messages_sent=self.messages_sent + other.messages_sent,
            messages_allowed=self.messages_allowed + other.messages_allowed,
            replied=self.replied + other.replied,
            emails_sent=self.emails_sent + other.emails_sent,
            emails_bounced=self.emails_bounced + other.emails_bounced,
        )

    @property
    def bounce_rate(self) -> float | None:
        """Hard bounces in percent of emails sent; None while nothing was sent."""
        return 100 * self.emails_bounced / self.emails_sent if self.emails_sent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """One number a day (or an hour, for a single day), oldest first, for each tile; empty: no data yet."""

    connections: tuple[float, ...] = ()
    messages: tuple[float, ...] = ()
    replied: tuple[float, ...] = ()
    bounce_rate: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityCard:
    id: UUID
    name: str
    job_title: str = ""
    picture: str = ""
    chips: tuple[Chip, ...] = ()
    figures: Figures = field(default_factory=Figures)
    waiting: tuple[Waiting, ...] = ()


PeriodKind = Literal["today", "7d", "30d", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`first` and `last` are days of the organization, both included. `error`: what is wrong with a custom
    one.
    """

    kind: PeriodKind = "today"
    first: date
    last: date
    error: str = ""

    @property
    def words(self) -> str:
        return {"today": "today", "7d": "the last 7 days", "30d": "the last 30 days"}.get(
            self.kind, f"{self.first.isoformat()} to {self.last.isoformat()}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardPage:
    """dashboard.html at GET /identities?q=&period=&from=&to=.

    `identities`: how many the organization has, whatever the search says; `cards`: those found. The totals
    are those of the cards. `day_zone`: the organization's zone, whose day counts.
    """

    period: Period
    search: str = ""
    identities: int = 0
    cards: tuple[IdentityCard, ...] = ()
    trends: Trends = field(default_factory=Trends)
    notices: tuple[Notice, ...] = ()
    day_zone: str = "UTC"

    @property
    def totals(self) -> Figures:
        return reduce(add, (card.figures for card in self.cards), Figures())

    @property
    def url(self) -> str:
        """This page with its filters, for the live refresh."""
        parts = {"q": self.search} if self.search else {}
        if self.period.kind != "today":
            parts["period"] = self.period.kind
        if self.period.kind == "custom":
            parts |= {"from": self.period.first.isoformat(), "to": self.period.last.isoformat()}
        return "/identities" + (f"?{urlencode(parts)}" if parts else "")
