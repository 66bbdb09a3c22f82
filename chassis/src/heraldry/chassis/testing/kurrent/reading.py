"""Read: a stream or the whole log, forwards or backwards, to its end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from heraldry.chassis.testing.kurrent.database import PAGE, Database
from heraldry.chassis.testing.kurrent.messages import identifier_of, recorded, stream_of
from heraldry.chassis.testing.kurrent.node import Node
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, LINK, Record
from heraldry.chassis.testing.kurrent.refusals import invalid_argument, stream_deleted
from kurrentdbclient.protos.v1.streams_pb2 import ReadReq, ReadResp

Options = ReadReq.Options
Answer = ReadResp
Filter = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the events of a read are sent."""

    database: Database
    resolve_links: bool
    structured: bool

    def event(self, record: Record) -> Answer:
        """With a link resolved, both: the event it names, and the link that was read."""
        read = Answer.ReadEvent(commit_position=record.position)
        named = self._named_by(record) if self.resolve_links and record.type == LINK else None
        if named is None:
            read.event.CopyFrom(recorded(record, structured=self.structured))
        else:
            read.event.CopyFrom(recorded(named, structured=self.structured))
            read.link.CopyFrom(recorded(record, structured=self.structured))
        return Answer(event=read)

    def _named_by(self, link: Record) -> Record | None:
        revision, _, stream = link.data.decode(errors="replace").partition("@")
        return self.database.event(stream, int(revision)) if revision.isdigit() and stream else None


def shape_of(node: Node, options: Options) -> Shape:
    return Shape(
        node.database, options.resolve_links, options.uuid_option.WhichOneof("content") == "structured"
    )


def filter_of(options: Options) -> Filter:
    """Which events a read of the log sends."""
    if options.WhichOneof("filter_option") != "filter":
        return lambda _: True
    wanted = options.filter
    by_type = wanted.WhichOneof("filter") == "event_type"
    expression = wanted.event_type if by_type else wanted.stream_identifier
    prefixes = tuple(expression.prefix)
    if not expression.regex:
        return lambda record: (record.type if by_type else record.stream).startswith(prefixes)
    try:
        pattern = re.compile(expression.regex)
    except re.error as error:
        raise invalid_argument(f"the filter's regular expression cannot be read: {error}") from None
    return lambda record: pattern.search(record.type if by_type else record.stream) is not None


async def read_to_end(node: Node, options: Options) -> AsyncIterator[Answer]:
    """What is there now, as many as were asked for."""
    shape = shape_of(node, options)
    backwards = options.read_direction == Options.Backwards
    if options.WhichOneof("stream_option") == "all":
        records = _all(node.database, options, backwards=backwards)
    else:
        stream = stream_of(options.stream.stream_identifier)
        if node.database.is_tombstoned(stream):
            raise stream_deleted(stream)
        if not node.database.exists(stream):
            yield Answer(stream_not_found=Answer.StreamNotFound(stream_identifier=identifier_of(stream)))
            return
        records = _stream(node.database, stream, options, backwards=backwards)
    left = options.count
    if left > 0:
        for record in records:
            yield shape.event(record)
            left -= 1
            if left == 0:
                break


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


def _all(database: Database, options: Options, *, backwards: bool) -> Iterator[Record]:
    wanted = filter_of(options)
    match options.all.WhichOneof("all_option"):
        case "position":
            at = options.all.position.commit_position
        case "start":
            at = 0
        case _:
            at = database.end
    while page := database.page_of_all(at, PAGE, backwards=backwards):
        yield from filter(wanted, page)
        at = page[-1].position if backwards else page[-1].end
