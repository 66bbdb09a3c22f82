"""How often somebody may try to sign in, to unsubscribe or to use a share link, counted in the bucket THROTTLES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from heraldry.chassis.bus import border
from heraldry.chassis.vault.hashing import keyed_hash
from heraldry.chassis.vault.keys import EXPECTED, WRONG_SEQUENCE, Key
from heraldry.contracts.base import Refused
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError
from pydantic import BaseModel, ConfigDict

STREAM: Final = "KV_THROTTLES"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries within a sliding window."""

    tries: int
    window: timedelta


PER_ADDRESS: Final = Limit(10, timedelta(minutes=15))
PER_CLIENT: Final = Limit(100, timedelta(minutes=15))
LINKS_UNREADABLE: Final = Limit(60, timedelta(minutes=15))  # unsubscribe and share links, per client
LINK_USES: Final = Limit(20, timedelta(minutes=10))  # of one link, per client: a mail provider uses many
SHARED_SIGN_INS: Final = Limit(10, timedelta(hours=1))  # at LinkedIn, by one share link
SHARED_TRIES: Final = Limit(60, timedelta(hours=1))  # of one share link, whoever has it


class _Tries(BaseModel):
    """The value in the bucket: when they were. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: tuple[datetime, ...] = ()


class Throttles:
    """A try is counted before it is made, so that many at once count as many."""

    def __init__(self, nc: Client, key: Key, now: Callable[[], datetime]) -> None:
        self._js = border.jetstream(nc)
        self._key, self._now = key, now

    async def count(self, what: str, limit: Limit) -> None:
        """Count one try. Refused `sign-in.throttled` (429) with `until` when there were too many."""
        where = self._where(what)
        while True:
            recent, revision = await self._recent(where, limit)
            if await self._write(where, _Tries(at=(*recent, self._now())), revision):
                return

    async def check(self, what: str, limit: Limit) -> None:
        """Refused like `count`, without counting."""
        await self._recent(self._where(what), limit)

    async def forget(self, what: str) -> None:
        """A try that succeeded: the ones before it do not count any more."""
        await self._js.publish(self._where(what), _Tries().model_dump_json().encode(), stream=STREAM)

    async def _recent(self, where: str, limit: Limit) -> tuple[tuple[datetime, ...], int]:
        found, revision = await self._read(where)
        since = self._now() - limit.window
        recent = tuple(at for at in found.at if at > since)
        if len(recent) >= limit.tries:
            until = recent[-limit.tries] + limit.window
            raise Refused(
                "sign-in.throttled",
                "There were too many tries. Wait a few minutes and try again.",
                status=429,
                extra={"until": until.isoformat()},
            )
        return recent, revision

    async def _read(self, where: str) -> tuple[_Tries, int]:
        try:
            message = await self._js.get_msg(STREAM, subject=where, direct=True)
        except NotFoundError:
            return _Tries(), 0
        return _Tries.model_validate_json(message.data or b"{}"), message.seq or 0

    async def _write(self, where: str, tries: _Tries, revision: int) -> bool:
        try:
            await self._js.publish(
                where, tries.model_dump_json().encode(), stream=STREAM, headers={EXPECTED: str(revision)}
            )
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                return False
            raise
        return True

    def _where(self, what: str) -> str:
        return f"$KV.THROTTLES.{keyed_hash(self._key, what)}"
