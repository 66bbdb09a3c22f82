"""One child of the supervisor: forked, or a program that replaces the fork."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from heraldry.chassis.supervisor.services import Service

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KEPT_DESCRIPTORS = 3
MOST_DESCRIPTORS = 4096
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
FAILED = 1


@dataclass(frozen=True, slots=True)
class Running:
    """A child that was started. The descriptors are the supervisor's ends of its pipes."""

    pid: int
    output: int
    ready: int


def start(work: Callable[[], int], environment: Mapping[str, str]) -> Running:
    """Fork; the child does `work` in a session of its own and ends with what that returns.

    The child's output goes to a pipe, and HERALDRY_READY_FD names another for its word that it is ready.
    It is killed when this process ends, however that happens.
    """
    output, child_output = os.pipe()
    ready, child_ready = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(work, environment, parent, child_output, child_ready)
    os.close(child_output)
    os.close(child_ready)
    for end in (output, ready):
        os.set_blocking(end, False)
    return Running(pid, output, ready)


def call(service: Service) -> Callable[[], int]:
    """Work that runs a service in this process."""

    def work() -> int:
        main: Callable[[], int | None] = getattr(importlib.import_module(service.module), service.function)
        return main() or 0

    return work


def program(command: Sequence[str | Path]) -> Callable[[], int]:
    """Work that becomes another program."""

    def work() -> NoReturn:
        words = [str(word) for word in command]
        os.execv(words[0], words)  # noqa: S606  no shell is what is wanted

    return work


def adopt_orphans() -> None:
    """What a child leaves behind becomes a child of this process, which can then end it. Linux only."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children() -> frozenset[int]:
    """Ids of this process' children; empty where the system does not say."""
    try:
        return frozenset(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))
    except (OSError, ValueError):
        return frozenset()


def kill(pid: int, number: signal.Signals, *, group: bool = False) -> None:
    """Send a signal to a process or its group; one that has gone is no error."""
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _child(
    work: Callable[[], int], environment: Mapping[str, str], parent: int, output: int, ready: int
) -> NoReturn:
    code = FAILED
    try:
        _settle(environment, parent, output, ready)
        code = work()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else FAILED if leaving.code else 0
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)  # noqa: T201  as the interpreter does
    except BaseException:  # noqa: BLE001  nothing may unwind into the supervisor's own frames
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(code)


def _settle(environment: Mapping[str, str], parent: int, output: int, ready: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115  for as long as the process lives
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115  for as long as the process lives
    # The supervisor's lock, its selector and the other children's pipes are none of this process' business.
    os.closerange(KEPT_DESCRIPTORS, ready)
    os.closerange(ready + 1, MOST_DESCRIPTORS)
    os.set_inheritable(ready, True)  # noqa: FBT003  the library's signature
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(FAILED)
    os.environ.clear()
    os.environ.update(environment, HERALDRY_READY_FD=str(ready))
    gc.enable()


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
