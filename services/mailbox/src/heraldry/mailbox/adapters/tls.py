"""Encrypted connections: whom we trust, and how little memory an idle one needs."""

from __future__ import annotations

import asyncio
import ctypes
import ssl
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

READ_BUFFER = 16 * 1024  # one TLS record
_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
_OWN_PAGES = 128 * 1024  # bytes: glibc's own value, until it sees larger blocks freed


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


def return_buffers() -> None:
    """Have memory of large blocks given back to the kernel when it is freed.

    Each TLS connection begins with asyncio's large buffer. After the first of them glibc takes such blocks from
    its heap, and where many connections open at once, what lies between them keeps it from ever shrinking.
    Does nothing where the C library is another one.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES)
