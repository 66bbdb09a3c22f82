"""The commands and queries of the scheduler over NATS request/reply."""

from __future__ import annotations

from heraldry.chassis.bus.rpc import Server
from heraldry.contracts.scheduler import ChangeEmailRate, GetUsage, SendMail
from heraldry.scheduler.application import Scheduling


def register(rpc: Server, scheduling: Scheduling) -> None:
    rpc.command(SendMail, scheduling.send_mail)
    rpc.command(ChangeEmailRate, scheduling.change_rate)
    rpc.query(GetUsage, scheduling.usage)
