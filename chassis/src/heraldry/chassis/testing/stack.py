"""A running installation for tests: the real `heraldry up`, in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

READY_DEADLINE = 60.0  # seconds
STOP_DEADLINE = 10.0
LOOK = 0.02  # seconds between two looks at a condition


class StackError(Exception):
    """The installation did not do as it should; the text ends with its last log lines."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The demo's user."""

    email: str
    password: str


@dataclass(slots=True)
class Stack:
    """`with Stack.running(folder) as stack:` or `Stack.start(folder)` and `stop()`."""

    folder: Path
    process: subprocess.Popen[bytes]
    output: Path  # what it has printed to standard output
    log: Path  # what it has printed to standard error: all the processes' lines
    started: float = field(default_factory=time.monotonic)
    seconds_to_ready: float = 0.0

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        sandbox: bool = True,
        replicas: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        wait: bool = True,
    ) -> Stack:
        """Run `heraldry up --data folder --port 0` and wait until all is ready (unless `wait` is False).

        What it prints goes to files beside the folder.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        notes = Path(tempfile.mkdtemp(prefix=f"{folder.name}-up-", dir=folder.parent))
        words = [sys.executable, "-m", "heraldry.chassis.cli", "up", "--data", str(folder), "--port", "0"]
        words += [] if sandbox else ["--no-sandbox"]
        words += [
            word for name, count in (replicas or {}).items() for word in ("--replicas", f"{name}={count}")
        ]
        output, log = notes / "out", notes / "log"
        with output.open("wb") as out, log.open("wb") as err:
            process = subprocess.Popen(  # noqa: S603  our own program
                [*words, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        stack = cls(folder, process, output, log)
        if wait:
            try:
                stack.wait_ready()
            except BaseException:
                stack.stop()
                raise
        return stack

    @classmethod
    @contextlib.contextmanager
    def running(
        cls, folder: Path, *, sandbox: bool = True, env: Mapping[str, str] | None = None
    ) -> Generator[Stack]:
        """A stack that is stopped at the end, whatever happens."""
        stack = cls.start(folder, sandbox=sandbox, env=env, wait=False)
        try:
            stack.wait_ready()
            yield stack
        finally:
            stack.stop()

    def wait_ready(self, deadline: float = READY_DEADLINE) -> None:
        """Return when every process is ready. Raises StackError if it ends, or if one stays down."""
        self.wait(lambda: self.state() not in {"", "starting"}, deadline, "it did not become ready")
        self.seconds_to_ready = time.monotonic() - self.started
        if self.state() != "ready":
            raise StackError(f"not everything runs.\n{self.tail()}")

    def wait(self, condition: Callable[[], bool], deadline: float = 30.0, otherwise: str = "") -> None:
        """Return when the condition holds. Raises StackError after `deadline` seconds, or if `up` ends."""
        until = time.monotonic() + deadline
        while not condition():
            if self.process.poll() is not None:
                raise StackError(f"heraldry up ended with {self.process.returncode}.\n{self.tail()}")
            if time.monotonic() > until:
                raise StackError(
                    f"{otherwise or 'the condition did not come true'} in {deadline:g} s.\n{self.tail()}"
                )
            time.sleep(LOOK)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return str(self._told()["url"])

    @property
    def sandbox_url(self) -> str:
        return str(self._told()["sandbox_url"])

    @property
    def sign_in(self) -> SignIn:
        """The demo's user."""
        found = json.loads((self.folder / "keys" / "demo-sign-in.json").read_text(encoding="utf-8"))
        return SignIn(str(found["email"]), str(found["password"]))

    @property
    def first_admin_url(self) -> str:
        """The link that makes the first organization (without the sandbox, and only while there is none)."""
        return str(json.loads((self.folder / "run" / "first-admin.json").read_text(encoding="utf-8"))["url"])

    def state(self) -> str:
        """`starting`, `ready`, `degraded`; empty before it has said anything."""
        told = self._told()
        return str(told.get("state", "")) if told.get("pid") == self.process.pid else ""

    def url_of(self, service: str, replica: int = 0) -> str:
        """Where a process answers its health checks."""
        path = self.folder / "run" / f"{service}-{replica}.json"
        return str(json.loads(path.read_text(encoding="utf-8"))["url"])

    def process_state(self, service: str, replica: int = 0) -> str:
        """`waiting`, `starting`, `ready`, `down`."""
        return str(self._process(service, replica)["state"])

    def restarts(self, service: str, replica: int = 0) -> int:
        return int(cast("int", self._process(service, replica)["restarts"]))

    def pid_of(self, service: str, replica: int = 0) -> int:
        """The process' id (`nats` is one too). Raises StackError if it does not run at this moment."""
        pid = self._process(service, replica)["pid"]
        if not isinstance(pid, int):
            raise StackError(f"{service} does not run at this moment.\n{self.tail()}")
        return pid

    def pids(self) -> list[int]:
        """Of all processes that run, without the supervisor."""
        found = cast("dict[str, dict[str, object]]", self._told().get("processes", {}))
        return [pid for told in found.values() if isinstance(pid := told["pid"], int)]

    def memory(self, *, without: tuple[str, ...] = ("sandbox",)) -> dict[str, int]:
        """Bytes of each process' proportional set size, the supervisor's (`up`) too, from the kernel."""
        found = cast("dict[str, dict[str, object]]", self._told().get("processes", {}))
        pids = {name: told["pid"] for name, told in found.items() if name not in without}
        return {name: _pss(cast("int", pid)) for name, pid in {"up": self.process.pid, **pids}.items()}

    def kill(self, service: str, number: int = signal.SIGKILL, *, replica: int = 0) -> int:
        """Send a signal to a process; its id."""
        pid = self.pid_of(service, replica)
        os.kill(pid, number)
        return pid

    def kill_and_wait(self, service: str, *, replica: int = 0, deadline: float = 30.0) -> int:
        """kill -9, then wait until it is back and ready; the new id."""
        old = self.kill(service, replica=replica)
        self.wait(
            lambda: (
                self._process(service, replica)["pid"] not in {old, None}
                and self.process_state(service, replica) == "ready"
            ),
            deadline,
            f"{service} did not come back",
        )
        return self.pid_of(service, replica)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop everything; the exit code. Does nothing to what has ended. Kills what does not stop."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise StackError(f"it did not stop within {STOP_DEADLINE:g} s.\n{self.tail()}") from None

    def tail(self, lines: int = 60) -> str:
        """The last log lines of all processes."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _process(self, service: str, replica: int) -> dict[str, object]:
        found = cast("dict[str, dict[str, object]]", self._told().get("processes", {}))
        name = service if service in found else f"{service}-{replica}"
        if name not in found:
            raise StackError(f"there is no process {name}; there are {', '.join(found)}.")
        return found[name]

    def _told(self) -> dict[str, object]:
        try:
            return cast(
                "dict[str, object]", json.loads((self.folder / "run" / "up.json").read_text(encoding="utf-8"))
            )
        except (OSError, ValueError):
            return {}


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise StackError(f"the kernel does not say how much memory process {pid} uses")
