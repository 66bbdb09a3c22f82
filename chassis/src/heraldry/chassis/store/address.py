"""The address of a KurrentDB server or cluster, taken apart so that its password is in nothing that is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from heraldry.chassis.store.port import StoreUnavailableError

SCHEMES: Final = ("kdb", "kdb+discover", "kurrentdb", "kurrentdb+discover", "esdb", "esdb+discover")
PORT: Final = 2113
NOBODY: Final = "heraldry:-@"  # the client wants somebody in an address with TLS; who it is, it is told apart
KEEP_ALIVE: Final = {"KeepAliveInterval": "10000", "KeepAliveTimeout": "10000"}  # milliseconds


class StoreAddressError(StoreUnavailableError):
    """An address that cannot be one of KurrentDB; the text says what is wrong with it, without a password."""

    code = "store.address"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"store.address: HERALDRY_STORE_URL {reason}. It is written as"
            " kdb://server:2113?Tls=false, or with TLS kdb://user:password@server:2113?TlsCaFile=/path/ca.pem"
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is and as whom to speak to it. `uri` and `shown` have neither user nor password."""

    uri: str
    shown: str
    tls: bool
    cluster: bool  # it names more than one server, or asks one for the others
    user: str = ""
    password: str = field(default="", repr=False)


def parse(text: str, context: str, *, user: str = "", password: str = "") -> Address:
    """Take `text` apart. `{context}` in it, or in `user`, is replaced by the name of the context.

    `user` and `password` come before those in the text. Raises StoreAddressError.
    """
    scheme, separator, rest = text.replace("{context}", context).partition("://")
    if not separator or scheme not in SCHEMES:
        raise StoreAddressError(f"does not begin with one of {', '.join(f'{one}://' for one in SCHEMES)}")
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError as error:
        raise StoreAddressError("is no address") from error
    who, _, servers = parts.netloc.rpartition("@")
    hosts = [host.strip() for host in servers.split(",") if host.strip()]
    if not hosts:
        raise StoreAddressError("names no server")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = {name.upper(): value for name, value in options.items()}
    tls = given.get("TLS", "true").lower()
    if tls not in {"true", "false"}:
        raise StoreAddressError("says neither Tls=true nor Tls=false")
    named, _, secret = who.partition(":")
    user = user.replace("{context}", context) or unquote(named)
    password = password or unquote(secret)
    if tls == "true" and not (user and password):
        raise StoreAddressError(
            "uses TLS and names no user with a password; both may also be in HERALDRY_STORE_USER and"
            " HERALDRY_STORE_PASSWORD"
        )
    options |= {name: value for name, value in KEEP_ALIVE.items() if name.upper() not in given}
    where = ",".join(hosts)
    return Address(
        uri=f"{scheme}://{NOBODY if tls == 'true' else ''}{where}?{urlencode(options)}",
        shown=f"{scheme}://{where}",
        tls=tls == "true",
        cluster=len(hosts) > 1 or scheme.endswith("+discover"),
        user=user,
        password=password,
    )
