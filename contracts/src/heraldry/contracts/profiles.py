"""LinkedIn profiles: which address is one, and when two spellings are one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote, unquote

PROFILES: Final = "https://www.linkedin.com/in/"
_ADDRESS: Final = re.compile(
    r"(?:https?://)?(?:[a-z0-9-]+\.)?linkedin\.com/(?:mwlite/)?in/([^/?#\s]{2,200})(?:[/?#]\S*)?",
    re.IGNORECASE,
)


class NoProfile(ValueError):  # noqa: N818  the domain's word
    """This is no address of a LinkedIn profile. The message says what one looks like."""

    code: Final = "linkedin-url.malformed"


def profile_address(given: str) -> str:
    """The one way a profile's address is written: `https://www.linkedin.com/in/<slug>`. A storage format: hashes are
    made of it, and a driver opens its slug. Raises NoProfile.
    """
    found = _ADDRESS.fullmatch(given.strip())
    slug = "" if found is None else unicodedata.normalize("NFC", unquote(found.group(1))).lower()
    if not slug or not slug.isprintable() or set(slug) & set("/\\?#<>\"' ") or slug in {".", ".."}:
        raise NoProfile("This is no LinkedIn profile. It looks like https://www.linkedin.com/in/name.")
    return PROFILES + quote(slug, safe="")


def slug_of(address: str) -> str:
    """What follows `/in/` in a canonical address, as it stands there."""
    return address.removeprefix(PROFILES)
