"""An older and a newer release of a service side by side: a rolling upgrade, and the way back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import cast

import pytest
from heraldry.chassis.testing.bus import eventually
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.releases import Name, Running

pytestmark = pytest.mark.parts
REFUSED = {"refused": "service.newer-release", "status": 503}


class Installation:
    """A server and a store, and the processes that use them."""

    def __init__(self, server: NatsServer, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._running = list[Running]()

    async def start(self, name: Name, *, file: str = "", only_writes: bool = False) -> Running:
        running = await Running.start(name, self._server, self._folder, file=file, only_writes=only_writes)
        self._running.append(running)
        return running

    async def stop(self) -> None:
        for running in self._running:
            await running.stop()
        self._running.clear()


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncGenerator[Installation]:
    async with NatsServer(durables={"scheduler": ["scheduler-own"]}) as server:
        made = Installation(server, tmp_path)
        try:
            yield made
        finally:
            await made.stop()


async def seen(running: Running, wanted: Mapping[str, object]) -> None:
    """Return when a process has this, and no more, of each of these parts."""
    last: Mapping[str, object] = {}

    async def there() -> bool:
        nonlocal last
        last = await running.ask("see")
        return {part: last[part] for part in wanted} == wanted

    try:
        await eventually(there, "what this process should have")
    except AssertionError:
        assert {part: last[part] for part in wanted} == wanted
        raise


def model(*notes: str, to_be_rebuilt: bool = False) -> Mapping[str, object]:
    return {"notes": sorted(notes), "to be rebuilt": to_be_rebuilt}


async def test_while_both_releases_run_the_newer_does_what_the_older_cannot_and_each_what_it_can(
    installation: Installation,
) -> None:
    older = await installation.start("older")
    assert await older.ask("take", "one", "first") == {"accepted": 0}
    assert await older.ask("send", "one", "letter") == {"accepted": 1}
    heard = {"reaction": ["first"], "control consumer": ["letter"], "own reaction": ["first", "letter"]}
    await seen(older, {"projection": model("first", "letter"), "view": model("first"), **heard})
    newer = await installation.start("newer")
    await older.stop()
    older = await installation.start("older")  # after the newer: it may not take away what that one asks for

    assert await newer.ask("star", "one") == {"accepted": 2}
    assert await newer.ask("take", "two", "second") == {"accepted": 0}
    assert await newer.ask("send", "two", "parcel") == {"accepted": 1}

    assert await older.ask("take", "one", "never") == REFUSED  # a new type stands in it
    assert await older.ask("take", "two", "never") == REFUSED  # a new version of an old type
    assert await older.ask("take", "three", "third") == {"accepted": 0}
    assert await newer.ask("take", "three", "fourth") == {"accepted": 1}
    assert await newer.ask("take", "one", "fifth") == {"accepted": 3}

    stored = ("first", "letter", "***", "second", "parcel", "third", "fourth", "fifth")
    published = ("first", "***", "second", "third", "fourth", "fifth")
    await seen(newer, {"projection": model(*stored), "view": model(*published), "relay": ""})
    known = model("first", "letter", "third", to_be_rebuilt=True)
    await seen(older, {"projection": known, "view": model("first", "third", to_be_rebuilt=True)})
    await reacted(older, newer, "reaction", {"***", "second", "third", "fourth", "fifth"})
    await reacted(older, newer, "control consumer", {"parcel"})
    await reacted(older, newer, "own reaction", {"***", "second", "parcel", "third", "fourth", "fifth"})


async def reacted(older: Running, newer: Running, part: str, wanted: set[str]) -> None:
    """Return when both together have reacted to all of this, the older to nothing but its own."""

    async def all_of_it() -> bool:
        return {*await heard(older, part), *await heard(newer, part)} == wanted

    await eventually(all_of_it, f"{part}: {wanted}")
    assert set(await heard(older, part)) <= {"third"}


async def heard(running: Running, part: str) -> list[str]:
    return cast("list[str]", (await running.ask("see"))[part])


async def test_after_the_way_back_the_older_release_waits_at_what_it_cannot_read_and_nothing_is_lost(
    installation: Installation,
) -> None:
    newer = await installation.start("newer", file="one", only_writes=True)
    assert await newer.ask("take", "one", "first") == {"accepted": 0}
    assert await newer.ask("star", "one") == {"accepted": 1}
    await installation.stop()

    older = await installation.start("older", file="one")
    assert await older.ask("take", "one", "never") == REFUSED
    assert await older.ask("take", "two", "second") == {"accepted": 0}
    assert await older.ask("send", "two", "letter") == {"accepted": 1}
    nothing = {part: list[str]() for part in ("reaction", "control consumer", "own reaction")}
    projected = model("second", "letter", to_be_rebuilt=True)
    await seen(older, {"projection": projected, "view": model(), "relay": "relay.newer-release", **nothing})
    await installation.stop()

    newer = await installation.start("newer", file="one")
    stored, published = ("first", "***", "second", "letter"), ("first", "***", "second")
    await seen(
        newer,
        {
            "projection": model(*stored),
            "view": model(*published),
            "reaction": sorted(published),
            "control consumer": ["letter"],
            "own reaction": sorted(stored),
            "relay": "",
        },
    )
    await installation.stop()

    older = await installation.start("older", file="one")  # what the newer has published holds nothing up
    assert await older.ask("take", "two", "third") == {"accepted": 2}
    known = model("second", "letter", "third", to_be_rebuilt=True)
    await seen(older, {"projection": known, "reaction": ["third"], "own reaction": ["third"], "relay": ""})
    await seen(older, {"view": model("second", "third", to_be_rebuilt=True)})
