"""Whether a real server refuses what somebody must not do."""

from __future__ import annotations

import json

from heraldry.chassis.bus import border, rights
from heraldry.chassis.testing.waiting import until
from nats.aio.client import Client

SAID_WITHIN = 2.0  # seconds in which the server says that it refuses


async def refused(nc: Client, subject: str, document: object = None) -> bool:
    """Whether the server refuses this publication."""
    body = b"" if document is None else json.dumps(document).encode()
    await nc.publish(subject, body, reply=f"{nc.new_inbox()}")
    return await violated(nc, rights.written(subject))


async def deaf(nc: Client, subject: str) -> bool:
    """Whether the server refuses this subscription."""
    await border.subscribe(nc, subject)
    return await violated(nc, subject)


async def violated(nc: Client, subject: str) -> bool:
    """Whether the server has told this client so of what it asked for last."""
    await nc.flush()
    try:
        await until(lambda: f'"{subject}"'.lower() in str(nc.last_error).lower(), seconds=SAID_WITHIN)
    except TimeoutError:
        return False
    return "permissions violation" in str(nc.last_error).lower()
