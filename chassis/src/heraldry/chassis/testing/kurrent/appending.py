"""Append and BatchAppend: the events of one answer are stored all, or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.kurrent.database import Outcome, Written
from heraldry.chassis.testing.kurrent.messages import expected, identifier_of, proposed, stream_of
from heraldry.chassis.testing.kurrent.node import LARGEST_MESSAGE, Metadata, Node
from heraldry.chassis.testing.kurrent.protocol import message_class
from heraldry.chassis.testing.kurrent.records import Expected, Proposed
from heraldry.chassis.testing.kurrent.refusals import (
    AccessDenied as Denied,
)
from heraldry.chassis.testing.kurrent.refusals import (
    NotLeader,
    Refusal,
    Thrown,
    append_too_large,
    event_too_large,
    message_too_large,
    not_ready,
    stream_deleted,
)
from heraldry.chassis.testing.kurrent.rules import Deleted, WrongRevision
from kurrentdbclient.protos.google.rpc.code_pb2 import Code
from kurrentdbclient.protos.v1.shared_pb2 import UUID as UuidMessage  # noqa: N811  not the UUID of Python
from kurrentdbclient.protos.v1.shared_pb2 import (
    AccessDenied,
    AllStreamPosition,
    BadRequest,
    MaximumAppendSizeExceeded,
    StreamDeleted,
    WrongExpectedVersion,
)
from kurrentdbclient.protos.v1.shared_pb2 import Timeout as TimedOut
from kurrentdbclient.protos.v1.shared_pb2 import Unknown as UnknownError
from kurrentdbclient.protos.v1.status_pb2 import Status
from kurrentdbclient.protos.v1.streams_pb2 import AppendReq, AppendResp, BatchAppendReq, BatchAppendResp

LONGEST_WRITE: Final = 7.0  # seconds, whatever deadline the client named
_OLD_NO_STREAM: Final = 2**64 - 1

Request = BatchAppendReq
Response = BatchAppendResp


async def append(node: Node, requests: AsyncIterator[AppendReq], metadata: Metadata) -> AppendResp:
    """One append: first its options, then one message an event."""
    options: AppendReq.Options | None = None
    events: list[Proposed] = []
    size = 0
    async for request in requests:
        _check_message(request)
        if options is None:
            if request.WhichOneof("content") != "options":
                raise Thrown("the first message of an append holds its options")
            options = request.options
            node.allow(metadata, "write", stream_of(options.stream_identifier))
            continue
        if request.WhichOneof("content") != "proposed_message":
            raise Thrown("after its options an append holds events")
        event = proposed(request.proposed_message)
        if event.size > node.limits.event:
            raise event_too_large(str(event.id), event.size, node.limits.event)
        events.append(event)
        size += event.size
        if size > node.limits.append:
            raise append_too_large(node.limits.append)
    if options is None:
        raise Thrown("an append begins with its options")
    stream = stream_of(options.stream_identifier)
    option = options.WhichOneof("expected_stream_revision")
    node.admit(metadata)
    outcome = await node.database.append(stream, expected(option, options.revision), events)
    match outcome:
        case Written(revision, position):
            return AppendResp(success=_success(revision, position))
        case WrongRevision(actual):
            return AppendResp(wrong_expected_version=_wrong_revision(options, actual))
        case Deleted():
            raise stream_deleted(stream)


def _check_message(request: Message) -> None:
    if request.ByteSize() > LARGEST_MESSAGE:
        raise message_too_large()


def _success(revision: int, position: int) -> AppendResp.Success:
    success = AppendResp.Success()
    if position < 0:
        success.no_position.SetInParent()
    else:
        success.position.commit_position = success.position.prepare_position = position
    if revision < 0:
        success.no_stream.SetInParent()
    else:
        success.current_revision = revision
    return success


def _wrong_revision(options: AppendReq.Options, actual: int) -> AppendResp.WrongExpectedVersion:
    """In the present fields and in those of 20.6, as the server fills them."""
    wrong = AppendResp.WrongExpectedVersion()
    match options.WhichOneof("expected_stream_revision"):
        case "any":
            wrong.expected_any.SetInParent()
            wrong.any_20_6_0.SetInParent()
        case "stream_exists":
            wrong.expected_stream_exists.SetInParent()
            wrong.stream_exists_20_6_0.SetInParent()
        case "no_stream":
            wrong.expected_no_stream.SetInParent()
            wrong.expected_revision_20_6_0 = _OLD_NO_STREAM
        case _:
            wrong.expected_revision = wrong.expected_revision_20_6_0 = options.revision
    if actual < 0:
        wrong.current_no_stream.SetInParent()
        wrong.no_stream_20_6_0.SetInParent()
    else:
        wrong.current_revision = wrong.current_revision_20_6_0 = actual
    return wrong


@dataclass(slots=True)
class _Pending:
    """A batch whose last part has not come."""

    stream: str
    expected: int
    timer: asyncio.TimerHandle
    events: list[Proposed] = field(default_factory=list[Proposed])
    size: int = 0


class BatchAppends:
    """The appends of one call: any number at once, each in one or many parts, answered as they end."""

    def __init__(self, node: Node, metadata: Metadata) -> None:
        self._node, self._metadata = node, metadata
        self._pending: dict[bytes, _Pending] = {}
        self._answers: asyncio.Queue[Response | None] = asyncio.Queue()
        self._writes: set[asyncio.Task[None]] = set()

    async def answers(self, requests: AsyncIterator[Request]) -> AsyncGenerator[Response]:
        receiving = asyncio.create_task(self._receive(requests))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
            await receiving
        finally:
            for pending in self._pending.values():
                pending.timer.cancel()
            await end(receiving)

    async def _receive(self, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                _check_message(request)
                try:
                    self._take(request)
                except NotLeader:
                    raise
                except Refusal as refusal:
                    if pending := self._pending.pop(_key(request), None):
                        pending.timer.cancel()
                    self._refuse(
                        request, stream_of(request.options.stream_identifier), _bad_request(str(refusal))
                    )
            while self._writes:
                await asyncio.wait(self._writes)
        finally:
            self._answers.put_nowait(None)

    def _take(self, request: Request) -> None:
        key = _key(request)
        if request.HasField("options") and not self._open(key, request):
            return
        pending = self._pending.get(key)
        if pending is None:
            return
        events = [proposed(message) for message in request.proposed_messages]
        pending.events += events
        pending.size += sum(event.size for event in events)
        too_large = next((event for event in events if event.size > self._node.limits.event), None)
        if too_large is not None:
            self._close(key)
            self._refuse(request, pending.stream, _event_too_large(too_large, self._node.limits.event))
        elif pending.size > self._node.limits.append:
            self._close(key)
            self._refuse(request, pending.stream, _too_large(self._node.limits.append))
        elif request.is_final:
            self._close(key)
            self._send(request.correlation_id, pending)

    def _send(self, correlation: UuidMessage, pending: _Pending) -> None:
        """Raises NotLeader where another node leads."""
        if not self._node.ready:
            self._answers.put_nowait(_answer(correlation, pending.stream, error=NOT_READY))
            return
        self._node.admit(self._metadata)
        write = asyncio.create_task(self._write(correlation, pending))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    def _open(self, key: bytes, request: Request) -> bool:
        options = request.options
        stream = stream_of(options.stream_identifier)
        if not options.HasField("stream_identifier"):
            self._refuse(request, stream, _bad_request("Required field StreamIdentifier not set."))
            return False
        try:
            self._node.allow(self._metadata, "write", stream)
        except Denied:
            self._refuse(request, stream, ACCESS_DENIED)
            return False
        seconds = min(_seconds(options), LONGEST_WRITE)
        if seconds <= 0:
            self._refuse(request, stream, TIMEOUT)
            return False
        if key not in self._pending:
            wanted = expected(options.WhichOneof("expected_stream_position"), options.stream_position)
            timer = asyncio.get_running_loop().call_later(seconds, self._expire, key, request.correlation_id)
            self._pending[key] = _Pending(stream, wanted, timer)
        return True

    def _close(self, key: bytes) -> None:
        self._pending.pop(key).timer.cancel()

    def _expire(self, key: bytes, correlation: UuidMessage) -> None:
        pending = self._pending.pop(key)
        self._answers.put_nowait(_answer(correlation, pending.stream, error=TIMEOUT))

    def _refuse(self, request: Request, stream: str, error: Status) -> None:
        self._answers.put_nowait(_answer(request.correlation_id, stream, error=error))

    async def _write(self, correlation: UuidMessage, pending: _Pending) -> None:
        try:
            outcome = await self._node.database.append(pending.stream, pending.expected, pending.events)
        except Exception:  # noqa: BLE001  the client is told, and the call goes on
            answer = _answer(correlation, pending.stream, error=UNKNOWN)
        else:
            answer = _answer_of(outcome, correlation, pending)
        self._answers.put_nowait(answer)


def _key(request: Request) -> bytes:
    return request.correlation_id.SerializeToString(deterministic=True)


def _seconds(options: Request.Options) -> float:
    match options.WhichOneof("deadline_option"):
        case "deadline":
            return options.deadline.seconds + options.deadline.nanos / 1e9
        case "deadline_21_10_0":
            with suppress(ValueError, OverflowError):
                return options.deadline_21_10_0.ToMilliseconds() / 1e3 - time.time()
            return LONGEST_WRITE
        case _:
            return LONGEST_WRITE


def _answer(
    correlation: UuidMessage,
    stream: str,
    *,
    error: Status | None = None,
    success: Response.Success | None = None,
) -> Response:
    return Response(
        correlation_id=correlation, stream_identifier=identifier_of(stream), error=error, success=success
    )


def _answer_of(outcome: Outcome, correlation: UuidMessage, pending: _Pending) -> Response:
    match outcome:
        case Written(revision, position):
            success = Response.Success()
            if position < 0:
                success.no_position.SetInParent()
            else:
                place = AllStreamPosition(commit_position=position, prepare_position=position)
                success.position.CopyFrom(place)
            if revision < 0:
                success.no_stream.SetInParent()
            else:
                success.current_revision = revision
            return _answer(correlation, pending.stream, success=success)
        case WrongRevision(actual):
            error = _wrong_expected_version(pending.expected, actual)
        case Deleted():
            deleted = StreamDeleted(stream_identifier=identifier_of(pending.stream))
            error = _status(Code.NOT_FOUND, "StreamDeleted", deleted)
    return _answer(correlation, pending.stream, error=error)


def _status(code: Code.ValueType, message: str, details: Message) -> Status:
    packed = AnyMessage()
    packed.Pack(details)
    return Status(code=code, message=message, details=packed)


def _wrong_expected_version(wanted: int, actual: int) -> Status:
    wrong = WrongExpectedVersion()
    if actual < 0:
        wrong.current_no_stream.CopyFrom(Empty())
    else:
        wrong.current_stream_revision = actual
    match wanted:
        case Expected.ANY:
            wrong.expected_any.CopyFrom(Empty())
        case Expected.EXISTS:
            wrong.expected_stream_exists.CopyFrom(Empty())
        case Expected.NO_STREAM:
            wrong.expected_no_stream.CopyFrom(Empty())
        case _:
            wrong.expected_stream_position = wanted
    return _status(Code.ALREADY_EXISTS, "WrongExpectedVersion", wrong)


def _too_large(largest: int) -> Status:
    return _status(
        Code.INVALID_ARGUMENT,
        "MaximumAppendSizeExceeded",
        MaximumAppendSizeExceeded(maxAppendSize=largest),
    )


def _event_too_large(event: Proposed, largest: int) -> Status:
    kind = message_class("MaximumAppendEventSizeExceeded")
    details = kind(eventId=str(event.id), proposedEventSize=event.size, maxAppendEventSize=largest)
    return _status(Code.INVALID_ARGUMENT, "MaximumAppendEventSizeExceeded", details)


def _bad_request(message: str) -> Status:
    return _status(Code.INVALID_ARGUMENT, "BadRequest", BadRequest(message=message))


ACCESS_DENIED: Final = _status(Code.PERMISSION_DENIED, "AccessDenied", AccessDenied())
TIMEOUT: Final = _status(Code.DEADLINE_EXCEEDED, "Timeout", TimedOut())
UNKNOWN: Final = _status(Code.UNKNOWN, "Unknown", UnknownError())
NOT_READY: Final = _status(Code.OK, str(not_ready()), Empty())
