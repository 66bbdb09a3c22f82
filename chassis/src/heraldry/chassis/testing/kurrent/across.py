"""AppendSession and AppendRecords, of the protocol's second version: events of several streams, all or none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID, uuid4

from google.protobuf.json_format import MessageToDict
from grpc import StatusCode
from heraldry.chassis.testing.kurrent.database import Conflict, WrittenAcross
from heraldry.chassis.testing.kurrent.node import Metadata, Node
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, Expected, Proposed
from heraldry.chassis.testing.kurrent.refusals import (
    Refusal,
    detailed,
    invalid_argument,
    not_leader_in_detail,
    revision_conflict,
    stream_twice,
    tombstoned,
    transaction_too_large,
)
from kurrentdbclient.protos.v2.streams.errors_pb2 import (
    AppendConsistencyViolationErrorDetails,
    ConsistencyViolation,
)
from kurrentdbclient.protos.v2.streams.streams_pb2 import (
    SCHEMA_FORMAT_JSON,
    AppendRecord,
    AppendRecordsRequest,
    AppendRecordsResponse,
    AppendRequest,
    AppendResponse,
    AppendSessionResponse,
    StreamRevision,
)

_TOMBSTONED: Final = -100
_DELETED: Final = -10
Events = list[tuple[str, Proposed]]


async def append_session(
    node: Node, requests: AsyncIterator[AppendRequest], metadata: Metadata
) -> AppendSessionResponse:
    """One request a stream, each with what it expects."""
    _admit(node)
    expected: dict[str, int] = {}
    events: Events = []
    async for request in requests:
        node.allow(metadata, "write", request.stream)
        if request.stream in expected:
            raise stream_twice(request.stream)
        has_expectation = request.HasField("expected_revision")
        expected[request.stream] = request.expected_revision if has_expectation else Expected.ANY
        events += [(request.stream, _proposed(record)) for record in request.records]
        _check_size(node, events)
    if not expected:
        raise invalid_argument("an append session without a request")
    outcome = await node.database.append_across(expected, events)
    if isinstance(outcome, WrittenAcross):
        output = [
            AppendResponse(stream=stream, stream_revision=revision)
            for stream, revision in outcome.revisions.items()
        ]
        return AppendSessionResponse(output=output, position=outcome.position)
    first = outcome[0]
    if first.actual == LAST_REVISION:
        raise tombstoned(first.stream)
    raise revision_conflict(first.stream, first.expected, first.actual)


async def append_records(
    node: Node, request: AppendRecordsRequest, metadata: Metadata
) -> AppendRecordsResponse:
    """Records of any streams in any order; what is expected of streams stands beside them."""
    _admit(node)
    events: Events = [(record.stream, _proposed(record)) for record in request.records]
    _check_size(node, events)
    if not events:
        raise invalid_argument("an append without a record")
    expected: dict[str, int] = {stream: Expected.ANY for stream, _ in events}
    for stream in expected:
        node.allow(metadata, "write", stream)
    checks: dict[str, int] = {}
    for index, check in enumerate(request.checks):
        stream = check.stream_state.stream
        if stream not in expected:
            node.allow(metadata, "read", stream)
        expected[stream], checks[stream] = check.stream_state.expected_state, index
    outcome = await node.database.append_across(expected, events)
    if isinstance(outcome, WrittenAcross):
        revisions = [
            StreamRevision(stream=stream, revision=revision) for stream, revision in outcome.revisions.items()
        ]
        return AppendRecordsResponse(revisions=revisions, position=outcome.position)
    raise _violated(outcome, checks)


def _admit(node: Node) -> None:
    """These calls are for the leader alone, whatever the client says."""
    if node.leader is not None:
        raise not_leader_in_detail(*node.leader)
    node.admit(())


def _check_size(node: Node, events: Events) -> None:
    size = sum(event.size for _, event in events)
    if size > node.largest_append:
        raise transaction_too_large(size, node.largest_append)


def _violated(conflicts: Sequence[Conflict], checks: dict[str, int]) -> Refusal:
    unchecked = [conflict for conflict in conflicts if conflict.stream not in checks]
    if unchecked:
        return tombstoned(unchecked[0].stream)
    violations = [
        ConsistencyViolation(
            check_index=checks[conflict.stream],
            stream_state=ConsistencyViolation.StreamStateViolation(
                stream=conflict.stream,
                expected_state=conflict.expected,
                actual_state=_actual_state(conflict),
            ),
        )
        for conflict in conflicts
    ]
    return detailed(
        StatusCode.FAILED_PRECONDITION,
        f"{len(violations)} consistency check(s) failed; nothing was appended.",
        AppendConsistencyViolationErrorDetails(violations=violations),
    )


def _actual_state(conflict: Conflict) -> int:
    if conflict.actual == LAST_REVISION:
        return _TOMBSTONED
    return _DELETED if conflict.deleted else conflict.actual


def _proposed(record: AppendRecord) -> Proposed:
    properties: dict[str, object] = {key: MessageToDict(value) for key, value in record.properties.items()}
    is_json = record.schema.format == SCHEMA_FORMAT_JSON
    if not is_json:
        properties["$schema.format"] = "Bytes"
    try:
        id_ = UUID(record.record_id) if record.HasField("record_id") else uuid4()
    except ValueError:
        raise invalid_argument(f"'{record.record_id}' is not a valid UUID") from None
    metadata = json.dumps(properties).encode() if properties else b""
    return Proposed(id_, record.schema.name, record.data, metadata, is_json)
