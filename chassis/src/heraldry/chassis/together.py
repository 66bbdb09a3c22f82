"""One question for all who ask in the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K")
A = TypeVar("A")


@dataclass(slots=True, eq=False)
class _Round(Generic[K, A]):
    """Those who are answered by one question."""

    answer: asyncio.Future[Mapping[K, A]]
    wanted: set[K] = field(default_factory=set[K])


class Together(Generic[K, A]):
    """Puts one question at a time, and the next for everybody who came meanwhile.

    Whoever asks is answered from a question that was put after he asked, never from one that was under way.
    `put` answers for everything it is asked about; what it raises is raised for all of its round.
    """

    def __init__(self, put: Callable[[frozenset[K]], Awaitable[Mapping[K, A]]]) -> None:
        self._put = put
        self._turn = asyncio.Lock()
        self._next: _Round[K, A] | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, *about: K) -> Mapping[K, A]:
        """The answers, for these at least."""
        current = self._next
        if current is None:
            current = self._next = _Round(asyncio.get_running_loop().create_future())
            task = asyncio.create_task(self._answer(current))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        current.wanted.update(about)
        return await asyncio.shield(current.answer)  # one who gives up does not take the others along

    async def _answer(self, current: _Round[K, A]) -> None:
        try:
            async with self._turn:
                self._next = None  # whoever asks from now on waits for another question
                current.answer.set_result(await self._put(frozenset(current.wanted)))
        except Exception as error:  # noqa: BLE001  it is theirs who asked
            current.answer.set_exception(error)
            current.answer.exception()  # if all have given up nobody retrieves it
        finally:
            current.answer.cancel()  # unless it was answered
            if self._next is current:
                self._next = None
