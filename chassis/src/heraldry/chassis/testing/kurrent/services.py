"""The node's services, on the servicer classes of the client package."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NoReturn, TypeVar

from grpc.aio import Server, ServicerContext
from heraldry.chassis.testing.kurrent import appending
from heraldry.chassis.testing.kurrent.appending import BatchAppends
from heraldry.chassis.testing.kurrent.database import Written
from heraldry.chassis.testing.kurrent.messages import expected, stream_of, uuid_message
from heraldry.chassis.testing.kurrent.node import Node
from heraldry.chassis.testing.kurrent.reading import read_to_end
from heraldry.chassis.testing.kurrent.refusals import Refusal, stream_deleted, wrong_expected_version
from heraldry.chassis.testing.kurrent.rules import Deleted, WrongRevision
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

S = TypeVar("S")
R = TypeVar("R")


async def refuse(context: ServicerContext[S, R], refusal: Refusal) -> NoReturn:
    await context.abort(refusal.code, refusal.details, refusal.metadata)


class Streams(StreamsServicer):
    """Everything about streams."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def Read(  # noqa: N802  the protocol's name
        self,
        request: ReadReq,
        context: ServicerContext[ReadReq, ReadResp],
    ) -> AsyncIterator[ReadResp]:
        try:
            self._node.admit(context.invocation_metadata())
            async for answer in read_to_end(self._node, request.options):
                yield answer
        except Refusal as refusal:
            await refuse(context, refusal)

    async def Append(  # noqa: N802  the protocol's name
        self,
        request_iterator: AsyncIterator[AppendReq],
        context: ServicerContext[AppendReq, AppendResp],
    ) -> AppendResp:
        try:
            self._node.admit(context.invocation_metadata())
            return await appending.append(self._node, request_iterator)
        except Refusal as refusal:
            await refuse(context, refusal)

    async def BatchAppend(  # noqa: N802  the protocol's name
        self,
        request_iterator: AsyncIterator[BatchAppendReq],
        context: ServicerContext[BatchAppendReq, BatchAppendResp],
    ) -> AsyncIterator[BatchAppendResp]:
        try:
            self._node.admit(context.invocation_metadata())
            async for answer in BatchAppends(self._node).answers(request_iterator):
                yield answer
        except Refusal as refusal:
            await refuse(context, refusal)

    async def Delete(  # noqa: N802  the protocol's name
        self, request: DeleteReq, context: ServicerContext[DeleteReq, DeleteResp]
    ) -> DeleteResp:
        try:
            self._node.admit(context.invocation_metadata())
            position = await self._end(request.options, for_good=False)
        except Refusal as refusal:
            await refuse(context, refusal)
        return DeleteResp(position=DeleteResp.Position(commit_position=position, prepare_position=position))

    async def Tombstone(  # noqa: N802  the protocol's name
        self, request: TombstoneReq, context: ServicerContext[TombstoneReq, TombstoneResp]
    ) -> TombstoneResp:
        try:
            self._node.admit(context.invocation_metadata())
            position = await self._end(request.options, for_good=True)
        except Refusal as refusal:
            await refuse(context, refusal)
        return TombstoneResp(
            position=TombstoneResp.Position(commit_position=position, prepare_position=position)
        )

    async def _end(self, options: DeleteReq.Options | TombstoneReq.Options, *, for_good: bool) -> int:
        stream = stream_of(options.stream_identifier)
        wanted = expected(options.WhichOneof("expected_stream_revision"), options.revision)
        write = self._node.database.tombstone if for_good else self._node.database.delete
        match await write(stream, wanted):
            case Written(_, position):
                return position
            case WrongRevision(actual):
                raise wrong_expected_version("Delete", stream, wanted, actual)
            case Deleted():
                raise stream_deleted(stream)


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
        except Refusal as refusal:
            await refuse(context, refusal)
        state = MemberInfo.VNodeState
        own = MemberInfo(
            instance_id=uuid_message(self._node.database.node),
            time_stamp=self._node.database.now(),
            state=state.Leader if self._node.leader is None else state.Follower,
            is_alive=True,
            http_end_point=EndPoint(address=self._node.host, port=self._node.port),
        )
        return ClusterInfo(members=[own])


def add_services(node: Node, server: Server) -> None:
    add_StreamsServicer_to_server(Streams(node), server)
    add_GossipServicer_to_server(Gossip(node), server)
