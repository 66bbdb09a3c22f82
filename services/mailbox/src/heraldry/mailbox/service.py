"""Composition root of the mailbox service: the only place that constructs things."""

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
from heraldry.mailbox import api
from heraldry.mailbox.adapters.check import MailChecker
from heraldry.mailbox.adapters.imap import ImapMailbox
from heraldry.mailbox.adapters.kept import KeptConnections
from heraldry.mailbox.adapters.links import UnsubscribeLinks
from heraldry.mailbox.adapters.tls import return_buffers
from heraldry.mailbox.adapters.traced import TracedChecker, TracedMailbox, TracedSubmitter
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain.types import TYPES, UPCASTERS
from heraldry.mailbox.erasing import ErasingHere
from heraldry.mailbox.ports import Patience, Trust
from heraldry.mailbox.projections import emails, inboxes, suppressions
from heraldry.mailbox.streams import CONTEXT
from heraldry.mailbox.subscriptions import CONTROL, IMPORTS, OWN, Own, lane
from heraldry.mailbox.workers.checking import CheckWorker
from heraldry.mailbox.workers.desk import Desk
from heraldry.mailbox.workers.reading import Places, ReadWorker
from heraldry.mailbox.workers.sending import SendWorker
from nacl.public import PrivateKey

PROJECTIONS: Final = (inboxes, emails, suppressions)


async def build(house: House) -> None:
    private_key = await own_private_key(house.nc, CONTEXT, house.keys, house.secrets)
    application = Application(
        house.runner, house.store, house.model, house.keys, house.secrets, private_key, house.clock
    )
    api.register(house.rpc, application, api.Questions(application, house.model, private_key, house.pasts))
    ErasingHere(house.model, application).fill(house.part)

    parking, own = house.parking, Own(application)
    foreign = Reactions(house.nc, house.settings, IMPORTS, own, parking)
    await foreign.start()
    house.stack.push_async_callback(foreign.stop)
    house.background(Control(house.nc, CONTEXT, CONTROL, own, parking, lane=lane).run(), "control")
    reacting = OwnReactions(house.nc, CONTEXT, house.store, house.codec, TYPES, OWN, own, parking)
    house.health.measure(reacting.measure)
    house.health.check("own reactions", lambda: reacting.problem)
    house.background(reacting.run(), "own reactions")
    house.background(crew(house, application, private_key).run(), "workers")


def crew(house: House, application: Application, private_key: PrivateKey) -> Crew:
    """Everybody who talks to mail servers."""
    settings, real = house.settings, SystemClock()
    trust = Trust(settings.extra_ca_file, settings.allow_private_addresses or settings.sandbox)
    held = timedelta(seconds=settings.claim_seconds)
    links = UnsubscribeLinks(house.nc, settings.public_url, private_key)
    desk = Desk(
        application,
        house.secrets,
        house.halt,
        house.model,
        house.clock,
        real,
        held,
        links,
        Recipients.of(settings),
    )
    patience = Patience.of(settings.mail_silence_seconds)
    mailbox, connections = TracedMailbox(ImapMailbox(trust, patience)), KeptConnections(trust, patience)
    house.stack.push_async_callback(connections.close)
    places = Places(settings.data / "read" / f"{settings.process}-places")
    leased = timedelta(seconds=settings.lease_seconds)
    leases = KvLeases(house.js, "mailbox.reader", settings.process, real, leased)
    return Crew(
        house.model,
        CheckWorker(desk, TracedChecker(MailChecker(trust, patience))),
        SendWorker(desk, TracedSubmitter(connections), mailbox, house.points),
        ReadWorker(desk, mailbox, leases, places, house.points),
    )


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return_buffers()
    return run(CONTEXT, build, types=TYPES, upcasters=UPCASTERS, projections=PROJECTIONS)
