"""Events for tests of the stand-in, by KurrentDB's own client."""

from __future__ import annotations

import json

from kurrentdbclient import AsyncKurrentDBClient, NewEvent


def an_event(text: str = "happened") -> NewEvent:
    return NewEvent(type="OrderPlaced", data=json.dumps({"text": text}).encode())


def some_events(count: int) -> list[NewEvent]:
    return [an_event(str(number)) for number in range(count)]


async def positions(client: AsyncKurrentDBClient, stream: str) -> list[int]:
    """Where in the stream its events stand, oldest first."""
    return [event.stream_position for event in await client.get_stream(stream)]
