"""TCP ports of this machine."""

from __future__ import annotations

import errno
import secrets
import socket

from heraldry.chassis.supervisor.problems import CannotStart

# Below the range from which systems take the ports of outgoing connections: one of those would keep a crashed
# server from coming back to its port.
CHOICE = range(18_700, 28_700)
TRIES = 200


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    for _ in range(TRIES):
        port = CHOICE[secrets.randbelow(len(CHOICE))]
        if not is_taken(host, port):
            return port
    raise CannotStart("no-port", f"No free port was found on {host}.")


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there. Raises CannotStart where one may not listen at all."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CannotStart("bad-host", f"--host {host} is no address of this machine.") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            if error.errno == errno.EACCES:
                raise CannotStart("port-forbidden", f"This user may not listen on port {port}.") from error
            raise CannotStart("bad-host", f"--host {host} is no address of this machine.") from error
    return False


def asked_port(host: str, port: int, option: str) -> int:
    """The port to listen on that was asked for with this option (0: a free one). Raises CannotStart if it is
    taken.
    """
    if port == 0:
        return free_port(host)
    if is_taken(host, port):
        raise CannotStart(
            "port-taken",
            f"Port {port} on {host} is taken by another program."
            f" Stop that one, or choose another port: ./justw up {option} {port + 10}",
        )
    return port


def preferred_port(host: str, port: int) -> int:
    """This port if it is free, else another."""
    return free_port(host) if is_taken(host, port) else port


def is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def address(host: str, port: int) -> str:
    """The address to open on this machine."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listening(port: int) -> bool:
    """Whether a server accepts connections on 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
