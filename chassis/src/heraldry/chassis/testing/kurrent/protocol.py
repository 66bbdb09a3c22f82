"""Messages of the protocol that the client package has no classes for; they are made here."""

from __future__ import annotations

from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_TEXT: Final = descriptor_pb2.FieldDescriptorProto.Type.TYPE_STRING
_NUMBER: Final = descriptor_pb2.FieldDescriptorProto.Type.TYPE_UINT32
_MESSAGE: Final = descriptor_pb2.FieldDescriptorProto.Type.TYPE_MESSAGE
_FEATURES: Final = "event_store.client.server_features"
_SHARED: Final = "event_store.client"


def message_class(name: str) -> type[Message]:
    """`SupportedMethod`, `SupportedMethods` or `MaximumAppendEventSizeExceeded`."""
    package = _SHARED if name == "MaximumAppendEventSizeExceeded" else _FEATURES
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{package}.{name}"))


def _field(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    type_: descriptor_pb2.FieldDescriptorProto.Type.ValueType = _TEXT,
    *,
    repeated: bool = False,
    of: str | None = None,
) -> None:
    label = descriptor_pb2.FieldDescriptorProto.Label
    message.field.add(
        name=name,
        number=len(message.field) + 1,
        type=type_,
        type_name=of,
        label=label.LABEL_REPEATED if repeated else label.LABEL_OPTIONAL,
    )


def _features() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="server_features.proto", package=_FEATURES, syntax="proto3"
    )
    one = file.message_type.add(name="SupportedMethod")
    _field(one, "method_name")
    _field(one, "service_name")
    _field(one, "features", repeated=True)
    several = file.message_type.add(name="SupportedMethods")
    _field(several, "methods", _MESSAGE, repeated=True, of=f".{_FEATURES}.SupportedMethod")
    _field(several, "event_store_server_version")
    return file


def _shared() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="event_size.proto", package=_SHARED, syntax="proto3")
    exceeded = file.message_type.add(name="MaximumAppendEventSizeExceeded")
    _field(exceeded, "eventId")
    _field(exceeded, "proposedEventSize", _NUMBER)
    _field(exceeded, "maxAppendEventSize", _NUMBER)
    return file


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in (_features(), _shared()):
        pool.Add(file)
    return pool


_POOL: Final = _pool()
