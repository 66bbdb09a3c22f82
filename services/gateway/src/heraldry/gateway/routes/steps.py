"""One LinkedIn step with everything that is recorded of it, and deciding what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin import ActionKind, ActionState, ActionView, UndecidedAction
from heraldry.gateway.api.steps import decide, step, undecided
from heraldry.gateway.entries import HistoryEntry
from heraldry.gateway.pages.models import Chip, MailStep, Reply, StepPage, UndecidedStep
from heraldry.gateway.routes.profiles import profile_facts
from heraldry.gateway.routes.shown import asked, html, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

AWAY: Final = 503
BRIEFLY: Final = 1.5  # seconds
MOST: Final = 500  # shown at once of what is to be decided
LOOKED_FOR: Final = timedelta(minutes=30)  # as the LinkedIn driver does, then a person decides
DONE: Final[Mapping[ActionKind, Chip]] = {
    "invitation": Chip("Sent", "good"),
    "message": Chip("Sent", "good"),
    "withdrawal": Chip("Withdrawn", "good"),
    "scraping": Chip("Read", "good"),
}
STATES: Final[Mapping[ActionState, Chip]] = {
    "queued": Chip("Queued", "info"),
    "claimed": Chip("Taken in hand", "info"),
    "started": Chip("Under way", "info"),
    "failed": Chip("Not done", "bad"),
    "outcome unknown": Chip("Outcome unknown", "warn"),
}
NAMES: Final[Mapping[ActionKind, str]] = {
    "invitation": "Invitation",
    "message": "LinkedIn message",
    "withdrawal": "Withdrawal of the invitation",
    "scraping": "LinkedIn profile",
}
TITLES: Final = {
    "QuotaConsumed": "Permitted",
    "QuotaReleased": "Permit given back",
    "LinkedInActionQueued": "Queued",
    "LinkedInActionClaimed": "Taken in hand",
    "LinkedInActionStarted": "Begun on LinkedIn's page",
    "InvitationSent": "Sent",
    "InvitationAccepted": "Accepted",
    "InvitationWithdrawn": "Withdrawn",
    "LinkedInMessageSent": "Sent",
    "ProfileScraped": "Read",
    "LinkedInReplyReceived": "Reply received",
    "LinkedInActionFailed": "Not done",
    "LinkedInActionOutcomeUnknown": "Outcome unknown",
}
AHEAD: Final[Mapping[ActionState, tuple[str, ...]]] = {
    "queued": ("Begun on LinkedIn's page", "Seen on LinkedIn afterwards"),
    "claimed": ("Begun on LinkedIn's page", "Seen on LinkedIn afterwards"),
    "started": ("Seen on LinkedIn afterwards",),
}


class StepPagesController(Controller):
    path = "/activity/steps/{attempt:uuid}"
    include_in_schema = False

    @get()
    async def show(
        self,
        attempt: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        found = await step(gateway, call, attempt)
        await gateway.views.seen(call.seen)
        page = step_page(found, gateway.views.of_attempt(call.organization, attempt), _names(gateway, call))
        return html("step.html", await shell(request, gateway, call, "activity"), page)

    @post("/outcome", status_code=200)
    async def decide(
        self,
        attempt: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        """Decided meanwhile by somebody else, or found out: the step's page says what is known."""
        form = await posted(request)
        call = asked(call, form)
        flash, positions = "step-decided", list[str]()
        try:
            positions.append(await decide(gateway, call, attempt, done=form.text("done") == "yes"))
        except Refused as wrong:
            if wrong.code != "action.outcome-known":
                raise
            flash = "step-known"
        return redirect(request, f"/activity/steps/{attempt}", positions=positions, flash=flash)


async def undecided_steps(gateway: Gateway, call: Call) -> tuple[UndecidedStep, ...] | None:
    """Those a person decides, the longest unknown first; None while the LinkedIn driver is away."""
    try:
        found = await undecided(gateway, call, limit=MOST, deadline=BRIEFLY)
    except Refused as refusal:
        if refusal.status != AWAY:
            raise
        return None
    names = _names(gateway, call)
    return tuple(_undecided(one, names) for one in found.actions)


def step_page(found: ActionView, entries: tuple[HistoryEntry, ...], names: Mapping[UUID, str]) -> StepPage:
    """One step as its page shows it."""
    details = {(one.type, one.at): one.detail for one in found.steps}
    begun = next((one.at for one in entries if one.type == "LinkedInActionStarted"), None)
    seen_later = found.kind != "scraping"  # what was read is there at once, or lost
    replied = [one.at for one in entries if one.type == "LinkedInReplyReceived"]
    return StepPage(
        attempt=found.attempt,
        title=title(found.kind, found.name),
        state=_state(found),
        identity=found.identity,
        identity_name=names.get(found.identity, ""),
        person=found.name,
        profile=found.profile,
        text=found.text,
        text_title="The note" if found.kind == "invitation" else "The message",
        read=() if found.data is None else profile_facts(found.data),
        campaign=found.campaign,
        by=_by(found),
        accepted_at=found.accepted_at,
        withdrawal=found.withdrawal,
        steps=(
            *(_step(one, details.get((one.type, one.at), "")) for one in entries),
            *(MailStep(title=name, state="waiting") for name in _ahead(found)),
        ),
        resolution=found.diagnosis.resolution if found.diagnosis and found.state == "failed" else "",
        replies=tuple(Reply(at=at, text=text) for at, text in zip(replied, found.replies, strict=False)),
        undecided=found.state == "outcome unknown",
        looked_for_until=begun + LOOKED_FOR if begun and found.state == "started" and seen_later else None,
    )


def title(kind: ActionKind, name: str) -> str:
    joint = "of" if kind == "scraping" else "to"
    return f"{NAMES[kind]} {joint} {name}" if name else NAMES[kind]


def _ahead(found: ActionView) -> tuple[str, ...]:
    ahead = AHEAD.get(found.state, ())
    return (*ahead[:-1], "Read") if ahead and found.kind == "scraping" else ahead


def _state(found: ActionView) -> Chip:
    if found.accepted_at:
        return Chip("Accepted", "good")
    return DONE[found.kind] if found.state == "done" else STATES[found.state]


def _by(found: ActionView) -> Literal["campaign", "policy", "hand"]:
    if found.campaign:
        return "campaign"
    return "policy" if found.automatic else "hand"


def _step(one: HistoryEntry, proof: str) -> MailStep:
    name = TITLES.get(one.type, one.outcome)
    told = "" if one.what.casefold().endswith(name.casefold()) else one.what
    return MailStep(
        title=name,
        at=one.at,
        detail=told,
        words=proof if proof and proof not in told else "",
        who=one.actor_name if one.actor.partition(":")[0] != "system" else "",
        state="bad" if one.tone == "bad" else "done",
    )


def _undecided(one: UndecidedAction, names: Mapping[UUID, str]) -> UndecidedStep:
    return UndecidedStep(
        attempt=one.attempt,
        title=title(one.kind, one.name),
        person=one.name,
        profile=one.profile,
        identity=one.identity,
        identity_name=names.get(one.identity, ""),
        since=one.started_at,
        reason=one.reason,
    )


def _names(gateway: Gateway, call: Call) -> Mapping[UUID, str]:
    """Of the organization's identities, also of deleted ones."""
    known = {one.id: one.name for one in gateway.views.identities(call.organization)}
    return {**gateway.views.deleted(call.organization), **known}
