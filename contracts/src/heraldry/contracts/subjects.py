"""The names of NATS subjects. Every part is a validated token: nothing a user typed becomes part of one."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

STREAM: Final = "HERALDRY"
PARTITIONS: Final = 16
NONE: Final = "_"  # stands where there is no organization or no identity
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def event(organization: str, context: str, identity: str, type_: str) -> str:
    """Where a published event goes. `*` in any place makes a filter."""
    return f"heraldry.events.{_part(organization)}.{_part(context)}.{_part(identity)}.{_part(type_)}"


def internal(context: str, identity: str, type_: str) -> str:
    """Where an event between services goes: in the partition of its identity."""
    return (
        f"heraldry.internal.{token(context)}.{partition(identity)}.{token(identity or NONE)}.{token(type_)}"
    )


def internal_filter(context: str, type_: str) -> str:
    """Every event of this internal type, in all partitions."""
    return f"heraldry.internal.{token(context)}.*.*.{token(type_)}"


def partition_filter(context: str, number: int) -> str:
    """Every internal event of a context in one partition."""
    return f"heraldry.internal.{token(context)}.{number}.>"


def relay(context: str) -> str:
    """Where the markers of a context's relay go."""
    return f"heraldry.relay.{token(context)}"


def command(context: str, name: str) -> str:
    return f"heraldry.commands.{token(context)}.{token(name)}"


def query(context: str, name: str) -> str:
    return f"heraldry.queries.{token(context)}.{token(name)}"


def parked(context: str, consumer: str, identity: str) -> str:
    """Where a consumer's pointers to what it could not handle go."""
    return f"heraldry.parked.{token(context)}.{token(consumer)}.{_part(identity)}"


def parked_stream(context: str) -> str:
    """The stream of a context's pointers."""
    return f"PARKED_{token(context)}"


@lru_cache(maxsize=65_536)
def partition(identity: str) -> int:
    """0 to 15, the same for ever: which partition an identity's internal events are in. A storage format."""
    return hashlib.blake2b((identity or NONE).encode(), digest_size=1).digest()[0] % PARTITIONS


@lru_cache(maxsize=65_536)
def token(text: str) -> str:
    """The text itself if it may be one token of a subject; ValueError otherwise."""
    if _TOKEN.fullmatch(text) is None:
        raise ValueError(f"{text!r} cannot be part of a subject: letters, digits, _ and - only, at most 128")
    return text


def _part(text: str) -> str:
    return text if text == "*" else token(text or NONE)
