"""Composition root of the identity service: the only place that constructs things."""

from __future__ import annotations

from heraldry.chassis.host import House, run
from heraldry.chassis.vault.blobs import Blobs
from heraldry.contracts.registry import PUBLISHED
from heraldry.identity import api
from heraldry.identity.application import Identities
from heraldry.identity.projections import identities

CONTEXT = "identity"


async def build(house: House) -> None:
    blobs = Blobs(house.nc, CONTEXT)
    api.register(
        house.rpc,
        Identities(house.runner, house.keys, blobs, house.clock),
        api.Questions(house.model, house.keys, blobs),
    )


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=PUBLISHED[CONTEXT], projections=[identities])
