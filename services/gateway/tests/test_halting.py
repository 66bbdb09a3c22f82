"""Halting while the history is there, away, or hanging: in force at once, recorded once, the first one's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.halt import Halt, HaltFlags, Set, organization
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.store.port import NO_STREAM, Appended, NewEvent, StoredEvent, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.chassis.vault.secrets import Secrets
from heraldry.contracts.base import Accepted, By, Command, Refused
from heraldry.contracts.gateway import HaltOrganization, OrganizationHalted, OrganizationResumed
from heraldry.gateway import halting
from heraldry.gateway.application import ORGANIZATION, Application
from heraldry.gateway.domain.organization import CreateOrganization, stream
from heraldry.gateway.domain.types import TYPES
from heraldry.gateway.halting import Halting
from heraldry.gateway.passwords import Passwords
from nats.aio.client import Client

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
US, NOBODY = UUID(int=1), UUID(int=2)
ADA, BEA = By(organization=US, actor="user:ada"), By(organization=US, actor="user:bea")
SCOPE = organization(US)
Handler = Callable[[HaltOrganization, Asking], Awaitable[Accepted]]


class Leaving(SqliteStore):
    """A store that is away, or does not answer."""

    away = hanging = False

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        await self._reach()
        return await super().append(stream, events, expected=expected)

    async def read_stream(
        self, stream: str, *, after: int = NO_STREAM, limit: int = 1_000_000
    ) -> Sequence[StoredEvent]:
        await self._reach()
        return await super().read_stream(stream, after=after, limit=limit)

    async def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("away")
        if self.hanging:
            await asyncio.Event().wait()


class Flags(HaltFlags):
    """The flags, without a bus."""

    def __init__(self) -> None:
        self.there: dict[str, Halt] = {}

    def followed(self) -> tuple[Halt, ...]:
        return tuple(self.there.values())

    async def in_force(self, scope: str) -> Halt | None:
        return self.there.get(scope)

    async def set(
        self, scope: str, *, actor: str, reason: str, at: datetime | None = None, command: UUID | None = None
    ) -> Set:
        already = scope in self.there and self.there[scope].command != command
        return Set(self.there.setdefault(scope, Halt(scope, actor, reason, at, command)), already)

    async def clear(self, scope: str, *, actor: str, reason: str) -> None:
        del actor, reason
        self.there.pop(scope, None)


@dataclass
class Operators(Server):
    """Who asks over the bus."""

    handlers: dict[type[Command], Handler] = field(default_factory=dict[type[Command], Handler])

    def command(self, kind: type[Command], handler: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as tests need it
        self.handlers[kind] = cast("Handler", handler)

    async def halt(self, by: By, reason: str) -> Accepted:
        return await self.handlers[HaltOrganization](HaltOrganization(reason=reason), Asking(uuid4(), by))


@dataclass
class Gateway:
    """One process of the gateway, as far as halts need it."""

    store: Leaving
    codec: Codec
    flags: Flags
    halting: Halting
    operators: Operators
    now: datetime = NOW

    async def history(self) -> list[tuple[str, str, str]]:
        """(what, who, why) of every halt and every end of one."""
        stored = await self.store.read_all()
        decoded = await self.codec.decode(stored)
        return [
            (one.stored.type, Meta.read(one.stored).actor, one.event.reason)
            for one in decoded
            if isinstance(one.event, OrganizationHalted | OrganizationResumed)
        ]


@asynccontextmanager
async def gateway(folder: Path) -> AsyncGenerator[Gateway]:
    keys, store = MemoryKeys("gateway"), Leaving(folder / "gateway.sqlite3")
    codec = Codec(TYPES, keys)
    runner, flags, operators = Runner("gateway", store, codec), Flags(), Operators()
    secrets = Secrets(Client(), "gateway", keys)

    def now() -> datetime:
        return made.now

    application = Application(runner, keys, secrets, Passwords(), now)
    made = Gateway(store, codec, flags, Halting(application, flags, now), operators)
    made.halting.register(operators)
    founded = CreateOrganization(US, "Northwind", "UTC", NOW)
    await runner.run(ORGANIZATION, stream(US), founded, Asked(uuid4(), ADA, NOW))
    yield made
    await store.close()


async def test_a_halt_is_recorded_once_and_stays_the_first_ones(tmp_path: Path) -> None:
    async with gateway(tmp_path) as made:
        key = uuid4()
        first = await made.halting.halt(key, ADA, "one")
        made.now = LATER
        again = await made.halting.halt(uuid4(), BEA, "two")
        assert (again.halt, again.halt.since, again.already) == (first.halt, NOW, True)
        assert again.position == first.position
        assert await made.halting.halt(key, ADA, "one") == first
        await made.halting.record_missing()
        assert await made.history() == [("OrganizationHalted", "user:ada", "one")]


@pytest.mark.parametrize("trouble", ["away", "hanging"])
async def test_a_halt_while_the_history_is_away_is_in_force_at_once_and_recorded_when_it_is_back(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halting, "KNOWING", 0.01)
    monkeypatch.setattr(halting, "RECORDING", 0.01)
    async with gateway(tmp_path) as made:
        setattr(made.store, trouble, True)
        first = await made.halting.halt(uuid4(), ADA, "one")
        assert (first.already, first.position) == (False, "")
        with pytest.raises(Refused) as told:
            await made.operators.halt(By(organization=US, actor="system:operator"), "cli")
        assert (told.value.code, told.value.status) == ("halt.unrecorded", 503)
        assert made.flags.there[SCOPE].reason == "one"

        setattr(made.store, trouble, False)
        made.now = LATER
        for _ in range(2):
            await made.halting.record_missing()
        assert await made.history() == [("OrganizationHalted", "user:ada", "one")]


async def test_what_is_recorded_late_says_since_when_it_was_in_force(tmp_path: Path) -> None:
    async with gateway(tmp_path) as made:
        made.store.away = True
        await made.halting.halt(uuid4(), ADA, "one")
        made.store.away, made.now = False, LATER
        await made.halting.record_missing()
        decoded = await made.codec.decode(await made.store.read_all())
        assert [one.event.at for one in decoded if isinstance(one.event, OrganizationHalted)] == [NOW]


async def test_a_halt_that_ends_before_it_was_recorded_is_in_history_all_the_same(tmp_path: Path) -> None:
    async with gateway(tmp_path) as made:
        made.store.away = True
        await made.halting.halt(uuid4(), ADA, "one")
        with pytest.raises(StoreUnavailableError):
            await made.halting.resume(uuid4(), BEA, "mended")
        assert made.flags.there
        seen = made.flags.there[SCOPE]
        made.store.away = False
        await made.halting.resume(uuid4(), BEA, "mended")
        made.flags.there[SCOPE] = seen  # what another replica still remembers
        await made.halting.record_missing()
        assert await made.history() == [
            ("OrganizationHalted", "user:ada", "one"),
            ("OrganizationResumed", "user:bea", "mended"),
        ]


async def test_the_halt_of_an_organization_that_nobody_has_is_refused_and_never_recorded(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path) as made:
        with pytest.raises(Refused, match="no such organization"):
            await made.operators.halt(By(organization=NOBODY, actor="system:operator"), "cli")
        assert made.flags.there == {}
        await made.flags.set(organization(NOBODY), actor="system:operator", reason="cli", at=NOW)
        await made.flags.set("account.a1", actor="system:operator", reason="cli", at=NOW)
        await made.halting.record_missing()
        assert await made.history() == []
