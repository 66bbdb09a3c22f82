"""Sessions: who is signed in. They stand in the bucket SESSIONS under a keyed hash of their token."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from heraldry.chassis.bus import border
from heraldry.chassis.vault.hashing import keyed_hash
from heraldry.chassis.vault.keys import Key
from heraldry.contracts.base import By
from heraldry.contracts.gateway import Role
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from pydantic import BaseModel, ConfigDict

STREAM: Final = "KV_SESSIONS"
LIFETIME: Final = timedelta(days=14)
KEY_SUBJECT: Final = "sessions"  # the key the tokens are hashed with, in the gateway's part of KEYS


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in. `token` is what the browser or program holds; `csrf` what its forms carry."""

    token: str
    csrf: str
    user: UUID
    organization: UUID
    role: Role
    demo: bool

    def __repr__(self) -> str:
        return f"Session(user={self.user})"

    @property
    def by(self) -> By:
        return By(organization=self.organization, actor=f"user:{self.user}")


class _Stored(BaseModel):
    """The value in the bucket, without anything personal. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user: UUID
    organization: UUID
    role: Role
    expires: datetime
    demo: bool = False


class Sessions:
    """They end by signing out or after two weeks; the real clock counts."""

    def __init__(
        self, nc: Client, key: Key, now: Callable[[], datetime], is_erased: Callable[[str], bool]
    ) -> None:
        self._js = border.jetstream(nc)
        self._key, self._now, self._is_erased = key, now, is_erased

    async def begin(self, user: UUID, organization: UUID, role: Role, *, demo: bool = False) -> Session:
        """`demo`: the demo's own admin, who may make organizations to try things in."""
        token = secrets.token_urlsafe(32)
        expires = self._now() + LIFETIME
        stored = _Stored(user=user, organization=organization, role=role, expires=expires, demo=demo)
        await self._js.publish(self._where(token), stored.model_dump_json().encode(), stream=STREAM)
        return self._session(token, stored)

    async def find(self, token: str) -> Session | None:
        """None for a token that is unknown, ended or expired, and for one of an erased user."""
        try:
            message = await self._js.get_msg(STREAM, subject=self._where(token), direct=True)
        except NotFoundError:
            return None
        if not message.data:
            return None
        stored = _Stored.model_validate_json(message.data)
        if self._is_erased(str(stored.user)) or self._now() >= stored.expires:
            return None
        return self._session(token, stored)

    async def end(self, token: str) -> None:
        await self._js.publish(self._where(token), b"", stream=STREAM, headers={"KV-Operation": "DEL"})

    def csrf(self, token: str) -> str:
        """What a form must carry when it comes with this cookie."""
        return keyed_hash(self._key, f"csrf {token}")

    def csrf_holds(self, token: str, given: str) -> bool:
        return hmac.compare_digest(self.csrf(token).encode(), given.encode())

    def _where(self, token: str) -> str:
        return f"$KV.SESSIONS.{keyed_hash(self._key, f'session {token}')}"

    def _session(self, token: str, stored: _Stored) -> Session:
        return Session(
            token=token,
            csrf=self.csrf(token),
            user=stored.user,
            organization=stored.organization,
            role=stored.role,
            demo=stored.demo,
        )
