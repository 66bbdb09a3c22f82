"""What inboxes may send and have used, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias, assert_never

from heraldry.contracts import scheduler
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import Said, Words, rate

TYPES: Final = (
    "LimitsChanged",
    "QuotaConsumed",
    "QuotaReleased",
    "QuotaExhausted",
    "RateIncreaseRequested",
    "RateCeilingRaised",
    "RateCeilingExpired",
)
Quota: TypeAlias = scheduler.QuotaConsumed | scheduler.QuotaReleased | scheduler.QuotaExhausted
LINKEDIN: Final[Mapping[scheduler.QuotaKind, str]] = {
    "invitation": "Invitation on LinkedIn",
    "message": "Message on LinkedIn",
    "withdrawal": "Withdrawal of an invitation on LinkedIn",
    "scraping": "Reading of a LinkedIn profile",
}


def said(event: Event, words: Words) -> Said | None:
    match event:
        case scheduler.LimitsChanged():
            return Said(f"Email rate of {words.inbox}: {rate(event.rate)}")
        case scheduler.QuotaConsumed() | scheduler.QuotaReleased() | scheduler.QuotaExhausted():
            return _quota(event, words) if event.kind == "email" else _linkedin_quota(event, words)
        case scheduler.RateIncreaseRequested():
            wanted = rate(event.wanted)
            return Said(f"Support was asked for {wanted} for {words.inbox}: {event.reason}", "Asked", "info")
        case scheduler.RateCeilingRaised():
            until = words.time(event.until)
            return Said(
                f"{words.inbox} may send {rate(event.ceiling)} until {until}: {event.reason}", "Granted"
            )
        case scheduler.RateCeilingExpired():
            return Said(f"The increase of {words.inbox} ended: {rate(event.rate)}", "Ended", "idle")
        case _:
            return None


def _quota(event: Quota, words: Words) -> Said:
    match event:
        case scheduler.QuotaConsumed(rate=of):
            today, hour = f"{event.used_today}", f"{event.used_this_hour}"
            if of is not None:
                today, hour = f"{today} of {of.per_day}", f"{hour} of {of.per_hour}"
            used = f"{today} today, {hour} this hour"
            return Said(f"Sending from {words.inbox} permitted: {used}", "Permitted")
        case scheduler.QuotaReleased():
            return Said(f"A permit of {words.inbox} was given back: nothing had left", "Given back", "info")
        case scheduler.QuotaExhausted():
            until = words.time(event.until)
            return Said(
                f"The {event.window}'s limit of {words.inbox} is used up until {until}", "Waiting", "warn"
            )
        case _:
            assert_never(event)


def _linkedin_quota(event: Quota, words: Words) -> Said:
    one = LINKEDIN[event.kind]
    match event:
        case scheduler.QuotaConsumed(kind="scraping", pool=scheduler.PoolUse() as pool):
            return Said(
                f"{one} permitted: {pool.used} of the {pool.allowed} a day that the organization shares",
                "Permitted",
            )
        case scheduler.QuotaConsumed(kind="scraping"):
            own = scheduler.allowed(event.kind, event.limits)
            return Said(f"{one} permitted: one of the identity's own {own} a day", "Permitted")
        case scheduler.QuotaConsumed():
            allowed = scheduler.allowed(event.kind, event.limits)
            return Said(f"{one} permitted: {event.used_today} of {allowed} today", "Permitted")
        case scheduler.QuotaReleased():
            return Said(f"{one}: its permit was given back, nothing had happened", "Given back", "info")
        case scheduler.QuotaExhausted(kind="scraping"):
            until = words.time(event.until)
            return Said(
                f"The organization's shared pool of LinkedIn profiles is used up until {until}",
                "Waiting",
                "warn",
            )
        case scheduler.QuotaExhausted():
            until = words.time(event.until)
            return Said(f"{one}: the day's limit is used up until {until}", "Waiting", "warn")
        case _:
            assert_never(event)
