"""Decider: the pure heart of an aggregate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from heraldry.contracts.base import Event

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Decider(Generic[C, S, E]):
    """`decide` says what follows from a command, or raises Refused; `evolve` cannot fail."""

    initial: S
    decide: Callable[[C, S], Sequence[E]]
    evolve: Callable[[S, E], S]

    def fold(self, events: Sequence[E]) -> S:
        return reduce(self.evolve, events, self.initial)
