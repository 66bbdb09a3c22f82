from __future__ import annotations

from typing import ClassVar

import pytest
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Document, EvolutionError, Upcasters, additive, check, upcast


class Counted(Event):
    version: ClassVar[int] = 3


class Met(Event):
    pass


TYPES = {"Counted": Counted, "Met": Met}
WHOLE: Upcasters = {("Counted", 1): additive, ("Counted", 2): additive}


def test_a_step_from_every_version_to_the_next_and_no_other_is_whole() -> None:
    check(TYPES, WHOLE)
    check({}, {})


@pytest.mark.parametrize(
    ("types", "steps", "because"),
    [
        (
            {"Counted": Counted},
            {("Counted", 1): additive},
            "Counted says nothing of the step from version 2 to 3",
        ),
        (
            {"Counted": Counted},
            {("Counted", 2): additive},
            "Counted says nothing of the step from version 1 to 2",
        ),
        (TYPES, {**WHOLE, ("Counted", 3): additive}, "a step from version 3, but its present version is 3"),
        (
            TYPES,
            {**WHOLE, ("Met", 1): additive},
            "Met has a step from version 1, but its present version is 1",
        ),
        (TYPES, {**WHOLE, ("Counted", 0): additive}, "Counted has a step from version 0"),
        (
            TYPES,
            {**WHOLE, ("Lost", 1): additive},
            "Lost has a step from version 1, but there is no such type",
        ),
    ],
)
def test_a_gap_and_a_step_from_nowhere_are_named(
    types: dict[str, type[Event]], steps: Upcasters, because: str
) -> None:
    with pytest.raises(EvolutionError, match="do not fit together") as error:
        check(types, steps)
    assert because in str(error.value)


def test_a_version_before_the_first_is_none() -> None:
    class Early(Event):
        version: ClassVar[int] = 0

    with pytest.raises(EvolutionError, match="versions begin at 1"):
        check({"Early": Early}, {})


def test_steps_are_taken_one_after_the_other_from_where_a_document_stands() -> None:
    def mark(step: int) -> Document:
        return {"seen": f"{step}"}

    def step(number: int) -> Upcasters:
        return {("Counted", number): lambda document: {**document, f"step {number}": True}}

    steps = {**step(1), **step(2)}
    assert upcast("Counted", 1, 3, mark(1), steps) == {"seen": "1", "step 1": True, "step 2": True}
    assert upcast("Counted", 2, 3, mark(2), steps) == {"seen": "2", "step 2": True}
    assert upcast("Counted", 3, 3, mark(3), steps) == {"seen": "3"}
