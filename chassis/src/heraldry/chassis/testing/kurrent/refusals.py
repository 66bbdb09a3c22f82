"""What the server answers instead of a result: status, words and metadata as KurrentDB sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from grpc import StatusCode
from kurrentdbclient.protos.google.rpc.code_pb2 import Code
from kurrentdbclient.protos.kurrent.rpc.errors_pb2 import NotLeaderNodeErrorDetails
from kurrentdbclient.protos.v1.status_pb2 import Status
from kurrentdbclient.protos.v2.streams.errors_pb2 import (
    AppendTransactionSizeExceededErrorDetails,
    StreamAlreadyInAppendSessionErrorDetails,
    StreamRevisionConflictErrorDetails,
    StreamTombstonedErrorDetails,
)

EXCEPTION: Final = "exception"


class Refusal(Exception):  # noqa: N818  an answer, not a fault
    """Ends a call with this status; the metadata say which exception it was."""

    def __init__(
        self, code: StatusCode, details: str, metadata: Mapping[str, str | bytes] | None = None
    ) -> None:
        super().__init__(details)
        self.code, self.details = code, details
        self.metadata = tuple((metadata or {}).items())


def not_leader(host: str, port: int) -> Refusal:
    return Refusal(
        StatusCode.NOT_FOUND,
        "Leader info available",
        {EXCEPTION: "not-leader", "leader-endpoint-host": host, "leader-endpoint-port": str(port)},
    )


def not_ready() -> Refusal:
    return Refusal(StatusCode.UNAVAILABLE, "Server Is Not Ready")


def not_authenticated() -> Refusal:
    return Refusal(StatusCode.UNAUTHENTICATED, "Authentication Failed", {EXCEPTION: "not-authenticated"})


def access_denied() -> Refusal:
    return Refusal(StatusCode.PERMISSION_DENIED, "Access Denied", {EXCEPTION: "access-denied"})


def stream_deleted(stream: str) -> Refusal:
    return Refusal(
        StatusCode.FAILED_PRECONDITION,
        f"Event stream '{stream}' is deleted.",
        {EXCEPTION: "stream-deleted", "stream-name": stream},
    )


def wrong_expected_version(operation: str, stream: str, expected: int, actual: int) -> Refusal:
    return Refusal(
        StatusCode.FAILED_PRECONDITION,
        f"{operation} failed due to WrongExpectedVersion. Stream: {stream}, "
        f"Expected version: {expected}, Actual version: {actual}",
        {
            EXCEPTION: "wrong-expected-version",
            "stream-name": stream,
            "expected-version": str(expected),
            "actual-version": str(actual),
        },
    )


def append_too_large(largest: int) -> Refusal:
    return Refusal(
        StatusCode.INVALID_ARGUMENT,
        f"Maximum Append Size of {largest} Exceeded.",
        {EXCEPTION: "maximum-append-size-exceeded", "maximum-append-size": str(largest)},
    )


def missing_metadata(name: str) -> Refusal:
    return Refusal(
        StatusCode.INVALID_ARGUMENT,
        f"Required Metadata Property '{name}' is missing",
        {
            EXCEPTION: "missing-required-metadata-property",
            "required-metadata-properties": "type,content-type",
        },
    )


def consumer_too_slow() -> Refusal:
    return Refusal(
        StatusCode.ABORTED,
        "Operation timed out: Consumer too slow to handle event while live. Client resubscription required.",
    )


def invalid_position() -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, "Trying to read from an invalid position.")


def invalid_argument(details: str) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, details)


def detailed(code: StatusCode, message: str, details: Message) -> Refusal:
    """As the second version of the protocol refuses: what is wrong is a message of its own."""
    packed = AnyMessage()
    packed.Pack(details)
    status = Status(code=Code.Value(code.name), message=message, details=packed)
    return Refusal(code, message, {"grpc-status-details-bin": status.SerializeToString()})


def not_leader_in_detail(host: str, port: int) -> Refusal:
    leader = NotLeaderNodeErrorDetails.NodeInfo(host=host, port=port)
    return detailed(
        StatusCode.FAILED_PRECONDITION,
        f"This node is not the leader; {host}:{port} is.",
        NotLeaderNodeErrorDetails(current_leader=leader),
    )


def revision_conflict(stream: str, expected: int, actual: int) -> Refusal:
    return detailed(
        StatusCode.FAILED_PRECONDITION,
        f"Append failed due to a revision conflict on stream '{stream}'. "
        f"Expected revision: {expected}. Actual revision: {actual}.",
        StreamRevisionConflictErrorDetails(stream=stream, expected_revision=expected, actual_revision=actual),
    )


def tombstoned(stream: str) -> Refusal:
    return detailed(
        StatusCode.FAILED_PRECONDITION,
        f"Stream '{stream}' has been tombstoned. "
        "It has been permanently removed from the system and cannot be restored.",
        StreamTombstonedErrorDetails(stream=stream),
    )


def stream_twice(stream: str) -> Refusal:
    return detailed(
        StatusCode.ABORTED,
        f"Stream '{stream}' is already part of this append session. "
        "Appending to the same stream multiple times is currently not supported.",
        StreamAlreadyInAppendSessionErrorDetails(stream=stream),
    )


def transaction_too_large(size: int, largest: int) -> Refusal:
    return detailed(
        StatusCode.ABORTED,
        f"The total size of the append transaction ({size} bytes) exceeds the maximum allowed size of "
        f"{largest} bytes by {size - largest}",
        AppendTransactionSizeExceededErrorDetails(size=size, max_size=largest),
    )
