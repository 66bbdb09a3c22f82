"""What inboxes may send and have used, in words."""

from __future__ import annotations

from typing import Final

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


def said(event: Event, words: Words) -> Said | None:
    match event:
        case scheduler.LimitsChanged():
            return Said(f"Email rate of {words.inbox}: {rate(event.rate)}")
        case scheduler.QuotaConsumed():
            of = event.rate
            used = (
                f"{event.used_today} of {of.per_day} today, {event.used_this_hour} of {of.per_hour} this hour"
            )
            return Said(f"Sending from {words.inbox} permitted: {used}", "Permitted")
        case scheduler.QuotaReleased():
            return Said(f"A permit of {words.inbox} was given back: nothing had left", "Given back", "info")
        case scheduler.QuotaExhausted():
            until = words.time(event.until)
            return Said(
                f"The {event.window}'s limit of {words.inbox} is used up until {until}", "Waiting", "warn"
            )
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
