"""Who takes long begins; who shares the running stack comes last; a file stays together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.order import SECONDS, arrange

ROOT = Path(__file__).parents[2]


@pytest.fixture
def items(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """Tests that could be run: in three files, two of them named as taking long."""

    def test(file: str, name: str, *fixtures: str) -> pytest.Item:
        module = pytest.Module.from_parent(request.session, path=ROOT / file)  # pyright: ignore[reportUnknownMemberType]  untyped
        made = pytest.Function.from_parent(module, name=name, callobj=items)  # pyright: ignore[reportUnknownMemberType]  untyped
        made.fixturenames[:] = fixtures
        return made

    longest = sorted(SECONDS, key=lambda file: SECONDS[file])
    return [
        test(longest[-1], "shares", "stack"),
        test("tests/test_short.py", "first"),
        test(longest[0], "long"),
        test("tests/test_short.py", "second"),
        test(longest[-2], "longer"),
        test(longest[-1], "does not"),
    ]


def test_who_takes_long_begins_and_who_shares_the_stack_comes_last(items: list[pytest.Item]) -> None:
    arrange(items, ROOT)
    assert [item.name for item in items] == ["longer", "long", "first", "second", "shares", "does not"]


def test_every_file_that_is_said_to_take_long_is_there() -> None:
    assert [file for file in SECONDS if not (ROOT / file).is_file()] == []
