"""Processes of a service that start at once: forked, as `heraldry up` forks them, from one that has imported it.

To import a service takes seconds of computing; tests that kill processes start them many times.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import NoReturn

from heraldry.chassis.supervisor.process import PR_SET_PDEATHSIG

FAILED = 1
LOOK = 0.005  # seconds


class Forked:
    """A running process, the child of a `Warm`."""

    def __init__(self, pid: int, parent: Warm) -> None:
        self.pid = pid
        self._parent = parent
        self._running = os.pidfd_open(pid)
        self._code: int | None = None

    @property
    def lives(self) -> bool:
        return self._code is None and not _readable(self._running)

    def send_signal(self, number: int) -> None:
        """One that has ended hears nothing."""
        if self.lives:
            os.kill(self.pid, number)  # nobody else has this id before it was waited for

    async def wait(self) -> int:
        """Return when it has ended: its exit code, or the signal that ended it, less than zero."""
        while self.lives:  # noqa: ASYNC110  another's child
            await asyncio.sleep(LOOK)
        if self._code is None:
            os.close(self._running)
            self._code = self._parent.reap(self.pid)
        return self._code


class Warm:
    """Has imported a module, and forks processes that call its `main`. They and it end with this process."""

    def __init__(self, module: str) -> None:
        self._one_at_a_time = threading.Lock()
        answers, told = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", __name__, module, str(told)], stdin=subprocess.PIPE, pass_fds=[told]
        )
        os.close(told)
        self._answers = os.fdopen(answers, "rb")

    def fork(self, environment: Mapping[str, str]) -> Forked:
        """A new process with this environment."""
        return Forked(self._ask(dict(environment)), self)

    def reap(self, pid: int) -> int:
        """How one that has ended did so."""
        return self._ask(pid)

    def _ask(self, wish: Mapping[str, str] | int) -> int:
        asked = self._process.stdin
        assert asked is not None
        with self._one_at_a_time:
            asked.write(json.dumps(wish).encode() + b"\n")
            asked.flush()
            answer = self._answers.readline()
        if not answer:
            raise RuntimeError(f"it ended with {self._process.wait()}")
        return int(answer)


@functools.cache
def warm(module: str) -> Warm:
    """One for each module."""
    return Warm(module)


def serve(module: str, told: int) -> None:
    """Fork for each environment that comes in, wait for each process id, until nobody can ask any more."""
    work: Callable[[], int | None] = importlib.import_module(module).main
    gc.freeze()
    asked = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    parent = os.getpid()
    for line in asked:
        wish: dict[str, str] | int = json.loads(line)
        if isinstance(wish, int):
            answer = os.waitstatus_to_exitcode(os.waitpid(wish, 0)[1])
        elif (answer := os.fork()) == 0:
            os.close(told)
            _work(work, wish, parent)
        os.write(told, b"%d\n" % answer)


def _work(work: Callable[[], int | None], environment: Mapping[str, str], parent: int) -> NoReturn:
    code: int | None = FAILED
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            os.environ.clear()
            os.environ.update(environment)
            code = work()
    except BaseException:  # noqa: BLE001  nothing may unwind into the frames of who forks
        sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]  there is one
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _readable(descriptor: int) -> bool:
    look = select.poll()
    look.register(descriptor, select.POLLIN)
    return bool(look.poll(0))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
