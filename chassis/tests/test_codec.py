from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, ClassVar, cast
from uuid import UUID

import orjson
import pytest
from heraldry.chassis.codec import Codec, Meta, UnknownTypeError
from heraldry.chassis.store.port import NewEvent, StoredEvent
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.vault.keys import KeyUnknownError, UnreadableError
from heraldry.contracts.base import Erased, Event, Personal
from heraldry.contracts.evolution import Document, EvolutionError, is_erased
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA, BEA = UUID(int=1), UUID(int=2)
META = Meta(command="c", actor="user:ada", time=NOW.isoformat())


class Met(Event):
    """Two people in one event."""

    host: UUID
    guest: UUID
    place: str = ""
    said: Annotated[str | Erased, Personal("host")]
    heard: Annotated[str | Erased | None, Personal("guest")] = None


class Counted(Event):
    """Version 1 said `number`, version 2 `count`, version 3 counts in tens."""

    version: ClassVar[int] = 3
    count: int


class MovedHouse(Event):
    """Version 1 called the personal field `address`, version 2 `home`; version 3 has two of it."""

    version: ClassVar[int] = 3
    person: UUID
    street: Annotated[str | Erased, Personal("person")]
    town: Annotated[str | Erased, Personal("person")]


class MovedHouse1(Event):
    person: UUID
    address: Annotated[str | Erased, Personal("person")]


class MovedHouse2(Event):
    version: ClassVar[int] = 2
    person: UUID
    home: Annotated[str | Erased, Personal("person")]


def counted_1(document: Document) -> Document:
    return {"at": document["at"], "count": document["number"]}


def counted_2(document: Document) -> Document:
    return {**document, "count": cast("int", document["count"]) * 10}


def moved_1(document: Document) -> Document:
    return {"at": document["at"], "person": document["person"], "home": document["address"]}


def moved_2(document: Document) -> Document:
    home = document.pop("home")
    street, _, town = str(home).partition(", ")
    return {
        **document,
        **({"street": home, "town": home} if is_erased(home) else {"street": street, "town": town}),
    }


TYPES: dict[str, type[Event]] = {"Met": Met, "Counted": Counted, "MovedHouse": MovedHouse}


def codec(keys: KeysInMemory) -> Codec:
    return Codec(
        TYPES,
        keys,
        {
            ("Counted", 1): counted_1,
            ("Counted", 2): counted_2,
            ("MovedHouse", 1): moved_1,
            ("MovedHouse", 2): moved_2,
        },
    )


def stored(event: NewEvent) -> StoredEvent:
    return StoredEvent(
        1, "test.thing-1", 0, event.id.bytes, event.type, event.version, event.data, event.meta
    )


def raw(type_: str, version: int, document: Document) -> StoredEvent:
    data = orjson.dumps({"at": NOW.isoformat(), **document})
    return stored(NewEvent(uuid7(), type_, version, data, META.model_dump_json().encode()))


async def encoded(keys: KeysInMemory, event: Event) -> StoredEvent:
    (new,) = await codec(keys).encode([event], META)
    return stored(new)


def met(said: str = "Ada Bergström was here", heard: str | None = "Bea Lindqvist") -> Met:
    return Met(at=NOW, host=ADA, guest=BEA, place="Uppsala", said=said, heard=heard)


@given(said=st.text(), heard=st.none() | st.text())
def test_what_is_stored_reads_back_as_it_was(said: str, heard: str | None) -> None:
    async def round_trip() -> None:
        keys = KeysInMemory(ADA, BEA)
        (back,) = await codec(keys).decode([await encoded(keys, met(said, heard))])
        assert back.event == met(said, heard)

    asyncio.run(round_trip())


@given(said=st.text(min_size=6))
def test_no_personal_text_stands_in_what_is_stored(said: str) -> None:
    async def store() -> None:
        one = await encoded(KeysInMemory(ADA, BEA), met(f"<{said}>", f"[{said}]"))
        document = cast("Document", orjson.loads(one.data))
        for name in ("said", "heard"):
            assert set(cast("dict[str, str]", document[name])) == {"$enc", "$key"}
        for form in (f"<{said}>".encode(), orjson.dumps(f"[{said}]")):
            assert form not in one.data + one.meta

    asyncio.run(store())


async def test_what_is_not_personal_stays_legible_and_the_persons_are_named() -> None:
    one = await encoded(KeysInMemory(ADA, BEA), met())
    assert b"Uppsala" in one.data
    assert Meta.read(one).persons == (str(ADA), str(BEA))


async def test_equal_texts_do_not_look_equal() -> None:
    keys = KeysInMemory(ADA, BEA)
    first, second = await encoded(keys, met()), await encoded(keys, met())
    assert first.id != second.id
    one, other = orjson.loads(first.data), orjson.loads(second.data)
    assert one["said"] != other["said"]


async def test_a_ciphertext_moved_to_another_event_is_unreadable() -> None:
    keys = KeysInMemory(ADA, BEA)
    one = await encoded(keys, met())
    with pytest.raises(UnreadableError):
        await codec(keys).event(one._replace(raw_id=uuid7().bytes))


async def test_a_ciphertext_moved_to_another_person_is_unreadable() -> None:
    keys = KeysInMemory(ADA, BEA)
    one = await encoded(keys, met())
    document = orjson.loads(one.data)
    document["heard"] = {"$enc": document["said"]["$enc"], "$key": str(BEA)}
    with pytest.raises(UnreadableError):
        await codec(keys).event(one._replace(data=orjson.dumps(document)))


async def test_a_changed_ciphertext_is_unreadable() -> None:
    keys = KeysInMemory(ADA, BEA)
    one = await encoded(keys, met())
    document = orjson.loads(one.data)
    text: str = document["said"]["$enc"]
    document["said"]["$enc"] = ("B" if text[0] == "A" else "A") + text[1:]
    with pytest.raises(UnreadableError):
        await codec(keys).event(one._replace(data=orjson.dumps(document)))


async def test_a_destroyed_key_leaves_erased_and_the_other_person_untouched() -> None:
    keys = KeysInMemory(ADA, BEA)
    one = await encoded(keys, met())
    assert not codec(keys).is_erased(one)
    keys.destroy(ADA)
    assert await codec(keys).event(one) == Met(
        at=NOW, host=ADA, guest=BEA, place="Uppsala", said=Erased(), heard="Bea Lindqvist"
    )
    assert codec(keys).is_erased(one)


async def test_what_a_sealed_key_closes_is_read_where_it_is_needed_and_veiled_where_it_would_stay() -> None:
    keys = KeysInMemory(ADA, BEA)
    one = await encoded(keys, met())
    keys.seal(ADA)
    assert await codec(keys).event(one) == met()
    assert await codec(keys).veiled().event(one) == met().model_copy(update={"said": Erased()})
    assert not codec(keys).veiled().is_erased(one)
    two = await encoded(keys, met())
    assert await codec(keys).event(two) == met().model_copy(update={"said": Erased()})


async def test_nothing_new_is_written_of_an_erased_person() -> None:
    keys = KeysInMemory(ADA, BEA)
    keys.destroy(ADA)
    one = await encoded(keys, met())
    assert b"here" not in one.data
    assert await codec(keys).event(one) == met().model_copy(update={"said": Erased()})


async def test_an_erased_field_can_be_written_again() -> None:
    keys = KeysInMemory(ADA, BEA)
    event = met().model_copy(update={"said": Erased()})
    assert await codec(keys).event(await encoded(keys, event)) == event


async def test_an_unknown_key_is_an_error_in_both_directions() -> None:
    both = KeysInMemory(ADA, BEA)
    one = await encoded(both, met())
    del both.known[str(BEA)]
    with pytest.raises(KeyUnknownError):
        await codec(both).event(one)
    with pytest.raises(KeyUnknownError):
        await encoded(both, met())
    with pytest.raises(KeyUnknownError):
        codec(KeysInMemory()).is_erased(one)


async def test_a_key_another_process_made_is_asked_for() -> None:
    both = KeysInMemory(ADA, BEA)
    one = await encoded(both, met())
    late = KeysInMemory()
    late.elsewhere = dict(both.known)
    with pytest.raises(KeyUnknownError):
        codec(late).decode_now(one)
    assert await codec(late).event(one) == met()


async def test_old_versions_climb_every_step_of_the_ladder() -> None:
    reading = codec(KeysInMemory())
    for one in (
        raw("Counted", 1, {"number": 4}),
        raw("Counted", 2, {"count": 4}),
        raw("Counted", 3, {"count": 40}),
    ):
        assert await reading.event(one) == Counted(at=NOW, count=40)


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_an_old_version_is_decrypted_before_it_is_lifted_and_what_is_erased_stays_erased(
    version: int,
) -> None:
    keys = KeysInMemory(ADA)
    now = MovedHouse(at=NOW, person=ADA, street="Storgatan 1", town="Lund")
    recorded, writing = {
        1: (
            MovedHouse1(at=NOW, person=ADA, address="Storgatan 1, Lund"),
            Codec({"MovedHouse": MovedHouse1}, keys),
        ),
        2: (
            MovedHouse2(at=NOW, person=ADA, home="Storgatan 1, Lund"),
            Codec({"MovedHouse": MovedHouse2}, keys, {("MovedHouse", 1): moved_1}),
        ),
        3: (now, codec(keys)),
    }[version]
    (new,) = await writing.encode([recorded], META)
    assert (new.version, b"Storgatan" in new.data) == (version, False)
    assert await codec(keys).event(stored(new)) == now
    as_recorded = await codec(keys).document(stored(new))
    assert as_recorded == recorded.model_dump(mode="json")
    keys.destroy(ADA)
    gone = MovedHouse(at=NOW, person=ADA, street=Erased(), town=Erased())
    assert await codec(keys).event(stored(new)) == gone


async def test_what_was_erased_before_it_was_recorded_climbs_the_ladder_too() -> None:
    keys = KeysInMemory(ADA)
    keys.destroy(ADA)
    writing = Codec({"MovedHouse": MovedHouse1}, keys)
    (new,) = await writing.encode([MovedHouse1(at=NOW, person=ADA, address="Storgatan 1, Lund")], META)
    gone = MovedHouse(at=NOW, person=ADA, street=Erased(), town=Erased())
    assert await codec(keys).event(stored(new)) == gone


async def test_a_codec_with_a_gap_between_two_versions_is_not_made() -> None:
    with pytest.raises(EvolutionError, match="Counted says nothing of the step from version 1 to 2"):
        Codec({"Counted": Counted}, KeysInMemory(), {("Counted", 2): counted_2})


@pytest.mark.parametrize(("type_", "version"), [("Unheard", 1), ("Counted", 4)])
async def test_a_newer_release_s_event_is_unknown(type_: str, version: int) -> None:
    one = raw(type_, version, {"count": 1})
    with pytest.raises(UnknownTypeError) as unknown:
        await codec(KeysInMemory()).decode([one])
    assert unknown.value.stored == one


async def test_what_a_newer_release_added_to_a_known_version_is_ignored() -> None:
    assert await codec(KeysInMemory()).event(raw("Counted", 3, {"count": 1, "colour": "red"})) == Counted(
        at=NOW, count=1
    )
