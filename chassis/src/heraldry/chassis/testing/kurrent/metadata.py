"""What a stream's metadata say about it: what readers no longer see, and who may do what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from heraldry.chassis.testing.kurrent.records import LAST_REVISION, TICKS, Record

_MAX_COUNT: Final = "$maxCount"
_MAX_AGE: Final = "$maxAge"
_TRUNCATE_BEFORE: Final = "$tb"
_CACHE_CONTROL: Final = "$cacheControl"
_ACL: Final = "$acl"
_RIGHTS: Final = {
    "read": "$r",
    "write": "$w",
    "delete": "$d",
    "metadata read": "$mr",
    "metadata write": "$mw",
}


@dataclass(frozen=True, slots=True)
class StreamMetadata:
    """The newest metadata of a stream; `acl` names who may do what: an absent right is the default's."""

    max_count: int | None = None
    max_age: int | None = None  # seconds
    truncate_before: int = 0
    acl: Mapping[str, frozenset[str]] | None = None

    @property
    def deleted(self) -> bool:
        """Softly: the stream comes back with the next append."""
        return self.truncate_before == LAST_REVISION

    def first_visible(self, last_revision: int) -> int:
        """The lowest revision that readers still see, age aside."""
        kept = 0 if self.max_count is None else last_revision - self.max_count + 1
        return max(self.truncate_before, kept, 0)

    def too_old(self, record: Record, now: int) -> bool:
        return self.max_age is not None and record.created < now - self.max_age * TICKS


NONE: Final = StreamMetadata()
MetadataDocument = dict[str, object]


class _UnreadableError(Exception):
    """One of the server's own entries is not what it must be."""


def parse(data: bytes) -> StreamMetadata:
    """What the document says; as the server does, one entry that cannot be read leaves nothing of it."""
    document = document_of(data)
    try:
        _number(document, _CACHE_CONTROL)
        return StreamMetadata(
            max_count=_number(document, _MAX_COUNT) or None,
            max_age=_number(document, _MAX_AGE) or None,
            truncate_before=_number(document, _TRUNCATE_BEFORE),
            acl=_rights(document[_ACL]) if _ACL in document else None,
        )
    except _UnreadableError:
        return NONE


def document_of(data: bytes) -> MetadataDocument:
    try:
        document: object = json.loads(data)
    except ValueError:
        return {}
    return cast("MetadataDocument", document) if isinstance(document, dict) else {}


def truncated(data: bytes, before: int) -> bytes:
    """The same metadata, with everything before this revision hidden."""
    return json.dumps({**document_of(data), _TRUNCATE_BEFORE: before}).encode()


def _number(document: MetadataDocument, key: str) -> int:
    """0 where it is negative or absent."""
    value = document.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value > LAST_REVISION:
        raise _UnreadableError
    return max(value, 0)


def _rights(value: object) -> Mapping[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise _UnreadableError
    acl = cast("dict[str, object]", value)
    return {right: _roles(acl[key]) for right, key in _RIGHTS.items() if key in acl}


def _roles(value: object) -> frozenset[str]:
    roles = cast("list[object]", value) if isinstance(value, list) else [value]
    named = frozenset(role for role in roles if isinstance(role, str))
    if not all(isinstance(role, str) for role in roles):
        raise _UnreadableError
    return named
