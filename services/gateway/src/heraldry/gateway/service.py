"""The gateway as a process: the only place that constructs things."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
import uvicorn
from heraldry.chassis.bus import server as nats_server
from heraldry.chassis.bus.rights import SubscriberRights
from heraldry.chassis.bus.subscribers import answer_callouts, delete_consumer, make_consumer
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.handover import Handover
from heraldry.chassis.health import QuietServer, Watch, announce, listen
from heraldry.chassis.host import House, run
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.settings import Settings
from heraldry.chassis.supervisor.status import down
from heraldry.chassis.vault.sealed import open_from_link, own_private_key, public_key, seal
from heraldry.chassis.views import ViewFeed
from heraldry.contracts.base import Refused
from heraldry.gateway import assets, demo_organization, sessions, share_tokens
from heraldry.gateway.app import application
from heraldry.gateway.application import Application
from heraldry.gateway.domain.types import TYPES, UPCASTERS
from heraldry.gateway.erasing import ErasingHere
from heraldry.gateway.halting import Halting
from heraldry.gateway.live import Live
from heraldry.gateway.parked import ParkedMessages
from heraldry.gateway.passwords import Passwords
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.repeats import Repeats
from heraldry.gateway.sessions import Sessions
from heraldry.gateway.share_tokens import ShareTokens
from heraldry.gateway.state import Gateway
from heraldry.gateway.throttles import Throttles
from heraldry.gateway.unsubscribing import Unsubscribing
from heraldry.gateway.views import Views

log = structlog.stdlib.get_logger(__name__)
GRACE: Final = 2  # seconds for requests that are on their way when the process is told to end
LOOK: Final = 0.25  # seconds between two looks whether the bus is there
STARTED: Final = 0.005  # seconds between two looks whether the server listens


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    return run("gateway", build, types=TYPES, upcasters=UPCASTERS, projections=(), own_http=True)


async def build(house: House) -> None:
    """Open what the gateway has beside the house, then listen."""
    settings = house.settings
    files = assets.load()
    core = Application(house.runner, house.keys, house.secrets, Passwords(), house.clock.now)
    await core.prepare()
    live = Live()
    views = await _views(house, live)
    ErasingHere(core, views).fill(house.part)
    gateway = await _gateway(house, core, views, live)
    await _callouts(house, core)
    if settings.mode == "demo":
        await demo_organization.make(core, settings.data)
    elif token := await core.make_first_link():
        _write_first_link(settings, f"{_public_url(settings)}/first/{token}")
    house.health.check("views", lambda: None)
    house.health.note("processes", partial(down, settings.data))
    await _serve(house, gateway, files)


async def _views(house: House, live: Live) -> Views:
    settings = house.settings
    file = settings.data / "read" / f"{settings.process}-views.sqlite3"
    handover = Handover(house.nc, house.context, "views", file, VIEWS, house.own_key)
    await handover.take_over()
    model = ReadModel(file, VIEWS)
    house.stack.callback(model.close)
    feed = ViewFeed(house.nc, model, live.moved, house.keys.is_erased)
    house.erasing.forgets_in(model)
    live.started(model.checkpoint())
    await feed.start()
    house.stack.push_async_callback(feed.stop)
    await handover.start()
    house.stack.push_async_callback(handover.stop)
    house.health.check("view feed", lambda: feed.problem)
    house.health.measure(feed.measure)
    return Views(model)


async def _gateway(house: House, core: Application, views: Views, live: Live) -> Gateway:
    key = await house.keys.create(sessions.KEY_SUBJECT)
    links = ShareTokens(await house.keys.create(share_tokens.KEY_SUBJECT))
    private = await own_private_key(house.nc, "gateway", house.keys, house.secrets)
    real = SystemClock().now  # sessions and throttles do not follow the sandbox's clock

    async def sealed(context: str, secret: str) -> str:
        public = await public_key(house.nc, context)
        if public is None:
            raise Refused(
                "service.unavailable", f"The {context} service has not started yet. Try again.", status=503
            )
        return seal(public, secret.encode())

    halting = Halting(core, house.halt, house.clock.now)
    halting.register(house.rpc)
    house.background(halting.keep_recorded(), "halts recorded")

    async def admit(subscriber: UUID, organization: UUID) -> SubscriberRights:
        return await make_consumer(house.js, subscriber, organization)

    async def expel(subscriber: UUID) -> None:
        await delete_consumer(house.js, subscriber)

    return Gateway(
        application=core,
        unsubscribing=Unsubscribing(
            house.runner, house.keys, partial(open_from_link, private), house.clock.now
        ),
        share_tokens=links,
        contexts=house.caller,
        sessions=Sessions(house.nc, key, real, house.keys.is_erased),
        throttles=Throttles(house.nc, key, real),
        check_repeat=Repeats(house.nc, key).check,
        views=views,
        live=live,
        halt=house.halt,
        halting=halting,
        parked=ParkedMessages(house.caller),
        now=house.clock.now,
        seal=sealed,
        admit=admit,
        expel=expel,
        first_link_used=lambda: first_link(house.settings.data).unlink(missing_ok=True),
        mode=house.settings.mode,
        public_url=_public_url(house.settings),
        nats_url=house.settings.nats_url,
    )


async def _callouts(house: House, core: Application) -> None:
    async def lookup(user: str, password: str) -> SubscriberRights | None:
        found = await core.subscriber(user, password)
        if found is None:
            return None
        return await make_consumer(house.js, found.id, found.organization)  # a crash may have left it unmade

    seed = nats_server.callout_seed(house.settings.data)
    subscription = await answer_callouts(house.nc, seed, lookup)

    async def stop() -> None:
        if not house.nc.is_closed:
            await subscription.unsubscribe()

    house.stack.push_async_callback(stop)


async def _serve(house: House, gateway: Gateway, files: assets.Files) -> None:
    settings = house.settings
    listening = listen(settings.host, settings.port, backlog=1024)
    port = int(listening.getsockname()[1])
    config = uvicorn.Config(
        application(gateway, house.health, files),  # pyright: ignore[reportArgumentType]  two spellings of ASGI
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = QuietServer(config)
    watch = Watch(house.health)
    watch.start()
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    while not server.started:
        if task.done():
            await task
            raise OSError("the HTTP server ended at once")
        await asyncio.sleep(STARTED)

    async def stop() -> None:
        watch.stop()
        server.should_exit = True
        gateway.live.close()
        await task

    house.stack.push_async_callback(stop)
    out_of_touch = asyncio.create_task(_tell_when_out_of_touch(house, gateway.live), name="out of touch")
    house.stack.callback(out_of_touch.cancel)
    house.health.check("start", lambda: None)
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  compared, not bound
    announce(settings, f"http://{host}:{port}")


async def _tell_when_out_of_touch(house: House, live: Live) -> None:
    """Without its bus the gateway hears of no change: browsers are not left to believe that nothing happens."""
    while True:
        if not house.nc.is_connected:
            live.interrupt()
        await asyncio.sleep(LOOK)


def _public_url(settings: Settings) -> str:
    return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")


def _write_first_link(settings: Settings, url: str) -> None:
    """For the supervisor to print; nobody else may read it."""
    path = first_link(settings.data)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # `serve` has no supervisor that made it
    beside = path.with_name(f".{path.name}.{settings.process}")
    with suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": url}, file)
    beside.replace(path)


def first_link(data: Path) -> Path:
    return data / "run" / "first-admin.json"
