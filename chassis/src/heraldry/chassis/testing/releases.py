"""Notes: an example service in two releases, to see them side by side. As a program it is one process of a release.

The newer release knows the event NoteStarred, version 2 of NoteTaken (several words instead of one text) and version 2
of NoteSent (with its size). Each process writes notes (context scheduler), relays, projects and reacts to its own log,
and is a reader, too: a reaction and the control consumer of another context (mailbox), and a view (gateway). It takes
orders as JSON on standard input, a line each, and answers with a line.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import ClassVar, Final, Literal, Self, cast
from uuid import UUID, uuid4

import orjson
from heraldry.chassis.bus import control, own, reactions
from heraldry.chassis.bus.connect import connect
from heraldry.chassis.bus.control import Control
from heraldry.chassis.bus.own import OwnReactions
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Patience, Reactions, reaction
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.codec import Codec
from heraldry.chassis.decider import Decider
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.views import ViewFeed
from heraldry.contracts import registry
from heraldry.contracts.base import By, Command, Envelope, Event, Internal, Published, Refused
from heraldry.contracts.evolution import Document, Upcasters

Name = Literal["older", "newer"]
OWN, REACTION, CONTROL = "scheduler-own", "mailbox-reactions", "mailbox-control"
ORGANIZATION: Final = UUID(int=1)
USERS: Final = ("scheduler", "mailbox", "gateway")
READY: Final = "ready"
ACK_WAIT: Final = 1.0
SOON: Final = 0.2  # seconds until what was left is looked at again


class OldNoteTaken(Published):
    text: str


class OldNoteSent(Internal):
    text: str


class NoteTaken(Published):
    version: ClassVar[int] = 2
    words: tuple[str, ...]


class NoteSent(Internal):
    version: ClassVar[int] = 2
    words: tuple[str, ...]
    size: int


class NoteStarred(Published):
    stars: int


def _several(document: Document) -> Document:
    return {"at": document["at"], "words": str(document["text"]).split()}


def _sized(document: Document) -> Document:
    return {**_several(document), "size": len(str(document["text"]))}


@dataclass(frozen=True, slots=True)
class Release:
    """What one release knows of the events."""

    taken: type[Event]
    sent: type[Event]
    types: Mapping[str, type[Event]]
    upcasters: Upcasters

    @classmethod
    def of(cls, name: Name) -> Self:
        if name == "older":
            return cls(OldNoteTaken, OldNoteSent, {"NoteTaken": OldNoteTaken, "NoteSent": OldNoteSent}, {})
        types = {"NoteTaken": NoteTaken, "NoteSent": NoteSent, "NoteStarred": NoteStarred}
        return cls(NoteTaken, NoteSent, types, {("NoteTaken", 1): _several, ("NoteSent", 1): _sized})

    @property
    def published(self) -> tuple[type[Event], ...]:
        return tuple(kind for kind in self.types.values() if issubclass(kind, Published))

    def install(self) -> None:
        """Have this process's registry be this release's."""
        entries = [
            registry.Registered(name, "scheduler", kind, internal=issubclass(kind, Internal))
            for name, kind in self.types.items()
        ]
        cast("dict[str, object]", vars(registry)).update(
            REGISTERED={entry.name: entry for entry in entries},
            _NAMES={entry.kind: entry for entry in entries},
            UPCASTERS=self.upcasters,
        )


def said(event: Event) -> str:
    """What a note says, whichever version: nobody may see a difference."""
    match event:
        case OldNoteTaken(text=text) | OldNoteSent(text=text):
            return text
        case NoteTaken(words=words) | NoteSent(words=words):
            return " ".join(words)
        case NoteStarred(stars=stars):
            return "*" * stars
        case _:
            raise AssertionError(event)


def _notes(version: int, kinds: Sequence[type[Event]]) -> Projection:
    made = Projection(
        "notes",
        version,
        "CREATE TABLE note (position TEXT PRIMARY KEY, said TEXT NOT NULL) STRICT",
        ("note",),
    )

    def put(db: Connection, event: Event, fact: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (fact.position, said(event)))

    for kind in kinds:
        made.on(kind)(put)
    return made


def _seen(model: ReadModel) -> Mapping[str, object]:
    def read(db: Connection) -> Mapping[str, object]:
        rows = cast("list[tuple[str]]", db.execute("SELECT said FROM note ORDER BY said").fetchall())
        versions = cast("list[tuple[int]]", db.execute("SELECT version FROM projection").fetchall())
        return {"notes": [row[0] for row in rows], "to be rebuilt": versions == [(-1,)]}

    return model.read(read)


KEEPING: Final[Decider[Event, int, Event]] = Decider(
    0, lambda command, _: (command,), lambda state, _: state + 1
)


class Heard(Command):
    """What the reactions ask for."""

    context: ClassVar[str] = "mailbox"
    text: str


def _hear(envelope: Envelope[Event]) -> Sequence[Command]:
    return (Heard(text=said(envelope.data)),)


class _Ears:
    """Keeps what it is asked, once for each id."""

    def __init__(self) -> None:
        self.heard: dict[UUID, str] = {}

    async def __call__(self, command: Command, *, by: By, id: UUID) -> object:  # noqa: A002  as Caller.send
        self.heard.setdefault(id, cast("Heard", command).text)
        return by

    @property
    def texts(self) -> list[str]:
        return sorted(self.heard.values())


@dataclass(slots=True)
class Service:
    """One process."""

    release: Release
    store: SqliteStore
    runner: Runner
    model: ReadModel
    view: ReadModel
    relay: Relay
    ears: Mapping[str, _Ears]

    async def obey(self, order: Mapping[str, str]) -> Mapping[str, object]:
        match order["do"]:
            case "see":
                ears = {part: one.texts for part, one in self.ears.items()}
                return {
                    "projection": _seen(self.model),
                    "view": _seen(self.view),
                    "relay": self.relay.state.cause,
                    **ears,
                }
            case "star":
                return await self._write(order["note"], NoteStarred(at=datetime.now(UTC), stars=3))
            case what:
                kind = self.release.taken if what == "take" else self.release.sent
                text, now = order["text"], datetime.now(UTC)
                words = (
                    {"text": text}
                    if self.release.taken is OldNoteTaken
                    else {"words": text.split(), "size": len(text)}
                )
                return await self._write(order["note"], kind.model_validate({"at": now, **words}))

    async def _write(self, note: str, event: Event) -> Mapping[str, object]:
        """Refused where the stream has what this release does not know."""
        asked = Asked(uuid4(), By(organization=ORGANIZATION, actor="user:ada"), event.at, UUID(int=2))
        try:
            ran = await self.runner.run(KEEPING, f"note-{note}", event, asked)
        except Refused as refusal:
            return {"refused": refusal.code, "status": refusal.status}
        return {"accepted": ran.revision}


async def serve(told: Mapping[str, str]) -> None:
    """Be a process of a release until standard input ends."""
    name, folder = cast("Name", told["release"]), Path(told["folder"])
    release = Release.of(name)
    release.install()
    for module in (reactions, control, own):
        cast("dict[str, object]", vars(module))["LONGEST_LEFT"] = SOON
    settings = {user: _settings(told["url"], user, told[user]) for user in USERS}
    scheduler, mailbox, gateway = [await connect(settings[user]) for user in USERS]
    store = SqliteStore(folder / "notes.sqlite3")
    codec = Codec(release.types, KeysInMemory(), release.upcasters)
    kinds = tuple(release.types.values())
    projections = [_notes(1 if name == "older" else 2, kinds)]
    model = ReadModel(folder / f"{told['file']}.sqlite3", projections)
    view = ReadModel(folder / f"{told['file']}-view.sqlite3", projections)
    await StoreFeed("scheduler", store, codec, model).start()
    await ViewFeed(gateway, view, lambda _: None, lambda _: False).start()
    relay = Relay(scheduler, "scheduler", store, codec, release.types)
    ears = {part: _Ears() for part in ("own reaction", "reaction", "control consumer")}
    patience, parking = Patience(3, (0.05,)), Parking(mailbox, "mailbox")
    to_own = reaction(OWN, kinds, _hear, from_start=True)
    in_own = (scheduler, "scheduler", store, codec, release.types, [to_own], ears["own reaction"])
    of_own = OwnReactions(*in_own, Parking(scheduler, "scheduler"), patience=patience)
    to_events = reaction(REACTION, release.published, _hear, from_start=True)
    in_events = (mailbox, settings["mailbox"], [to_events], ears["reaction"], parking)
    if not told["only_writes"]:
        await Reactions(*in_events, patience=patience, ack_wait=ACK_WAIT).start()
    to_control = reaction(CONTROL, (release.sent,), _hear, from_start=True)
    in_control = (mailbox, "mailbox", [to_control], ears["control consumer"], parking)
    of_control = Control(*in_control, patience=patience, ack_wait=ACK_WAIT)
    work = () if told["only_writes"] else (relay, of_own, of_control)
    working = [asyncio.create_task(one.run()) for one in work]
    await _obey(Service(release, store, Runner("scheduler", store, codec), model, view, relay, ears), working)
    os._exit(0)  # as a process ends that is killed: what it had in hand is found by the next


async def _obey(service: Service, working: Sequence[asyncio.Task[None]]) -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    _answer(READY)
    while line := await orders.readline():
        for one in working:
            if one.done():
                one.result()
        answer = await service.obey(cast("Mapping[str, str]", orjson.loads(line)))
        _answer(orjson.dumps(answer).decode())


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _settings(url: str, user: str, password: str) -> Settings:
    return Settings.model_validate(
        {"service": user, "nats_url": url, "nats_user": user, "nats_password": password}
    )


class Running:
    """A process of a release, as a test sees it.

    `file` names its read models; one that `only_writes` is as one that dies before it publishes or reacts.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, name: Name, server: NatsServer, folder: Path, *, file: str = "", only_writes: bool = False
    ) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        running = cls(process)
        passwords = {user: server.credentials[user].password for user in USERS}
        told = {"release": name, "folder": str(folder), "file": file or name, "url": server.url}
        told |= {"only_writes": "yes" if only_writes else "", **passwords}
        await running._say(told)
        assert await running._line() == READY
        return running

    async def ask(self, do: str, note: str = "", text: str = "") -> Mapping[str, object]:
        await self._say({"do": do, "note": note, "text": text})
        return cast("Mapping[str, object]", orjson.loads(await self._line()))

    async def stop(self) -> None:
        cast("asyncio.StreamWriter", self._process.stdin).close()
        await self._process.wait()

    async def _say(self, told: Mapping[str, str]) -> None:
        writer = cast("asyncio.StreamWriter", self._process.stdin)
        writer.write(orjson.dumps(told) + b"\n")
        await writer.drain()

    async def _line(self) -> str:
        """Without what is logged."""
        reader = cast("asyncio.StreamReader", self._process.stdout)
        while line := (await reader.readline()).decode().strip():
            if line == READY or line.startswith("{"):
                return line
        raise AssertionError(f"the process ended with {await self._process.wait()}")


if __name__ == "__main__":
    asyncio.run(serve(cast("Mapping[str, str]", orjson.loads(sys.stdin.readline()))))
