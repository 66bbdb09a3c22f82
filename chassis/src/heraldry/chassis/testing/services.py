"""Minimal services to test the supervisor with: each does one thing well, or badly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from types import FrameType

from heraldry.chassis.health import Health, announce, serve
from heraldry.chassis.logs import configure
from heraldry.chassis.settings import Settings

LONG = 20_000  # bytes of a line that must be cut


def well() -> int:
    """Says that it is ready, and runs until it is asked to stop."""
    with _until_asked() as asked:
        announce(Settings(), "http://127.0.0.1:1")
        asked.wait()
    return 0


def healthy() -> int:
    """As real ones do: structured logs, a health endpoint, an event loop."""
    settings = Settings()
    configure(settings)

    async def run() -> None:
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
        served = await serve(Health(), settings)
        announce(settings, f"http://{settings.host}:{served.port}")
        await asked.wait()
        await served.stop()

    asyncio.run(run())
    return 0


def crashing() -> int:
    """Ends at once, with a reason."""
    raise RuntimeError("the reason is in the log")


def stubborn() -> int:
    """Does not listen to requests to stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    announce(Settings(), "")
    while True:
        signal.pause()


def parent() -> int:
    """Has a program of its own running, in a session of its own, as a browser is."""
    with _until_asked() as asked:
        started = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
        (Settings().data / "run" / "grandchild").write_text(str(started.pid), encoding="ascii")
        announce(Settings(), "")
        asked.wait()
    return 0


def chatty() -> int:
    """Says what a log must not pass on as it is: addresses, long lines, half lines, control characters."""
    with _until_asked() as asked:
        sys.stdout.write("open HTTP://127.0.0.1:1/ and http://two and hthttp://tp://three\n")
        sys.stdout.write("é" * (LONG // 2) + "\n")
        sys.stdout.write("\x1b[31mred\x1b[0m \x07 bell\n")
        sys.stdout.write("half a line")
        sys.stdout.flush()
        announce(Settings(), "")
        asked.wait()
    return 0


def filling() -> int:
    """Fills the disk of its data folder, and fails of it."""
    with (Settings().data / "store" / "filling").open("ab") as file:
        while True:
            file.write(b"x" * 1024 * 1024)
            file.flush()


def first_admin() -> int:
    """A gateway of an installation without an organization."""
    text = '{"url": "http://127.0.0.1/first/abc"}'
    (Settings().data / "run" / "first-admin.json").write_text(text, encoding="ascii")
    return well()


@contextlib.contextmanager
def _until_asked() -> Generator[threading.Event]:
    asked = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, stop)
    yield asked
