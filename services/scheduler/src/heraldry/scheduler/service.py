"""Composition root of the scheduler: the only place that constructs things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Reactions
from heraldry.chassis.host import House, run
from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.scheduler import api
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.domain.connection import ConnectionImported
from heraldry.scheduler.domain.profile import DeletionImported, HoursImported
from heraldry.scheduler.domain.sender import PermitSettled, SenderClosed, SenderOpened, SenderZoneChanged
from heraldry.scheduler.projections.campaigns import campaigns
from heraldry.scheduler.projections.senders import senders
from heraldry.scheduler.subscriptions import REACTIONS, Own

CONTEXT: Final = "scheduler"
TYPES: Final[Mapping[str, type[Event]]] = {
    **registry.types_of(CONTEXT),
    "SenderOpened": SenderOpened,
    "SenderZoneChanged": SenderZoneChanged,
    "SenderClosed": SenderClosed,
    "PermitSettled": PermitSettled,
    "HoursImported": HoursImported,
    "DeletionImported": DeletionImported,
    "ConnectionImported": ConnectionImported,
}


async def build(house: House) -> None:
    scheduling = Scheduling(house.runner, house.model, house.keys, house.clock)
    api.register(house.rpc, scheduling)
    reactions = Reactions(house.nc, house.settings, REACTIONS, Own(scheduling), Parking(house.nc, CONTEXT))
    await reactions.start()
    house.stack.push_async_callback(reactions.stop)


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=TYPES, projections=[senders, campaigns])
