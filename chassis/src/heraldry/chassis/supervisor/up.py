"""`heraldry up`: from the command line to a running installation, and back."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor import plan as plans
from heraldry.chassis.supervisor import ports
from heraldry.chassis.supervisor.child import Child, State
from heraldry.chassis.supervisor.folder import Folder
from heraldry.chassis.supervisor.master_key import require_its_own
from heraldry.chassis.supervisor.mending import Mending
from heraldry.chassis.supervisor.output import Console, write_all
from heraldry.chassis.supervisor.problems import CannotStart, disk_full
from heraldry.chassis.supervisor.services import WARM, replicas, services
from heraldry.chassis.supervisor.supervisor import Supervisor, last_words

PORT = 8700
REMIND = 15.0  # seconds of waiting for a process before it is said which one
BAD_NEWS = 1


def main(argv: Sequence[str]) -> int:
    """Run until Ctrl-C. 0 after a clean stop, 1 if it could not start, 2 for a wrong command line."""
    asked = _parser().parse_args(argv)
    _open_standard_descriptors()
    os.umask(0o077)
    mode: folders.Mode = "live" if asked.no_sandbox else "demo"
    try:
        known = [service for service in services() if not (asked.no_sandbox and service.is_sandbox)]
        counts = replicas(asked.replicas, known)
        folder = Folder.claim(folders.default(mode, asked.data), mode)
        folder.require_whole()
        wanted = {service: counts[service.name] for service in known}
        return Installation(folder, asked.host).run(asked.port, asked.nats_port, asked.metrics_port, wanted)
    except CannotStart as problem:
        write_all(2, f"heraldry up: {problem} [{problem.code}]\n".encode())
        return BAD_NEWS


class Installation:
    """One run of one data folder."""

    def __init__(self, folder: Folder, host: str) -> None:
        self._folder = folder
        self._host = host
        self._announced = False
        self._complained = False

    def run(self, port: int, nats_port: int, metrics_port: int, wanted: dict[plans.Service, int]) -> int:
        """Start everything, watch it until somebody asks to stop, stop it. Raises CannotStart."""
        if self._folder.mode == "demo":
            self._folder.sign_in()
        self._plan = plans.make(
            self._folder,
            wanted,
            host=self._host,
            port=port,
            nats_port=nats_port,
            metrics_port=metrics_port,
            complain=self._complain,
        )
        self._folder.keep_read_models_of(
            {f"{service.name}-{replica}" for service, count in wanted.items() for replica in range(count)}
        )
        self._console = Console(self._plan.names)
        self._supervisor = Supervisor(self._console, self._changed)
        self._mending = Mending(self._plan.nats, lambda: not self._folder.is_full(), self._console.say)
        self._plan.nats.hears = self._mending.hear
        if not ports.is_loopback(self._host):
            self._console.say(
                f"listens on {self._host} without TLS: put a reverse proxy with a certificate in front of it,"
                " or passwords travel in the clear"
            )
        try:
            self._start()
            while not self._supervisor.asked:
                self._watch()
        finally:
            self._supervisor.stop(self._plan.waves)
            self._remove_run_files()
        return 0

    def _start(self) -> None:
        supervisor, plan = self._supervisor, self._plan
        supervisor.start(plan.nats)  # it starts while this process imports
        gc.disable()
        for module in self._modules():
            if supervisor.asked:
                return
            self._import(module)
            self._poll(0)
        while plan.nats.state is State.STARTING and not supervisor.asked:
            self._poll(1)
        if not supervisor.asked:
            require_its_own(self._folder, plan.master_key)
        gc.collect()
        gc.freeze()  # so that no collection in a child writes to, and thereby copies, what all share
        gc.enable()
        for child in (plan.provision, *plan.services):
            supervisor.start(child)
        self._patience = time.monotonic() + REMIND

    def _watch(self) -> None:
        if self._announced:
            self._poll(self._mending.patience)
            return
        if self._settled():
            self._announce()
            return
        self._poll(max(0.0, self._patience - time.monotonic()))
        if time.monotonic() >= self._patience:
            self._patience += REMIND
            late = [child.name for child in self._plan.children if not _is_settled(child)]
            if late:
                self._console.say(f"still waiting for {', '.join(late)}")

    def _poll(self, patience: float | None) -> None:
        self._supervisor.poll(patience)
        nats, running = self._plan.nats, self._plan.services
        if self._supervisor.asked:
            return
        if self._mending.is_due():
            self._supervisor.start_again(nats)
        if nats.crashes and not nats.proven:  # nothing that passes: a full disk, a damaged store
            raise self._broken(nats, "nats-failed")
        down = [child for child in self._plan.children if child.state is State.DOWN]
        if down and not self._announced and self._folder.is_full():
            raise disk_full(self._folder.path)
        if down and all(child.state is State.DOWN for child in running):
            raise self._broken(down[-1], "all-down")

    def _broken(self, child: Child, code: str) -> CannotStart:
        text = last_words(child)
        if self._folder.is_full() or "no space left on device" in text.lower():
            return disk_full(self._folder.path)
        if code == "all-down":
            return CannotStart(code, "Every service has crashed too often; see the reasons above.")
        return CannotStart(code, f"The NATS server {child.reason}. Its last lines:\n{text}\n")

    def _modules(self) -> list[str]:
        return [
            *WARM,
            *dict.fromkeys(c.service.module for c in self._plan.services if c.service and c.service.warm),
        ]

    def _import(self, module: str) -> None:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  its process will say so itself, with all the rest
            self._console.say(f"{module} cannot be imported: {type(error).__name__}: {error}")

    def _settled(self) -> bool:
        return all(map(_is_settled, self._plan.children))

    def _announce(self) -> None:
        down = [child.name for child in self._plan.children if child.state is State.DOWN]
        if down:
            self._console.say(f"not running: {', '.join(down)}")
        if all(child.state is not State.DOWN for child in self._plan.waves[0]):
            write_all(1, "".join(f"{line}\n" for line in self._addresses()).encode())
        self._announced = True  # only now: who waits for `ready` may read what was printed at once
        self._changed()

    def _addresses(self) -> list[str]:
        lines = [f"Heraldry  {self._plan.url}"]
        if self._folder.mode == "demo":
            who = self._folder.sign_in()
            lines.append(f"Sign in   {who.email}  {who.password}")
        if self._plan.sandbox_url:
            lines.append(f"Sandbox   {self._plan.sandbox_url}")
        first = _first_admin(self._folder.run / "first-admin.json")
        if first:
            lines.append(f"First organization and its admin (this link works once)  {first}")
        return lines

    def _changed(self) -> None:
        """Keep <data>/run/up.json true: what `heraldry status`, the demo and tests read."""
        try:
            self._folder.write(self._folder.run / "up.json", json.dumps(self._document()))
            self._complained = False
        except CannotStart as problem:
            if not self._complained:
                self._complained = True
                self._console.say(str(problem))

    def _document(self) -> dict[str, object]:
        children = self._plan.children
        up = all(child.state is State.READY for child in children)
        return {
            "pid": os.getpid(),
            "mode": self._folder.mode,
            "state": "starting" if not self._announced else "ready" if up else "degraded",
            "url": self._plan.url,
            "sandbox_url": self._plan.sandbox_url,
            "processes": {child.name: _told(child) for child in children if not child.once},
        }

    def _complain(self, text: str) -> None:
        self._console.say(text)

    def _remove_run_files(self) -> None:
        for path in self._folder.run.glob("*.json"):
            path.unlink(missing_ok=True)


def _is_settled(child: Child) -> bool:
    return child.state in {State.READY, State.DOWN}


def _told(child: Child) -> dict[str, object]:
    return {
        "pid": child.running.pid if child.running else None,
        "state": child.state.value,
        "restarts": child.restarts,
        "reason": child.reason,
    }


def _first_admin(path: Path) -> str:
    """The link the gateway has made because no organization exists yet; empty if there is none."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _open_standard_descriptors() -> None:
    """A closed one would be given to the next file that is opened."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004  standard error
        pass
    os.close(descriptor)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="heraldry up", description="Start NATS, the services and the sandbox; Ctrl-C stops them."
    )
    parser.add_argument("--no-sandbox", action="store_true", help="a real installation, in ./data/live")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=_port, default=PORT, help=f"default {PORT}; 0 chooses a free one")
    parser.add_argument(
        "--nats-port",
        type=_port,
        default=0,
        help="where event subscribers connect, on this machine (default: a free one, another at each start)",
    )
    parser.add_argument(
        "--metrics-port",
        type=_port,
        default=0,
        help="where the first service answers /metrics and /health, the others behind it, on this machine"
        " (default: free ones, others at each start)",
    )
    parser.add_argument("--data", type=Path, help="the data folder (default: ./data/demo or ./data/live)")
    parser.add_argument(
        "--replicas", action="append", default=[], metavar="SERVICE=N", help="run a service N times"
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004  TCP's
        raise argparse.ArgumentTypeError("0 to 65535")
    return port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
