"""Read: a stream or the whole log, forwards or backwards, to its end."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import islice

from heraldry.chassis.testing.kurrent.database import PAGE, Database
from heraldry.chassis.testing.kurrent.filters import filter_of, index_of
from heraldry.chassis.testing.kurrent.messages import identifier_of, recorded, stream_of
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, LINK, Record
from heraldry.chassis.testing.kurrent.refusals import stream_deleted, unexpected_result
from kurrentdbclient.protos.v1.streams_pb2 import ReadReq, ReadResp

Options = ReadReq.Options


@dataclass(frozen=True, slots=True)
class Shape:
    """How the events of a read are sent."""

    database: Database
    resolve_links: bool
    structured: bool

    def event(self, record: Record) -> ReadResp:
        """With a link resolved, both: the event it names, if that is still there, and the link that was read."""
        sent, position = recorded(record, structured=self.structured), record.position
        if not (self.resolve_links and record.type == LINK):
            return ReadResp(event=ReadResp.ReadEvent(event=sent, commit_position=position))
        named = self._named_by(record)
        event = None if named is None else recorded(named, structured=self.structured)
        return ReadResp(event=ReadResp.ReadEvent(event=event, link=sent, commit_position=position))

    def _named_by(self, link: Record) -> Record | None:
        revision, _, stream = link.data.decode(errors="replace").partition("@")
        if not (revision.isdecimal() and stream) or self.database.is_tombstoned(stream):
            return None
        return self.database.event(stream, int(revision))


def shape_of(database: Database, options: Options) -> Shape:
    return Shape(database, options.resolve_links, options.uuid_option.WhichOneof("content") == "structured")


async def read_to_end(database: Database, options: Options) -> AsyncGenerator[ReadResp]:
    """What is there now, as many as were asked for."""
    shape = shape_of(database, options)
    backwards = options.read_direction == Options.Backwards
    most = min(options.count, sys.maxsize)
    if options.WhichOneof("stream_option") == "all":
        for record in islice(_all(database, options, backwards=backwards), most):
            yield shape.event(record)
        return
    stream = stream_of(options.stream.stream_identifier)
    if database.is_tombstoned(stream):
        raise stream_deleted(stream)
    if not database.exists(stream):
        yield ReadResp(stream_not_found=ReadResp.StreamNotFound(stream_identifier=identifier_of(stream)))
        return
    tells_ends = options.control_option.compatibility >= 1
    count = 0
    for record in islice(_stream(database, stream, options, backwards=backwards), most):
        yield shape.event(record)
        count += 1
    visible = database.visible_range(stream)
    if tells_ends and count == 0 and not backwards and visible:
        yield ReadResp(first_stream_position=visible.start)
    if tells_ends:
        yield ReadResp(last_stream_position=visible.stop - 1)


def _stream(database: Database, stream: str, options: Options, *, backwards: bool) -> Iterator[Record]:
    match options.stream.WhichOneof("revision_option"):
        case "revision":
            at = min(options.stream.revision, LAST_REVISION)
        case "start":
            at = 0
        case _:
            at = LAST_REVISION
    while page := database.page_of(stream, at, min(PAGE, options.count), backwards=backwards):
        yield from page
        at = page[-1].revision + (-1 if backwards else 1)
        if at < 0:
            break


def _check_place(database: Database, options: Options, at: int, *, backwards: bool) -> None:
    if index_of(options):
        return
    what = "FilteredReadAllResult" if options.WhichOneof("filter_option") == "filter" else "ReadAllResult"
    if backwards and at > database.end:
        why = f"Requested position {at} is greater than writer checkpoint {database.end}"
        raise unexpected_result(what, f"Error >> {why} when requesting to read previous record from TF.")
    if not database.is_a_place(at):
        raise unexpected_result(what, "InvalidPosition")


def _all(database: Database, options: Options, *, backwards: bool) -> Iterator[Record]:
    wanted = filter_of(options)
    match options.all.WhichOneof("all_option"):
        case "position":
            at = options.all.position.commit_position
            _check_place(database, options, at, backwards=backwards)
        case "start":
            at = 0
        case _:
            at = database.end
    at = min(at, database.end)
    while page := database.page_of_all(at, PAGE, backwards=backwards):
        yield from filter(wanted, page)
        at = page[-1].position if backwards else page[-1].end
