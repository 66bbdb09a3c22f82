"""The relay ÷ unfenced asynchronous publishing of the same messages, on the server as it runs in production.

The relay reads the log, decrypts, wraps and publishes in fenced batches; the floor only publishes messages that
were made before, all at once, and awaits all acknowledgements. Every message is on disk when it is acknowledged
(`sync_interval: always`), one by one for the floor. Told beside it, without a goal: the same publishing to a server
that acknowledges what is not on disk yet. `--events 100000`: a long outage is caught up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from heraldry.chassis.bus import border
from heraldry.chassis.bus.envelopes import Envelopes, Message
from heraldry.chassis.bus.provision import GIB, Budgets
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.nats import NatsServer
from heraldry.contracts.mailbox import EmailClaimed, EmailQueued, EmailSent, EmailSubmissionStarted
from heraldry.contracts.registry import types_of
from measure import Figure, in_turns, quiet, ratio, tell
from nats.aio.client import Client

CONTEXT: Final = "mailbox"
EVENTS: Final = 3000  # a round, four for each mail: the first has three encrypted fields, the others none
TEXT: Final = "Hello Bo,\n\nI saw that your team is growing, and thought of you.\n" * 8
TYPES: Final = types_of(CONTEXT)
LOOK: Final = 0.001  # seconds between two looks whether the relay is done
ROUNDS: Final = 5
LARGE: Final = 20_000  # from so many events on a round is long, and two are enough


async def write(path: Path, codec: Codec, keys: KeysInMemory, events: int) -> Sequence[Message]:
    """The mailbox's log of mails that went well, and what is to be published of it."""
    store, now = SqliteStore(path), datetime.now(UTC)
    organization, identity, inbox = uuid4(), uuid4(), uuid4()
    for _ in range(events // 4):
        attempt, person, claim = uuid4(), uuid4(), uuid4()
        message_id = f"<{attempt}@example.com>"
        keys.make(person)
        mail = [
            EmailQueued(
                at=now,
                attempt=attempt,
                inbox=inbox,
                identity=identity,
                person=person,
                to="bo.berg@example.com",
                subject="Your growing team",
                text=TEXT,
                valid_until=now + timedelta(minutes=10),
            ),
            EmailClaimed(at=now, attempt=attempt, inbox=inbox, identity=identity, claim=claim),
            EmailSubmissionStarted(
                at=now, attempt=attempt, inbox=inbox, identity=identity, claim=claim, message_id=message_id
            ),
            EmailSent(
                at=now,
                attempt=attempt,
                inbox=inbox,
                identity=identity,
                person=person,
                message_id=message_id,
                answer="250 2.0.0 Ok: queued as 4F2A91C0D3",
            ),
        ]
        meta = Meta(
            command=str(uuid4()),
            actor="system:mailbox",
            time=now.isoformat(),
            organization=str(organization),
            identity=str(identity),
            correlation=str(uuid4()),
        )
        await store.append(f"mailbox.email-{attempt}", await codec.encode(mail, meta), expected=NO_STREAM)
    envelopes = Envelopes(CONTEXT, store.epoch, codec, TYPES)
    built = [await envelopes.message(stored) for stored in await store.read_all(limit=events)]
    await store.close()
    return [message for message in built if message is not None]


async def relayed(nc: Client, path: Path, codec: Codec) -> float:
    """Messages a second from a log nothing of which is published."""
    store = SqliteStore(path)
    relay, head = Relay(nc, CONTEXT, store, codec, TYPES), await store.head()
    started = time.perf_counter()
    running = asyncio.create_task(relay.run())
    while relay.state.position < head:
        if running.done():
            running.result()
        await asyncio.sleep(LOOK)
    took = time.perf_counter() - started
    await end(running)
    await store.close()
    return head / took


async def published(nc: Client, messages: Sequence[Message]) -> float:
    """Messages a second that are only sent and acknowledged, in no order that anybody guards."""
    js = border.jetstream(nc)
    started = time.perf_counter()
    acknowledged = [
        await js.publish_async(message.subject, message.body, headers=dict(message.headers))  # pyright: ignore[reportUnknownMemberType]  its headers are an open dict
        for message in messages
    ]
    await asyncio.gather(*acknowledged)
    return len(messages) / (time.perf_counter() - started)


def on_a_server(measure: Callable[[Client], Awaitable[float]], *, synchronous: bool = True) -> float:
    """A server of its own each time, so that none finds what another left."""

    async def run() -> float:
        server = NatsServer(budgets=Budgets(events=2 * GIB))
        if not synchronous:
            config = json.loads(server.files.config.read_bytes())
            config["jetstream"]["sync_interval"] = "2m"  # the server's own default
            server.files.config.write_text(json.dumps(config), encoding="utf-8")
        async with server:
            return await measure(await server.client(CONTEXT))

    return asyncio.run(run())


def main() -> None:
    quiet()
    parser = argparse.ArgumentParser(description="Measure how fast the relay catches up.")
    parser.add_argument("--events", type=int, default=EVENTS)
    count = int(parser.parse_args().events)
    keys = KeysInMemory()
    codec = Codec(TYPES, keys)
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        path = Path(folder) / "mailbox.sqlite3"
        messages = asyncio.run(write(path, codec, keys, count))
        taken = in_turns(
            {
                "relay": lambda: on_a_server(lambda nc: relayed(nc, path, codec)),
                "asynchronous publishing": lambda: on_a_server(lambda nc: published(nc, messages)),
                "the same not on disk": lambda: on_a_server(
                    lambda nc: published(nc, messages), synchronous=False
                ),
            },
            rounds=ROUNDS if count < LARGE else 2,
        )
    tell(
        Figure(
            "relay ÷ unfenced asynchronous publishing",
            ratio(taken["relay"], taken["asynchronous publishing"]),
            0.8,
            at_most=False,
            unit="×",
            measured={f"{name}, messages/s": statistics.median(values) for name, values in taken.items()},
        )
    )


if __name__ == "__main__":
    main()
