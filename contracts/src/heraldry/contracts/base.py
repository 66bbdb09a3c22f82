"""What every event, command, query and refusal has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

NEWER_RELEASE: Final = "service.newer-release"  # the refusal of a process that is older than what it reads


class Value(BaseModel):
    """A frozen piece of the published language. What a newer release added is ignored by an older one."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Erased(Value):
    """What stands where a person's data stood, after that person's key was destroyed."""

    erased: Literal[True] = True


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field as personal data: stored encrypted with the key of the data subject.

    `subject` names the field of the same event that holds the data subject's id. Such a field must also admit
    `Erased` and be annotated `Annotated[<type> | Erased, Personal("identity")]`.
    """

    subject: str


class Event(Value):
    """A fact in a log. `at` is when it happened, in UTC. Private unless the registry says otherwise.

    A storage format: once released, fields may be added with a default and nothing else may change; a changed
    meaning is a new `version` with an upcaster.
    """

    version: ClassVar[int] = 1
    at: datetime


class Published(Event):
    """An event other contexts and customers rely on."""


class Internal(Event):
    """An event between services: in JetStream, but never on a subscriber's subject."""


A = TypeVar("A")


class Command(Value):
    """A wish, addressed to one aggregate of `context`. Refused, or it becomes zero or more events."""

    context: ClassVar[str]


class Query(Value, Generic[A]):
    """A question to `context`, answered from its projections; `answer` is the type of the answer."""

    context: ClassVar[str]
    answer: ClassVar[object]  # a type or type alias that pydantic can validate, equal to A


class Moment(Value):
    """The moment in the past that an answer is about. `position`: of the last event that is in it."""

    at: datetime
    position: str  # <context>:<epoch>:<n>


class By(Value):
    """On whose behalf something is asked. `actor` is `user:…`, `key:…`, `link:…` or `system:<service>`."""

    organization: UUID | None  # None: the platform's operators, or a service for all organizations
    actor: str
    correlation: str = ""
    causation: str = ""


class Accepted(Value):
    """A command was taken. `position` is what a client sends back to read its own write.

    `fresh`: appended by this call; False: this very command had been carried out before, or had nothing
    to do.
    """

    position: str  # <context>:<epoch>:<n>
    fresh: bool


class Problem(Value):
    """A refusal on its way over NATS or HTTP (RFC 9457). `code` is stable, `detail` is for a person."""

    code: str
    detail: str
    status: int = 409
    field: str = ""  # the field of the form it belongs to
    extra: dict[str, str] = Field(default_factory=dict)


class Refused(Exception):  # noqa: N818  the domain's word
    """A command the domain says no to. `code` is stable; `detail` says what to do next.

    `status` is the HTTP status (404 unknown, 409 not now, 422 bad input, 403 not allowed, 503 try again);
    `field` the form field it belongs to; `extra` what a program may want beside it, such as `until`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 409,
        field: str = "",
        extra: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.status, self.field = code, detail, status, field
        self.extra: dict[str, str] = dict(extra or {})

    def problem(self) -> Problem:
        return Problem(
            code=self.code, detail=self.detail, status=self.status, field=self.field, extra=self.extra
        )

    @classmethod
    def of(cls, problem: Problem) -> Refused:
        return cls(
            problem.code, problem.detail, status=problem.status, field=problem.field, extra=problem.extra
        )


E = TypeVar("E", bound=Event)


class Envelope(Value, Generic[E]):
    """CloudEvents 1.0, structured JSON, with what an audit needs. `id` is the same on every delivery."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str  # /heraldry/<context>
    type: str  # the registry's name, never a class path
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str  # heraldry:<type>:<version>
    organization: str = ""
    identity: str = ""
    actor: str = ""  # user:…, key:…, link:…, system:<service>
    causationid: str = ""
    correlationid: str = ""
    stream: str
    revision: int
    position: str  # <context>:<epoch>:<n>
    persons: str = ""  # data subjects in it, space-separated
    data: E
