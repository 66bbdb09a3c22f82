# SPDX-License-Identifier: Apache-2.0
"""Keeps a CRM in step with Heraldry: an event subscriber on heraldry.contracts and nats-py, and nothing else.

    python examples/crm_sync.py --credentials subscriber.json --store crm.sqlite3

The credentials are the document that `POST /api/v1/subscribers` answers, in a file or in the environment variable
HERALDRY_SUBSCRIBER. A SQLite file stands for the CRM. Every event comes at least once; kill this program whenever
you like: an event is acknowledged after it is stored, and one that comes again changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final, Protocol, Self, cast

import nats
import nats.errors
import nats.js.errors
from heraldry.contracts import registry
from heraldry.contracts.base import Envelope, Erased, Event
from heraldry.contracts.identity import (
    ContactDetails,
    ContactDetailsChanged,
    CrmUserMapped,
    IdentityCreated,
    IdentityDeleted,
    IdentityRenamed,
)
from heraldry.contracts.mailbox import MailboxConnected, MailboxDisconnected, MailboxNeedsReconnect
from heraldry.contracts.markers import Marker
from nats.aio.msg import Msg
from nats.js import JetStreamContext

BATCH: Final = 50
PULL: Final = 1.0  # seconds one pull waits for more
REFUSALS: Final = 3  # so many sign-ins refused in a row: the password is not right any more
FAILURES: Final = 3  # so many pulls in a row that failed: the consumer may be gone
MARKERS: Final = "heraldry.relay."

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS activity (
    id TEXT PRIMARY KEY,        -- the CloudEvents id: the same on every delivery
    stream TEXT NOT NULL, revision INTEGER NOT NULL,  -- the order within one stream
    type TEXT NOT NULL, time TEXT NOT NULL, identity TEXT NOT NULL, actor TEXT NOT NULL, event TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS record (
    stream TEXT NOT NULL, field TEXT NOT NULL,
    value TEXT, revision INTEGER NOT NULL, identity TEXT NOT NULL,
    PRIMARY KEY (stream, field)
) STRICT;
CREATE TABLE IF NOT EXISTS complete (  -- everything of a context up to this position was received
    context TEXT PRIMARY KEY, epoch TEXT NOT NULL, position INTEGER NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS witness (  -- signed checkpoints: whoever keeps them can tell later what was changed
    context TEXT NOT NULL, number INTEGER NOT NULL, checkpoint TEXT NOT NULL,
    PRIMARY KEY (context, number, checkpoint)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    url: str
    user: str
    password: str = field(repr=False)
    stream: str
    consumer: str
    inbox_prefix: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError with the name of what is missing, without any value."""
        try:
            document = cast("dict[str, object]", json.loads(text))
            names = ("url", "user", "password", "stream", "consumer", "inbox_prefix")
            return cls(*(str(document[name]) for name in names))
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else "no JSON object"
            raise ValueError(
                f"the credentials are not what POST /api/v1/subscribers answers: {what}"
            ) from None


def decode(body: bytes) -> tuple[Envelope[Event], Event | None]:
    """An event's envelope, and the event itself; None if only a newer release of heraldry.contracts knows it."""
    head = Envelope[Event].model_validate_json(body)
    data = cast("dict[str, dict[str, object]]", json.loads(body))["data"]
    return head, registry.event(head.type, head.dataschema, data)


def fields(event: Event | None) -> Mapping[str, object]:
    """What the CRM keeps of an event, beside the event itself. Values are absolute: the newest one counts."""
    match event:
        case IdentityCreated(name=name, details=details):
            return {"name": name, **_contact(details)}
        case IdentityRenamed(name=name):
            return {"name": name}
        case ContactDetailsChanged(details=details):
            return _contact(details)
        case CrmUserMapped(crm_user=crm_user):
            return {"crm_user": crm_user}
        case IdentityDeleted():
            return {"deleted": "yes"}
        case MailboxConnected(address=address):
            return {"address": address, "inbox": "connected"}
        case MailboxNeedsReconnect(diagnosis=diagnosis):
            return {"inbox": f"needs reconnect: {diagnosis.cause}"}
        case MailboxDisconnected():
            return {"inbox": "disconnected"}
        case _:
            return {}


def _contact(details: ContactDetails | Erased) -> Mapping[str, object]:
    names = ContactDetails.model_fields
    return dict.fromkeys(names) if isinstance(details, Erased) else details.model_dump()


class Crm:
    """Stands for the CRM. What is given to it again, in whatever order, changes nothing."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {SCHEMA}")

    def take(self, messages: Sequence[tuple[str, bytes]]) -> list[str]:
        """Store messages (subject and body), all or none; on disk when this returns. Gives a line for each event."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            lines = [self._take(subject, body) for subject, body in messages]
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return [line for line in lines if line]

    def close(self) -> None:
        self._db.close()

    def _take(self, subject: str, body: bytes) -> str:
        if subject.startswith(MARKERS):
            marker = Marker.model_validate_json(body)
            self._db.execute(
                "INSERT INTO complete VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET epoch = excluded.epoch, position = excluded.position, hash = excluded.hash"
                " WHERE excluded.epoch <> epoch OR excluded.position > position",
                (marker.context, marker.epoch, marker.position, marker.hash),
            )
            if (signed := marker.checkpoint) is not None:
                self._db.execute(
                    "INSERT INTO witness VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (signed.context, signed.number, signed.model_dump_json()),
                )
            return ""
        head, event = decode(body)
        known = self._db.execute(
            "INSERT INTO activity VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(head.id, head.stream, head.revision, head.type, head.time.isoformat()),
                *(head.identity, head.actor, body.decode()),
            ),
        )
        again = known.rowcount == 0
        for name, value in fields(event).items() if not again else ():
            # an event that was delayed does not undo what a later one of its stream has set
            self._db.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET value = excluded.value, revision = excluded.revision WHERE excluded.revision > revision",
                (
                    head.stream,
                    name,
                    None if isinstance(value, Erased) else value,
                    head.revision,
                    head.identity,
                ),
            )
        return f"{'again' if again else 'stored'} {head.type} {head.stream}@{head.revision} {head.id}"


class _Connect(Protocol):
    """nats.connect, as far as it is used here: it leaves its types open."""

    def __call__(self, servers: str, **options: object) -> Awaitable[_Connection]: ...


class _Connection(Protocol):
    def jetstream(self) -> JetStreamContext: ...
    async def close(self) -> None: ...


class RefusedError(Exception):
    """The server does not let this subscriber in: revoked, or a wrong password."""


class Subscriber:
    """Follows the events until it is told to stop, or nothing has come for `idle` seconds."""

    def __init__(self, credentials: Credentials, crm: Crm, say: Callable[[str], object]) -> None:
        self._credentials, self._crm, self._say = credentials, crm, say
        self._stop, self._refusals = asyncio.Event(), 0

    def stop(self) -> None:
        self._stop.set()

    async def run(self, idle: float | None) -> None:
        """Raises RefusedError when the server does not let it in. An outage is waited for."""
        following = asyncio.create_task(self._follow(idle))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        while not following.done():  # what it has in hand and not acknowledged comes again
            following.cancel()
            await asyncio.wait({following}, timeout=1)
        if self._refusals >= REFUSALS:
            raise RefusedError
        if not following.cancelled():
            following.result()

    async def _follow(self, idle: float | None) -> None:
        while not await self._session(idle):
            pass  # its consumer does not answer: signing in again tells whether it was revoked

    async def _session(self, idle: float | None) -> bool:
        """Sign in and follow. True: nothing has come for `idle` seconds; False: it is time to sign in again."""
        mine = self._credentials
        connection = await cast("_Connect", cast("object", nats.connect))(
            mine.url,
            user=mine.user,
            password=mine.password,
            inbox_prefix=mine.inbox_prefix,  # the only place where it may listen
            name="crm_sync",
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            error_cb=self._trouble,
            reconnected_cb=self._back,
        )
        self._refusals = failures = 0
        try:
            events = await connection.jetstream().pull_subscribe_bind(
                consumer=mine.consumer, stream=mine.stream
            )
            quiet_since = monotonic()
            while idle is None or monotonic() - quiet_since < idle:
                try:
                    messages = await events.fetch(BATCH, timeout=PULL)
                except TimeoutError:
                    continue  # nothing came
                except (nats.errors.Error, nats.js.errors.Error) as error:
                    _complain(error)
                    failures += 1
                    if failures == FAILURES:
                        return False
                    await asyncio.sleep(PULL)
                    continue
                await self._take(messages)
                quiet_since, failures = monotonic(), 0
            return True
        finally:
            await connection.close()  # acknowledgements on their way leave first

    async def _take(self, messages: Sequence[Msg]) -> None:
        for line in self._crm.take([(message.subject, message.data) for message in messages]):
            self._say(line)
        for message in messages:  # only now: what is not acknowledged comes again
            await message.ack()

    async def _trouble(self, error: Exception) -> None:
        _complain(error)
        if "authorization violation" in str(error).lower():
            self._refusals += 1
            if self._refusals >= REFUSALS:
                self.stop()

    async def _back(self) -> None:
        self._refusals = 0


def _complain(error: Exception) -> None:
    print(f"waiting for the server: {type(error).__name__}", file=sys.stderr)


async def follow(credentials: Credentials, file: Path, idle: float | None) -> int:
    """Run until SIGINT or SIGTERM, or until nothing has come for `idle` seconds; the exit code."""
    with closing(Crm(file)) as crm:
        subscriber = Subscriber(credentials, crm, lambda line: print(line, flush=True))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, subscriber.stop)
        try:
            await subscriber.run(idle)
        except RefusedError:
            print(
                "The server refuses these credentials: they were revoked, or the password is wrong."
                " An admin makes new ones on the organization's page.",
                file=sys.stderr,
            )
            return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 stopped, 1 refused by the server, 2 misuse."""
    parser = argparse.ArgumentParser(description="Keep a CRM in step with Heraldry.")
    parser.add_argument("--credentials", type=Path, metavar="FILE", help="default: $HERALDRY_SUBSCRIBER")
    parser.add_argument("--store", type=Path, default=Path("crm.sqlite3"), metavar="FILE")
    parser.add_argument(
        "--until-idle", type=float, metavar="SECONDS", help="end when nothing came for so long"
    )
    told = parser.parse_args(arguments)
    file, store = cast("Path | None", told.credentials), cast("Path", told.store)
    try:
        text = file.read_text(encoding="utf-8") if file else os.environ.get("HERALDRY_SUBSCRIBER", "")
        credentials = Credentials.read(text)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return asyncio.run(follow(credentials, store, cast("float | None", told.until_idle)))


if __name__ == "__main__":
    raise SystemExit(main())
