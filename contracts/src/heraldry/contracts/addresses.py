"""Email addresses: which can be written to, and when two spellings are one."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

_SPECIAL: Final = frozenset('()<>[]:;@\\," ')
_READ_IN_TWO_WAYS: Final = frozenset("ßẞς\u200c\u200d")  # IDNA 2003 makes another owner's domain of them
_LONGEST_LOCAL: Final = 64
_LONGEST_DOMAIN: Final = 253
_LABEL: Final = re.compile(r"(?!-)[^.]{1,63}(?<!-)").fullmatch


class Malformed(ValueError):  # noqa: N818  the domain's word
    """Nothing can be sent to or from this address. `code` is stable, the message says what to change."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def normalised(address: str) -> str:
    """The one way an address is written for comparing. A storage format: hashes are made of it."""
    local, _, domain = address.strip().rpartition("@")
    domain = domain.rstrip(".").casefold()
    with suppress(UnicodeError):  # there is no such domain
        domain = domain.encode("idna").decode("ascii")
    return f"{local.casefold()}@{domain}"


def travelling(address: str) -> str:
    """An address as it travels, its domain in ASCII. Raises Malformed."""
    local, _, domain = address.strip().rpartition("@")
    if _READ_IN_TWO_WAYS & set(domain):
        raise Malformed("address.ambiguous", "A letter of the domain is read in two ways. Write it as xn--….")
    if not (local and domain) or not address.isprintable() or _SPECIAL & set(local):
        raise _none()
    if not all(local.split(".")) or len(local) > _LONGEST_LOCAL:
        raise _none()
    if not local.isascii():
        raise Malformed("address.unsupported", "Letters outside ASCII before the @ are not supported.")
    try:
        plain = domain.rstrip(".").encode("idna").decode("ascii")
    except UnicodeError:
        raise _none() from None
    if _SPECIAL & set(plain) or not _is_domain(plain):
        raise _none()
    return f"{local}@{plain}"


def _is_domain(plain: str) -> bool:
    labels = plain.split(".")
    return len(plain) <= _LONGEST_DOMAIN and all(map(_LABEL, labels)) and not labels[-1].isdecimal()


def _none() -> Malformed:
    return Malformed("address.invalid", "This is no email address. It looks like name@company.example.")
