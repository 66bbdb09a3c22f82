"""ServerFeatures: which methods the node has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc
from google.protobuf.message import Message
from grpc.aio import ServicerContext
from heraldry.chassis.testing.kurrent.node import VERSION
from heraldry.chassis.testing.kurrent.protocol import message_class
from kurrentdbclient.protos.v1.shared_pb2 import Empty as Nothing

SERVICE: Final = "event_store.client.server_features.ServerFeatures"
METHOD: Final = "GetSupportedMethods"

_STREAMS: Final = "event_store.client.streams.streams"
_STREAMS_2: Final = "kurrentdb.protocol.v2.streams.streamsservice"
_METHODS: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    (_STREAMS, "read", ("position", "events")),
    (_STREAMS, "append", ()),
    (_STREAMS, "batchappend", ("deadline_duration",)),
    (_STREAMS, "delete", ()),
    (_STREAMS, "tombstone", ()),
    (_STREAMS_2, "appendsession", ()),
    (_STREAMS_2, "appendrecords", ()),
    ("event_store.client.gossip.gossip", "read", ()),
    (SERVICE.lower(), METHOD.lower(), ()),
)


def features() -> grpc.GenericRpcHandler:
    """The service, to be added to a server."""
    answer = _supported_methods().SerializeToString()

    async def get(request: Nothing, context: ServicerContext[Nothing, bytes]) -> bytes:  # noqa: ARG001
        return answer

    method: grpc.RpcMethodHandler[Nothing, bytes] = grpc.unary_unary_rpc_method_handler(
        get, request_deserializer=Nothing.FromString
    )
    return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})


def _supported_methods() -> Message:
    kind = message_class("SupportedMethods")
    methods = [
        {"service_name": service, "method_name": method, "features": list(can)}
        for service, method, can in _METHODS
    ]
    return kind(methods=methods, event_store_server_version=VERSION)
