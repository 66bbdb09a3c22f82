"""What the benchmarks share: rounds that take turns, medians, and how a figure is told."""

from __future__ import annotations

import json
import logging
import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import structlog

T = TypeVar("T")

ROUNDS: Final = 7


@dataclass(frozen=True, slots=True)
class Figure:
    """One promise on speed or size, as measured. A goal is a least value, or a largest one (`at_most`)."""

    promise: str
    value: float
    goal: float
    at_most: bool
    unit: str  # "×" for a ratio
    measured: Mapping[str, float] = field(default_factory=dict[str, float])  # what it was made from

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def as_json(self) -> str:
        """One line; `measured` names its units."""
        return json.dumps({**asdict(self), "met": self.met}, ensure_ascii=False)

    def as_text(self) -> str:
        parts = ", ".join(f"{name} {number(value)}" for name, value in self.measured.items())
        return f"{self.promise}: {number(self.value)} {self.unit} ({self.goal_text()}; {parts})"

    def goal_text(self) -> str:
        return f"goal {'≤' if self.at_most else '≥'} {number(self.goal)}, {'met' if self.met else 'MISSED'}"


def quiet() -> None:
    """Keep what the product logs, short of errors, out of what is printed."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def tell(figure: Figure) -> None:
    """Print a figure: for programs on standard output, for people on standard error."""
    print(figure.as_json(), flush=True)
    print(figure.as_text(), file=sys.stderr, flush=True)


def in_turns(measures: Mapping[str, Callable[[], T]], rounds: int = ROUNDS) -> dict[str, tuple[T, ...]]:
    """Take every measure once a round, in changing order, so that what disturbs the machine disturbs all.

    Before the first round each is taken once for nothing: files, caches and imports are warm afterwards.
    """
    for measure in measures.values():
        measure()
    taken: dict[str, list[T]] = {name: [] for name in measures}
    for turn in range(rounds):
        names = list(measures)[:: 1 if turn % 2 == 0 else -1]
        for name in names:
            taken[name].append(measures[name]())
    return {name: tuple(values) for name, values in taken.items()}


def ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the ratios of each round: neighbours in time are compared with each other."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, floor, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` from 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def pss(pid: int) -> int:
    """Bytes of memory that are a process' share: a page that several use is counted once (Linux)."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in told.splitlines() if line.startswith("Pss:"))


def number(value: float) -> str:
    """Three digits that matter, thousands with a comma."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
