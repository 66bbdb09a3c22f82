"""LinkedIn steps over HTTP: one with everything that is recorded of it, and those a person decides."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from heraldry.contracts.linkedin import (
    ActionKind,
    ActionState,
    ActionView,
    DecideActionOutcome,
    GetLinkedInAction,
    ListUndecidedActions,
    Obstacle,
    ProfileData,
    UndecidedPage,
)
from heraldry.gateway.api.answers import Body, Written, written
from heraldry.gateway.api.history import Entry, entry
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

PAGE = 50


class StepDecision(Body):
    """What a person found out about a LinkedIn step whose outcome is unknown."""

    done: bool


class LinkedInStep(Body):
    """An invitation, a message, a withdrawal or a read profile, step by step (oldest first). `text`: what was written;
    `data`: what was read.

    `withdrawal`: of an invitation, the step that withdraws it or tried to last.
    """

    attempt: UUID
    kind: ActionKind
    identity: UUID
    name: str
    profile: str
    text: str
    state: ActionState
    automatic: bool
    campaign: UUID | None
    diagnosis: Obstacle | None
    accepted_at: datetime | None
    withdrawal: UUID | None
    steps: tuple[Entry, ...]
    replies: tuple[str, ...]
    data: ProfileData | None


class StepsController(Controller):
    path = "/api/v1/linkedin/steps"
    tags = ("LinkedIn",)

    @get("/{attempt:uuid}", summary="A LinkedIn step with everything that is recorded of it")
    async def read(
        self, attempt: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> LinkedInStep:
        found = await step(gateway, call, attempt)
        await gateway.views.seen(call.seen)
        return LinkedInStep(
            **found.model_dump(exclude={"account", "person", "steps"}),
            steps=tuple(map(entry, gateway.views.of_attempt(call.organization, attempt))),
        )

    @get("/undecided", summary="LinkedIn steps of which nobody knows whether they were done")
    async def undecided(
        self,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        after: Annotated[str, QueryParameter(description="`next` of the page before")] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = PAGE,
    ) -> UndecidedPage:
        return await undecided(gateway, call, after, limit)

    @post(
        "/{attempt:uuid}/outcome",
        status_code=200,
        summary="Say whether it was done, where nobody knows",
    )
    async def decide(
        self,
        attempt: FromPath[UUID],
        data: JSONBody[StepDecision],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return written(await decide(gateway, call, attempt, done=data.done), attempt)


async def step(gateway: Gateway, call: Call, attempt: UUID) -> ActionView:
    """Refused `action.unknown` (404)."""
    return await gateway.contexts.ask(GetLinkedInAction(attempt=attempt), by=call.by, seen=call.seen)


async def undecided(
    gateway: Gateway, call: Call, after: str = "", limit: int = PAGE, *, deadline: float = 5.0
) -> UndecidedPage:
    query = ListUndecidedActions(after=after, limit=limit)
    return await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=deadline)


async def decide(gateway: Gateway, call: Call, attempt: UUID, *, done: bool) -> str:
    """The position at which it was noted. Refused `action.unknown`, `action.outcome-known`."""
    decision = DecideActionOutcome(attempt=attempt, done=done)
    return (await gateway.contexts.send(decision, by=call.by, id=call.command)).position
