"""What the server refuses in the second version of its protocol: what is wrong is a message of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from heraldry.chassis.testing.kurrent.refusals import Refusal
from kurrentdbclient.protos.google.rpc.code_pb2 import Code
from kurrentdbclient.protos.kurrent.rpc.errors_pb2 import AccessDeniedErrorDetails, NotLeaderNodeErrorDetails
from kurrentdbclient.protos.v2.streams.errors_pb2 import (
    AppendConsistencyViolationErrorDetails,
    AppendRecordSizeExceededErrorDetails,
    AppendTransactionSizeExceededErrorDetails,
    ConsistencyViolation,
    StreamAlreadyInAppendSessionErrorDetails,
    StreamRevisionConflictErrorDetails,
    StreamTombstonedErrorDetails,
)

_SERVER: Final = "server"
_STREAMS: Final = "streams"
_RETRY_AFTER: Final = 5  # seconds


def _detailed(code: StatusCode, domain: str, reason: str, message: str, *details: Message) -> Refusal:
    packed: list[AnyMessage] = []
    for detail in (ErrorInfo(reason=reason, domain=domain), *details):
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    status = Status(code=Code.Value(code.name), message=message, details=packed)
    return Refusal(code, message, {"grpc-status-details-bin": status.SerializeToString()})


def not_leader_in_detail(host: str, port: int, node: UUID) -> Refusal:
    leader = NotLeaderNodeErrorDetails.NodeInfo(host=host, port=port, node_id=str(node))
    return _detailed(
        StatusCode.FAILED_PRECONDITION,
        _SERVER,
        "NOT_LEADER_NODE",
        "The server is not the leader node and cannot handle the request. "
        f"Please retry your request against the leader node directly at {host}:{port}",
        NotLeaderNodeErrorDetails(current_leader=leader),
    )


def not_ready_in_detail() -> Refusal:
    return _detailed(
        StatusCode.UNAVAILABLE,
        _SERVER,
        "SERVER_NOT_READY",
        f"The server is not yet ready to handle requests. Please try again after {_RETRY_AFTER} seconds.",
        RetryInfo(retry_delay=Duration(seconds=_RETRY_AFTER)),
    )


def access_denied_in_detail(right: str, stream: str) -> Refusal:
    operation = f"streams:{right}:{stream}".lower()
    return _detailed(
        StatusCode.PERMISSION_DENIED,
        _SERVER,
        "ACCESS_DENIED",
        f"Access denied. Insufficient permissions to perform {operation}",
        AccessDeniedErrorDetails(operation=operation),
    )


def invalid_request(kind: str, field: str, what: str) -> Refusal:
    violation = BadRequest.FieldViolation(field=field, description=what)
    return _detailed(
        StatusCode.INVALID_ARGUMENT,
        _SERVER,
        "BAD_REQUEST",
        f"The '{kind}' is invalid: {what}",
        BadRequest(field_violations=[violation]),
    )


def no_requests() -> Refusal:
    return _detailed(
        StatusCode.FAILED_PRECONDITION,
        _STREAMS,
        "APPEND_SESSION_NO_REQUESTS",
        "Append session started, but no append requests were sent before ending the session.",
    )


def revision_conflict(stream: str, expected: int, actual: int) -> Refusal:
    return _detailed(
        StatusCode.FAILED_PRECONDITION,
        _STREAMS,
        "STREAM_REVISION_CONFLICT",
        f"Append failed due to a revision conflict on stream '{stream}'. "
        f"Expected revision: {expected}. Actual revision: {actual}.",
        StreamRevisionConflictErrorDetails(stream=stream, expected_revision=expected, actual_revision=actual),
    )


def tombstoned(stream: str) -> Refusal:
    return _detailed(
        StatusCode.FAILED_PRECONDITION,
        _STREAMS,
        "STREAM_TOMBSTONED",
        f"Stream '{stream}' has been tombstoned. "
        "It has been permanently removed from the system and cannot be restored.",
        StreamTombstonedErrorDetails(stream=stream),
    )


def stream_twice(stream: str) -> Refusal:
    return _detailed(
        StatusCode.ABORTED,
        _STREAMS,
        "STREAM_ALREADY_IN_APPEND_SESSION",
        f"Stream '{stream}' already has a different group of messages in this session. Appends for the same "
        "stream must currently be grouped together and not interleaved with appends for other streams.",
        StreamAlreadyInAppendSessionErrorDetails(stream=stream),
    )


def record_too_large(stream: str, record: str, size: int, largest: int) -> Refusal:
    return _detailed(
        StatusCode.INVALID_ARGUMENT,
        _STREAMS,
        "APPEND_RECORD_SIZE_EXCEEDED",
        f"The size of record {record} ({size} B) exceeds the maximum allowed size of {largest} B "
        f"by {size - largest} B",
        AppendRecordSizeExceededErrorDetails(stream=stream, record_id=record, size=size, max_size=largest),
    )


def transaction_too_large(records: int, size: int, largest: int) -> Refusal:
    return _detailed(
        StatusCode.ABORTED,
        _STREAMS,
        "APPEND_TRANSACTION_SIZE_EXCEEDED",
        f"Transaction size ({size} B) exceeded the maximum allowed size of {largest} B "
        f"by {size - largest} B, after {records} record(s).",
        AppendTransactionSizeExceededErrorDetails(size=size, max_size=largest),
    )


def checks_failed(violations: Sequence[ConsistencyViolation]) -> Refusal:
    lines = [
        f" - Stream '{each.stream_state.stream}': expected state {each.stream_state.expected_state}, "
        f"actual state {each.stream_state.actual_state}."
        for each in violations
    ]
    return _detailed(
        StatusCode.FAILED_PRECONDITION,
        _STREAMS,
        "APPEND_CONSISTENCY_VIOLATION",
        "\n".join(["Append failed due to consistency violations.", *lines]),
        AppendConsistencyViolationErrorDetails(violations=violations),
    )
