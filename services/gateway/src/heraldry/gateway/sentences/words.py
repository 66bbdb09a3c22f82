"""What sentences are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from heraldry.contracts.base import Erased
from heraldry.contracts.scheduler import EmailRate

Tone = Literal["good", "warn", "bad", "idle", "info"]
UNNAMED: Final = "the inbox"


@dataclass(frozen=True, slots=True)
class Said:
    """`outcome` in a word or two, `tone` its colour."""

    what: str
    outcome: str = "Done"
    tone: Tone = "good"


@dataclass(frozen=True, slots=True)
class Words:
    """Names to say things with, and the zone to say times in. `inbox` and `mail`: what the event is about; the
    mail with a space before it, ` “subject” to recipient`, or empty where nobody needs its name. `to`: the same of a
    LinkedIn step, ` to Kim Lee`. `campaign`: its name, empty where it is not known. `erased`: the person whom the
    mail or step was for is erased, so that how it ended may be told no more.
    """

    inbox: str = UNNAMED
    zone: str = "UTC"
    mail: str = ""
    to: str = ""
    campaign: str = ""
    erased: bool = False

    def time(self, at: datetime) -> str:
        return at.astimezone(ZoneInfo(self.zone)).strftime("%d %B %Y, %H:%M")

    @property
    def the_inbox(self) -> str:
        """Where a sentence begins with it."""
        return "The inbox" if self.inbox == UNNAMED else self.inbox

    @property
    def the_campaign(self) -> str:
        return f"“{self.campaign}”" if self.campaign else "a campaign"


def named(subject: str | Erased, to: str | Erased) -> str:
    """How a mail is named to people."""
    return f"“{text(subject)}” to {text(to)}"


def text(value: str | Erased) -> str:
    return "(erased)" if isinstance(value, Erased) else value


def rate(of: EmailRate) -> str:
    return f"{of.per_day} a day, {of.per_hour} an hour"
