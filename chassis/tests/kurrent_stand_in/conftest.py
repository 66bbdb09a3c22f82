"""One stand-in for the tests of a file, and KurrentDB's own client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from kurrentdbclient import AsyncKurrentDBClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[KurrentStandIn]:
    async with KurrentStandIn() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: KurrentStandIn) -> AsyncIterator[AsyncKurrentDBClient]:
    client = AsyncKurrentDBClient(server.uri)
    await client.connect()
    yield client
    await client.close()


@pytest.fixture
def stream() -> str:
    return f"orders-{uuid4()}"
