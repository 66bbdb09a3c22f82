"""Who calls, and what they may do: only where the server has a certificate, as KurrentDB's `--insecure` says."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.records import described_by, is_metastream, is_system
from heraldry.chassis.testing.kurrent.refusals import AccessDenied, not_authenticated

Right = Literal["read", "write", "delete"]
ADMINS: Final = "$admins"
OPERATORS: Final = "$ops"
EVERYBODY: Final = "$all"
_OF_METASTREAM: Final = {"read": "metadata read", "write": "metadata write", "delete": "metadata write"}
_SCHEME: Final = "Basic "


@dataclass(frozen=True, slots=True)
class User:
    login: str
    password: str
    groups: frozenset[str] = frozenset()


def users(*more: User) -> Mapping[str, User]:
    """These, and the two that every database begins with; naming one of them changes its password."""
    known = {
        "admin": User("admin", "changeit", frozenset({ADMINS})),
        "ops": User("ops", "changeit", frozenset({OPERATORS})),
    }
    for user in more:
        first = known.get(user.login)
        known[user.login] = user if first is None else replace(user, groups=user.groups | first.groups)
    return known


class Access:
    """`known` of None lets everybody do everything."""

    def __init__(self, database: Database, known: Mapping[str, User] | None) -> None:
        self._database, self._known = database, known

    def check(self, authorization: str | None, right: Right, stream: str) -> None:
        """Raises Refusal unless the caller may do this to the stream."""
        if self._known is None:
            return
        user = self._authenticated(authorization)
        if user is None:
            raise AccessDenied
        held = {user.login, EVERYBODY} | user.groups
        if ADMINS not in held and not held & self._allowed(right, stream):
            raise AccessDenied

    def authenticate(self, authorization: str | None) -> None:
        """Raises Refusal when the caller says who they are, and it is not true."""
        if self._known is not None:
            self._authenticated(authorization)

    def _authenticated(self, authorization: str | None) -> User | None:
        if authorization is None:
            return None
        try:
            given = base64.b64decode(authorization.removeprefix(_SCHEME), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise not_authenticated() from None
        login, _, password = given.partition(":")
        user = (self._known or {}).get(login)
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            raise not_authenticated()
        return user

    def _allowed(self, right: Right, stream: str) -> frozenset[str]:
        """The roles with this right: the stream's own list names them, or the default."""
        if is_metastream(stream):
            named, described = _OF_METASTREAM[right], described_by(stream)
        else:
            named, described = right, stream
        acl = self._database.metadata(described).acl or {}
        return acl.get(named, frozenset({ADMINS if is_system(described) else EVERYBODY}))
