"""Composition root of the identity service: the only place that constructs things."""

from __future__ import annotations

from typing import Final

from heraldry.chassis.bus.own import OwnReactions
from heraldry.chassis.bus.reactions import Reactions
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.host import House, run
from heraldry.chassis.leases import KvLeases
from heraldry.chassis.vault.blobs import Blobs
from heraldry.contracts.erasure import GetErasure, RequestErasure
from heraldry.identity import api
from heraldry.identity.application import Identities
from heraldry.identity.domain.types import TYPES, UPCASTERS
from heraldry.identity.erasing import Eraser, Erasures, own_part
from heraldry.identity.projections import erasures, identities, share_links
from heraldry.identity.share_links import ShareLinks
from heraldry.identity.subscriptions import FOREIGN, OWN, Own

CONTEXT: Final = "identity"
PROJECTIONS: Final = (identities, share_links, erasures)


async def build(house: House) -> None:
    blobs = Blobs(house.nc, CONTEXT)
    made = Identities(house.runner, house.keys, blobs, house.clock)
    links = ShareLinks(house.runner, made, house.clock)
    api.register(
        house.rpc, made, links, api.Questions(house.model, house.keys, blobs, house.clock, house.pasts)
    )

    parking, own = house.parking, Own(made, links)
    foreign = Reactions(house.nc, house.settings, FOREIGN, own, parking)
    await foreign.start()
    house.stack.push_async_callback(foreign.stop)
    reacting = OwnReactions(house.nc, CONTEXT, house.store, house.codec, TYPES, OWN, own, parking)
    house.health.measure(reacting.measure)
    house.health.check("own reactions", lambda: reacting.problem)
    house.background(reacting.run(), "own reactions")

    own_part(house.part, made, house.clock)
    erasing = Erasures(
        house.runner, house.model, house.caller, house.clock, house.settings.data, house.points
    )
    house.rpc.command(RequestErasure, erasing.request)
    house.rpc.query(GetErasure, erasing.get)
    await erasing.heed_ledger()
    leases = KvLeases(house.js, "identity.erasures", house.settings.process, SystemClock())
    eraser = Eraser(house.nc, erasing, house.model, house.caller, house.clock, leases, house.points)
    house.background(eraser.run(), "erasures")


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=TYPES, upcasters=UPCASTERS, projections=PROJECTIONS)
