"""What whoever asks is told while the store is away: over the bus and over HTTP the same."""

from __future__ import annotations

from heraldry.chassis.store.port import OutcomeUnknownError, StoreUnavailableError
from heraldry.contracts.base import Refused


def refusal(error: StoreUnavailableError) -> Refused:
    if isinstance(error, OutcomeUnknownError):
        return Refused(
            "store.outcome-unknown",
            "The history did not answer, so it is not known whether this was done. Look before you try again.",
            status=503,
        )
    return Refused(
        "store.unavailable",
        "Nothing can be stored at the moment, and nothing was changed. Try again in a minute.",
        status=503,
    )
