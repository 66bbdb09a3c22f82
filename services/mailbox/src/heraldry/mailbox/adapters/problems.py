"""From what the network and TLS raise to what a diagnosis understands."""

from __future__ import annotations

import base64
import errno
import ssl
from typing import Self

from heraldry.mailbox.domain.diagnosis import Failure


class Broken(Exception):  # noqa: N818  what happened, not that it is an error
    """A conversation ended without an answer. The connection is of no use any more."""

    def __init__(self, failure: Failure, words: str = "") -> None:
        super().__init__(f"{failure.value} {words}".strip())
        self.failure = failure
        self.words = words

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """What an exception of asyncio, ssl or the socket layer stands for."""
        return cls(failure_of(error))


_UNREACHABLE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}
)
_VERIFY_EXPIRED = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_VERIFY_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def failure_of(error: BaseException) -> Failure:
    match error:
        case Broken():
            return error.failure
        case ssl.SSLCertVerificationError():
            return _certificate(error.verify_code)
        case ssl.SSLError():
            reasons = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
            return Failure.TLS_MODE if error.reason in reasons else Failure.TLS_OTHER
        case ssl.CertificateError():
            return Failure.TLS_NAME
        case TimeoutError():
            return Failure.TIMEOUT
        case ConnectionRefusedError():
            return Failure.REFUSED
        case OSError(errno=number) if number in _UNREACHABLE:
            return Failure.UNREACHABLE
        case OSError(errno=errno.ETIMEDOUT):
            return Failure.TIMEOUT
        case _:
            return Failure.CLOSED


def _certificate(code: int) -> Failure:
    if code in _VERIFY_NAME:
        return Failure.TLS_NAME
    return Failure.TLS_EXPIRED if code in _VERIFY_EXPIRED else Failure.TLS_UNTRUSTED


def without_secrets(words: str, user: str, password: str) -> str:
    """A server's words without the password in any form in which a server may echo it."""
    if not password:
        return words
    raw = password.encode()
    escaped = password.replace("\\", "\\\\").replace('"', '\\"')
    forms = {
        password,
        escaped,
        base64.b64encode(raw).decode(),
        base64.b64encode(b"\0" + user.encode() + b"\0" + raw).decode(),
        base64.b64encode(f"user={user}\1auth=Bearer {password}\1\1".encode()).decode(),
        raw.decode("latin-1"),
    }
    for form in sorted(forms, key=len, reverse=True):
        words = words.replace(form, "•••")
    return words
