"""Is this process alive, is it ready, what has it counted: three answers over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import inspect
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog
import uvicorn
from heraldry.chassis.settings import Settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

CHECK_PATIENCE = 2.0  # seconds for all checks together
BEAT = 0.5  # seconds between two beats of the event loop's heart
LATE = 5.0  # seconds without a beat: not alive
STARVED = 20.0  # seconds without a beat: the process ends itself, so that it is started again
EXIT_STARVED = 70
JSON = "application/json"
LIVE, READY, METRICS = "/health/live", "/health/ready", "/metrics"
PATHS = (LIVE, READY, METRICS)

log = structlog.stdlib.get_logger(__name__)

Check: TypeAlias = Callable[[], "str | Awaitable[str | None] | None"]  # why not, or None if all is well

Measure: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP."""

    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status == 200  # noqa: PLR2004  HTTP's OK


class Health:
    """The checks of one process. Consumers' lag is no reason not to be ready: it is a metric and an alert."""

    def __init__(
        self, registry: CollectorRegistry = REGISTRY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks: dict[str, Check] = {}
        self._notes: dict[str, Check] = {}
        self._measures: list[Measure] = []
        self._registry = registry
        self._clock = clock
        self._beat: float | None = None

    def check(self, name: str, fn: Check) -> None:
        """A condition of readiness: `fn` returns why it does not hold, or None. Replaces one of that name."""
        self._checks[name] = fn

    def note(self, name: str, fn: Check) -> None:
        """Something that is missing and that only a part of the work needs: `fn` says what, or None. It is told
        beside the reasons, and keeps nobody from being ready.
        """
        self._notes[name] = fn

    def measure(self, fn: Measure) -> None:
        """What sets a metric that is only known by looking: called whenever the metrics are asked for."""
        self._measures.append(fn)

    def beat(self) -> None:
        """The event loop has come round."""
        self._beat = self._clock()

    def silence(self) -> float:
        """Seconds since the last beat; 0 before the first."""
        return 0.0 if self._beat is None else max(0.0, self._clock() - self._beat)

    async def reasons(self) -> dict[str, str]:
        """Why the process is not ready, by the name of the check; empty if it is."""
        try:
            async with asyncio.timeout(CHECK_PATIENCE):
                found = await asyncio.gather(*(self._ask(fn) for fn in self._checks.values()))
        except TimeoutError:
            return {"checks": f"no answer within {CHECK_PATIENCE:g} s"}
        return {name: reason for name, reason in zip(self._checks, found, strict=True) if reason is not None}

    async def notes(self) -> dict[str, str]:
        """What is missing without keeping the process from being ready."""
        told = {name: await self._ask(fn) for name, fn in self._notes.items()}
        return {name: said for name, said in told.items() if said is not None}

    async def answer(self, path: str) -> Answer:
        """What to answer at one of PATHS; 404 elsewhere. The gateway mounts this in its own application."""
        match path:
            case "/health/live":
                silence = self.silence()
                alive = silence < LATE
                told = {"alive": alive, "seconds_since_beat": round(silence, 3)}
                return Answer(200 if alive else 503, JSON, json.dumps(told).encode())
            case "/health/ready":
                reasons = await self.reasons()
                notes = await self.notes()
                told = {"ready": not reasons, "reasons": reasons, **({"notes": notes} if notes else {})}
                body = json.dumps(told).encode()
                return Answer(503 if reasons else 200, JSON, body)
            case "/metrics":
                await self._look()
                return Answer(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
            case _:
                return Answer(404, JSON, b'{"detail": "not found"}')

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:  # noqa: ARG002  ASGI's signature
        """As an ASGI application."""
        if scope["type"] != "http":
            return
        allowed = scope["method"] in {"GET", "HEAD"}
        found = await self.answer(scope["path"]) if allowed else Answer(405, JSON, b'{"detail": "GET only"}')
        headers = [
            (b"content-type", found.content_type.encode()),
            (b"content-length", str(len(found.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send(
            {"type": "http.response.start", "status": found.status, "headers": headers, "trailers": False}
        )
        body = b"" if scope["method"] == "HEAD" else found.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _look(self) -> None:
        """What cannot be looked at now keeps its last value."""
        try:
            async with asyncio.timeout(CHECK_PATIENCE):
                await asyncio.gather(*(fn() for fn in self._measures))
        except Exception as error:  # noqa: BLE001  the other metrics are told all the same
            log.warning("a metric could not be measured", error=repr(error))

    @staticmethod
    async def _ask(fn: Check) -> str | None:
        try:
            found = fn()
            return await found if inspect.isawaitable(found) else found
        except Exception as error:  # noqa: BLE001  a check that fails is the finding, whatever it raises
            log.warning("check failed", error=repr(error))
            return f"the check failed: {type(error).__name__}"


class Watch:
    """Keeps `health` beating, and ends a process whose event loop has starved: nobody else would notice.

    The thread counts its own rounds, not the clock's seconds: a process that was stopped and continued has
    missed none.
    """

    def __init__(
        self, health: Health, *, limit: float = STARVED, end: Callable[[], None] | None = None
    ) -> None:
        self._health = health
        self._limit = limit
        self._pause = min(BEAT, limit / 8)  # seconds between two beats
        self._end = end or _end
        self._beats = 0
        self._stopped = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Within a running event loop."""
        self._task = asyncio.create_task(self._beat(), name="heartbeat")
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        lag = _lag_gauge()
        while True:
            before = time.monotonic()
            await asyncio.sleep(self._pause)
            lag.set(max(0.0, time.monotonic() - before - self._pause))
            self._beats += 1
            self._health.beat()

    def _look(self) -> None:
        pause = min(1.0, self._limit / 4)
        seen, rounds = self._beats, 0
        while not self._stopped.wait(pause):
            rounds = rounds + 1 if seen == self._beats else 0
            seen = self._beats
            if rounds * pause >= self._limit:
                self._end()
                return


class Served:
    """The health endpoint of a process, listening."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], watch: Watch, port: int) -> None:
        self._server = server
        self._task = task
        self._watch = watch
        self.port = port

    async def stop(self) -> None:
        """Stop listening."""
        self._watch.stop()
        self._server.should_exit = True
        await self._task


async def serve(health: Health, settings: Settings) -> Served:
    """Start answering PATHS on `settings.host` and `settings.port` (0: a free one) and return at once.

    Raises OSError if the port is taken.
    """
    listening = listen(settings.host, settings.port)
    port = int(listening.getsockname()[1])
    config = uvicorn.Config(
        health,  # pyright: ignore[reportArgumentType]  uvicorn's union of ASGI 2 and 3 does not see the callable
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = QuietServer(config)
    watch = Watch(health)
    watch.start()
    task = asyncio.create_task(server.serve(sockets=[listening]), name="health")
    while not server.started:
        if task.done():
            await task
            raise OSError("the health endpoint ended at once")
        await asyncio.sleep(0.005)
    return Served(server, task, watch, port)


def listen(host: str, port: int, *, backlog: int = 128) -> socket.socket:
    """A socket whose connections send at once. Raises OSError if the port is taken.

    asyncio says so only to connections it accepts on sockets it made itself; on others the second half of an
    answer waits up to 40 ms for the peer to acknowledge the first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=backlog)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits it
    return listening


class QuietServer(uvicorn.Server):
    """Leaves the process' signals to whoever runs it. Stopped by `should_exit`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def announce(settings: Settings, url: str) -> None:
    """Say where this process answers (<data>/run/<service>-<replica>.json), then that it is ready."""
    folder = Path(settings.data) / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = folder / f".{settings.process}.new"
    beside.write_text(json.dumps({"pid": os.getpid(), "url": url}), encoding="utf-8")
    beside.replace(folder / f"{settings.process}.json")
    tell_ready(settings)


def tell_ready(settings: Settings) -> None:
    """Tell the supervisor, if there is one, that this process is ready. Telling it twice does no harm."""
    if settings.ready_fd is not None:
        with contextlib.suppress(OSError):  # the supervisor has gone: then this process is about to go too
            os.write(settings.ready_fd, b"ready\n")


_gauges: dict[str, Gauge] = {}


def _lag_gauge() -> Gauge:
    name = "heraldry_event_loop_lag_seconds"
    if name not in _gauges:
        _gauges[name] = Gauge(name, "How late the event loop came round the last time.")
    return _gauges[name]


def _end() -> None:
    sys.stderr.write("the event loop has starved; this process ends so that it is started again\n")
    sys.stderr.flush()
    faulthandler.dump_traceback(all_threads=True)
    os._exit(EXIT_STARVED)
