"""What is wrong with something that was sent, in words for people instead of a validator's."""

from __future__ import annotations

import re
from typing import Final

LENGTH: Final = re.compile(
    r"(?P<what>\w+) should have at (?P<end>most|least) (?P<count>\d+) (?:character|item)s?\b.*"
).fullmatch
SEVERAL: Final = frozenset({"List", "Tuple", "Set", "Frozenset", "Dictionary"})


def in_words(message: str) -> str:
    """How a pydantic message is said. A text is counted in characters, whatever it is checked by."""
    found = LENGTH(message)
    if found is None:
        return message.removeprefix("Value error, ")
    count, several = int(found["count"]), found["what"] in SEVERAL
    if found["end"] == "most":
        return f"At most {count:,} at once." if several else f"At most {count:,} characters."
    if count > 1:
        return f"At least {count:,}." if several else f"At least {count:,} characters."
    return "Name at least one." if several else "Fill this in."
