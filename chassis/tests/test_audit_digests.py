"""What stands for an event and for many is a storage format: pinned here, and checked against RFC 6962's own words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

import pytest
from heraldry.chassis.audit.digests import leaf, path, rolled, root, root_of_path, written
from heraldry.chassis.store.port import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

EVENT = StoredEvent(
    position=7,
    stream="identity.identity-1",
    revision=2,
    raw_id=UUID("018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6").bytes,
    type="IdentityRenamed",
    version=1,
    data=b'{"name":"Ada"}',
    meta=b"{}",
)


def test_the_hashes_of_an_event_are_what_they_were() -> None:
    text = written(EVENT)
    assert rolled(bytes(32), text).hex() == "e969cee9ea32c296ae494f61629569ee8179d2d8daea2d3be7f572d8e2d2ece1"
    assert (
        leaf(EVENT, text).hex()
        == "018f4e9a7b1c7c3d9e5fa1b2c3d4e5f6cbe66be54b6f17be83093638cb88ca093730d67a8c8f0cc00a8e2b3956f8e4b1"
    )
    assert (
        root([leaf(EVENT, text)]).hex() == "272d8195ceb9a888cbf34059b610baf60b3caaf42d50f431d94e5f9a5f874476"
    )


def by_the_book(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.blake2b(b"", digest_size=32).digest()
    if len(leaves) == 1:
        return hashlib.blake2b(b"\0" + leaves[0], digest_size=32).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    both = by_the_book(leaves[:half]) + by_the_book(leaves[half:])
    return hashlib.blake2b(b"\1" + both, digest_size=32).digest()


def leaves_of(size: int) -> list[bytes]:
    return [number.to_bytes(48, "big") for number in range(size)]


@pytest.mark.parametrize("size", [*range(35), 999, 1000])
def test_the_root_is_that_of_the_rfc(size: int) -> None:
    assert root(leaves_of(size)) == by_the_book(leaves_of(size))


@given(st.integers(1, 130), st.data())
def test_a_path_leads_from_its_leaf_to_the_root_and_from_no_other(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    beside = path(leaves, index)
    assert root_of_path(leaves[index], index, size, beside) == root(leaves)
    if other != index:
        try:
            wrong = root_of_path(leaves[index], other, size, beside)
        except ValueError:
            return
        assert wrong != root(leaves)


def test_a_path_of_another_length_is_refused() -> None:
    leaves = leaves_of(5)
    beside = path(leaves, 1)
    for wrong in (beside[:-1], (*beside, bytes(32))):
        with pytest.raises(ValueError, match="path"):
            root_of_path(leaves[1], 1, 5, wrong)
