"""A port that says nothing in plain words: does it wait for TLS? The commonest mistake in the form."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from heraldry.mailbox.adapters import resolve
from heraldry.mailbox.adapters.problems import Broken
from heraldry.mailbox.domain.diagnosis import Failure
from heraldry.mailbox.ports import Endpoint

SILENT_FOR: Final = 2.0  # seconds after which a server that should greet is asked otherwise
HANDSHAKE: Final = 5.0
T = TypeVar("T")


async def greeted(
    greeting: Coroutine[Any, Any, T], target: Endpoint, *, allow_private: bool, silent_for: float = SILENT_FOR
) -> T:
    """What the greeting gives. Raises Broken TLS_MODE as soon as it is clear that the port speaks TLS only."""
    waiting = asyncio.ensure_future(greeting)
    try:
        done, _ = await asyncio.wait((waiting,), timeout=silent_for)
        if not done and target.tls == "starttls" and await _speaks_tls(target, allow_private=allow_private):
            raise Broken(Failure.TLS_MODE)
        return await waiting
    finally:
        waiting.cancel()


async def _speaks_tls(target: Endpoint, *, allow_private: bool) -> bool:
    """Whether a handshake begins well there; nothing is said afterwards, and nobody is trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        dialled = await resolve.connect(
            target.host, target.port, allow_private=allow_private, seconds=HANDSHAKE
        )
    except Broken:
        return False
    try:
        async with asyncio.timeout(HANDSHAKE):
            _, writer = await asyncio.open_connection(sock=dialled, ssl=context, server_hostname="")
    except (OSError, ValueError, TimeoutError):
        dialled.close()
        return False
    writer.transport.abort()
    return True
