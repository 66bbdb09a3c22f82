"""Whatever was stored once stays readable: events of every version, private ones too, and the records beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from tools import golden
from tools.golden import Kept

KEPT = golden.kept()
VERSIONS = [(one, version) for one in KEPT for version in range(1, one.version + 1)]
RUN = "run: python tools/golden.py"


def named(what: object) -> str:
    return f"{what.folder.parents[1].name}-{what.name}" if isinstance(what, Kept) else str(what)


@pytest.mark.parametrize(("one", "version"), VERSIONS, ids=named)
def test_the_golden_sample_of_every_version_still_reads_and_says_the_same(one: Kept, version: int) -> None:
    assert one.file(version).exists(), RUN
    assert one.schema(version).exists(), RUN
    now = one.read(version).model_dump(mode="json")
    if one.says_the_same(version):
        sample: object = json.loads(one.file(version).read_text(encoding="utf-8"))
        assert of_the_fields_in(sample, now) == sample


def of_the_fields_in(sample: object, now: object) -> object:
    """What is said now, without the fields that were added since."""
    match sample, now:
        case dict(), dict():
            said = cast("dict[str, object]", now)
            return {
                name: of_the_fields_in(value, said[name])
                for name, value in cast("dict[str, object]", sample).items()
            }
        case list(), list():
            pairs = zip(cast("list[object]", sample), cast("list[object]", now), strict=True)
            return [of_the_fields_in(before, said) for before, said in pairs]
        case _:
            return now


@pytest.mark.parametrize("one", KEPT, ids=named)
def test_a_released_version_keeps_its_shape(one: Kept) -> None:
    released: object = json.loads(one.schema(one.version).read_text(encoding="utf-8"))
    assert golden.changes(released, golden.schema_of(one.kind)) == [], "see docs/how-to/change-an-event.md"


def test_no_sample_is_of_a_type_that_is_gone() -> None:
    wanted = {path for one, version in VERSIONS for path in (one.file(version), one.schema(version))}
    there = {path for folder in {one.folder for one in KEPT} for path in folder.glob("*.json")}
    assert there - wanted == set[Path]()
