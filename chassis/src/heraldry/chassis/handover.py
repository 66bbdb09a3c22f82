"""A new replica's read model: a copy of a sibling's, so that it need not replay the whole log.

The copy travels over NATS from process to process, in parts, encrypted with a key that only the processes of this
context have; it is stored nowhere on the way. Whatever goes wrong (nobody has one, another release, a part that does
not come) ends in `False`, and the log is replayed: it alone is the truth, and the copy is only as far as its checkpoint.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.projection import Projection
from heraldry.chassis.tasks import end
from heraldry.chassis.vault.keys import Key, UnreadableError, decrypt, encrypt
from heraldry.contracts import subjects
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.stdlib.get_logger(__name__)

PART: Final = 512 * 1024  # bytes; NATS takes 1 MiB
AT_ONCE: Final = 4  # parts under way
COPYING: Final = 120.0  # seconds a sibling may take to make the copy
ARRIVING: Final = 10.0  # seconds a part may take
IDLE: Final = 10.0  # seconds after which a copy nobody asks for any more is removed
LEAVING, COMING = ".leaving", ".coming"  # how files of unfinished copies end


class _Wanted(BaseModel):
    """Asked of all siblings; one answers. A format between releases: fields are only added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    versions: Mapping[str, int]  # of the projections, by name


class _Copy(BaseModel):
    """What is there to be fetched; empty: nothing, because the sibling's projections are of another release."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = ""
    size: int = 0  # bytes
    digest: str = ""  # BLAKE2b of the whole, as hexadecimal text


class IncompleteError(Exception):
    """The copy did not arrive as it left."""


async def _fetch(nc: Client, context: str, copy: _Copy, into: Path, key: Key) -> None:
    digest = hashlib.blake2b()
    where = _where(context, copy.id)

    async def part(offset: int) -> bytes:
        answer = await nc.request(where, str(offset).encode(), timeout=ARRIVING)
        return decrypt(key, answer.data, _place(copy.id, offset))

    with into.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        for begin in range(0, copy.size, AT_ONCE * PART):
            offsets = range(begin, min(begin + AT_ONCE * PART, copy.size), PART)
            for piece in await asyncio.gather(*(part(offset) for offset in offsets)):
                digest.update(piece)
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != copy.digest:
        raise IncompleteError("it is not what was sent")


class Handover:
    """A process's read model, had from a sibling, and then given to siblings.

    `take_over` before the model is opened at `path`; `start` when it has caught up. `name`: which of the context's
    models; `key`: one that every process of the context has, and no other.
    """

    def __init__(
        self, nc: Client, context: str, name: str, path: Path, projections: Sequence[Projection], key: Key
    ) -> None:
        self._nc, self._context, self._name, self._path, self._key = nc, context, name, path, key
        self._versions = _versions(projections)
        self._turn = asyncio.Lock()
        self._asked: Subscription | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def take_over(self) -> bool:
        """Put a sibling's copy at the path, unless a file is there.

        False: the model has to be built from the log. Never raises for what a sibling or the bus does.
        """
        coming = self._path.with_name(self._path.name + COMING)
        coming.unlink(missing_ok=True)
        if self._path.exists():
            return False
        asked = _Wanted(versions=self._versions).model_dump_json().encode()
        wanted = encrypt(self._key, asked, self._name.encode())
        try:
            answer = await self._nc.request(_where(self._context, self._name), wanted, timeout=COPYING)
            copy = _Copy.model_validate_json(decrypt(self._key, answer.data, self._name.encode()))
            if not copy.id:
                return False
            await _fetch(self._nc, self._context, copy, coming, self._key)
            coming.rename(self._path)
        except NoRespondersError:
            return False
        except (NatsError, TimeoutError, UnreadableError, ValidationError, IncompleteError, OSError) as error:
            log.warning("a read model could not be taken over; it is built from the log", because=repr(error))
            coming.unlink(missing_ok=True)
            return False
        log.info("read model taken over", context=self._context, model=self._name, bytes=copy.size)
        return True

    async def start(self) -> None:
        """Give copies to whoever asks."""
        for left in self._path.parent.glob(f"{self._path.name}.*{LEAVING}"):  # by a process that was killed
            left.unlink(missing_ok=True)
        self._asked = await border.subscribe(
            self._nc, _where(self._context, self._name), queue=self._context, cb=self._take
        )
        await self._nc.flush()  # from now on the server knows

    async def stop(self) -> None:
        if self._asked is not None and not self._nc.is_closed:
            await self._asked.unsubscribe()
        await end(*self._serving)

    async def _take(self, message: Msg) -> None:
        task = asyncio.create_task(self._serve(message))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, message: Msg) -> None:
        try:
            asked = decrypt(self._key, message.data, self._name.encode())
            wanted = _Wanted.model_validate_json(asked)
        except (UnreadableError, ValidationError):  # only a sibling can have it read a whole model
            log.warning("a question for a read model was not understood", context=self._context)
            return
        if wanted.versions != self._versions:
            await self._answer(message, _Copy())
            return
        async with self._turn:  # one at a time: each is as large as the model
            file = self._path.with_name(f"{self._path.name}.{uuid4().hex}{LEAVING}")
            try:
                copy = await asyncio.to_thread(_copied, self._path, file)
                await self._hand_out(message, copy, file)
            except (sqlite3.Error, OSError, NatsError) as error:
                log.warning("a read model could not be handed over", because=repr(error))
            finally:
                file.unlink(missing_ok=True)

    async def _hand_out(self, message: Msg, copy: _Copy, file: Path) -> None:
        """Answer for each part until the last was fetched, or nobody asks any more."""
        asked: asyncio.Queue[Msg] = asyncio.Queue()
        parts = await border.subscribe(self._nc, _where(self._context, copy.id), cb=asked.put)
        try:
            await self._answer(message, copy)
            with file.open("rb") as source, suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(IDLE):
                        wanted = await asked.get()
                    offset = int(wanted.data)
                    source.seek(offset)
                    piece = encrypt(self._key, source.read(PART), _place(copy.id, offset))
                    await wanted.respond(piece)
                    if offset + PART >= copy.size:
                        return
        finally:
            if not self._nc.is_closed:
                await parts.unsubscribe()

    async def _answer(self, message: Msg, copy: _Copy) -> None:
        await message.respond(encrypt(self._key, copy.model_dump_json().encode(), self._name.encode()))


def _copied(path: Path, file: Path) -> _Copy:
    """A consistent copy while others write: one transaction, without what was deleted."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM INTO ?", (str(file),))
    file.chmod(0o600)
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "blake2b").hexdigest()
    return _Copy(id=f"copy-{uuid4().hex}", size=file.stat().st_size, digest=digest)


def _versions(projections: Sequence[Projection]) -> dict[str, int]:
    return {one.name: one.version for one in projections}


def _where(context: str, name: str) -> str:
    """Among the context's queries: only its own processes, and those who may ask it, may send there."""
    return subjects.query(context, name)


def _place(copy: str, offset: int) -> bytes:
    """What is authenticated with a part: that it is this one."""
    return f"{copy} {offset}".encode()
