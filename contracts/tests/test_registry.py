from __future__ import annotations

import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast
from uuid import UUID

import pytest
from heraldry.contracts import registry, subjects
from heraldry.contracts.base import Event, Internal, Published
from heraldry.contracts.evolution import Document
from heraldry.contracts.identity import IdentityCreated, IdentityRenamed
from heraldry.contracts.markers import Position

ADA = UUID(int=1)
TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "golden.py"))
schema_of = cast("Callable[[type[Event]], dict[str, object]]", TOOL["schema_of"])
changes = cast("Callable[[object, object], list[str]]", TOOL["changes"])


def test_fields_may_be_added_with_a_default_and_nothing_else() -> None:
    class Before(Published):
        used: int

    class Grown(Published):
        used: int
        limit: int = 0

    class Demanding(Published):
        used: int
        limit: int

    class Widened(Published):
        used: int | str

    class Retyped(Published):
        used: str

    class Shrunk(Published):
        pass

    released = schema_of(Before)
    assert changes(released, schema_of(Grown)) == []
    assert all(changes(released, schema_of(kind)) for kind in (Demanding, Retyped, Shrunk, Widened))


def test_another_word_or_shape_is_a_new_version_because_an_older_release_cannot_read_it() -> None:
    class Before(Published):
        kind: Literal["email", "message"]
        of: int | str

    class Grown(Published):
        kind: Literal["email", "message", "scraping"]
        of: int | str | bool

    class Fewer(Published):
        kind: Literal["email", "scraping"]
        of: int | str

    class Narrower(Published):
        kind: Literal["email", "message"]
        of: int | bool

    assert all(changes(schema_of(Before), schema_of(kind)) for kind in (Grown, Fewer, Narrower))


def test_an_event_of_an_earlier_version_is_read_as_one_of_the_present_and_a_later_one_is_not_read() -> None:
    before: Document = {"at": "2026-05-04T09:30:00Z", "identity": str(ADA), "name": "Ada"}
    read = registry.event("IdentityRenamed", "heraldry:IdentityRenamed:1", before)
    assert read == IdentityRenamed(identity=ADA, name="Ada", at=datetime(2026, 5, 4, 9, 30, tzinfo=UTC))
    for dataschema in (
        "heraldry:IdentityRenamed:2",
        "heraldry:IdentityRenamed:x",
        "heraldry:IdentityRenamed:",
    ):
        assert registry.event("IdentityRenamed", dataschema, before) is None
    assert registry.event("PermitSettled", "heraldry:PermitSettled:1", before) is None


def test_what_nobody_registered_is_private() -> None:
    assert registry.is_published("IdentityCreated")
    assert not registry.is_internal("IdentityCreated")
    assert registry.is_internal("StepDispatched")
    assert not registry.is_published("StepDispatched")
    assert registry.registered("PermitSettled") is None
    assert not registry.is_published("PermitSettled")
    with pytest.raises(KeyError):
        registry.event_type("PermitSettled")


def test_reach_and_class_agree() -> None:
    for entry in registry.REGISTERED.values():
        assert issubclass(entry.kind, Internal if entry.internal else Published)
        assert registry.of(entry.kind) is entry
        assert registry.types_of(entry.context)[entry.name] is entry.kind


@pytest.mark.parametrize(
    "name", ["IdentityCreated", "MailboxConnected", "QuotaConsumed", "InvitationWithdrawn"]
)
def test_names_that_subscribers_rely_on(name: str) -> None:
    assert registry.is_published(name)


def test_subjects() -> None:
    assert subjects.event("", "identity", "", IdentityCreated.__name__) == (
        "heraldry.events._.identity._.IdentityCreated"
    )
    assert subjects.event("*", "mailbox", "*", "EmailSent") == "heraldry.events.*.mailbox.*.EmailSent"
    assert subjects.partition("018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6") == 13  # a storage format
    assert subjects.internal("scheduler", "i-1", "StepDispatched") == (
        f"heraldry.internal.scheduler.{subjects.partition('i-1')}.i-1.StepDispatched"
    )
    assert subjects.command("identity", "CreateIdentity") == "heraldry.commands.identity.CreateIdentity"


@pytest.mark.parametrize("hostile", ["a.b", "*", ">", "a b", "", "x" * 129, "é", "a\r\nb"])
def test_nothing_but_a_token_becomes_part_of_a_subject(hostile: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        subjects.relay(hostile)


def test_partitions_spread_evenly() -> None:
    counts = [0] * subjects.PARTITIONS
    for number in range(16_000):
        counts[subjects.partition(f"identity-{number}")] += 1
    assert min(counts) > 850


def test_positions_compare_within_their_log_only() -> None:
    here = Position.parse("mailbox:e1:7")
    assert str(here) == "mailbox:e1:7"
    assert here.covers(Position.parse("mailbox:e1:7"))
    assert not here.covers(Position.parse("mailbox:e1:8"))
    assert not here.covers(Position.parse("mailbox:e0:1"))
    for text in ("", "7", "mailbox:7", "a:b:c", "a:b:-1", "a:b:1:2"):
        with pytest.raises(ValueError, match="no position"):
            Position.parse(text)
