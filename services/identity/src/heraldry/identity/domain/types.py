"""The identity service's aggregates in one place: each one's events by the name they have in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Upcasters
from heraldry.identity.domain.erasure import ContextCleared, KeysDestroyed, MessagesDeleted
from heraldry.identity.domain.share_link import ShareLinkTaken

PRIVATE: Final[Mapping[str, type[Event]]] = {  # storage formats
    "ShareLinkTaken": ShareLinkTaken,
    "ContextCleared": ContextCleared,
    "MessagesDeleted": MessagesDeleted,
    "KeysDestroyed": KeysDestroyed,
}
TYPES: Final[Mapping[str, type[Event]]] = {**registry.types_of("identity"), **PRIVATE}
UPCASTERS: Final[Upcasters] = {}  # of the private ones: from each version to the next
