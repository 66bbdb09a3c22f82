"""Whether the stand-in for KurrentDB accepts an append: the pure rules, given what the log knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.testing.kurrent.metadata import StreamMetadata, parse, truncated
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, TICKS, Expected, Record, space
from heraldry.chassis.testing.kurrent.rules import (
    Accepted,
    Deleted,
    Repeated,
    Verdict,
    WrongRevision,
    judge,
)
from hypothesis import given, settings
from hypothesis import strategies as st

STREAM, OTHER = "orders-1", "orders-2"
A, B, C, D = (UUID(int=number) for number in range(1, 5))


@dataclass
class Log:
    """Streams by name, as the ids of their events; `old` ones are no longer recognised wherever they come."""

    streams: dict[str, list[UUID]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    tombstoned: set[str] = field(default_factory=set)
    old: set[UUID] = field(default_factory=set)

    def last_revision(self, stream: str) -> int:
        return LAST_REVISION if stream in self.tombstoned else len(self.streams.get(stream, [])) - 1

    def is_deleted(self, stream: str) -> bool:
        return stream in self.deleted

    def recent(self, id: UUID) -> tuple[str, int] | None:  # noqa: A002  the field's name
        for stream, ids in self.streams.items():
            if id in ids and id not in self.old:
                return stream, len(ids) - 1 - ids[::-1].index(id)
        return None

    def id_at(self, stream: str, revision: int) -> UUID | None:
        ids = self.streams.get(stream, [])
        return ids[revision] if 0 <= revision < len(ids) else None

    def append(self, expected: int, ids: Sequence[UUID], stream: str = STREAM) -> Verdict:
        """Judge, and store what was accepted."""
        verdict = judge(stream, expected, ids, self)
        if isinstance(verdict, Accepted):
            self.streams.setdefault(stream, []).extend(ids)
            self.deleted.discard(stream)
        return verdict


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        (Expected.NO_STREAM, Accepted(-1)),
        (Expected.ANY, Accepted(-1)),
        (Expected.EXISTS, WrongRevision(-1)),
        (0, WrongRevision(-1)),
    ],
)
def test_a_stream_that_is_not_there(expected: int, verdict: Verdict) -> None:
    assert judge(STREAM, expected, [A], Log()) == verdict


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        (Expected.NO_STREAM, WrongRevision(1)),
        (Expected.ANY, Accepted(1)),
        (Expected.EXISTS, Accepted(1)),
        (0, WrongRevision(1)),
        (1, Accepted(1)),
        (2, WrongRevision(1)),
    ],
)
def test_a_stream_with_two_events(expected: int, verdict: Verdict) -> None:
    assert judge(STREAM, expected, [D], Log({STREAM: [A, B]})) == verdict


@pytest.mark.parametrize("expected", [Expected.NO_STREAM, Expected.ANY, Expected.EXISTS, 0, 1])
def test_nothing_follows_a_tombstone(expected: int) -> None:
    assert judge(STREAM, expected, [D], Log({STREAM: [A, B]}, tombstoned={STREAM})) == Deleted()


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        (Expected.NO_STREAM, Accepted(1, undelete=True)),
        (Expected.ANY, Accepted(1, undelete=True)),
        (Expected.EXISTS, Deleted()),
        (1, Accepted(1, undelete=True)),
        (0, WrongRevision(1)),
    ],
)
def test_a_deleted_stream_begins_anew_after_its_last_revision(expected: int, verdict: Verdict) -> None:
    assert judge(STREAM, expected, [D], Log({STREAM: [A, B]}, deleted={STREAM})) == verdict


def test_a_stream_that_only_has_metadata_exists() -> None:
    assert judge(STREAM, Expected.EXISTS, [A], Log({f"$${STREAM}": [B]})) == Accepted(-1)


@pytest.mark.parametrize(
    ("expected", "ids", "verdict"),
    [
        (Expected.NO_STREAM, [A, B], Repeated(1)),
        (Expected.NO_STREAM, [A], Repeated(0)),
        (0, [B, C], Repeated(2)),
        (0, [B], Repeated(1)),
        (0, [B, D], WrongRevision(2)),
        (0, [A], WrongRevision(2)),
        (1, [C, D], WrongRevision(2)),
        (2, [A], Accepted(2)),
        (Expected.ANY, [B, C], Repeated(2)),
        (Expected.ANY, [B, D], WrongRevision(2)),
        (Expected.ANY, [D, B], Accepted(2)),
        (Expected.EXISTS, [A], Repeated(0)),
        (0, [], WrongRevision(2)),
        (2, [], Accepted(2)),
        (Expected.ANY, [], Accepted(2)),
    ],
)
def test_events_that_are_sent_again(expected: int, ids: Sequence[UUID], verdict: Verdict) -> None:
    assert judge(STREAM, expected, ids, Log({STREAM: [A, B, C]})) == verdict


def test_an_event_of_another_stream_is_not_recognised() -> None:
    assert judge(STREAM, Expected.ANY, [A], Log({STREAM: [B], OTHER: [A]})) == Accepted(0)


def test_old_events_are_recognised_only_where_their_place_is_named() -> None:
    log = Log({STREAM: [A, B]}, old={A, B})
    assert judge(STREAM, Expected.ANY, [A, B], log) == Accepted(1)
    assert judge(STREAM, Expected.NO_STREAM, [A, B], log) == Repeated(1)


def test_both_of_two_that_claim_with_the_same_id_are_told_that_they_have_won() -> None:
    log = Log()
    assert log.append(Expected.NO_STREAM, [A]) == Accepted(-1)
    assert log.append(Expected.NO_STREAM, [A]) == Repeated(0)
    assert log.append(0, [A]) == Accepted(0)  # the same id at a later revision is another event
    assert log.streams[STREAM] == [A, A]


states = st.sampled_from([Expected.NO_STREAM, Expected.ANY, Expected.EXISTS, *range(4)])
some_ids = st.lists(st.sampled_from([A, B, C, D]), min_size=1, max_size=3, unique=True)


@settings(deadline=None)
@given(st.lists(st.tuples(states, some_ids), max_size=6), states, some_ids)
def test_what_was_accepted_is_recognised_when_it_is_sent_again(
    before: Sequence[tuple[int, Sequence[UUID]]], expected: int, ids: Sequence[UUID]
) -> None:
    log = Log()
    for earlier, some in before:
        log.append(earlier, some)
    first = log.append(expected, ids)
    length = len(log.streams.get(STREAM, []))
    again = log.append(expected, ids)
    if isinstance(first, Accepted):
        assert again == Repeated(length - 1)
    else:
        assert again == first
    assert len(log.streams.get(STREAM, [])) == length


@settings(deadline=None)
@given(st.lists(st.tuples(states, st.integers(1, 3)), max_size=8))
def test_fresh_events_are_accepted_exactly_where_the_stream_is_as_expected(
    appends: Sequence[tuple[int, int]],
) -> None:
    log = Log()
    for expected, count in appends:
        last = log.last_revision(STREAM)
        fits = expected == Expected.ANY or (expected == Expected.EXISTS and last >= 0) or expected == last
        verdict = log.append(expected, [uuid4() for _ in range(count)])
        assert verdict == (Accepted(last) if fits else WrongRevision(last))


@pytest.mark.parametrize(
    ("stream", "type_", "content", "bytes_"),
    [("", "", 0, 90), ("a" * 127, "T", 5, 88 + 128 + 2 + 5), ("a" * 128, "é", 0, 88 + 130 + 3)],
)
def test_a_record_takes_as_much_of_the_log_as_the_servers(
    stream: str, type_: str, content: int, bytes_: int
) -> None:
    assert space(stream, type_, content) == bytes_


def test_metadata_hide_the_beginning_of_a_stream() -> None:
    assert parse(b"{}").first_visible(9) == 0
    assert parse(b'{"$maxCount": 3}').first_visible(9) == 7
    assert parse(b'{"$maxCount": 30}').first_visible(9) == 0
    assert parse(b'{"$tb": 8, "$maxCount": 3}').first_visible(9) == 8
    assert parse(truncated(b'{"$maxCount": 3, "mine": 1}', LAST_REVISION)).deleted


def test_metadata_hide_what_is_too_old() -> None:
    old = Record(0, STREAM, 0, A, "T", json=True, data=b"", metadata=b"", created=100 * TICKS)
    metadata = parse(b'{"$maxAge": 10}')
    assert not metadata.too_old(old, 110 * TICKS)
    assert metadata.too_old(old, 111 * TICKS)


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"[]", b"no json", b'{"$maxCount": 0, "$maxAge": -1, "$tb": -1}'),
        *(b'{"$tb": 5, "$maxCount": "3"}', b'{"$tb": 5, "$cacheControl": 1.5}', b'{"$tb": 5, "$acl": 7}'),
        *(b'{"$maxCount": 5, "$tb": 9223372036854775808}', b'{"$tb": 5, "$acl": {"$r": ["a", 1]}}'),
        b'{"$tb": 5, "$maxAge": null}',
    ],
)
def test_metadata_that_cannot_be_read_say_nothing(document: bytes) -> None:
    assert parse(document) == StreamMetadata()
