"""nats-py and nkeys leave some types open; here they are said, once, so that nothing unknown goes further
in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import nkeys  # pyright: ignore[reportMissingTypeStubs]  it has none
from nacl.signing import SigningKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo


class _Client(Protocol):
    def jetstream(self) -> JetStreamContext: ...

    async def subscribe(
        self, subject: str, queue: str, cb: Callable[[Msg], Awaitable[None]] | None
    ) -> Subscription: ...


class _Manager(Protocol):
    async def add_stream(self, config: StreamConfig) -> StreamInfo: ...

    async def update_stream(self, config: StreamConfig) -> StreamInfo: ...

    async def add_consumer(self, stream: str, config: ConsumerConfig) -> ConsumerInfo: ...


class _KeyPair(Protocol):
    @property
    def public_key(self) -> bytes: ...

    def sign(self, data: bytes) -> bytes: ...


class _Keys(Protocol):
    PREFIX_BYTE_ACCOUNT: int

    def from_seed(self, seed: bytes) -> _KeyPair: ...

    def encode_seed(self, src: bytes, prefix: int) -> bytes: ...


_keys = cast("_Keys", cast("object", nkeys))


def jetstream(nc: Client) -> JetStreamContext:
    """The JetStream side of a connection."""
    return cast("_Client", cast("object", nc)).jetstream()


async def subscribe(
    nc: Client, subject: str, *, queue: str = "", cb: Callable[[Msg], Awaitable[None]] | None = None
) -> Subscription:
    """Listen on a subject; without `cb` the subscription is asked for the next message."""
    return await cast("_Client", cast("object", nc)).subscribe(subject, queue, cb)


async def add_stream(js: JetStreamContext, config: StreamConfig) -> StreamInfo:
    """Make a stream; the same one again changes nothing."""
    return await cast("_Manager", cast("object", js)).add_stream(config)


async def update_stream(js: JetStreamContext, config: StreamConfig) -> StreamInfo:
    """Change a stream."""
    return await cast("_Manager", cast("object", js)).update_stream(config)


async def add_consumer(js: JetStreamContext, stream: str, config: ConsumerConfig) -> ConsumerInfo:
    """Make a consumer; the same one again changes nothing."""
    return await cast("_Manager", cast("object", js)).add_consumer(stream, config)


def new_account_seed() -> str:
    """The seed of a fresh account key, as NATS writes it (begins with SA)."""
    return _keys.encode_seed(SigningKey.generate().encode(), _keys.PREFIX_BYTE_ACCOUNT).decode()


def public_nkey(seed: str) -> str:
    """The public half of a seed, as NATS writes it."""
    return _keys.from_seed(seed.encode()).public_key.decode()


def sign(seed: str, data: bytes) -> bytes:
    """The Ed25519 signature of the data."""
    return _keys.from_seed(seed.encode()).sign(data)
