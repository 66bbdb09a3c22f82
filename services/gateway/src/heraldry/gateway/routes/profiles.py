"""What a LinkedIn profile said, as the pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts.linkedin import ProfileData

LABELS: Final[Mapping[str, str]] = {
    "first_name": "First name",
    "last_name": "Last name",
    "headline": "Headline",
    "job_title": "Job title",
    "company": "Company",
    "location": "Location",
}


def profile_facts(read: ProfileData) -> tuple[tuple[str, str], ...]:
    """(label, value) of what it said."""
    known = ((label, str(getattr(read, name))) for name, label in LABELS.items())
    return tuple((label, value) for label, value in known if value)
