"""Events to bytes and back: encrypt → store; read → decrypt → upcast → validate.

Personal fields (`contracts.base.Personal`) never stand in the log in the clear. What is authenticated with a
field is the event's id and the key's id, so a ciphertext cannot be moved to another event or person.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Protocol, cast
from uuid import UUID

import orjson
from heraldry.chassis.store.port import NewEvent, StoredEvent
from heraldry.chassis.vault.keys import Destroyed, Key, KeyUnknownError, decrypt, encrypt
from heraldry.contracts import registry
from heraldry.contracts.base import Erased, Event, Personal, Refused
from heraldry.contracts.evolution import ERASED, Document, Upcasters, is_erased, upcast
from pydantic import BaseModel, ConfigDict, TypeAdapter
from uuid_utils.compat import uuid7


class Meta(BaseModel):
    """What is recorded beside every event. A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command: str
    actor: str
    time: str  # ISO 8601, UTC: when it was recorded
    organization: str = ""
    identity: str = ""
    causation: str = ""
    correlation: str = ""
    persons: tuple[str, ...] = ()

    @classmethod
    def read(cls, stored: StoredEvent) -> Meta:
        return cls.model_validate_json(stored.meta)


def recorded(stored: StoredEvent) -> datetime:
    """When it was recorded. Within a stream time never goes back."""
    return datetime.fromisoformat(cast("dict[str, str]", orjson.loads(stored.meta))["time"])


class UnknownTypeError(Exception):
    """The log holds an event of a type this release does not know: a newer one wrote it."""

    def __init__(self, stored: StoredEvent) -> None:
        super().__init__(f"{stored.type} (version {stored.version}) in {stored.stream}")
        self.stored = stored

    def refused(self) -> Refused:
        """What is asked cannot be decided or answered by this release."""
        return Refused(
            "service.newer-release",
            "A newer release has written here, and this process is of an older one: nothing was changed. Try again"
            " in a minute. If it stays, the newer release has to be installed again.",
            status=503,
        )


class KeysOfOneContext(Protocol):
    """What the codec needs of the vault's key ring."""

    def get(self, subject: str) -> Key | Destroyed: ...
    async def fetch(self, subject: str) -> Key | Destroyed: ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """A stored event and what it says."""

    stored: StoredEvent
    meta: Meta
    event: Event


@cache
def personal_fields(kind: type[Event]) -> Mapping[str, str]:
    """The personal fields of an event type, each with the field that names its data subject."""
    return {
        name: mark.subject
        for name, info in kind.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, Personal)
    }


class Codec:
    """Encodes and decodes the events of one context.

    `types`: the log's type names. `upcasters`: the steps of the private ones; the registry has those of the others.
    Raises EvolutionError if a step is missing or too many.
    """

    def __init__(
        self,
        types: Mapping[str, type[Event]],
        keys: KeysOfOneContext,
        upcasters: Upcasters | None = None,
    ) -> None:
        self._types, self._keys = dict(types), keys
        self._upcasters = registry.upcasters(types, upcasters or {})
        self._names = {kind: name for name, kind in types.items()}
        self._personal = {kind: personal_fields(kind) for kind in self._names}
        self._veiled = False

    def veiled(self) -> Codec:
        """One that reads what a sealed key closes as `Erased`: for whatever is kept or published in the clear."""
        other = copy(self)
        other._veiled = True  # noqa: SLF001  its own kind
        return other

    async def encode(self, events: Sequence[Event], meta: Meta) -> Sequence[NewEvent]:
        """Fresh ids; personal fields encrypted. Raises KeyUnknownError if a person's key was not made."""
        return [await self._encode(event, meta) for event in events]

    async def decode(self, stored: Sequence[StoredEvent]) -> Sequence[Decoded]:
        """Raises UnknownTypeError, KeyUnknownError, and pydantic's ValidationError for a damaged event."""
        return [Decoded(one, Meta.read(one), await self.event(one)) for one in stored]

    async def event(self, stored: StoredEvent) -> Event:
        """Decode one; a key this process has not heard of yet is asked for once."""
        while True:
            try:
                return self.decode_now(stored)
            except KeyUnknownError as unknown:
                await self._keys.fetch(unknown.subject)

    async def learn(self, subject: str) -> None:
        """Ask for a key this process has not heard of yet. Raises KeyUnknownError."""
        await self._keys.fetch(subject)

    async def document(self, stored: StoredEvent) -> Document:
        """What it says in the version in which it was recorded, decrypted; a key unknown here is asked for once."""
        while True:
            try:
                return self._decrypted(stored)
            except KeyUnknownError as unknown:
                await self._keys.fetch(unknown.subject)

    def decode_now(self, stored: StoredEvent, kind: type[Event] | None = None) -> Event:
        """Decode with the keys in memory, to its `kind` if that is known. Raises KeyUnknownError for a key that is not."""
        return self.reader(kind or self.kind(stored), stored.version)(stored)

    def reader(self, kind: type[Event], version: int) -> Callable[[StoredEvent], Event]:
        """What decodes events of this kind that were recorded in this version: as `decode_now`, for many of them."""
        if self._personal[kind] or version != kind.version:
            return partial(self._revived, kind)
        kind.model_rebuild()  # it is built when it is needed first, and the adapter has it as it is now
        validate = cast("Callable[[bytes], Event]", TypeAdapter(kind).validator.validate_json)
        return lambda stored: validate(stored.data)

    def _revived(self, kind: type[Event], stored: StoredEvent) -> Event:
        document = self._decrypted(stored)
        document = upcast(stored.type, stored.version, kind.version, document, self._upcasters)
        for name in self._personal[kind]:
            if is_erased(document.get(name)):
                document[name] = Erased()
        return kind.model_validate(document)

    def kind(self, stored: StoredEvent) -> type[Event]:
        """What it will be decoded to. Raises UnknownTypeError."""
        kind = self._types.get(stored.type)
        if kind is None or stored.version > kind.version:
            raise UnknownTypeError(stored)
        return kind

    def is_erased(self, stored: StoredEvent) -> bool:
        """Whether the key of a person in this event is destroyed. Raises KeyUnknownError."""
        document = cast("Document", orjson.loads(stored.data))
        fields = [cast("dict[str, str]", value) for value in document.values() if isinstance(value, dict)]
        return any(isinstance(self._keys.get(one["$key"]), Destroyed) for one in fields if "$key" in one)

    def _decrypted(self, stored: StoredEvent) -> Document:
        document = cast("Document", orjson.loads(stored.data))
        for name, value in document.items():
            if isinstance(value, dict) and "$enc" in value:
                document[name] = self._open(stored.id, cast("dict[str, str]", value))
        return document

    async def _encode(self, event: Event, meta: Meta) -> NewEvent:
        kind, event_id = type(event), uuid7()
        personal = personal_fields(kind)
        if not personal:
            data, persons = event.model_dump_json().encode(), meta.persons
        else:
            document = cast("Document", event.model_dump(mode="json"))
            subjects = {name: str(document[subject]) for name, subject in personal.items()}
            for name, subject in subjects.items():
                document[name] = await self._close(event_id, subject, document[name])
            data = orjson.dumps(document)
            persons = tuple(sorted({*meta.persons, *subjects.values()}))
        meta = meta.model_copy(update={"persons": persons})
        return NewEvent(event_id, self._names[kind], kind.version, data, meta.model_dump_json().encode())

    async def _close(self, event_id: UUID, subject: str, value: object) -> object:
        if value is None or is_erased(value):
            return value
        key = await self._keys.fetch(subject)
        if isinstance(key, Destroyed) or key.sealed:
            return dict(ERASED)
        sealed = encrypt(key, orjson.dumps(value), _associated(event_id, subject))
        return {"$enc": base64.b64encode(sealed).decode(), "$key": subject}

    def _open(self, event_id: UUID, field: Mapping[str, str]) -> object:
        subject = field["$key"]
        key = self._keys.get(subject)
        if isinstance(key, Destroyed) or (self._veiled and key.sealed):
            return dict(ERASED)
        opened = decrypt(key, base64.b64decode(field["$enc"]), _associated(event_id, subject))
        return cast("object", orjson.loads(opened))


def _associated(event_id: UUID, subject: str) -> bytes:
    return event_id.bytes + subject.encode()
