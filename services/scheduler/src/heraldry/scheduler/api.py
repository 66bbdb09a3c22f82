"""The commands and queries of the scheduler over NATS request/reply."""

from __future__ import annotations

from heraldry.chassis.bus.rpc import Server
from heraldry.contracts.scheduler import (
    ChangeEmailRate,
    GetUsage,
    RaiseRateCeiling,
    RequestRateIncrease,
    SendMail,
)
from heraldry.scheduler.application import Scheduling


def register(rpc: Server, scheduling: Scheduling) -> None:
    rpc.command(SendMail, scheduling.send_mail)
    rpc.command(ChangeEmailRate, scheduling.change_rate)
    rpc.command(RequestRateIncrease, scheduling.request_increase)
    rpc.command(RaiseRateCeiling, scheduling.raise_ceiling)
    rpc.query(GetUsage, scheduling.usage)
