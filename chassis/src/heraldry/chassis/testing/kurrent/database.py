"""The database of the node: what it accepts, what it shows to readers, and who is told of news."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, cast
from uuid import UUID, uuid4

from heraldry.chassis.testing.kurrent import metadata as stream_metadata
from heraldry.chassis.testing.kurrent.log import RECENT, Log
from heraldry.chassis.testing.kurrent.metadata import StreamMetadata
from heraldry.chassis.testing.kurrent.records import (
    LAST_REVISION,
    METADATA,
    TICKS,
    TOMBSTONE,
    Expected,
    Proposed,
    Record,
    described_by,
    is_metastream,
    metastream_of,
    space,
)
from heraldry.chassis.testing.kurrent.rules import (
    Accepted,
    Deleted,
    Repeated,
    WrongRevision,
    judge,
)

PAGE: Final = 256
_OF_METASTREAMS: Final = StreamMetadata(max_count=1)
_CACHED_STREAMS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Written:
    """`revision` is the stream's last (-1: it has none); `position` is the last event's (-1: nobody sees it)."""

    revision: int
    position: int


Outcome = Written | WrongRevision | Deleted
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A stream that is not as an append across streams expects it; `actual` is LAST_REVISION of a tombstone."""

    stream: str
    expected: int
    actual: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class WrittenAcross:
    """The last revision of each stream that was written to, and the last event's position."""

    revisions: Mapping[str, int]
    position: int


@dataclass(frozen=True, slots=True)
class _Stream:
    last: int
    metadata: StreamMetadata


class Database:
    """Use it inside one event loop. Its log is kept in `folder`, or in memory where there is none."""

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._log = Log(folder)
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._recent: OrderedDict[UUID, tuple[str, int]] = OrderedDict()
        self._group: list[tuple[Callable[[], object], asyncio.Future[object]]] = []
        self._moved: asyncio.Event = asyncio.Event()
        self.node = self._log.node(uuid4())
        self.end: int = 0  # where the next event will be
        self._forget_unwritten()
        if self.end == 0:
            self._write_first_events()

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────

    async def append(self, stream: str, expected: int, events: Sequence[Proposed]) -> Outcome:
        return await self._in_group(lambda: self._append(stream, expected, events))

    async def append_across(
        self, expected: Mapping[str, int], events: Sequence[tuple[str, Proposed]]
    ) -> WrittenAcross | Sequence[Conflict]:
        """Events of several streams, in this order, all or none. A stream may only be expected, not written to."""
        return await self._in_group(lambda: self._append_across(expected, events))

    async def delete(self, stream: str, expected: int) -> Outcome:
        """Hide what the stream holds; the next append brings it back with the revisions that follow."""
        return await self._in_group(lambda: self._delete(stream, expected))

    async def tombstone(self, stream: str, expected: int) -> Outcome:
        """End the stream for good."""
        return await self._in_group(lambda: self._tombstone(stream, expected))

    async def _in_group(self, write: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        self._group.append((write, done))
        if len(self._group) == 1:
            loop.call_soon(self._commit_group)
        return cast("T", await asyncio.shield(done))

    def _commit_group(self) -> None:
        group, self._group = self._group, []
        try:
            with self._log.transaction():
                outcomes = [write() for write, _ in group]
        except Exception as error:  # noqa: BLE001  whoever waits is told
            self._forget_unwritten()
            for _, done in group:
                done.set_exception(error)
            return
        for (_, done), outcome in zip(group, outcomes, strict=True):
            done.set_result(outcome)
        self.wake()

    def _append(self, stream: str, expected: int, events: Sequence[Proposed]) -> Outcome:
        match judge(stream, expected, [event.id for event in events], self):
            case Accepted() as accepted:
                deleted = self._described_deleted(stream)
                written = self._write(stream, accepted.after, events)
                self._bring_back(stream, accepted, deleted)
                return written
            case Repeated(revision):
                found = self.event(stream, revision)
                return Written(revision, found.position if found else -1)
            case WrongRevision() | Deleted() as refusal:
                return refusal

    def _append_across(
        self, expected: Mapping[str, int], events: Sequence[tuple[str, Proposed]]
    ) -> WrittenAcross | Sequence[Conflict]:
        ids: dict[str, list[UUID]] = {stream: [] for stream in expected}
        for stream, event in events:
            ids[stream].append(event.id)
        verdicts = {stream: judge(stream, expected[stream], ids[stream], self) for stream in ids}
        repeated = {name: each.revision for name, each in verdicts.items() if isinstance(each, Repeated)}
        if repeated and repeated.keys() == {stream for stream, _ in events}:
            found = [self.event(stream, revision) for stream, revision in repeated.items()]
            return WrittenAcross(repeated, max((record.position for record in found if record), default=-1))
        accepted = {name: each for name, each in verdicts.items() if isinstance(each, Accepted)}
        conflicts = [
            Conflict(stream, expected[stream], self.last_revision(stream), self.is_deleted(stream))
            for stream in verdicts
            if stream not in accepted
        ]
        if conflicts:
            return conflicts
        deleted = {stream: self._described_deleted(stream) for stream in accepted}
        last = {stream: each.after for stream, each in accepted.items()}
        position = self.head()
        for stream, event in events:
            written = self._write(stream, last[stream], [event])
            last[stream], position = written.revision, written.position
        for stream in {stream for stream, _ in events}:
            self._bring_back(stream, accepted[stream], deleted[stream])
        return WrittenAcross({stream: last[stream] for stream, _ in events}, position)

    def _described_deleted(self, stream: str) -> bool:
        return is_metastream(stream) and self.is_deleted(described_by(stream))

    def _bring_back(self, stream: str, accepted: Accepted, described_deleted: bool) -> None:  # noqa: FBT001
        """A deleted stream begins anew when it is written to, or when its metadata are."""
        if accepted.undelete:
            self._undelete(stream, accepted.after + 1)
        if described_deleted:
            described = described_by(stream)
            self._undelete(described, self.last_revision(described) + 1)

    def _delete(self, stream: str, expected: int) -> Outcome:
        verdict = judge(stream, expected, [uuid4()], self)
        if not isinstance(verdict, Accepted):
            return _refused(verdict)
        metastream = metastream_of(stream)
        if verdict.after < 0 and self.last_revision(metastream) < 0:
            return WrongRevision(-1)
        written = self._write_metadata(stream, stream_metadata.truncated(b"", LAST_REVISION))
        return Written(verdict.after, written.position)

    def _tombstone(self, stream: str, expected: int) -> Outcome:
        verdict = judge(stream, expected, [uuid4()], self)
        if not isinstance(verdict, Accepted):
            return _refused(verdict)
        return self._write(stream, LAST_REVISION - 1, [Proposed(uuid4(), TOMBSTONE, b"", json=False)])

    def _undelete(self, stream: str, first: int) -> None:
        found = self._log.last_of(metastream_of(stream))
        if found is not None:
            self._write_metadata(stream, stream_metadata.truncated(found.data, first))

    def _write_metadata(self, stream: str, data: bytes) -> Written:
        metastream = metastream_of(stream)
        return self._write(metastream, self._stream(metastream).last, [Proposed(uuid4(), METADATA, data)])

    def _write(self, stream: str, after: int, events: Sequence[Proposed]) -> Written:
        created = self.now()
        records: list[Record] = []
        for revision, event in enumerate(events, start=after + 1):
            record = Record(
                self.end,
                stream,
                revision,
                event.id,
                event.type,
                event.json,
                event.data,
                event.metadata,
                created,
            )
            self.end = record.end
            records.append(record)
            self._remember(record)
        if not records:  # an empty append takes a place in the log where nobody sees anything
            position, self.end = self.end, self.end + space(stream)
            self._log.leave_room(position, self.end)
            return Written(after, position)
        self._log.append(records)
        self._streams[stream] = _Stream(records[-1].revision, self._stream(stream).metadata)
        if is_metastream(stream):
            described = described_by(stream)
            self._streams[described] = _Stream(
                self._stream(described).last, stream_metadata.parse(records[-1].data)
            )
        return Written(records[-1].revision, records[-1].position)

    def _remember(self, record: Record) -> None:
        self._recent[record.id] = (record.stream, record.revision)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def _forget_unwritten(self) -> None:
        """What is known beside the log is what the log says."""
        last = self._log.last()
        self.end = max(0 if last is None else last.end, self._log.room())
        self._streams.clear()
        self._recent = OrderedDict((id_, (stream, revision)) for id_, stream, revision in self._log.recent())

    def _write_first_events(self) -> None:
        """What a new database writes before anybody comes."""
        with self._log.transaction():
            for login in ("admin", "ops"):
                stream = f"$user-{login}"
                self._write(
                    stream, -1, [Proposed(uuid4(), "$UserCreated", b'{"loginName":"%s"}' % login.encode())]
                )
                self._append("$users", Expected.ANY, [Proposed(uuid4(), "$User", login.encode(), json=False)])

    # ── what is known ────────────────────────────────────────────────────────────────────────────────────

    def last_revision(self, stream: str) -> int:
        """As those who write find it. They learn of a tombstone beside a metastream only from the log.

        So metadata can be set after the tombstone, and nobody can read them: the server does so too.
        """
        return self._stream(stream).last

    def is_deleted(self, stream: str) -> bool:
        return self.metadata(stream).deleted

    def recent(self, id: UUID) -> tuple[str, int] | None:  # noqa: A002  the field's name
        return self._recent.get(id)

    def id_at(self, stream: str, revision: int) -> UUID | None:
        found = self._log.at(stream, revision)
        return None if found is None else found.id

    def metadata(self, stream: str) -> StreamMetadata:
        return _OF_METASTREAMS if is_metastream(stream) else self._stream(stream).metadata

    def head(self) -> int:
        """The position of the last event, -1 where there is none."""
        last = self._log.last()
        return -1 if last is None else last.position

    def now(self) -> int:
        return int(self._clock() * TICKS)

    def _stream(self, stream: str) -> _Stream:
        known = self._streams.get(stream)
        if known is None:
            if len(self._streams) > _CACHED_STREAMS:
                self._streams.clear()
            last = self._log.last_of(stream)
            described = self._log.last_of(metastream_of(stream))
            revision = -1 if last is None else last.revision
            known = self._streams[stream] = _Stream(
                LAST_REVISION if last and self.is_tombstoned(stream, revision) else revision,
                stream_metadata.NONE if described is None else stream_metadata.parse(described.data),
            )
        return known

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    def exists(self, stream: str) -> bool:
        """Whether readers find the stream."""
        return self.last_revision(stream) >= 0 and not self.is_deleted(stream)

    def is_tombstoned(self, stream: str, last: int | None = None) -> bool:
        """Itself, or as the metadata of a stream that is."""
        if is_metastream(stream) and self.is_tombstoned(described_by(stream)):
            return True
        return (self.last_revision(stream) if last is None else last) == LAST_REVISION

    def visible_range(self, stream: str) -> range:
        """The revisions that readers still see, age aside."""
        last = self.last_revision(stream)
        return range(self.metadata(stream).first_visible(last), last + 1)

    def page_of(
        self, stream: str, first: int, limit: int = PAGE, *, backwards: bool = False
    ) -> Sequence[Record]:
        """What readers see of a stream from this revision on; empty at its end."""
        visible = self.visible_range(stream)
        low, high = (
            (visible.start, min(first, visible.stop - 1))
            if backwards
            else (
                max(first, visible.start),
                visible.stop - 1,
            )
        )
        metadata, now = self.metadata(stream), self.now()
        while low <= high:
            page = self._log.of_stream(stream, low, high, limit, backwards=backwards)
            fresh = [record for record in page if not metadata.too_old(record, now)]
            if fresh or not page:
                return fresh
            low, high = (low, page[-1].revision - 1) if backwards else (page[-1].revision + 1, high)
        return []

    def page_of_all(self, position: int, limit: int = PAGE, *, backwards: bool = False) -> Sequence[Record]:
        """The log from this position on, or what lies before it; nothing in it is hidden from readers."""
        return self._log.backwards(position, limit) if backwards else self._log.forwards(position, limit)

    def log_of(self, stream: str, first: int, limit: int) -> Sequence[Record]:
        """A stream's events from this revision on, also what readers no longer see, its tombstone included."""
        return self._log.of_stream(stream, first, LAST_REVISION, limit, backwards=False)

    def is_a_place(self, position: int) -> bool:
        """Whether a read of the log can begin there: at an event, or at its end and beyond."""
        return position in {0, self.end} or position > self.end or self._log.is_position(position)

    def event(self, stream: str, revision: int) -> Record | None:
        """One event, if readers see it."""
        page = self.page_of(stream, revision, 1)
        return page[0] if page and page[0].revision == revision else None

    async def moved(self) -> None:
        """Until something more is in the log, or somebody wakes who waits."""
        await self._moved.wait()

    def wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def close(self) -> None:
        self._log.close()


def _refused(verdict: Repeated | WrongRevision | Deleted) -> WrongRevision | Deleted:
    if isinstance(verdict, Repeated):
        raise TypeError("an event with a fresh id was found in the log")
    return verdict
