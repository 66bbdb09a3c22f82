"""The node's services, on the servicer classes of the client package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final, NoReturn, TypeVar

from grpc.aio import Server, ServicerContext
from heraldry.chassis.testing.kurrent import appending
from heraldry.chassis.testing.kurrent.across import append_records, append_session
from heraldry.chassis.testing.kurrent.appending import BatchAppends
from heraldry.chassis.testing.kurrent.database import Written
from heraldry.chassis.testing.kurrent.features import features
from heraldry.chassis.testing.kurrent.messages import expected, stream_of, uuid_message
from heraldry.chassis.testing.kurrent.node import Metadata, Node
from heraldry.chassis.testing.kurrent.reading import read_to_end
from heraldry.chassis.testing.kurrent.refusals import (
    Refusal,
    invalid_argument,
    stream_deleted,
    wrong_expected_version,
)
from heraldry.chassis.testing.kurrent.rules import Deleted, WrongRevision
from heraldry.chassis.testing.kurrent.subscriptions import Subscription
from kurrentdbclient.protos.v1.gossip_pb2 import ClusterInfo, EndPoint, MemberInfo
from kurrentdbclient.protos.v1.gossip_pb2_grpc import (  # pyright: ignore[reportMissingTypeStubs]
    GossipServicer,
    add_GossipServicer_to_server,  # pyright: ignore[reportUnknownVariableType]
)
from kurrentdbclient.protos.v1.shared_pb2 import Empty as Nothing
from kurrentdbclient.protos.v1.streams_pb2 import (
    AppendReq,
    AppendResp,
    BatchAppendReq,
    BatchAppendResp,
    DeleteReq,
    DeleteResp,
    ReadReq,
    ReadResp,
    TombstoneReq,
    TombstoneResp,
)
from kurrentdbclient.protos.v1.streams_pb2_grpc import (  # pyright: ignore[reportMissingTypeStubs]
    StreamsServicer,
    add_StreamsServicer_to_server,  # pyright: ignore[reportUnknownVariableType]
)
from kurrentdbclient.protos.v2.streams.streams_pb2 import (
    AppendRecordsRequest,
    AppendRecordsResponse,
    AppendRequest,
    AppendSessionResponse,
)
from kurrentdbclient.protos.v2.streams.streams_pb2_grpc import (  # pyright: ignore[reportMissingTypeStubs]
    StreamsServiceServicer,
    add_StreamsServiceServicer_to_server,  # pyright: ignore[reportUnknownVariableType]
)

EVERYTHING: Final = "$all"
S = TypeVar("S")
R = TypeVar("R")


async def refuse(context: ServicerContext[S, R], refusal: Refusal) -> NoReturn:
    await context.abort(refusal.code, refusal.details, refusal.metadata)


class Streams(StreamsServicer):
    """Everything about streams."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def Read(  # noqa: N802  the protocol's name
        self, request: ReadReq, context: ServicerContext[ReadReq, ReadResp]
    ) -> AsyncIterator[ReadResp]:
        metadata, options = context.invocation_metadata(), request.options
        try:
            if not options.HasField("uuid_option"):
                raise invalid_argument("'uuidOption' is a required argument")
            of_all = options.WhichOneof("stream_option") == "all"
            stream = EVERYTHING if of_all else stream_of(options.stream.stream_identifier)
            self._node.allow(metadata, "read", stream)
            self._node.admit(metadata)
            if options.WhichOneof("count_option") == "subscription":
                answers = self._subscribed(options, partial(self._node.allow, metadata, "read", stream))
            else:
                answers = read_to_end(self._node.database, options)
            async with aclosing(answers):
                async for answer in answers:
                    yield answer
        except Refusal as refusal:
            await refuse(context, refusal)

    async def _subscribed(
        self, options: ReadReq.Options, allow: Callable[[], None]
    ) -> AsyncGenerator[ReadResp]:
        subscription = Subscription(self._node.database, options, allow)
        self._node.subscriptions.add(subscription)
        try:
            async with aclosing(subscription.answers()) as answers:
                async for answer in answers:
                    yield answer
        finally:
            self._node.subscriptions.discard(subscription)

    async def Append(  # noqa: N802  the protocol's name
        self, request_iterator: AsyncIterator[AppendReq], context: ServicerContext[AppendReq, AppendResp]
    ) -> AppendResp:
        metadata = context.invocation_metadata()
        try:
            return await appending.append(self._node, request_iterator, metadata)
        except Refusal as refusal:
            await refuse(context, refusal)

    async def BatchAppend(  # noqa: N802  the protocol's name
        self,
        request_iterator: AsyncIterator[BatchAppendReq],
        context: ServicerContext[BatchAppendReq, BatchAppendResp],
    ) -> AsyncIterator[BatchAppendResp]:
        metadata = context.invocation_metadata()
        try:
            self._node.authenticate(metadata)
            async with aclosing(BatchAppends(self._node, metadata).answers(request_iterator)) as answers:
                async for answer in answers:
                    yield answer
        except Refusal as refusal:
            await refuse(context, refusal)

    async def Delete(  # noqa: N802  the protocol's name
        self, request: DeleteReq, context: ServicerContext[DeleteReq, DeleteResp]
    ) -> DeleteResp:
        try:
            position = await self._end(request.options, context.invocation_metadata(), for_good=False)
        except Refusal as refusal:
            await refuse(context, refusal)
        return DeleteResp(position=DeleteResp.Position(commit_position=position, prepare_position=position))

    async def Tombstone(  # noqa: N802  the protocol's name
        self, request: TombstoneReq, context: ServicerContext[TombstoneReq, TombstoneResp]
    ) -> TombstoneResp:
        try:
            position = await self._end(request.options, context.invocation_metadata(), for_good=True)
        except Refusal as refusal:
            await refuse(context, refusal)
        return TombstoneResp(
            position=TombstoneResp.Position(commit_position=position, prepare_position=position)
        )

    async def _end(
        self, options: DeleteReq.Options | TombstoneReq.Options, metadata: Metadata, *, for_good: bool
    ) -> int:
        stream = stream_of(options.stream_identifier)
        self._node.allow(metadata, "delete", stream)
        self._node.admit(metadata)
        wanted = expected(options.WhichOneof("expected_stream_revision"), options.revision)
        write = self._node.database.tombstone if for_good else self._node.database.delete
        match await write(stream, wanted):
            case Written(_, position):
                return position
            case WrongRevision(actual):
                raise wrong_expected_version("Delete", stream, wanted, actual)
            case Deleted():
                raise stream_deleted(stream)


class StreamsOfVersion2(StreamsServiceServicer):
    """Appends to several streams at once."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def AppendSession(  # noqa: N802  the protocol's name
        self,
        request_iterator: AsyncIterator[AppendRequest],
        context: ServicerContext[AppendRequest, AppendSessionResponse],
    ) -> AppendSessionResponse:
        try:
            return await append_session(self._node, request_iterator, context.invocation_metadata())
        except Refusal as refusal:
            await refuse(context, refusal)

    async def AppendRecords(  # noqa: N802  the protocol's name
        self,
        request: AppendRecordsRequest,
        context: ServicerContext[AppendRecordsRequest, AppendRecordsResponse],
    ) -> AppendRecordsResponse:
        try:
            return await append_records(self._node, request, context.invocation_metadata())
        except Refusal as refusal:
            await refuse(context, refusal)


class Gossip(GossipServicer):
    """Who is in the cluster: this node alone, or this one and the leader."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def Read(  # noqa: N802  the protocol's name
        self,
        request: Nothing,  # noqa: ARG002  has no content
        context: ServicerContext[Nothing, ClusterInfo],
    ) -> ClusterInfo:
        try:
            self._node.admit(())
            self._node.authenticate(context.invocation_metadata())
        except Refusal as refusal:
            await refuse(context, refusal)
        state, leader = MemberInfo.VNodeState, self._node.leader
        follower = state.ReadOnlyReplica if self._node.read_only else state.Follower
        own = self._member(state.Leader if leader is None else follower, self._node.host, self._node.port)
        own.instance_id.CopyFrom(uuid_message(self._node.database.node))
        others = [] if leader is None else [self._member(state.Leader, *leader)]
        return ClusterInfo(members=[own, *others])

    def _member(self, state: MemberInfo.VNodeState.ValueType, host: str, port: int) -> MemberInfo:
        return MemberInfo(
            time_stamp=self._node.database.now(),
            state=state,
            is_alive=True,
            http_end_point=EndPoint(address=host, port=port),
        )


def add_services(node: Node, server: Server) -> None:
    """Everything this node answers; a client that asks for more is told that it is not implemented."""
    add_StreamsServicer_to_server(Streams(node), server)
    add_StreamsServiceServicer_to_server(StreamsOfVersion2(node), server)
    add_GossipServicer_to_server(Gossip(node), server)
    server.add_generic_rpc_handlers((features(),))
