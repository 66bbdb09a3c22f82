"""Whether an identity acts as a LinkedIn member, as the driver last said. Stream `linking-<account>`.

Foreign events come in no promised order: what is older than what is known changes nothing. Linking and LinkedIn's
signals are told apart, each by its own newest revision; a signal is the member's it was given to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, assert_never, cast
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.linkedin import SlowedDown
from heraldry.scheduler.domain.linkedin_sender import Code


class LinkingImported(AnyEvent):
    """Private. `source_revision`: of the account's stream at the driver. Without a `code`, `identity` acts as
    `sender` since `said_at`; else `code` says why it does not.
    """

    account: UUID
    source_revision: int
    said_at: datetime
    code: str = ""
    identity: UUID | None = None
    sender: str = ""
    sales_navigator: bool = False


class SignalImported(AnyEvent):
    """Private. LinkedIn wants no more of this kind before `until`."""

    account: UUID
    source_revision: int
    kind: SlowedDown
    until: datetime


@dataclass(frozen=True, slots=True)
class Import:
    """The account was linked (`code` None) to a member, or is linked no more."""

    account: UUID
    source_revision: int
    said_at: datetime
    at: datetime
    code: Code | None = None
    identity: UUID | None = None
    sender: str = ""
    sales_navigator: bool = False


@dataclass(frozen=True, slots=True)
class ImportSignal:
    account: UUID
    source_revision: int
    kind: SlowedDown
    until: datetime
    at: datetime


Command: TypeAlias = Import | ImportSignal
Event: TypeAlias = LinkingImported | SignalImported


@dataclass(frozen=True, slots=True)
class Signal:
    source_revision: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Linking:
    source_revision: int = -1
    code: Code | None = "disconnected"  # why it is not linked; None: it is
    identity: UUID | None = None  # who had it last
    sender: str = ""
    linked_at: datetime | None = None
    sales_navigator: bool = False
    signals: Mapping[SlowedDown, Signal] = field(default_factory=dict[SlowedDown, Signal])


NEVER = Linking()


def decide(command: Command, linking: Linking) -> Sequence[Event]:
    match command:
        case Import():
            if command.source_revision <= linking.source_revision:
                return ()
            return (
                LinkingImported(
                    account=command.account,
                    source_revision=command.source_revision,
                    said_at=command.said_at,
                    code=command.code or "",
                    identity=command.identity,
                    sender=command.sender,
                    sales_navigator=command.sales_navigator,
                    at=command.at,
                ),
            )
        case ImportSignal(kind=kind, source_revision=revision):
            known = linking.signals.get(kind)
            if known is not None and revision <= known.source_revision:
                return ()
            return (
                SignalImported(
                    account=command.account,
                    source_revision=revision,
                    kind=kind,
                    until=command.until,
                    at=command.at,
                ),
            )
        case _:
            assert_never(command)


def evolve(linking: Linking, event: Event) -> Linking:
    match event:
        case LinkingImported(code="", sender=sender, source_revision=revision):
            signals: Mapping[SlowedDown, Signal] = linking.signals
            if linking.sender not in {
                "",
                sender,
            }:  # another member: what was told to the one before is not told to it
                signals = {kind: one for kind, one in signals.items() if one.source_revision > revision}
            return Linking(
                revision, None, event.identity, sender, event.said_at, event.sales_navigator, signals
            )
        case LinkingImported(code=code, source_revision=revision):
            return replace(linking, source_revision=revision, code=cast("Code", code))
        case SignalImported(kind=kind, source_revision=revision, until=until):
            return replace(linking, signals={**linking.signals, kind: Signal(revision, until)})
        case _:
            assert_never(event)
