"""Between the protocol's messages and what the database knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from heraldry.chassis.testing.kurrent.records import TICKS, Expected, Proposed, Record
from heraldry.chassis.testing.kurrent.refusals import Thrown, invalid_argument, missing_metadata
from kurrentdbclient.protos.v1.shared_pb2 import UUID as UuidMessage  # noqa: N811  not the UUID of Python
from kurrentdbclient.protos.v1.shared_pb2 import StreamIdentifier
from kurrentdbclient.protos.v1.streams_pb2 import ReadResp

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
_HALF: Final = 2**64

RecordedEvent = ReadResp.ReadEvent.RecordedEvent


class ProposedMessage(Protocol):
    """The event of an `Append` or a `BatchAppend`."""

    @property
    def id(self) -> UuidMessage: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def custom_metadata(self) -> bytes: ...
    @property
    def data(self) -> bytes: ...


class WithExpectation(Protocol):
    """The options of what changes a stream."""

    @property
    def stream_identifier(self) -> StreamIdentifier: ...
    @property
    def revision(self) -> int: ...


def stream_of(identifier: StreamIdentifier) -> str:
    return identifier.stream_name.decode()


def identifier_of(stream: str) -> StreamIdentifier:
    return StreamIdentifier(stream_name=stream.encode())


def expected(option: str | None, revision: int) -> int:
    """What an append, a deletion or a tombstone expects of its stream."""
    match option:
        case "revision" | "stream_position":
            return revision
        case "no_stream":
            return Expected.NO_STREAM
        case "any":
            return Expected.ANY
        case "stream_exists":
            return Expected.EXISTS
        case _:
            raise invalid_argument("'None' is not a valid expected stream revision")


def uuid_of(message: UuidMessage) -> UUID:
    if message.WhichOneof("value") == "structured":
        parts = message.structured
        return UUID(int=(parts.most_significant_bits % _HALF) * _HALF + parts.least_significant_bits % _HALF)
    try:
        return UUID(message.string)
    except ValueError:
        raise invalid_argument(f"'{message.string}' is not a valid UUID") from None


def uuid_message(id: UUID, *, structured: bool = False) -> UuidMessage:  # noqa: A002  the field's name
    if not structured:
        return UuidMessage(string=str(id))
    high, low = (half - _HALF if half >= _HALF // 2 else half for half in divmod(id.int, _HALF))
    return UuidMessage(
        structured=UuidMessage.Structured(most_significant_bits=high, least_significant_bits=low)
    )


def proposed(message: ProposedMessage) -> Proposed:
    for name in ("type", "content-type"):
        if name not in message.metadata:
            raise missing_metadata(name)
    event = Proposed(
        uuid_of(message.id),
        message.metadata["type"],
        message.data,
        message.custom_metadata,
        message.metadata["content-type"] == JSON,
    )
    if event.id.int == 0:
        raise Thrown("Empty eventId provided. (Parameter 'eventId')")
    if not event.type:
        raise Thrown("Empty eventType provided. (Parameter 'eventType')")
    return event


def recorded(record: Record, *, structured: bool) -> RecordedEvent:
    return RecordedEvent(
        id=uuid_message(record.id, structured=structured),
        stream_identifier=identifier_of(record.stream),
        stream_revision=record.revision,
        prepare_position=record.position,
        commit_position=record.position,
        metadata={
            "type": record.type,
            "created": str(record.created),
            "content-type": JSON if record.json else BYTES,
        },
        custom_metadata=record.metadata,
        data=record.data,
    )


def timestamp(ticks: int) -> Timestamp:
    seconds, rest = divmod(ticks, TICKS)
    return Timestamp(seconds=seconds, nanos=rest * 100)
