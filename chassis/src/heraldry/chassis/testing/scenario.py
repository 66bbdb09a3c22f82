"""The words to test a decider with: `Scenario(decider).given(...).when(...).then(...)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from heraldry.chassis.decider import Decider
from heraldry.contracts.base import Event, Refused

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Scenario(Generic[C, S, E]):
    """Each step is a value, so a scenario can be shared."""

    decider: Decider[C, S, E]
    past: tuple[E, ...] = ()

    def given(self, *events: E) -> Scenario[C, S, E]:
        return Scenario(self.decider, (*self.past, *events))

    def when(self, command: C) -> Outcome[E]:
        try:
            return Outcome(tuple(self.decider.decide(command, self.state)))
        except Refused as refusal:
            return Outcome(refusal=refusal)

    @property
    def state(self) -> S:
        return self.decider.fold(self.past)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[E]):
    events: tuple[E, ...] = ()
    refusal: Refused | None = None

    def then(self, *expected: E) -> None:
        assert (self.refusal, self.events) == (None, expected)

    def then_nothing(self) -> None:
        self.then()

    def then_refused(self, code: str) -> Refused:
        assert self.refusal is not None, self.events
        assert self.refusal.code == code, self.refusal
        return self.refusal
