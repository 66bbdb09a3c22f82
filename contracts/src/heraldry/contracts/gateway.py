"""What the gateway says: organizations, users, programs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from heraldry.contracts.base import Command, Erased, Personal, Published, Value

Person = Personal("user")
Role = Literal["member", "admin"]


class OrganizationCreated(Published):
    """`zone` is the time zone of the organization's day (R-DASH)."""

    organization: UUID
    name: str
    zone: str = "UTC"


class OrganizationZoneChanged(Published):
    organization: UUID
    zone: str


class OrganizationHalted(Published):
    """Nothing leaves any more for the organization, until it is resumed. `reason`: an admin's own words."""

    organization: UUID
    reason: str


class OrganizationResumed(Published):
    """Things leave again. `reason` may be empty."""

    organization: UUID
    reason: str = ""


class UserJoined(Published):
    user: UUID
    organization: UUID
    name: Annotated[str | Erased, Person]
    email: Annotated[str | Erased, Person]
    role: Role


class SignedIn(Published):
    user: UUID
    organization: UUID


class RecipientUnsubscribed(Published):
    """Somebody used the unsubscribe link of a mail (RFC 8058). `organization` writes to them no more."""

    organization: UUID
    identity: UUID
    person: UUID
    address: Annotated[str | Erased, Personal("person")]
    attempt: UUID  # the mail whose link it was


class UnsubscribeToken(Value):
    """What an unsubscribe link holds: this as JSON, in a box sealed to the gateway's public key, as base64url.

    Whoever has the link may unsubscribe `address`: it works without any look-up.
    """

    organization: UUID
    identity: UUID
    person: UUID
    attempt: UUID  # the mail whose link it is
    address: str


class SubscriberCreated(Published):
    """A program of the organization may read its events from NATS. Its secret is in no event."""

    subscriber: UUID
    organization: UUID
    name: str


class SubscriberRevoked(Published):
    subscriber: UUID
    organization: UUID


class HaltOrganization(Command):
    """By operators, on behalf of the organization: nothing of it leaves any more, and its history says so.

    A halt in force stays as it is. Refused `organization.unknown`, `halt.reason-missing`, `halt.reason-long`, and
    `halt.unrecorded` (503): it is in force, and not recorded yet.
    """

    context: ClassVar[str] = "gateway"
    reason: str


class ResumeOrganization(Command):
    """By operators, on behalf of the organization: things leave again. Refused `organization.unknown`, `halt.reason-long`."""

    context: ClassVar[str] = "gateway"
    reason: str = ""
