"""The way to a host that a person typed: looked up once, checked, and connected to at exactly the checked
address.

So nobody can point us into our own network, neither directly nor by a name that answers differently the
second time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import TypeAlias

from heraldry.mailbox.adapters.problems import Broken
from heraldry.mailbox.domain.diagnosis import Failure

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "64:ff9b:1::/48",
        "fec0::/10",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NO_ANSWER_NOW = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM, socket.EAI_MEMORY})
_NEXT_ADDRESS_AFTER = 5.0  # seconds


def is_public(address: Address) -> bool:
    """Whether an address lies in the open internet, also when it wraps an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        wrapped = _wrapped(address)
        if wrapped is not None:
            return is_public(wrapped)
    refused = any(address.version == network.version and address in network for network in _NEVER)
    return address.is_global and not (refused or address.is_multicast or address.is_reserved)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or int(address) < 1 << 32:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


async def addresses(host: str, port: int, *, allow_private: bool) -> Sequence[Address]:
    """The addresses of a host we may connect to, in the resolver's order. Raises Broken."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.strip().rstrip("."), port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        failure = Failure.NO_RESOLVER if error.errno in _NO_ANSWER_NOW else Failure.UNKNOWN_HOST
        raise Broken(failure) from error
    except (UnicodeError, OSError, ValueError, OverflowError) as error:
        raise Broken(Failure.UNKNOWN_HOST) from error
    known = dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found)
    allowed = [address for address in known if allow_private or is_public(address)]
    if not known:
        raise Broken(Failure.UNKNOWN_HOST)
    if not allowed:
        raise Broken(Failure.PRIVATE_ADDRESS)
    return allowed


async def connect(host: str, port: int, *, allow_private: bool, seconds: float) -> socket.socket:
    """A connected TCP socket to a typed host, or Broken. The caller owns it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    try:
        async with asyncio.timeout_at(deadline):
            candidates = await addresses(host, port, allow_private=allow_private)
    except TimeoutError as error:
        raise Broken(Failure.NO_RESOLVER) from error
    last: Broken = Broken(Failure.TIMEOUT)
    for position, address in enumerate(candidates):
        left = deadline - loop.time()
        if left <= 0:
            break
        try:
            return await _dial(
                address, port, left if position == len(candidates) - 1 else min(left, _NEXT_ADDRESS_AFTER)
            )
        except (OSError, TimeoutError) as error:
            last = Broken.of(error)
    raise last


async def _dial(address: Address, port: int, seconds: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004  IP's own number
    dialled = socket.socket(family, socket.SOCK_STREAM)
    try:
        dialled.settimeout(0)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(dialled, (str(address), port))
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        dialled.close()
        raise
    return dialled
