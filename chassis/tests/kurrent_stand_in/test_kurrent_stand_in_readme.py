"""The examples in the documentation of KurrentDB's own client, run on the stand-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from importlib.metadata import metadata

import pytest
from heraldry.chassis.testing.kurrent.server import KurrentStandIn

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
NOT_OF_STREAMS = (
    "ssl.get_server_certificate",
    "class RecordedEvent",
    "FastAPI",
    "opentelemetry",
)
NOT_IMPLEMENTED = "create_subscription_to_all"
AT_LAST = "async def demonstrate_async_client"


def examples(uri: str) -> Sequence[str]:
    """Those about streams: all until persistent subscriptions begin, and the last, with asyncio."""
    text = metadata("kurrentdbclient")["Description"]
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    first = next(index for index, block in enumerate(blocks) if NOT_IMPLEMENTED in block)
    chosen = [*blocks[:first], *(block for block in blocks[first:] if AT_LAST in block)]
    return [
        block.replace("kurrentdb://localhost:2113?Tls=false", uri)
        .replace('os.getenv("KDB_URI")', repr(uri))
        .replace('os.getenv("KDB_ROOT_CERTIFICATES")', "None")
        for block in chosen
        if not any(sign in block for sign in NOT_OF_STREAMS)
    ]


async def test_the_examples_of_the_clients_documentation_work(server: KurrentStandIn) -> None:
    blocks = examples(server.uri)
    assert len(blocks) > 40

    def run() -> None:
        names: dict[str, object] = {}
        for number, block in enumerate(blocks):
            exec(compile(block, f"example {number}", "exec"), names)

    await asyncio.to_thread(run)
