"""Composition root of the identity service: the only place that constructs things."""

from __future__ import annotations

from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Reactions
from heraldry.chassis.host import House, run
from heraldry.chassis.vault.blobs import Blobs
from heraldry.contracts.registry import PUBLISHED
from heraldry.identity import api
from heraldry.identity.application import Identities
from heraldry.identity.projections import identities
from heraldry.identity.subscriptions import REACTIONS, Own

CONTEXT = "identity"


async def build(house: House) -> None:
    blobs = Blobs(house.nc, CONTEXT)
    application = Identities(house.runner, house.keys, blobs, house.clock)
    api.register(house.rpc, application, api.Questions(house.model, house.keys, blobs))
    parking = Parking(house.nc, CONTEXT)
    reactions = Reactions(house.nc, house.settings, REACTIONS, Own(application), parking)
    await reactions.start()
    house.stack.push_async_callback(reactions.stop)


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=PUBLISHED[CONTEXT], projections=[identities])
