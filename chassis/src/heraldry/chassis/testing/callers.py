"""Talking to a running installation over NATS, as its gateway does, and looking at what it has stored."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import cast
from uuid import UUID

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.connect import close, connect
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.settings import Settings
from heraldry.contracts.base import Accepted, By, Command, Refused
from nats.aio.client import Client
from nats.js import JetStreamContext

UNSURE = 500  # from this status on nobody knows whether it was done: it is sent again
PATIENCE = 45.0  # seconds a command is repeated
PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Calls:
    """The gateway's and the operator's connection to a running installation."""

    nc: Client
    caller: Caller
    operator: Client  # may read everything
    js: JetStreamContext  # the operator's

    async def insist(self, command: Command, *, by: By, id: UUID) -> Accepted:  # noqa: A002  the command's id
        """Send a command under one id until it is accepted, as a patient client does.

        Raises what the context refuses, and AssertionError when it takes too long.
        """
        until = monotonic() + PATIENCE
        while True:
            try:
                return await self.caller.send(command, by=by, id=id, deadline=2.0)
            except Refused as refusal:
                if refusal.status < UNSURE:
                    raise
                if monotonic() > until:
                    raise AssertionError(f"not accepted within {PATIENCE} s: {refusal.code}") from refusal
            await asyncio.sleep(PAUSE)


@asynccontextmanager
async def calling(folder: Path) -> AsyncGenerator[Calls]:
    """Connect to the installation in this data folder."""
    gateway, operator = await _connected(folder, "gateway"), await _connected(folder, rights.OPERATOR)
    try:
        yield Calls(gateway, Caller(gateway), operator, border.jetstream(operator))
    finally:
        await close(gateway)
        await close(operator)


async def _connected(folder: Path, user: str) -> Client:
    told = cast("dict[str, dict[str, str]]", json.loads(_text(folder / "keys" / "nats.json")))
    config = cast("dict[str, object]", json.loads(_text(folder / "run" / "nats.conf")))
    settings = {
        "service": user,
        "nats_url": f"nats://127.0.0.1:{config['port']}",
        "nats_user": user,
        "nats_password": told["passwords"][user],
    }
    return await connect(Settings.model_validate(settings), lost=_stay)


def _stay() -> None:
    """A test does not end with its connection."""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it stands in a store's file."""

    position: int
    stream: str
    revision: int
    id: str
    command: str


def rows_of(folder: Path, context: str) -> Sequence[Row]:
    """Every event of a context's store, in order, read from the file as anybody could."""
    file = folder / "store" / f"{context}.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        found = cast(
            "list[tuple[int, str, int, bytes, bytes]]",
            db.execute(
                "SELECT position, stream, revision, id, meta FROM events ORDER BY position"
            ).fetchall(),
        )
    return [
        Row(position, stream, revision, str(UUID(bytes=id_)), str(json.loads(meta)["command"]))
        for position, stream, revision, id_, meta in found
    ]
