"""What is said and asked when a person is erased (R-AUD-6): a lead, an identity's owner, a user.

The identity context leads the process. What is asked of every context is addressed by the caller.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from heraldry.contracts.base import Command, Published, Query, Value
from heraldry.contracts.texts import OneLine
from pydantic import Field

Kind = Literal["lead", "identity", "user"]
Subjects = Annotated[tuple[UUID, ...], Field(min_length=1, max_length=100)]


class ErasureRequested(Published):
    """Nothing is kept of this person any more, from now on. Carries no personal data: it outlives the person's.

    `subjects`: every id by which some context knows the person. `reason`: the operators' own words.
    """

    erasure: UUID
    organization: UUID
    kind: Kind
    subjects: tuple[UUID, ...]
    reason: str


class Cleared(Value):
    """A context holds nothing of the person: rows its read models dropped or blanked, by how many replicas."""

    context: str
    rows: int
    replicas: int


class ErasureCompleted(Published):
    """Nothing can be read of this person any more. Carries no personal data: it outlives the person's.

    `messages`: deleted from the bus. `keys`: records of keys that were overwritten.
    """

    erasure: UUID
    organization: UUID
    kind: Kind
    subjects: tuple[UUID, ...]
    contexts: tuple[Cleared, ...]
    messages: int
    keys: int


class RequestErasure(Command):
    """Operators only: refused `operator.needed` (403) to an organization.

    `subject`: an identity's, a user's or a lead's id; of a lead also that of its enrollment in a campaign, or of a mail
    or an action that was for them. Refused `erasure.unknown` (404). Asked again it is the same erasure.
    The only admin of an organization is refused, `user.last-admin` (409), unless `anyway`.
    """

    context: ClassVar[str] = "identity"
    kind: Kind
    subject: UUID
    reason: Annotated[OneLine, Field(min_length=1, max_length=1000)]
    anyway: bool = False


ErasureStep = Literal["stopping", "deleting messages", "destroying keys", "completed"]


class ErasureView(Value):
    """`waiting`: what it waits for now, in words, by context."""

    erasure: UUID
    organization: UUID
    kind: Kind
    subjects: tuple[UUID, ...]
    step: ErasureStep
    requested_at: datetime
    completed_at: datetime | None
    contexts: tuple[Cleared, ...]
    messages: int
    keys: int
    waiting: dict[str, str] = Field(default_factory=dict)


class GetErasure(Query[ErasureView]):
    """By its own id or the person's. Operators only. Refused `erasure.unknown` (404)."""

    context: ClassVar[str] = "identity"
    answer: ClassVar[object] = ErasureView
    erasure: UUID


# --- asked of every context by the one that leads


class EraseSubjects(Command):
    """Seal the person's keys and stop what is meant for them. Repeated until nothing is waited for."""

    context: ClassVar[str] = ""
    kind: Kind
    subjects: Subjects
    organization: UUID


class ContextStanding(Value):
    """How far one context is. `waiting`: empty, or what it waits for. `superseded`: see GetStanding."""

    waiting: str
    rows: int
    replicas: int
    superseded: tuple[int, ...] = ()


class GetStanding(Query[ContextStanding]):
    """`superseded`: records of the context's destroyed keys that are to be overwritten."""

    context: ClassVar[str] = ""
    answer: ClassVar[object] = ContextStanding
    kind: Kind
    subjects: Subjects


class DestroySubjectsKeys(Command):
    """Nothing that was encrypted for them can be read any more. Refused `erasure.not-cleared` (409)."""

    context: ClassVar[str] = ""
    kind: Kind
    subjects: Subjects


class Person(Value):
    """What a context knows of a person by which others may know them, too. `organization` None: it knows nobody.

    `last_admin`: without them their organization has no admin.
    """

    organization: UUID | None = None
    person: UUID | None = None
    addresses: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    last_admin: bool = False


class FindPerson(Query[Person]):
    context: ClassVar[str] = ""
    answer: ClassVar[object] = Person
    kind: Kind
    subject: UUID


class ListSubjects(Query[tuple[UUID, ...]]):
    """The ids this context would know a lead by."""

    context: ClassVar[str] = ""
    answer: ClassVar[object] = tuple[UUID, ...]
    organization: UUID
    addresses: tuple[str, ...]
    profiles: tuple[str, ...]
