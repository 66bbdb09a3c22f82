"""Random attacks on a small log: whatever was done to what is signed, the first event it touched is named exactly."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import cast

import pytest
from heraldry.chassis.audit.digests import leaf, written
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.audit.verify import Finding, Touch, verify
from heraldry.chassis.store.port import START, EventStore, StoredEvent
from heraldry.chassis.testing.audit import KEY, AllPublished, SignerInHand, sign
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

pytestmark = pytest.mark.requirement("R-AUD-5")
CONTEXT = "identity"
SIGNED, EVENTS = (7, 8, 15, 20), 24


class Listed:
    """A log that is a list; as much of a store as is read."""

    def __init__(self, events: Sequence[StoredEvent]) -> None:
        self.epoch = "e1"
        self._events = [event._replace(position=place) for place, event in enumerate(events, start=1)]

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        return self._events[after : after + limit]

    async def read_at(self, position: int) -> StoredEvent | None:
        return self._events[position - 1]


def store_of(events: Sequence[StoredEvent]) -> EventStore:
    return cast("EventStore", Listed(events))


def event(number: int) -> StoredEvent:
    stream, data = f"{CONTEXT}.note-{number % 3}", f'{{"number":{number}}}'.encode()
    return StoredEvent(number, stream, (number - 1) // 3, uuid7().bytes, "Noted", 1, data, b"{}")


@cache
def signed_log() -> tuple[Sequence[StoredEvent], Path]:
    folder = Path(tempfile.mkdtemp(prefix="heraldry-audit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    log = [event(number) for number in range(1, EVENTS + 1)]

    async def run() -> None:
        signer, relay = SignerInHand(folder / "signer"), AllPublished()
        for count in SIGNED:
            await sign(store_of(log[:count]), folder, CONTEXT, signer, relay)

    asyncio.run(run())
    return log, folder


def look(log: Sequence[StoredEvent]) -> Finding:
    trail = Trail.beside(signed_log()[1], CONTEXT)
    return asyncio.run(verify(CONTEXT, store_of(log), trail, [KEY.verify_key]))


@st.composite
def attacks(draw: st.DrawFn) -> list[StoredEvent]:
    log = list(signed_log()[0])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(log) - 1, 0)))
        what = draw(
            st.sampled_from(("edit", "meta", "remove", "insert", "copy", "swap", "renumber", "cut", "id"))
        )
        if not log:
            continue
        match what:
            case "edit":
                log[place] = log[place]._replace(data=draw(st.binary(max_size=4)))
            case "meta":
                log[place] = log[place]._replace(meta=b'{"actor":"user:mallory"}')
            case "remove":
                del log[place]
            case "insert":
                log.insert(place, event(draw(st.integers(1, 99))))
            case "copy":
                log.insert(place, log[draw(st.integers(0, len(log) - 1))])
            case "swap":
                other = draw(st.integers(0, len(log) - 1))
                log[place], log[other] = log[other], log[place]
            case "renumber":
                log[place] = log[place]._replace(revision=draw(st.integers(0, 9)))
            case "cut":
                del log[draw(st.integers(len(log) // 2, len(log))) :]
            case _:
                log[place] = log[place]._replace(raw_id=uuid7().bytes)
    return log


def same(one: StoredEvent | None, other: StoredEvent | None) -> bool:
    return one is not None and other is not None and leaf(one, written(one)) == leaf(other, written(other))


@settings(max_examples=150, deadline=None)
@given(attacks())
def test_the_first_touched_event_is_named_exactly(attacked: list[StoredEvent]) -> None:
    log = signed_log()[0]
    pairs = enumerate(zip_longest(log, attacked), start=1)
    expected = next((number for number, (was, now) in pairs if not same(was, now)), EVENTS + 1)
    finding = look(attacked)
    assert finding.events == len(attacked)
    if expected > SIGNED[-1]:
        assert finding.ok
        assert (finding.proven, finding.unsigned) == (SIGNED[-1], len(attacked) - SIGNED[-1])
        return
    first = finding.first
    assert not finding.ok
    assert first is not None
    assert (first.number, first.upto, first.exact) == (expected, expected, True)
    assert finding.proven == max((0, *(count for count in SIGNED if count < expected)))
    if first.what is Touch.REMOVED:
        assert first.event == str(log[expected - 1].id)
    else:
        assert first.event == str(attacked[expected - 1].id)
