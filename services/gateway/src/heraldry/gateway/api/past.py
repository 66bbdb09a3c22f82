"""Moments that have passed, as an API client names them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from heraldry.contracts.base import Refused
from litestar.params import QueryParameter

LONGEST: Final = 40
PATIENCE: Final = 30.0  # seconds: what was is made from the log when it is asked for
USUAL: Final = 5.0
AsOf = Annotated[
    str,
    QueryParameter(
        description="as it was at this moment, such as `2026-05-04T09:30:00Z`; the answer repeats it in `as_of`"
    ),
]


def moment(as_of: str) -> datetime | None:
    """None: now. Refused `as-of.malformed` (422)."""
    if not as_of:
        return None
    try:
        if len(as_of) > LONGEST:
            raise ValueError(as_of[:LONGEST])
        found = datetime.fromisoformat(as_of.replace(" ", "+"))  # what a plus becomes in a query
        if found.tzinfo is None:
            raise ValueError(as_of)
    except ValueError:
        raise Refused(
            "as-of.malformed",
            "Write the moment with its date, time and zone, such as 2026-05-04T09:30:00Z.",
            status=422,
            field="as_of",
        ) from None
    return found


def patience(at: datetime | None) -> float:
    """Seconds to wait for an answer about this moment."""
    return USUAL if at is None else PATIENCE
