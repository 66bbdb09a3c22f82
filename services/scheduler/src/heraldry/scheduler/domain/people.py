"""How a lead is recognised, however its address or its LinkedIn profile is written."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from heraldry.contracts.addresses import normalised
from heraldry.contracts.campaigns import LeadData

_LOCAL: Final = re.compile(r"^(?:www|m|[a-z]{2})\.(?=linkedin\.com$)")


def known_as(data: LeadData) -> str:
    """By the address; a lead without one by its profile. A storage format: hashes are made of it."""
    return normalised(data.email) if data.email else profile_of(data.linkedin_url)


def profile_of(url: str) -> str:
    """The one way a LinkedIn profile's address is written for comparing."""
    parts = urlsplit(url.strip() if "//" in url else f"//{url.strip()}")
    host = _LOCAL.sub("", (parts.hostname or "").rstrip("."))
    return f"{host}{unquote(parts.path).rstrip('/').casefold()}"
