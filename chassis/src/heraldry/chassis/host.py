"""The life of a service process: what it stands on is opened in order, and closed in the opposite one.

A service's composition root calls `run`; its `build` registers commands, queries, reactions and workers on
the `House`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from heraldry.chassis import logs, tracing
from heraldry.chassis.audit.checkpointing import Checkpointing
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.bus import border, connect, provision, replay, rights
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.lags import Lags
from heraldry.chassis.bus.markers import last_marker
from heraldry.chassis.bus.parked import ParkedApi
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.refusing import RefusedWrites
from heraldry.chassis.bus.relay import Hook, Relay, Step
from heraldry.chassis.bus.rpc import Caller, Server
from heraldry.chassis.bus.server import ServerFilesError
from heraldry.chassis.clock import Clock, FrozenClock, SandboxClock, SystemClock
from heraldry.chassis.codec import Codec
from heraldry.chassis.erasing import Erasing, Part
from heraldry.chassis.halt import HaltFlags
from heraldry.chassis.handover import Handover
from heraldry.chassis.health import Health, announce, serve
from heraldry.chassis.past import Pasts
from heraldry.chassis.points import Points, points
from heraldry.chassis.projection import Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Runner
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.opening import Published, address_of, open_store
from heraldry.chassis.store.port import EventStore, StoreUnavailableError
from heraldry.chassis.tasks import end
from heraldry.chassis.vault.keys import Key, KeyRing
from heraldry.chassis.vault.ledger import LedgerError
from heraldry.chassis.vault.master import MasterKeyError, load
from heraldry.chassis.vault.secrets import Secrets
from heraldry.contracts import registry
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.evolution import EvolutionError, Upcasters
from heraldry.contracts.markers import Position
from nats.aio.client import Client
from nats.js import JetStreamContext

log = structlog.stdlib.get_logger(__name__)
EXIT_CANNOT_START: Final = 74
CANNOT_START: Final = (
    StoreUnavailableError,
    MasterKeyError,
    LedgerError,
    provision.ProvisionError,
    ServerFilesError,
    EvolutionError,
    OSError,
)
STOP_DEADLINE: Final = 2.0  # seconds


@dataclass(slots=True)
class House:
    """What a service stands on. Everything in it is open and running."""

    context: str
    settings: Settings
    clock: Clock
    health: Health
    nc: Client
    js: JetStreamContext
    keys: KeyRing
    own_key: Key  # of this context's processes
    secrets: Secrets
    halt: HaltFlags
    store: EventStore
    codec: Codec
    runner: Runner
    model: ReadModel
    feed: StoreFeed
    rpc: Server
    caller: Caller
    stack: AsyncExitStack  # what `build` opens is closed with it
    failed: asyncio.Event
    points: Points
    parking: Parking
    erasing: Erasing
    part: Part  # of erasing: `build` fills in what this context does beside dropping rows
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def pasts(self) -> Pasts:
        """The context's log as it stood at any moment."""
        return Pasts(self.context, self.store, self.codec, self.clock)

    def background(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run `work` until the service stops. If it fails, the process ends and is started again."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop_background(self) -> None:
        """End the background work; what does not end in 2 seconds is left to the end of the process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_DEADLINE):
                await end(*self.tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("background work failed", work=task.get_name(), exc_info=error)
            self.failed.set()


Build = Callable[[House], Awaitable[None]]


def run(
    context: str,
    build: Build,
    *,
    types: Mapping[str, type[Event]],
    upcasters: Upcasters,
    projections: Sequence[Projection],
    own_http: bool = False,
) -> int:
    """Run a service until SIGTERM or SIGINT; the exit code.

    `types`: every type of its log; `upcasters`: the steps of the private ones between their versions.
    `own_http`: the service serves and announces itself.
    """
    settings = Settings()
    logs.configure(settings)
    try:
        address_of(settings, context)  # what is wrong with it is said before anything is waited for
        registry.upcasters(types, upcasters)
        with tracing.told(settings):
            return asyncio.run(
                _live(context, settings, build, types, upcasters, projections, own_http=own_http)
            )
    except CANNOT_START as error:
        log.critical("cannot start", because=str(error))
        return EXIT_CANNOT_START


async def _live(
    context: str,
    settings: Settings,
    build: Build,
    types: Mapping[str, type[Event]],
    upcasters: Upcasters,
    projections: Sequence[Projection],
    *,
    own_http: bool,
) -> int:
    stop = asyncio.Event()
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(
            _open(context, settings, build, types, upcasters, projections, stack, failed, own_http=own_http)
        )
        stopping = asyncio.create_task(stop.wait())
        failing = asyncio.create_task(failed.wait())
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            await end(opening)
            return 0
        opening.result()
        log.info("ready")
        await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
    return 1 if failed.is_set() else 0


async def _open(  # noqa: PLR0913, PLR0915, PLR0917  a composition root; the order in which things open is the point
    context: str,
    settings: Settings,
    build: Build,
    types: Mapping[str, type[Event]],
    upcasters: Upcasters,
    projections: Sequence[Projection],
    stack: AsyncExitStack,
    failed: asyncio.Event,
    *,
    own_http: bool,
) -> None:
    health = Health()
    health.check("start", lambda: "starting")
    served = None if own_http else await serve(health, settings)
    if served is not None:
        stack.push_async_callback(served.stop)
    nc = await connect.connect(settings)
    stack.push_async_callback(connect.close, nc)
    health.check("nats", lambda: None if nc.is_connected else "the message bus cannot be reached")
    await provision.wait_until_ready(nc)
    refused = RefusedWrites(nc)
    health.check("writes", refused.problem)
    health.measure(refused.measure)
    keys = KeyRing(nc, context, load(settings))
    await keys.start()
    stack.push_async_callback(keys.stop)
    clock = await _clock(nc, settings, stack)
    halt = HaltFlags(nc)
    await halt.start()
    stack.push_async_callback(halt.stop)

    reach = points(settings.test_points)
    store = await open_store(settings, context, published=_published(border.jetstream(nc), context))
    stack.push_async_callback(store.close)
    codec = Codec(types, keys, upcasters)
    veiled = codec.veiled()
    runner = Runner(context, store, codec)
    file = _made(settings, "read") / f"{settings.process}.sqlite3"
    own_key = await keys.create(f"service-{context}")
    handover = Handover(nc, context, "read-model", file, projections, own_key)
    await handover.take_over()
    model = ReadModel(file, projections)
    stack.callback(model.close)
    feed = StoreFeed(context, store, veiled, model)
    await feed.start()
    stack.push_async_callback(feed.stop)
    await handover.start()
    stack.push_async_callback(handover.stop)
    health.check("projections", lambda: feed.problem)
    health.measure(feed.measure)

    async def reached(position: str, timeout: float) -> bool:  # noqa: ASYNC109  as the port says
        try:
            mine = Position.parse(position).context == context
        except ValueError as error:
            raise Refused("position.malformed", f"{error}.", status=422) from error
        return not mine or await model.wait_for([position], timeout)

    relay = Relay(nc, context, store, veiled, types, hook=_hook(context, reach))
    part = Part()
    erasing = Erasing(nc, context, settings.process, keys, store, relay, part, reach)
    erasing.forgets_in(model)

    house = House(
        context=context,
        settings=settings,
        clock=clock,
        health=health,
        nc=nc,
        js=border.jetstream(nc),
        keys=keys,
        own_key=own_key,
        secrets=Secrets(nc, context, keys),
        halt=halt,
        store=store,
        codec=codec,
        runner=runner,
        model=model,
        feed=feed,
        rpc=Server(nc, context, reached=reached),
        caller=Caller(nc),
        stack=stack,
        failed=failed,
        points=reach,
        parking=Parking(nc, context),
        erasing=erasing,
        part=part,
    )
    ParkedApi(context, house.parking, store).register(house.rpc)
    stack.push_async_callback(house.stop_background)
    _publish(house, relay)
    await build(house)
    erasing.register(house.rpc)
    await erasing.start()
    stack.push_async_callback(erasing.stop)
    await house.rpc.start()
    stack.push_async_callback(house.rpc.stop)
    health.check("start", lambda: None)
    if served is not None:
        announce(settings, f"http://{settings.host}:{served.port}")


def _publish(house: House, relay: Relay) -> None:
    """Publish the log, have it signed, and tell how far behind whoever reads it is."""
    context, health = house.context, house.health
    house.background(relay.run(), f"relay {context}")
    health.check("relay", lambda: relay.state.detail or None)
    health.measure(relay.measure)
    replay.register(house.rpc, context, house.store, relay)
    house.background(replay.until_another_stream(house.nc, house.failed.set), "stream watch")
    trail = Trail.beside(house.settings.data, context)
    checkpointing = Checkpointing(house.nc, context, house.store, relay, trail)
    house.background(checkpointing.run(), f"checkpoints {context}")
    health.note("checkpoints", lambda: checkpointing.problem)
    health.measure(checkpointing.measure)
    lags = Lags(house.nc, context, rights.DURABLES.get(context, ()), rights.measured(context))
    house.stack.push_async_callback(lags.stop)
    health.measure(lags.measure)


def _hook(context: str, reach: Points) -> Hook:
    async def hook(step: Step) -> None:
        await reach(f"relay-{context}.{step}")

    return hook


def _published(js: JetStreamContext, context: str) -> Published:
    async def published(epoch: str) -> bool:
        marker, _ = await last_marker(js, context)
        return marker is not None and marker.epoch == epoch

    return published


async def _clock(nc: Client, settings: Settings, stack: AsyncExitStack) -> Clock:
    if settings.test_now:
        return FrozenClock(datetime.fromisoformat(settings.test_now))
    if not settings.sandbox:
        return SystemClock()
    clock = SandboxClock()

    def moved(entry: Entry) -> None:
        clock.moved(entry.data.decode())

    follower = Follower(nc, "KV_CLOCK", "$KV.CLOCK.>", moved, newest_only=True)
    await follower.start()
    stack.push_async_callback(follower.stop)
    return clock


def _made(settings: Settings, name: str) -> Path:
    folder = settings.data / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
