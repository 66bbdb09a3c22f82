"""The gateway's aggregates in one place: each one's events by the name they have in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Upcasters
from heraldry.gateway.domain.login import LoginTaken
from heraldry.gateway.domain.setup import FirstAdminLinkMade, FirstAdminLinkUsed, FirstOrganizationMade

PRIVATE: Final[Mapping[str, type[Event]]] = {  # storage formats
    "LoginTaken": LoginTaken,
    "FirstAdminLinkMade": FirstAdminLinkMade,
    "FirstAdminLinkUsed": FirstAdminLinkUsed,
    "FirstOrganizationMade": FirstOrganizationMade,
}
TYPES: Final[Mapping[str, type[Event]]] = {**registry.types_of("gateway"), **PRIVATE}
UPCASTERS: Final[Upcasters] = {}  # of the private ones: from each version to the next
