"""The same suite on the real server: the one that KURRENTDB_URI names, or one in a container where Docker is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Final

import pytest
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.port import NO_STREAM, START, Appended, ConflictError, NewEvent, StoredEvent
from heraldry.chassis.testing.store_conformance import Another, StoreConformance
from uuid_utils.compat import uuid7

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]  # an image may have to be fetched
IMAGE: Final = "docker.io/kurrentplatform/kurrentdb:latest"
PORT: Final = 2113
SUITE: Final = "conformance."


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    """A server that may be written to. Skips where there is none, and says what would make one."""
    given = os.environ.get("KURRENTDB_URI")
    if given:
        yield given
        return
    import docker  # noqa: PLC0415  only where it is used
    from docker.errors import DockerException  # noqa: PLC0415  likewise
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  likewise

    try:
        docker.from_env().ping()  # pyright: ignore[reportUnknownMemberType]  it has no types
    except DockerException:
        pytest.skip("no KurrentDB here: set KURRENTDB_URI to one that may be written to, or start Docker")
    started = (
        DockerContainer(IMAGE)
        .with_env("KURRENTDB_INSECURE", "true")
        .with_env("KURRENTDB_MEM_DB", "true")
        .with_exposed_ports(PORT)
    )
    with started as running:
        yield f"kdb://{running.get_container_host_ip()}:{running.get_exposed_port(PORT)}?Tls=false"


class Renamed:
    """A store of a context of its own, so that a server can be used again; the suite sees its own names."""

    def __init__(self, real: KurrentStore, context: str) -> None:
        self._real, self._prefix = real, f"{context}."

    @property
    def epoch(self) -> str:
        return self._real.epoch

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        try:
            return await self._real.append(self._there(stream), events, expected=expected)
        except ConflictError as conflict:
            raise ConflictError(stream, conflict.expected, conflict.actual) from conflict

    async def read_stream(
        self, stream: str, *, after: int = NO_STREAM, limit: int = 1_000_000
    ) -> Sequence[StoredEvent]:
        return self._here(await self._real.read_stream(self._there(stream), after=after, limit=limit))

    async def read_stream_backwards(
        self, stream: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[StoredEvent]:
        found = await self._real.read_stream_backwards(self._there(stream), before=before, limit=limit)
        return self._here(found)

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        return self._here(await self._real.read_all(after=after, limit=limit))

    async def read_at(self, position: int) -> StoredEvent | None:
        found = await self._real.read_at(position)
        return None if found is None else self._here([found])[0]

    async def subscribe(
        self, *, after: int = START, limit: int = 500
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        async for batch in self._real.subscribe(after=after, limit=limit):
            yield self._here(batch)

    async def head(self) -> int:
        return await self._real.head()

    async def close(self) -> None:
        await self._real.close()

    def _there(self, stream: str) -> str:
        return self._prefix + stream.removeprefix(SUITE)

    def _here(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        return [
            StoredEvent(
                one.position,
                SUITE + one.stream.removeprefix(self._prefix),
                one.revision,
                one.raw_id,
                one.type,
                one.version,
                one.data,
                one.meta,
            )
            for one in events
        ]


@pytest.fixture
async def another(uri: str) -> AsyncIterator[Another]:
    context = f"conformance{uuid7().hex}"
    async with AsyncExitStack() as stack:

        async def opened() -> Renamed:
            store = Renamed(await KurrentStore.open(parse(uri, context), context), context)
            stack.push_async_callback(store.close)
            return store

        yield opened


@pytest.fixture
async def store(another: Another) -> Renamed:
    store = await another()
    assert isinstance(store, Renamed)
    return store


class TestRealKurrentDB(StoreConformance):
    pass
