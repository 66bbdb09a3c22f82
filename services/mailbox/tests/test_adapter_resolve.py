from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import cast

import pytest
from heraldry.mailbox.adapters import resolve
from heraldry.mailbox.adapters.problems import Broken, without_secrets
from heraldry.mailbox.domain.diagnosis import Failure

PRIVATE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "192.0.2.1", "192.88.99.1",
    "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
    "2001:0:0:0:0:0:80ff:fffe", "::127.0.0.1", "fe80::1%1",
)  # fmt: skip
PUBLIC = ("93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_refused(address: str) -> None:
    assert not resolve.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_outside_are_allowed(address: str) -> None:
    assert resolve.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "::1", "localhost"])
async def test_no_spelling_of_the_own_machine_gets_through(host: str) -> None:
    with pytest.raises(Broken) as broken:
        await resolve.addresses(host, 993, allow_private=False)
    assert broken.value.failure in (Failure.PRIVATE_ADDRESS, Failure.UNKNOWN_HOST)


@pytest.mark.parametrize("host", ["", " ", "a..b", "x" * 300, "\0", "ü" * 200, "a b"])
async def test_what_is_no_host_is_unknown(host: str) -> None:
    with pytest.raises(Broken) as broken:
        await resolve.addresses(host or "..", 993, allow_private=False)
    assert broken.value.failure in (Failure.UNKNOWN_HOST, Failure.NO_RESOLVER, Failure.PRIVATE_ADDRESS)


async def test_a_name_is_looked_up_once_and_the_checked_address_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that answers differently the second time leads nowhere else."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = cast("int", server.sockets[0].getsockname()[1])
    asked: list[str] = []

    async def answers(host: str, *_: object, **__: object) -> Sequence[tuple[object, ...]]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answers)
    connected = await resolve.connect("mail.example", port, allow_private=True, seconds=2)
    assert connected.getpeername() == ("127.0.0.1", port)
    connected.close()
    assert asked == ["mail.example"]
    with pytest.raises(Broken) as broken:
        await resolve.connect("mail.example", port, allow_private=False, seconds=2)
    assert broken.value.failure is Failure.PRIVATE_ADDRESS
    server.close()


async def test_a_closed_port_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = cast("int", free.getsockname()[1])
    with pytest.raises(Broken) as broken:
        await resolve.connect("127.0.0.1", port, allow_private=True, seconds=2)
    assert broken.value.failure is Failure.REFUSED


def test_an_echoed_password_is_removed_in_every_form() -> None:
    words = 'bad command LOGIN "ada" "pa\\"ss" AGFkYQBwYSJzcw== cGEic3M='
    assert without_secrets(words, "ada", 'pa"ss') == 'bad command LOGIN "ada" "•••" ••• •••'
