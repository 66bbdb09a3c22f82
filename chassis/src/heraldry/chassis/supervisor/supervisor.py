"""The loop: start, watch, restart, stop. One thread, because it forks."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from heraldry.chassis.supervisor import process
from heraldry.chassis.supervisor.child import CRASHES, Child, State
from heraldry.chassis.supervisor.output import Console, clean

READ_BYTES = 64 * 1024
PROBE_PAUSE = 0.02  # seconds between two looks whether a server listens
REPEAT = 0.3  # seconds; one Ctrl-C may arrive twice, from the terminal and from the program that started us
WAVES = (1.2, 3.2, 4.0)  # seconds from the start of stopping: end of patience with gateway, services, NATS
LAST_PATIENCE = 5.0
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs children. `changed` is called whenever the state of one has changed."""

    def __init__(self, console: Console, changed: Callable[[], None]) -> None:
        self.children: list[Child] = []
        self.asked = 0  # how often to stop
        self._asked_at = 0.0
        self._console = console
        self._changed = changed
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        self._wake = wake
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in STOPPING:
            signal.signal(number, self._ask)
        self._selector.register(wake, selectors.EVENT_READ, None)
        process.adopt_orphans()

    def start(self, child: Child) -> None:
        """Start a child now, and again whenever it crashes."""
        if child not in self.children:
            self.children.append(child)
        child.state, child.said = State.STARTING, b""
        child.started = time.monotonic()
        child.running = process.start(child.work, child.environment)
        self._selector.register(child.running.output, selectors.EVENT_READ, child)
        self._selector.register(child.running.ready, selectors.EVENT_READ, child)
        self._changed()

    def start_again(self, child: Child) -> None:
        """End a child as a power cut would, and start it as soon as it is gone."""
        if child.running is not None:
            child.again = True
            process.kill(child.running.pid, signal.SIGKILL, group=True)

    def poll(self, patience: float | None = None) -> None:
        """Do what is to be done now; wait for it at most `patience` seconds, or as long as it takes."""
        for key, _ in self._selector.select(self._until_next(patience)):
            if key.fd == self._wake:
                _drain(self._wake)
            elif isinstance(key.data, Child):
                self._read(key.data, key.fd)
        self._reap()
        now = time.monotonic()
        for child in self.children:
            if child.state is State.STARTING and child.listens is not None and child.listens():
                self._ready(child)
            if child.state is State.WAITING and child.start_at <= now and not self._stopping:
                child.restarts += 1
                self.start(child)

    def stop(self, waves: Sequence[Sequence[Child]]) -> None:
        """End everything, one wave after the other; what does not go within four seconds is killed."""
        self._stopping = True
        begin, asked = time.monotonic(), self.asked
        for wave, patience in zip(waves, WAVES, strict=True):
            for child in wave:
                if child.running is not None:
                    process.kill(child.running.pid, signal.SIGTERM)
            while any(child.running for child in wave) and self.asked == asked:
                left = begin + patience - time.monotonic()
                if left <= 0:
                    break
                self.poll(left)
        self._kill_all()
        while any(child.running for child in self.children) and time.monotonic() < begin + LAST_PATIENCE:
            self.poll(0.05)
        self._sweep()
        for child in self.children:
            child.log.close()

    def _kill_all(self) -> None:
        for child in self.children:
            if child.running is not None:
                self._console.say(f"{child.name} did not stop in time and is killed")
                process.kill(child.running.pid, signal.SIGKILL, group=True)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.asked or now - self._asked_at > REPEAT:
            self.asked += 1
            self._asked_at = now

    def _until_next(self, patience: float | None) -> float | None:
        now = time.monotonic()
        waits = [] if patience is None else [patience]
        for child in self.children:
            if child.state is State.WAITING and not self._stopping:
                waits.append(max(0.0, child.start_at - now))
            elif child.state is State.STARTING and child.listens is not None:
                waits.append(PROBE_PAUSE)
        return min(waits, default=None)

    def _read(self, child: Child, descriptor: int) -> bool:
        """Take what there is; False if there is nothing at the moment."""
        running = child.running
        if running is None:
            return False
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(descriptor)
        elif descriptor == running.ready:
            child.said += data
            if b"\n" in child.said and child.state is State.STARTING:
                self._ready(child)
        else:
            for line in child.lines.feed(data):
                self._show(child, line)
        return bool(data)

    def _show(self, child: Child, line: bytes) -> None:
        shown = clean(line)
        child.last_words.append(shown)
        child.log.write(shown)
        self._console.line(child.name, shown)
        if child.hears is not None:
            child.hears(shown)

    def _ready(self, child: Child) -> None:
        child.state, child.proven = State.READY, True
        self._changed()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children:
                if child.running is not None and child.running.pid == pid:
                    self._ended(child, child.running, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, running: process.Running, status: int) -> None:
        process.kill(running.pid, signal.SIGKILL, group=True)  # what it has started and left behind
        for descriptor in (running.ready, running.output):
            while descriptor in self._selector.get_map() and self._read(child, descriptor):
                pass
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)
            os.close(descriptor)
        for line in child.lines.end():
            self._show(child, line)
        child.running = None
        self._sweep()
        if self._stopping:
            child.state = State.STOPPED
        elif child.once and status == 0:
            child.state = State.READY
        elif child.again:
            child.again, child.state, child.start_at = False, State.WAITING, time.monotonic()
        elif child.crashed(time.monotonic(), status):
            self._console.say(
                f"{child.name} {child.reason} and is started again (crash {len(child.crashes)} of {CRASHES})"
            )
        else:
            self._console.say(
                f"{child.name} crashed {CRASHES} times within a minute and stays down: it {child.reason}."
            )
            self._console.say(last_words(child))
        self._changed()

    def _sweep(self) -> None:
        known = {child.running.pid for child in self.children if child.running is not None}
        for orphan in process.children() - known:
            process.kill(orphan, signal.SIGKILL)


def last_words(child: Child) -> str:
    """The last lines of a process, indented, to go with the news that it is gone."""
    if not child.last_words:
        return "  it said nothing"
    return "\n".join("  " + line.decode("utf-8", "replace") for line in child.last_words)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A signal that only wakes the loop."""


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, READ_BYTES):
            pass
    except BlockingIOError:
        return
