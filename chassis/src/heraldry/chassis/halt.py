"""The halt flag: nothing leaves for the system, an organization or an account while it is set.

Set by people and by restore, in effect everywhere within a second or two. It stands in the bucket HALT. Whoever halts
what is halted changes nothing: the first stays, with its reason, until somebody clears it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.follow import SILENCE, Entry, Follower
from heraldry.chassis.together import Together
from heraldry.chassis.vault.keys import EXPECTED, WRONG_SEQUENCE
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.stdlib.get_logger(__name__)
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
    command: UUID | None = field(default=None, compare=False)  # that set it


@dataclass(frozen=True, slots=True)
class Set:
    """What came of setting a flag: the halt in force. `already`: another one, which was there before and stays."""

    halt: Halt
    already: bool


class _Flag(BaseModel):
    """The value in the bucket. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    halted: bool
    actor: str
    reason: str
    at: datetime | None = None  # the installation's clock; releases before this one wrote none
    command: UUID | None = None  # that set it; releases before this one wrote none


def organization(identifier: UUID) -> str:
    """The scope of one organization."""
    return f"organization.{identifier}"


def organization_of(scope: str) -> UUID | None:
    """The organization of a scope; None for another kind of scope."""
    kind, _, identifier = scope.partition(".")
    try:
        return UUID(identifier) if kind == "organization" else None
    except ValueError:
        return None


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

    def followed(self) -> tuple[Halt, ...]:
        """Every flag that is set, from memory."""
        return tuple(self._set.values())

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

    async def in_force(self, scope: str) -> Halt | None:
        """The halt of exactly this scope at this moment. Raises HaltUnknownError."""
        return (await self._newest(scope))[1]

    async def set(
        self, scope: str, *, actor: str, reason: str, at: datetime | None = None, command: UUID | None = None
    ) -> Set:
        """Stop everything in this scope; stored when this returns. A halt that is in force stays as it is.

        `at`: now, by the installation's clock. `command`: the same one again is told what it was told first.
        Raises HaltUnknownError.
        """
        command = command or uuid4()
        flag = _Flag(halted=True, actor=actor, reason=reason, at=at, command=command)
        while True:
            sequence, found = await self._newest(scope)
            if found is not None:
                return Set(found, already=found.command != command)
            if await self._write(scope, flag, expected=sequence):
                return Set(Halt(scope, actor, reason, at, command), already=False)

    async def clear(self, scope: str, *, actor: str, reason: str) -> None:
        """Let things go again. That it was cleared, by whom and why stays in the bucket."""
        await self._write(scope, _Flag(halted=False, actor=actor, reason=reason))

    async def _write(self, scope: str, flag: _Flag, *, expected: int | None = None) -> bool:
        """False: the flag is no longer what was expected."""
        headers = None if expected is None else {EXPECTED: str(expected)}
        try:
            await self._js.publish(
                f"{PREFIX}{scope}", flag.model_dump_json().encode(), stream=STREAM, headers=headers
            )
        except APIError as error:
            if error.err_code in WRONG_SEQUENCE:
                return False
            raise
        return True

    async def _newest(self, scope: str) -> tuple[int, Halt | None]:
        """A flag as it stands now, and the sequence of its last change; 0 if nobody ever set it."""
        try:
            stored = await self._direct.newest([f"{PREFIX}{scope}"])
        except (NatsError, TimeoutError) as error:
            raise HaltUnknownError("NATS is out of reach, so no halt can be seen") from error
        for one in stored:
            return one.sequence, _halt(scope, one.data, one.time)
        return 0, None

    async def _read(self, scopes: frozenset[str]) -> Mapping[str, Halt | None]:
        found: dict[str, Halt | None] = dict.fromkeys(scopes)
        for message in await self._direct.newest([f"{PREFIX}{scope}" for scope in scopes]):
            scope = message.subject.removeprefix(PREFIX)
            found[scope] = _halt(scope, message.data, message.time)
        return found

    def _take(self, entry: Entry) -> None:
        scope = entry.subject.removeprefix(PREFIX)
        halt = _halt(scope, entry.data, entry.time)
        before = self._set.pop(scope, None)
        if halt is not None:
            self._set[scope] = halt
        if organization_of(scope) is not None:
            return  # its history says so
        if halt is not None and halt != before:
            log.warning("halted", scope=scope, actor=halt.actor, reason=halt.reason, since=_iso(halt.since))
        elif halt is None and before is not None:
            log.warning("halt ended", scope=scope, **_ending(entry.data))


def _halt(scope: str, value: bytes, since: datetime | None) -> Halt | None:
    if not value:
        return None  # removed with the ordinary tools of NATS
    try:
        flag = _Flag.model_validate_json(value)
    except ValidationError:
        return Halt(scope, "system:nats", UNREADABLE, since)  # rather stopped than wrong
    return Halt(scope, flag.actor, flag.reason, flag.at or since, flag.command) if flag.halted else None


def _ending(value: bytes) -> Mapping[str, str]:
    """Who ended a halt and why, as far as the bucket says."""
    try:
        flag = _Flag.model_validate_json(value)
    except ValidationError:
        return {}
    return {"actor": flag.actor, "reason": flag.reason}


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""
