"""AppendSession and AppendRecords, of the protocol's second version: events of several streams, all or none."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID, uuid4

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value
from heraldry.chassis.testing.kurrent.access import Right
from heraldry.chassis.testing.kurrent.database import Conflict, WrittenAcross
from heraldry.chassis.testing.kurrent.detailed import (
    access_denied_in_detail,
    checks_failed,
    invalid_request,
    no_requests,
    not_leader_in_detail,
    not_ready_in_detail,
    record_too_large,
    revision_conflict,
    stream_twice,
    tombstoned,
    transaction_too_large,
)
from heraldry.chassis.testing.kurrent.node import Metadata, Node
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, METASTREAM, Expected, Proposed
from heraldry.chassis.testing.kurrent.refusals import AccessDenied, Refusal
from kurrentdbclient.protos.v2.streams.errors_pb2 import ConsistencyViolation
from kurrentdbclient.protos.v2.streams.streams_pb2 import (
    SCHEMA_FORMAT_JSON,
    SCHEMA_FORMAT_UNSPECIFIED,
    AppendRecord,
    AppendRecordsRequest,
    AppendRecordsResponse,
    AppendRequest,
    AppendResponse,
    AppendSessionResponse,
    SchemaFormat,
    StreamRevision,
)

_TOMBSTONED: Final = -6
_DELETED: Final = -5
_SCHEMA_NAME: Final = re.compile(r"[\w.$:-]+")
_FORMAT: Final = "$schema.format"
_EXPECTATIONS: Final = (Expected.ANY, Expected.NO_STREAM, Expected.EXISTS)
_STATES: Final = (Expected.NO_STREAM, Expected.EXISTS, Expected.DELETED, _TOMBSTONED)


class _Events:
    """What is to be stored of one call, and how large it is."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._size = 0
        self.proposed: list[tuple[str, Proposed]] = []

    def add(self, stream: str, record: AppendRecord) -> None:
        """Raises Refusal where the record is not as it should be, or too large."""
        _check_record(record)
        event, size = _proposed(record)
        if size > self._node.limits.event:
            raise record_too_large(stream, str(event.id), size, self._node.limits.event)
        self.proposed.append((stream, event))
        self._size += size
        if self._size > self._node.limits.append:
            raise transaction_too_large(len(self.proposed), self._size, self._node.limits.append)


async def append_session(
    node: Node, requests: AsyncIterator[AppendRequest], metadata: Metadata
) -> AppendSessionResponse:
    """One request a stream, each with what it expects."""
    expected: dict[str, int] = {}
    events = _Events(node)
    async for request in requests:
        _check_request(request)
        _allow(node, metadata, "write", request.stream)
        if request.stream.casefold() in map(str.casefold, expected):
            raise stream_twice(request.stream)
        has_expectation = request.HasField("expected_revision")
        expected[request.stream] = request.expected_revision if has_expectation else Expected.ANY
        for record in request.records:
            events.add(request.stream, record)
    if not expected:
        raise no_requests()
    _admit(node)
    outcome = await node.database.append_across(expected, events.proposed)
    if isinstance(outcome, WrittenAcross):
        output = [
            AppendResponse(stream=stream, stream_revision=revision)
            for stream, revision in outcome.revisions.items()
        ]
        return AppendSessionResponse(output=output, position=outcome.position)
    first = outcome[0]
    if any(map(_is_gone, outcome)):
        raise tombstoned(first.stream)
    raise revision_conflict(first.stream, first.expected, first.actual)


async def append_records(
    node: Node, request: AppendRecordsRequest, metadata: Metadata
) -> AppendRecordsResponse:
    """Records of any streams in any order; what is expected of streams stands beside them."""
    expected = _checks(request)
    checked = tuple(expected)
    events = _Events(node)
    for record in request.records:
        _check_stream("AppendRequest", record.stream)
        events.add(record.stream, record)
        expected.setdefault(record.stream, Expected.ANY)
    written = {stream for stream, _ in events.proposed}
    for stream in written:
        _allow(node, metadata, "write", stream)
    for stream in checked:
        if stream not in written:
            _allow(node, metadata, "read", stream)
    _admit(node)
    outcome = await node.database.append_across(expected, events.proposed)
    if isinstance(outcome, WrittenAcross):
        revisions = [
            StreamRevision(stream=stream, revision=revision) for stream, revision in outcome.revisions.items()
        ]
        return AppendRecordsResponse(revisions=revisions, position=outcome.position)
    raise _violated(outcome, tuple(expected))


def _admit(node: Node) -> None:
    """These calls are for the leader alone, whatever the client says."""
    if not node.ready:
        raise not_ready_in_detail()
    if node.leader is not None:
        raise not_leader_in_detail(*node.leader, node.leader_id)


def _allow(node: Node, metadata: Metadata, right: Right, stream: str) -> None:
    try:
        node.allow(metadata, right, stream)
    except AccessDenied:
        raise access_denied_in_detail(right, stream) from None


def _check_stream(kind: str, stream: str) -> None:
    if stream in ("", METASTREAM):
        what = "empty" if stream == "" else f"'{METASTREAM}'"
        raise invalid_request(kind, "Stream", f"Stream must not be {what}.")


def _check_request(request: AppendRequest) -> None:
    kind = "AppendRequest"
    _check_stream(kind, request.stream)
    if request.expected_revision < 0 and request.expected_revision not in _EXPECTATIONS:
        raise invalid_request(
            kind,
            "ExpectedRevision",
            "Expected revision must be positive or one of the allowed constants: "
            "NoStream (-1), Any (-2) or Exists (-4).",
        )
    if not request.records:
        raise invalid_request(kind, "Records", "Stream append request must contain at least one record")


def _checks(request: AppendRecordsRequest) -> dict[str, int]:
    """What is expected of each stream that a check names."""
    kind = "AppendRecordsRequest"
    if not request.records:
        raise invalid_request(kind, "Records", "Append records request must contain at least one record.")
    expected: dict[str, int] = {}
    for check in request.checks:
        if check.WhichOneof("type") is None:
            raise invalid_request(kind, "TypeCase", "Each consistency check must specify a type.")
        stream, state = check.stream_state.stream, check.stream_state.expected_state
        _check_stream(kind, stream)
        if state < 0 and state not in _STATES:
            raise invalid_request(
                kind,
                "ExpectedState",
                "Expected state must be positive or one of the allowed constants: NoStream (-1), Exists (-4), "
                "Deleted (-5), or Tombstoned (-6). Any (-2) is not allowed.",
            )
        if stream.casefold() in map(str.casefold, expected):
            raise invalid_request(kind, "Checks", "Each stream can only appear once in consistency checks.")
        expected[stream] = LAST_REVISION if state == _TOMBSTONED else state
    return expected


def _check_record(record: AppendRecord) -> None:
    kind, name = "AppendRequest", record.schema.name
    if record.schema.format == SCHEMA_FORMAT_UNSPECIFIED:
        raise invalid_request(kind, "Format", "Schema format must not be Unspecified.")
    if not name:
        raise invalid_request(kind, "Name", "Schema name must not be empty")
    if not unicodedata.is_normalized("NFC", name):
        raise invalid_request(kind, "Name", "Schema name must be in Unicode NFC (Normalization Form C)")
    if not _SCHEMA_NAME.fullmatch(name):
        raise invalid_request(
            kind,
            "Name",
            "Schema name can only contain unicode letters, digits, underscores, dashes, periods, colons, "
            f"and dollar signs. Attempted Value: {name}",
        )
    if "" in record.properties:
        raise invalid_request(kind, "Properties", "Property keys must not be empty.")


def _is_gone(conflict: Conflict) -> bool:
    deleted = conflict.deleted and conflict.expected == Expected.EXISTS
    return conflict.actual == LAST_REVISION or deleted


def _violated(conflicts: Sequence[Conflict], streams: Sequence[str]) -> Refusal:
    return checks_failed(
        [
            ConsistencyViolation(
                check_index=streams.index(conflict.stream),
                stream_state=ConsistencyViolation.StreamStateViolation(
                    stream=conflict.stream,
                    expected_state=_TOMBSTONED if conflict.expected == LAST_REVISION else conflict.expected,
                    actual_state=_actual_state(conflict),
                ),
            )
            for conflict in conflicts
        ]
    )


def _actual_state(conflict: Conflict) -> int:
    if conflict.actual == LAST_REVISION:
        return _TOMBSTONED
    return _DELETED if conflict.deleted else conflict.actual


def _proposed(record: AppendRecord) -> tuple[Proposed, int]:
    """The event and its size. Its properties read back as JSON, with its schema among them."""
    try:
        id_ = UUID(record.record_id) if record.HasField("record_id") else uuid4()
    except ValueError:
        id_ = UUID(int=0)
    if id_.int == 0:
        raise invalid_request("AppendRequest", "RecordId", "Record ID must be a valid and non-empty UUID.")
    is_json = record.schema.format == SCHEMA_FORMAT_JSON
    kept = Struct(fields=record.properties)
    if not is_json:
        name = SchemaFormat.Name(record.schema.format).removeprefix("SCHEMA_FORMAT_").title()
        kept.fields[_FORMAT].CopyFrom(Value(string_value=name))
    if record.schema.HasField("id"):
        kept.fields["$schema.id"].CopyFrom(Value(string_value=record.schema.id))
    size = len(record.data) + kept.ByteSize() + len(record.schema.name.encode())
    shown: dict[str, object] = {**MessageToDict(kept), "$schema.name": record.schema.name}
    if is_json:
        shown[_FORMAT] = "Json"
    metadata = json.dumps(shown).encode()
    return Proposed(id_, record.schema.name, record.data, metadata, is_json), size
