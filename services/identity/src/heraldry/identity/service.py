"""Composition root of the identity service: the only place that constructs things."""

from __future__ import annotations

from typing import Final

from heraldry.chassis.bus.own import OwnReactions
from heraldry.chassis.bus.reactions import Reactions
from heraldry.chassis.host import House, run
from heraldry.chassis.vault.blobs import Blobs
from heraldry.identity import api
from heraldry.identity.application import Identities
from heraldry.identity.domain.types import TYPES, UPCASTERS
from heraldry.identity.projections import identities, share_links
from heraldry.identity.share_links import ShareLinks
from heraldry.identity.subscriptions import FOREIGN, OWN, Own

CONTEXT: Final = "identity"
PROJECTIONS: Final = (identities, share_links)


async def build(house: House) -> None:
    blobs = Blobs(house.nc, CONTEXT)
    made = Identities(house.runner, house.keys, blobs, house.clock)
    links = ShareLinks(house.runner, made, house.clock)
    api.register(house.rpc, made, links, api.Questions(house.model, house.keys, blobs, house.clock))

    parking, own = house.parking, Own(made, links)
    foreign = Reactions(house.nc, house.settings, FOREIGN, own, parking)
    await foreign.start()
    house.stack.push_async_callback(foreign.stop)
    reacting = OwnReactions(house.nc, CONTEXT, house.store, house.codec, TYPES, OWN, own, parking)
    house.health.measure(reacting.measure)
    house.background(reacting.run(), "own reactions")


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=TYPES, upcasters=UPCASTERS, projections=PROJECTIONS)
