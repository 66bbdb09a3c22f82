"""One lead: what is known of it, what it got, why it waits, and letting it go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import GetLead, LeadData, LeadView, RetryLead
from heraldry.contracts.linkedin import ActionKind, ActionState, ActionView, GetLinkedInAction
from heraldry.gateway.api.campaigns import found
from heraldry.gateway.pages.models import Chip, Outcome
from heraldry.gateway.pages.models.campaigns import LeadDetails, LeadStep
from heraldry.gateway.routes.activity import REPLIED, STATES
from heraldry.gateway.routes.campaign_models import lead_row, step_lines
from heraldry.gateway.routes.profiles import LABELS as OF_PROFILE
from heraldry.gateway.routes.profiles import profile_facts
from heraldry.gateway.routes.shown import asked, html, is_answerable, posted, redirect, shell
from heraldry.gateway.routes.steps import DONE
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

UNKNOWN: Final = 404
AWAY: Final = 503
BRIEFLY: Final = 1.5  # seconds: the rest of the page does not wait for the driver
ACCEPTED: Final = Chip("Accepted", "good")
GOES_ON: Final = frozenset({"waiting", "in progress", "outcome unknown", "failed"})
ACTIONS: Final[Mapping[ActionState, Chip]] = {
    "queued": Chip("Queued", "info"),
    "claimed": Chip("Taken in hand", "info"),
    "started": Chip("Under way", "info"),
    "failed": Chip("Not done", "bad"),
    "outcome unknown": Chip("Outcome unknown", "warn"),
}
LINKEDIN: Final[Mapping[ActionKind, str]] = {
    "invitation": "LinkedIn invitation",
    "message": "LinkedIn message",
    "withdrawal": "Withdrawal of the LinkedIn invitation",
    "scraping": "LinkedIn profile read",
}
LABELS: Final = (
    ("name", "Name"),
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("email", "Email"),
    ("linkedin_url", "LinkedIn"),
)


class LeadPagesController(Controller):
    path = "/leads"
    include_in_schema = False

    @get("/{enrollment:uuid}")
    async def show(
        self,
        enrollment: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await lead_details(gateway, call, enrollment)
        return html("lead.html", await shell(request, gateway, call, "campaigns"), page)

    @post("/{enrollment:uuid}/retry", status_code=200)
    async def retry(
        self,
        enrollment: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call = asked(call, await posted(request))
        try:
            accepted = await gateway.contexts.send(
                RetryLead(enrollment=enrollment), by=call.by, id=call.command
            )
        except Refused as wrong:
            if not is_answerable(wrong):
                raise
            page = await lead_details(gateway, call, enrollment)
            page = replace(page, outcome=Outcome("refused", wrong.detail))
            around = await shell(request, gateway, call, "campaigns")
            return html("lead.html", around, page, status=wrong.status)
        where = f"/leads/{enrollment}"
        return redirect(request, where, positions=[accepted.position], flash="lead-retried")


async def lead_details(gateway: Gateway, call: Call, enrollment: UUID) -> LeadDetails:
    """Refused `lead.unknown`."""
    view = await gateway.contexts.ask(GetLead(enrollment=enrollment), by=call.by, seen=call.seen)
    campaign = await found(gateway, call, view.campaign)
    addresses = {one.id: one.address for one in gateway.views.inboxes(call.organization)}
    done = [step for attempt in view.attempts for step in await _done(gateway, call, attempt)]
    lines = step_lines(campaign.settings)
    return LeadDetails(
        id=enrollment,
        campaign=view.campaign,
        campaign_name=campaign.settings.name,
        row=lead_row(view, addresses),
        facts=_facts(view),
        read=() if view.read is None else profile_facts(view.read),
        done=tuple(done),
        left_out=tuple(lines[step][1] for step in view.skipped if step < len(lines)),
        ahead=lines[_next(view) :] if view.state in GOES_ON else (),
        profile=view.data.linkedin_url if isinstance(view.data, LeadData) else "",
        code=view.failure[0] if view.failure else "",
    )


def _next(view: LeadView) -> int:
    """The first step that is still to come: one that is leaving, or of which nobody knows, is among those done."""
    begun = view.state == "outcome unknown" or (view.waiting is not None and view.waiting.code == "leaving")
    return view.step + begun


async def _done(gateway: Gateway, call: Call, attempt: UUID) -> tuple[LeadStep, ...]:
    """Also the withdrawal of an invitation. None: nobody can say yet, or now, what it is."""
    try:
        return (_mail(gateway, call, attempt),)
    except Refused as refusal:
        if refusal.status != UNKNOWN:
            raise
    if (action := await _action(gateway, call, attempt)) is None:
        return ()
    back = action.withdrawal and await _action(gateway, call, action.withdrawal)
    return (_on_linkedin(action), _on_linkedin(back)) if back else (_on_linkedin(action),)


async def _action(gateway: Gateway, call: Call, attempt: UUID) -> ActionView | None:
    query = GetLinkedInAction(attempt=attempt)
    try:
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=BRIEFLY)
    except Refused as refusal:
        if refusal.status not in {UNKNOWN, AWAY}:
            raise
        return None


def _mail(gateway: Gateway, call: Call, attempt: UUID) -> LeadStep:
    """Refused `mail.unknown`: it is none, or its events have not come to the views yet."""
    seen = gateway.views.mail(call.organization, attempt)
    replied = any(one.type == "ReplyReceived" for one in seen.entries)
    state = Chip("Bounced", "bad") if seen.bounced else REPLIED if replied else STATES[seen.state]
    return LeadStep(
        attempt=attempt,
        title=seen.subject or "(no subject)",
        state=state,
        href=f"/activity/mails/{attempt}",
        at=seen.entries[0].at,
    )


def _on_linkedin(found: ActionView) -> LeadStep:
    if found.replies:
        state = REPLIED
    elif found.accepted_at is not None:
        state = ACCEPTED
    else:
        state = DONE[found.kind] if found.state == "done" else ACTIONS[found.state]
    return LeadStep(
        attempt=found.attempt,
        title=LINKEDIN[found.kind],
        state=state,
        href=f"/activity/steps/{found.attempt}",
        at=found.steps[0].at if found.steps else None,
        why=found.diagnosis.cause if found.diagnosis and found.state == "failed" else "",
    )


def _facts(view: LeadView) -> tuple[tuple[str, str], ...]:
    if not isinstance(view.data, LeadData):
        return ()
    known = [(label, str(getattr(view.data, name))) for name, label in LABELS]
    own = [(OF_PROFILE.get(name, name), value) for name, value in view.data.own.items()]
    return tuple((label, value) for label, value in (*known, *own) if value)
