"""What the server answers instead of a result: status, words and metadata as KurrentDB sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grpc import StatusCode

EXCEPTION: Final = "exception"


class Refusal(Exception):  # noqa: N818  an answer, not a fault
    """Ends a call with this status; the metadata say which exception it was."""

    def __init__(
        self, code: StatusCode, details: str, metadata: Mapping[str, str | bytes] | None = None
    ) -> None:
        super().__init__(details)
        self.code, self.details = code, details
        self.metadata = tuple((metadata or {}).items())


class NotLeader(Refusal):
    """Another node leads."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            StatusCode.NOT_FOUND,
            "Leader info available",
            {EXCEPTION: "not-leader", "leader-endpoint-host": host, "leader-endpoint-port": str(port)},
        )


def not_ready() -> Refusal:
    return Refusal(StatusCode.UNAVAILABLE, "Server Is Not Ready")


def shutting_down() -> Refusal:
    return Refusal(StatusCode.UNAVAILABLE, "Server is shutting down")


def not_authenticated() -> Refusal:
    return Refusal(StatusCode.UNAUTHENTICATED, "Authentication Failed", {EXCEPTION: "not-authenticated"})


class AccessDenied(Refusal):
    """The caller has no right to it."""

    def __init__(self) -> None:
        super().__init__(StatusCode.PERMISSION_DENIED, "Access Denied", {EXCEPTION: "access-denied"})


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


def event_too_large(event: str, size: int, largest: int) -> Refusal:
    return Refusal(
        StatusCode.INVALID_ARGUMENT,
        f"Event with Id: {event}, Size: {size}, exceeds Maximum Append Event Size of {largest}.",
        {
            EXCEPTION: "maximum-append-event-size-exceeded",
            "maximum-append-event-size": str(largest),
            "event-id": event,
            "proposed-append-event-size": str(size),
        },
    )


def message_too_large() -> Refusal:
    return Refusal(
        StatusCode.RESOURCE_EXHAUSTED, "Received message exceeds the maximum configured message size."
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


def index_not_found(name: str) -> Refusal:
    return Refusal(
        StatusCode.NOT_FOUND,
        f"Index '{name}' not found.",
        {EXCEPTION: "index-not-found", "index-name": name},
    )


def invalid_position() -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, "Trying to read from an invalid position.")


def invalid_argument(details: str) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, details)


def unexpected_result(of: str, result: str) -> Refusal:
    return Refusal(StatusCode.UNKNOWN, f"Unexpected {of}: {result}")


class Thrown(Refusal):
    """What the server says of a request that it did not think of: why, it tells its own log only."""

    def __init__(self, why: str) -> None:
        super().__init__(StatusCode.UNKNOWN, "Exception was thrown by handler.")
        self.args = (why,)
