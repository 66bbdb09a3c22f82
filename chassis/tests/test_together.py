"""One question for all who ask in the same moment, and never an answer older than the asking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from heraldry.chassis.together import Together


@dataclass(slots=True)
class World:
    """What is asked about; a question reads it when it is put and answers when it may."""

    value: int = 0
    questions: list[frozenset[str]] = field(default_factory=list[frozenset[str]])
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    broken: Exception | None = None

    async def put(self, wanted: frozenset[str]) -> Mapping[str, int]:
        self.questions.append(wanted)
        told = dict.fromkeys(wanted, self.value)
        await self.may_answer.wait()
        if self.broken:
            raise self.broken
        return told


async def put(world: World, count: int) -> None:
    async with asyncio.timeout(5):
        while len(world.questions) < count:  # noqa: ASYNC110  the world is no condition
            await asyncio.sleep(0)


async def test_who_asks_while_a_question_is_under_way_is_answered_from_the_next_one() -> None:
    world = World()
    together = Together(world.put)
    early = asyncio.create_task(together.ask("a"))
    await put(world, 1)
    world.value = 1  # what the question under way has not seen
    late = [asyncio.create_task(together.ask(name)) for name in ("a", "b", "a")]
    await asyncio.sleep(0)
    assert world.questions == [{"a"}]
    world.may_answer.set()
    assert await early == {"a": 0}
    assert [answer["b" if n == 1 else "a"] for n, answer in enumerate(await asyncio.gather(*late))] == [
        1,
        1,
        1,
    ]
    assert world.questions == [{"a"}, {"a", "b"}]


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    world = World()
    together = Together(world.put)
    gone, stays = asyncio.create_task(together.ask("a")), asyncio.create_task(together.ask("b"))
    await put(world, 1)
    gone.cancel()
    world.may_answer.set()
    assert (await stays)["b"] == 0
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_what_went_wrong_is_told_to_its_round_only() -> None:
    world = World(broken=RuntimeError("away"))
    together = Together(world.put)
    world.may_answer.set()
    for answer in await asyncio.gather(*(together.ask("a") for _ in range(2)), return_exceptions=True):
        assert str(answer) == "away"
    world.broken = None
    assert await together.ask("a") == {"a": 0}
    assert len(world.questions) == 2
