"""Leads over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, get_args
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    ConfirmImport,
    GetLead,
    ImportView,
    LeadData,
    LeadPage,
    LeadState,
    LeadView,
    ListLeads,
    RetryLead,
    UndoImport,
)
from heraldry.gateway.api.answers import CLOSED, Written, document, with_position, written
from heraldry.gateway.api.imports import File, bring, step, view
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

AT_ONCE: Final = 1000  # leads of one request
PAGE: Final = 50
LARGEST_PAGE: Final = 500
STATES: Final[Mapping[str, LeadState]] = {state: state for state in get_args(LeadState)}
ANY: Final = ", ".join(STATES)


class Lead(LeadData):
    """What is known of a lead. `own`: columns of your own, by the name templates use. Fields it does not have are
    refused.
    """

    model_config = CLOSED


class LeadsController(Controller):
    path = "/api/v1"
    tags = ("Leads",)

    @get(
        "/campaigns/{campaign:uuid}/leads",
        summary="Its leads, in the order they were imported",
        description="Each says why its next step waits, and until when.",
    )
    async def every(
        self,
        campaign: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        only: Annotated[str, QueryParameter(name="state", description=f"{ANY}; default: any")] = "",
        search: Annotated[str, QueryParameter(description="part of a name or an address")] = "",
        after: Annotated[str, QueryParameter(description="`next` of the page before")] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE)] = PAGE,
    ) -> LeadPage:
        wanted = ListLeads(campaign=campaign, state=_state(only), search=search, after=after, limit=limit)
        return await gateway.contexts.ask(wanted, by=call.by, seen=call.seen)

    @post(
        "/campaigns/{campaign:uuid}/leads",
        status_code=202,
        summary="Add leads",
        description=(
            f"A list of at most {AT_ONCE}: none is taken if any is wrong. The import that is answered says how far"
            " it is, and which were left out as duplicates or as suppressed. If any is wrong, or all are left"
            " out, the problem document says why in `problems` (the first 200); `row` counts from 1."
        ),
    )
    async def add(
        self,
        campaign: FromPath[UUID],
        data: JSONBody[list[Lead]],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[ImportView]:
        if not 1 <= len(data) <= AT_ONCE:
            raise Refused("leads.too-many", f"Send 1 to {AT_ONCE} leads at once.", status=422)
        lines = b"".join(lead.model_dump_json(exclude_defaults=True).encode() + b"\n" for lead in data)
        file = await File.of("leads.jsonl", lines)
        import_id, position = await bring(gateway, call, campaign, file, "jsonl")
        checked = await view(gateway, call, import_id, position)
        if checked.wrong:
            await step(gateway, call, UndoImport(import_id=import_id))
            refusal = Refused(
                "leads.wrong",
                f"{checked.wrong} of {len(data)} leads cannot be taken, so none was. Correct them and repeat.",
                status=422,
            )
            return document(refusal, checked.problems)
        if not checked.good:
            await step(gateway, call, UndoImport(import_id=import_id))
            refusal = Refused(
                "leads.known", "Each of these leads is left out: there is none to add.", status=409
            )
            return document(refusal, checked.skipped_rows)
        position = await step(gateway, call, ConfirmImport(import_id=import_id))
        return with_position(await view(gateway, call, import_id, position), position, 202)

    @get("/leads/{enrollment:uuid}", summary="One lead")
    async def read(
        self, enrollment: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> LeadView:
        return await gateway.contexts.ask(GetLead(enrollment=enrollment), by=call.by, seen=call.seen)

    @post("/leads/{enrollment:uuid}/retry", status_code=200, summary="Let a failed lead go on")
    async def retry(
        self, enrollment: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        accepted = await gateway.contexts.send(RetryLead(enrollment=enrollment), by=call.by, id=call.command)
        return written(accepted.position, enrollment)


def _state(text: str) -> LeadState | None:
    """The filter's. Refused `input.invalid`."""
    found = STATES.get(text)
    if text and found is None:
        raise Refused("input.invalid", f"state: Use one of these: {ANY}.", status=422, field="state")
    return found
