"""Whom an organization never writes to again. Stream `suppression-<keyed hash of the normalised address>`.

It is recorded in two steps. From the first on the last gate holds mails to this address back; those that are
open then are stopped, and only after that it is said: so nothing is begun after it was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Personal, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.mailbox import (
    Diagnosed,
    RecipientSuppressed,
    RecipientUnsuppressed,
    SuppressionReason,
)

SUPPRESSED: Final = Diagnosed(
    code="recipient.suppressed",
    cause="The recipient's address is on your organization's suppression list.",
    resolution="Nothing is sent to it. Only take it off the list if the recipient asks for mail again.",
)


class SuppressionBegun(AnyEvent):
    """Private. From here on nothing is begun to this address; what is open is being stopped."""

    organization: UUID
    recipient: str
    person: UUID
    address: Annotated[str | Erased, Personal("person")]
    reason: SuppressionReason


@dataclass(frozen=True, slots=True)
class Begin:
    organization: UUID
    recipient: str
    person: UUID
    address: str
    reason: SuppressionReason
    at: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    """What was open is stopped. `reason`: why it was asked for, this time."""

    at: datetime
    reason: SuppressionReason | None = None


@dataclass(frozen=True, slots=True)
class Lift:
    organization: UUID
    at: datetime


Command: TypeAlias = Begin | Finish | Lift
Event: TypeAlias = SuppressionBegun | RecipientSuppressed | RecipientUnsuppressed


@dataclass(frozen=True, slots=True)
class NotSuppressed:
    """The address may be written to."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """`said` is false until everything that was open is stopped."""

    organization: UUID
    recipient: str
    person: UUID
    address: str | Erased
    reason: SuppressionReason
    said: bool


State: TypeAlias = NotSuppressed | Suppressed
NOT_SUPPRESSED = NotSuppressed()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Begin():
            return _begin(command, state)
        case Finish():
            return _finish(command, state)
        case Lift():
            return _lift(command, state)
        case _:
            assert_never(command)


def _begin(command: Begin, state: State) -> Sequence[Event]:
    if isinstance(state, Suppressed):
        return ()
    return (
        SuppressionBegun(
            organization=command.organization,
            recipient=command.recipient,
            person=command.person,
            address=command.address,
            reason=command.reason,
            at=command.at,
        ),
    )


def _finish(command: Finish, state: State) -> Sequence[Event]:
    """Said once; and once more where somebody unsubscribes whose address was on the list for another reason."""
    if isinstance(state, NotSuppressed):
        return ()
    reason = "unsubscribed" if command.reason == "unsubscribed" else state.reason
    if state.said and reason == state.reason:
        return ()
    return (
        RecipientSuppressed(
            organization=state.organization,
            recipient=state.recipient,
            person=state.person,
            address=state.address,
            reason=reason,
            at=command.at,
        ),
    )


def _lift(command: Lift, state: State) -> Sequence[Event]:
    if isinstance(state, NotSuppressed) or state.organization != command.organization or not state.said:
        raise unknown()
    if isinstance(state.address, Erased):
        raise erased()
    return (
        RecipientUnsuppressed(
            organization=state.organization,
            recipient=state.recipient,
            person=state.person,
            address=state.address,
            at=command.at,
        ),
    )


def evolve(_: State, event: Event) -> State:
    match event:
        case SuppressionBegun() | RecipientSuppressed():
            return Suppressed(
                event.organization,
                event.recipient,
                event.person,
                event.address,
                event.reason,
                said=isinstance(event, RecipientSuppressed),
            )
        case RecipientUnsuppressed():
            return NOT_SUPPRESSED
        case _:
            assert_never(event)


def erased() -> Refused:
    return Refused(
        "recipient.erased",
        "Whoever had this address was erased, so nothing is sent to it again: it stays on the list.",
    )


def unknown() -> Refused:
    return Refused(
        "suppression.unknown", "This address is not on your organization's suppression list.", status=404
    )
