"""Composition root of the LinkedIn driver: the only place that constructs things."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from heraldry.chassis.bus.control import Control
from heraldry.chassis.bus.own import OwnReactions
from heraldry.chassis.bus.reactions import Reactions
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.crew import Crew
from heraldry.chassis.host import House, run
from heraldry.chassis.leases import KvLeases
from heraldry.chassis.recipients import Recipients
from heraldry.chassis.vault.sealed import own_private_key
from heraldry.linkedin_driver import api
from heraldry.linkedin_driver.actions import Actions
from heraldry.linkedin_driver.adapters.pool import Chromium
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.application import Application
from heraldry.linkedin_driver.domain.types import TYPES, UPCASTERS
from heraldry.linkedin_driver.erasing import ErasingHere
from heraldry.linkedin_driver.projections import accounts, actions, invitations
from heraldry.linkedin_driver.streams import CONTEXT
from heraldry.linkedin_driver.subscriptions import CONTROL, IMPORTS, OWN, Own, lane
from heraldry.linkedin_driver.workers.acting import ActionWorker
from heraldry.linkedin_driver.workers.desk import Desk
from heraldry.linkedin_driver.workers.driving import Driving
from heraldry.linkedin_driver.workers.linking import LinkWorker
from heraldry.linkedin_driver.workers.reading import ReadWorker

LINKEDIN: Final = "https://www.linkedin.com"
PROJECTIONS: Final = (accounts, actions, invitations)


async def build(house: House) -> None:
    settings, real = house.settings, SystemClock()
    held = timedelta(seconds=settings.claim_seconds)
    private_key = await own_private_key(house.nc, CONTEXT, house.keys, house.secrets)
    application = Application(house.runner, house.keys, house.secrets, private_key, house.clock, real, held)
    acting = Actions(house.runner, house.keys, application.names, house.model, house.clock)
    api.register(house.rpc, application, acting, api.Questions(house.model, house.pasts))

    parking, own = house.parking, Own(application, acting)
    foreign = Reactions(house.nc, settings, IMPORTS, own, parking)
    await foreign.start()
    house.stack.push_async_callback(foreign.stop)
    house.background(Control(house.nc, CONTEXT, CONTROL, own, parking, lane=lane).run(), "control")
    reacting = OwnReactions(house.nc, CONTEXT, house.store, house.codec, TYPES, OWN, own, parking)
    house.health.measure(reacting.measure)
    house.health.check("own reactions", lambda: reacting.problem)
    house.background(reacting.run(), "own reactions")

    site = Site(settings.linkedin_url or ("" if settings.sandbox else LINKEDIN))
    chromium = Chromium(site, settings.data / "evidence", settings.linkedin_patience_seconds)
    house.stack.push_async_callback(chromium.close)
    house.health.note("browser", lambda: chromium.missing)
    stamp = settings.data / "read" / f"{settings.process}-pictures"
    ErasingHere(house.model, application, acting, house.clock, chromium.folder, stamp).fill(house.part)
    desk = Desk(
        application,
        house.secrets,
        house.halt,
        house.model,
        house.clock,
        real,
        held,
        house.points,
        Recipients.of(settings),
    )
    leased = timedelta(seconds=settings.lease_seconds)
    leases = KvLeases(house.js, f"{CONTEXT}.browser", settings.process, real, leased)
    driving = Driving(desk, chromium, leases)
    crew = Crew(
        house.model,
        LinkWorker(desk, driving),
        ActionWorker(desk, acting, driving, settings.linkedin_pause_seconds),
        ReadWorker(desk, acting, driving, timedelta(minutes=settings.linkedin_read_minutes)),
    )
    house.background(crew.run(), "workers")


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=TYPES, upcasters=UPCASTERS, projections=PROJECTIONS)
