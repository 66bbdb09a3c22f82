"""How events of earlier versions are read: step by step up to the present version, on raw JSON.

A released version never changes, and a log keeps what was written in it. So every type has a step from each of its
versions to the next one: an upcaster, or `additive` where the next version only admits more. A step always goes to the
next version, so there is no way round and no cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from heraldry.contracts.base import Event

Document = dict[str, object]
Upcaster = Callable[[Document], Document]
Upcasters = Mapping[tuple[str, int], Upcaster]  # from this version of this type to the next
ERASED: Final[Mapping[str, object]] = {"erased": True}  # a personal field, after its key was destroyed


class EvolutionError(Exception):
    """The steps of the event types do not reach from the first version to the present one; the text says where."""


def additive(document: Document) -> Document:
    """The step to a version that only admits more than the one before."""
    return document


def is_erased(value: object) -> bool:
    """Whether an upcaster has before it what is left of an erased field: it stays what it is."""
    return value == ERASED


def upcast(type_: str, version: int, present: int, document: Document, upcasters: Upcasters) -> Document:
    """A document of this version as one of the present version."""
    for step in range(version, present):
        document = upcasters[type_, step](document)
    return document


def check(types: Mapping[str, type[Event]], upcasters: Upcasters) -> None:
    """Raises EvolutionError unless each type has exactly one step from each earlier version, and nothing else has."""
    wanted = {(name, step) for name, kind in types.items() for step in range(1, kind.version)}
    wrong = [
        *(
            f"{name} has no version {kind.version}: versions begin at 1"
            for name, kind in types.items()
            if kind.version < 1
        ),
        *(
            f"{name} says nothing of the step from version {step} to {step + 1}: give it an upcaster, or `additive`"
            for name, step in sorted(wanted - upcasters.keys())
        ),
        *(
            f"{name} has a step from version {step}, but its present version is {types[name].version}"
            if name in types
            else f"{name} has a step from version {step}, but there is no such type"
            for name, step in sorted(upcasters.keys() - wanted)
        ),
    ]
    if wrong:
        raise EvolutionError("The versions of the events do not fit together: " + "; ".join(wrong) + ".")
