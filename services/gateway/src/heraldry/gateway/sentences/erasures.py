"""Erasures, in words: nothing in them says whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import erasure
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import Said, Words

TYPES: Final = ("ErasureRequested", "ErasureCompleted")
WHO: Final[Mapping[erasure.Kind, str]] = {
    "lead": "a lead",
    "identity": "an identity's owner",
    "user": "a user",
}


def said(event: Event, words: Words) -> Said | None:  # noqa: ARG001  as every module here has it
    match event:
        case erasure.ErasureRequested():
            return Said(f"Erasing the data of {WHO[event.kind]}: {event.reason}", "Requested", "info")
        case erasure.ErasureCompleted():
            return Said(f"The data of {WHO[event.kind]} is erased everywhere", "Erased", "idle")
        case _:
            return None
