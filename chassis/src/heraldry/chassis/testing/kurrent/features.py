"""ServerFeatures: which methods the node has. The client package has no classes for it; they are made here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc.aio import ServicerContext
from heraldry.chassis.testing.kurrent.node import VERSION
from kurrentdbclient.protos.v1.shared_pb2 import Empty as Nothing

SERVICE: Final = "event_store.client.server_features.ServerFeatures"
METHOD: Final = "GetSupportedMethods"

_STREAMS: Final = "event_store.client.streams.streams"
_METHODS: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    (_STREAMS, "read", ("position", "events")),
    (_STREAMS, "append", ()),
    (_STREAMS, "batchappend", ("deadline_duration",)),
    (_STREAMS, "delete", ()),
    (_STREAMS, "tombstone", ()),
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


def message_class(name: str) -> type[Message]:
    """`SupportedMethod` or `SupportedMethods`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="server_features.proto", package=SERVICE.rpartition(".")[0], syntax="proto3"
    )
    kind, label = descriptor_pb2.FieldDescriptorProto.Type, descriptor_pb2.FieldDescriptorProto.Label
    one = file.message_type.add(name="SupportedMethod")
    one.field.add(name="method_name", number=1, type=kind.TYPE_STRING, label=label.LABEL_OPTIONAL)
    one.field.add(name="service_name", number=2, type=kind.TYPE_STRING, label=label.LABEL_OPTIONAL)
    one.field.add(name="features", number=3, type=kind.TYPE_STRING, label=label.LABEL_REPEATED)
    several = file.message_type.add(name="SupportedMethods")
    several.field.add(
        name="methods",
        number=1,
        type=kind.TYPE_MESSAGE,
        type_name=f".{file.package}.SupportedMethod",
        label=label.LABEL_REPEATED,
    )
    several.field.add(
        name="event_store_server_version", number=2, type=kind.TYPE_STRING, label=label.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


def _supported_methods() -> Message:
    kind = message_class("SupportedMethods")
    methods = [
        {"service_name": service, "method_name": method, "features": list(can)}
        for service, method, can in _METHODS
    ]
    return kind(methods=methods, event_store_server_version=VERSION)
