"""Encrypted connections: whom we trust, and how little memory an idle one needs."""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from pathlib import Path

READ_BUFFER = 16 * 1024  # one TLS record


@lru_cache(maxsize=8)
def client_context(extra_ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always verified. One context for all connections: loading the authorities is
    expensive.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra_ca_file is not None:
        context.load_verify_locations(cafile=extra_ca_file)
    return context


def slim(transport: asyncio.BaseTransport) -> bool:
    """Shrink the 256 KiB read buffer that asyncio gives each TLS connection; True if it was done.

    asyncio offers no setting. The buffer is handed out for one read at a time and free between two
    callbacks, so it can be exchanged on this one connection. Where asyncio differs, nothing is touched.
    """
    protocol: object = getattr(transport, "_ssl_protocol", None)
    buffer: object = getattr(protocol, "_ssl_buffer", None)
    limit: object = getattr(protocol, "max_size", None)
    if not isinstance(buffer, bytearray) or limit != len(buffer) or not hasattr(protocol, "_ssl_buffer_view"):
        return False
    small = bytearray(READ_BUFFER)
    for name, value in (
        ("max_size", READ_BUFFER),
        ("_ssl_buffer", small),
        ("_ssl_buffer_view", memoryview(small)),
    ):
        setattr(protocol, name, value)
    return True
