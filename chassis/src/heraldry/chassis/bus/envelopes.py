"""Stored events as messages: subject, CloudEvents envelope, headers. Fast: the relay does nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypedDict, cast

import orjson
from heraldry.chassis.store.port import StoredEvent
from heraldry.contracts import registry, subjects
from heraldry.contracts.base import Envelope, Event
from heraldry.contracts.evolution import Document
from heraldry.contracts.markers import Position

PERSONS: Final = "Heraldry-Persons"
ENCRYPTED: Final = b'"$enc"'  # stands in every stored event with a personal field in it


class Decoder(Protocol):
    """What is needed of the codec."""

    async def event(self, stored: StoredEvent) -> Event:
        """Decrypted and upcast. Raises KeyUnknownError, UnknownTypeError."""
        ...

    async def document(self, stored: StoredEvent) -> Document:
        """Decrypted, in the version in which it was recorded. Raises KeyUnknownError."""
        ...

    def is_erased(self, stored: StoredEvent) -> bool:
        """Whether the key of a person in it is destroyed. Raises KeyUnknownError."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it goes to JetStream."""

    subject: str
    body: bytes
    headers: Mapping[str, str]


class _Meta(TypedDict, total=False):
    organization: str
    identity: str
    actor: str
    causation: str
    correlation: str
    command: str
    persons: Sequence[str]
    time: str


class NewerReleaseError(Exception):
    """The log holds what a newer release wrote: whether it is to be published or reacted to, this one cannot know."""

    code = "relay.newer-release"

    def __init__(self, stored: StoredEvent) -> None:
        super().__init__(
            f"event {stored.id} at {stored.position} is {stored.type}, version"
            f" {stored.version}, which this release does not know. A process of the newer release takes over;"
            " if there is none, install it again."
        )
        self.stored = stored


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Wraps the events of one context's log. `types`: every type this release knows there, by its name."""

    context: str
    epoch: str
    decoder: Decoder
    types: Mapping[str, type[Event]]

    def is_newer(self, stored: StoredEvent) -> bool:
        """Whether only a newer release knows it."""
        kind = self.types.get(stored.type)
        return kind is None or stored.version > kind.version

    async def message(self, stored: StoredEvent) -> Message | None:
        """The message of a stored event; None: private, or of an erased person.

        It says what was stored in the version in which it was recorded, whoever publishes it and whenever: a reader of
        an older release beside a newer relay reads it, and a repeat is the same message.
        Raises NewerReleaseError, and KeyUnknownError for a key that is unknown or out of reach.
        """
        if self.is_newer(stored):
            raise NewerReleaseError(stored)
        entry = registry.registered(stored.type)
        if entry is None or entry.context != self.context:
            return None
        data = stored.data
        if ENCRYPTED in data:
            document = await self.decoder.document(stored)
            if self.decoder.is_erased(stored):
                return None
            data = orjson.dumps(document)
        meta = cast("_Meta", orjson.loads(stored.meta))
        identity = meta.get("identity", "")
        subject = (
            subjects.internal(self.context, identity, stored.type)
            if entry.internal
            else subjects.event(meta.get("organization", ""), self.context, identity, stored.type)
        )
        persons = " ".join(meta.get("persons", ()))
        attributes = self._attributes(stored, meta, stored.version)
        body = orjson.dumps({**attributes, "data": orjson.Fragment(data)})
        return Message(subject, body, {PERSONS: persons} if persons else {})

    async def envelope(self, stored: StoredEvent) -> Envelope[Event]:
        """For reactions to the context's own log, private types included. Raises as `Decoder.event`."""
        event = await self.decoder.event(stored)
        meta = cast("_Meta", orjson.loads(stored.meta))
        attributes = self._attributes(stored, meta, type(event).version)
        return Envelope[Event].model_validate({**attributes, "data": event})

    def _attributes(self, stored: StoredEvent, meta: _Meta, version: int) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": str(stored.id),
            "source": f"/heraldry/{self.context}",
            "type": stored.type,
            "time": meta.get("time", ""),
            "datacontenttype": "application/json",
            "dataschema": f"heraldry:{stored.type}:{version}",
            "organization": meta.get("organization", ""),
            "identity": meta.get("identity", ""),
            "actor": meta.get("actor", ""),
            "causationid": meta.get("causation") or meta.get("command", ""),
            "correlationid": meta.get("correlation", ""),
            "stream": stored.stream,
            "revision": stored.revision,
            "position": str(Position(self.context, self.epoch, stored.position)),
            "persons": " ".join(meta.get("persons", ())),
        }
