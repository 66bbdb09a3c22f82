"""The halt flag: nothing leaves for the system, an organization or an account while it is set.

Set by people and by restore, in effect everywhere within a second or two. It stands in the bucket HALT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.follow import SILENCE, Entry, Follower
from heraldry.chassis.together import Together
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import BaseModel, ConfigDict, ValidationError

STREAM = "KV_HALT"
PREFIX = "$KV.HALT."
SYSTEM = "system"
ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,128}")
UNREADABLE = "the flag cannot be read"


class HaltUnknownError(Exception):
    """Whether a halt is set cannot be said now, so nothing may leave. Try again when NATS is back."""


@dataclass(frozen=True, slots=True)
class Halt:
    """A flag that is set: where, by whom, why, and since when (UTC)."""

    scope: str  # system, organization.<id> or account.<id>
    actor: str
    reason: str
    since: datetime | None = field(compare=False)  # two ways of reading round it differently


class _Flag(BaseModel):
    """The value in the bucket. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    halted: bool
    actor: str
    reason: str
    at: datetime | None = None  # the installation's clock; releases before this one wrote none


def organization(identifier: UUID) -> str:
    """The scope of one organization."""
    return f"organization.{identifier}"


def account(identifier: str) -> str:
    """The scope of one sending account, named by its keyed hash. ValueError for what is no id."""
    if not ACCOUNT.fullmatch(identifier):
        raise ValueError(f"{identifier!r} is no id of an account")
    return f"account.{identifier}"


class HaltFlags:
    """The flags as they are, followed live."""

    def __init__(self, nc: Client) -> None:
        self._js = border.jetstream(nc)
        self._set: dict[str, Halt] = {}
        self._follower = Follower(nc, STREAM, f"{PREFIX}>", self._take, newest_only=True)
        self._direct = DirectGet(nc, STREAM)
        self._gates = Together(self._read)

    async def start(self) -> None:
        """Return when the flags there are now are known. Raises TimeoutError if NATS is out of reach for 30
        s.
        """
        await self._follower.start()

    async def stop(self) -> None:
        await self._follower.stop()
        await self._direct.stop()

    def halted(self, *scopes: str) -> Halt | None:
        """The halt in force for the system or one of these scopes, from memory; None if there is none.

        Raises HaltUnknownError when NATS has been silent for longer than its heartbeat.
        """
        if self._follower.silent_for > 2 * SILENCE:
            raise HaltUnknownError("NATS is out of reach, so no halt can be seen")
        return next((self._set[scope] for scope in (SYSTEM, *scopes) if scope in self._set), None)

    async def check_now(self, *scopes: str) -> Halt | None:
        """Like `halted`, but read from NATS at this moment: for a last gate. Raises HaltUnknownError.

        Gates that ask in the same moment are answered by one question, which is put after all of them asked.
        """
        try:
            found = await self._gates.ask(SYSTEM, *scopes)
        except (NatsError, TimeoutError) as error:
            raise HaltUnknownError("NATS is out of reach, so no halt can be seen") from error
        return next((halt for scope in (SYSTEM, *scopes) if (halt := found[scope])), None)

    async def all_now(self) -> tuple[Halt, ...]:
        """Every flag that is set at this moment, the system's first. Raises HaltUnknownError."""
        try:
            stored = await self._direct.newest([f"{PREFIX}>"])
        except (NatsError, TimeoutError) as error:
            raise HaltUnknownError("NATS is out of reach, so no halt can be seen") from error
        found = [_halt(one.subject.removeprefix(PREFIX), one.data, one.time) for one in stored]
        return tuple(sorted(filter(None, found), key=lambda one: (one.scope != SYSTEM, one.scope)))

    async def set(self, scope: str, *, actor: str, reason: str, at: datetime | None = None) -> None:
        """Stop everything in this scope; stored when this returns. `at`: now, by the installation's clock."""
        await self._write(scope, _Flag(halted=True, actor=actor, reason=reason, at=at))

    async def clear(self, scope: str, *, actor: str, reason: str) -> None:
        """Let things go again. That it was cleared, by whom and why stays in the bucket."""
        await self._write(scope, _Flag(halted=False, actor=actor, reason=reason))

    async def _write(self, scope: str, flag: _Flag) -> None:
        await self._js.publish(f"{PREFIX}{scope}", flag.model_dump_json().encode(), stream=STREAM)

    async def _read(self, scopes: frozenset[str]) -> Mapping[str, Halt | None]:
        found: dict[str, Halt | None] = dict.fromkeys(scopes)
        for message in await self._direct.newest([f"{PREFIX}{scope}" for scope in scopes]):
            scope = message.subject.removeprefix(PREFIX)
            found[scope] = _halt(scope, message.data, message.time)
        return found

    def _take(self, entry: Entry) -> None:
        scope = entry.subject.removeprefix(PREFIX)
        halt = _halt(scope, entry.data, entry.time)
        if halt is None:
            self._set.pop(scope, None)
        else:
            self._set[scope] = halt


def _halt(scope: str, value: bytes, since: datetime | None) -> Halt | None:
    if not value:
        return None  # removed with the ordinary tools of NATS
    try:
        flag = _Flag.model_validate_json(value)
    except ValidationError:
        return Halt(scope, "system:nats", UNREADABLE, since)  # rather stopped than wrong
    return Halt(scope, flag.actor, flag.reason, flag.at or since) if flag.halted else None
