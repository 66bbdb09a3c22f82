"""The KurrentDB adapter on our stand-in for the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from heraldry.chassis.testing.store_conformance import Another, StoreConformance


@pytest.fixture
async def server() -> AsyncIterator[KurrentStandIn]:
    async with KurrentStandIn() as running:
        yield running


@pytest.fixture
async def another(server: KurrentStandIn) -> AsyncIterator[Another]:
    async with AsyncExitStack() as stack:

        async def opened() -> KurrentStore:
            store = await KurrentStore.open(parse(server.uri, "conformance"), "conformance")
            stack.push_async_callback(store.close)
            return store

        yield opened


@pytest.fixture
async def store(another: Another) -> KurrentStore:
    store = await another()
    assert isinstance(store, KurrentStore)
    return store


class TestKurrentStore(StoreConformance):
    pass
