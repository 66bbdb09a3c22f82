"""Points hold whoever comes to them, only where a test has put a file for them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from heraldry.chassis.points import points
from heraldry.chassis.testing.waiting import until


async def test_without_a_folder_and_without_a_file_nobody_waits(tmp_path: Path) -> None:
    await points(None)("mail.claimed")
    await points(tmp_path)("mail.claimed")
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240  nothing waits for it


async def test_who_is_held_says_so_and_goes_on_when_the_file_is_gone(tmp_path: Path) -> None:
    hold = tmp_path / "mail.claimed.hold"
    hold.touch()
    held = asyncio.create_task(_reach(tmp_path))
    await until(lambda: bool(list(tmp_path.glob("mail.claimed.*.reached"))))
    assert [one.read_text() for one in tmp_path.glob("*.reached")] == [str(os.getpid())]  # noqa: ASYNC240  likewise
    assert not held.done()
    hold.unlink()
    await held


async def _reach(folder: Path) -> None:
    await points(folder)("mail.claimed")
