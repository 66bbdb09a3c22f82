"""When an inbox is paused because of its bounces (R-RATE-5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

LAST: Final = 100  # mails that are looked at
AT_LEAST: Final = 20  # mails below which nothing is said
HIGHEST: Final = 5  # percent


@dataclass(frozen=True, slots=True)
class Figures:
    """An inbox's last mails since it was resumed last, at most `LAST`, and how many of them bounced for good."""

    sent: int
    bounced: int
    resumed: datetime | None = None  # when

    @property
    def too_many(self) -> bool:
        return self.sent >= AT_LEAST and 100 * self.bounced > HIGHEST * self.sent

    @property
    def reason(self) -> str:
        return (
            f"{self.bounced} of its last {self.sent} mails came back because they cannot be delivered."
            f" More than {HIGHEST} % harm the reputation of the address."
        )
