"""Whom this installation may write to at all: a staging copy writes to nobody but those its operator names."""

from __future__ import annotations

from dataclasses import dataclass

from heraldry.chassis.settings import Settings


@dataclass(frozen=True, slots=True)
class Recipients:
    """`allowed`: addresses, domains, LinkedIn addresses, in small letters; None: anybody."""

    allowed: frozenset[str] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Recipients:
        named = frozenset(_plain(one) for one in settings.recipient_allow_list.split(",") if one.strip())
        return cls(named if named or settings.staging else None)

    def may_hear(self, recipient: str) -> bool:
        """Of a mail address also whether its domain is named."""
        if self.allowed is None:
            return True
        found = _plain(recipient)
        return found in self.allowed or ("@" in found and found.rpartition("@")[2] in self.allowed)


def _plain(text: str) -> str:
    found = text.strip().lower().rstrip("/")
    return found.removeprefix("https://").removeprefix("www.").removeprefix("@")


ANYBODY = Recipients()
