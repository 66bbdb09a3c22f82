"""Campaigns and leads as the pages show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import nh3
from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.campaigns import (
    EXAMPLE,
    OF_PROFILE,
    CampaignSettings,
    CampaignView,
    Channel,
    LeadData,
    LeadState,
    LeadView,
    ListLeads,
    PreviewSteps,
    RenderedStep,
    Step,
    StepKind,
    words_of,
)
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.linkedin_steps import Allowance, GetLinkedInUsage
from heraldry.gateway.pages.campaign_forms import MalformedError, campaign_filled, settings_of, values_of
from heraldry.gateway.pages.models import Option, Waiting
from heraldry.gateway.pages.models.campaigns import (
    LEAD_STATES,
    SHORTLY,
    STEPS,
    CampaignPage,
    CampaignRow,
    EditorPage,
    LeadRow,
    LeadTable,
    Numbers,
    PreviewedStep,
)
from heraldry.gateway.state import Call, Gateway
from markupsafe import Markup

PAGE: Final = 50  # leads
CHOICE: Final = 25  # leads a preview can be made for
FIRST_WORDS: Final = 70  # characters of a step without a subject
CONNECTED: Final = "connected"
INBOXES: Final = frozenset({CONNECTED, "reconnect"})
DAY: Final = 24  # hours
COUNTED: Final[Mapping[StepKind, str]] = {
    "email": "email",
    "invitation": "LinkedIn invitation",
    "message": "LinkedIn message",
    "scraping": "profile reading",
}
MANY: Final[Mapping[Allowance, str]] = {
    "invitation": "connection requests",
    "message": "messages",
    "withdrawal": "withdrawals",
    "scraping": "profiles to read",
}
UNKNOWN: Final = 404
AWAY: Final = 503
BRIEFLY: Final = 1.5  # seconds: the rest of the page does not wait
LOST: Final = "identity deleted"
NOBODY: Final = Option("", "Choose an identity")
VARIABLES: Final = ("first_name", "last_name", "name", "email", "linkedin_url")
OF_IDENTITY: Final = (
    ("identity.first_name", "your first name"),
    ("identity.last_name", "your last name"),
    ("identity.job_title", "your job title"),
    ("identity.meeting_url", "where people book a meeting"),
)
TAGS: Final = frozenset(
    {"a", "b", "blockquote", "br", "code", "em", "i", "li", "ol", "p", "s", "strong", "u", "ul"}
)


def row(view: CampaignView, names: Mapping[UUID, str], deleted: Mapping[UUID, str]) -> CampaignRow:
    """`names`: of the identities that are not deleted, beside those that are."""
    identity = view.settings.identity
    return CampaignRow(
        id=view.campaign,
        name=view.settings.name,
        state=view.state,
        leaving=view.leaving,
        identity=identity if identity in names else None,
        identity_name=names.get(identity) or gone(deleted.get(identity, "")),
        numbers=Numbers(counts=view.counts, begun=view.begun),
        steps=len(view.settings.steps),
        lost=identity in deleted or view.pause_reason == LOST,
    )


async def campaign_page(gateway: Gateway, call: Call, view: CampaignView, wanted: ListLeads) -> CampaignPage:
    settings = view.settings
    name, deleted = await _identity(gateway, call, settings.identity)
    lost = deleted or view.pause_reason == LOST
    inboxes = [
        one
        for one in gateway.views.inboxes(call.organization)
        if one.identity == settings.identity and one.state == CONNECTED
    ]
    addresses = {one.id: one.address for one in gateway.views.inboxes(call.organization)}
    if settings.inbox is None:
        inbox = "Shuffle" if not inboxes else f"Shuffle: {', '.join(one.address for one in inboxes)}"
    else:
        inbox = addresses.get(settings.inbox, "Disconnected")
    missing = () if lost else _missing(gateway, call, settings, [one.id for one in inboxes])
    on_linkedin = "linkedin" in settings.channels
    asks = view.state == "draft" and on_linkedin and not (lost or missing)
    return CampaignPage(
        id=view.campaign,
        name=settings.name,
        state=view.state,
        leaving=view.leaving,
        identity=settings.identity,
        identity_name=name,
        inbox=inbox,
        pace="Spread over the working hours" if settings.pace == "even" else "As soon as the limits allow",
        numbers=Numbers(counts=view.counts, begun=view.begun),
        steps=step_lines(settings),
        sends=sends(settings),
        created=view.created,
        leads=await lead_table(gateway, call, wanted),
        lost=lost,
        missing=missing,
        emails="email" in settings.channels or not settings.steps,
        on_linkedin=on_linkedin,
        a_day=await _a_day(gateway, call, settings) if asks else "",
        unsubscribe=gateway.secure or (bool(settings.steps) and "email" not in settings.channels),
        identities=identity_options(gateway, call) if lost else (),
    )


async def _a_day(gateway: Gateway, call: Call, settings: CampaignSettings) -> str:
    """How much of its LinkedIn steps the account's limits let through, in words; empty: nobody can say now."""
    kinds = {step.kind for step in settings.steps}
    query = GetLinkedInUsage(identity=settings.identity)
    try:
        usage = await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=BRIEFLY)
    except Refused as refusal:
        if refusal.status not in {UNKNOWN, AWAY}:
            raise
        return ""
    allowed = [f"{one.allowed} {MANY[one.kind]}" for one in usage.use if one.kind in kinds]
    return " and ".join(part for part in (", ".join(allowed[:-1]), *allowed[-1:]) if part)


def step_lines(settings: CampaignSettings) -> tuple[tuple[str, str, str], ...]:
    """Its steps: when each leaves, what it is, and its first words."""
    return tuple(
        (
            when(step.delay, number),
            _what(step),
            _title(step.subject if step.kind == "email" else "", words_of(step)),
        )
        for number, step in enumerate(settings.steps)
    )


def sends(settings: CampaignSettings) -> str:
    """How many of what its steps are, in words: `2 emails, 1 LinkedIn invitation`."""
    kinds = [step.kind for step in settings.steps]
    counts = ((kinds.count(kind), words) for kind, words in COUNTED.items())
    return ", ".join(f"{count} {words if count == 1 else words + 's'}" for count, words in counts if count)


def _what(step: Step) -> str:
    """Which kind of step it is, and on which condition."""
    return STEPS[step.kind] + SHORTLY[step.only_if]


def _missing(
    gateway: Gateway, call: Call, settings: CampaignSettings, inboxes: Collection[UUID]
) -> tuple[Channel, ...]:
    """What the identity lacks to do the steps; before there are any, one channel is enough."""
    there: set[Channel] = set()
    if any(settings.inbox in {None, one} for one in inboxes):
        there.add("email")
    if settings.identity in linked(gateway, call):
        there.add("linkedin")
    if not settings.steps:
        return () if there else ("email",)
    return tuple(channel for channel in settings.channels if channel not in there)


def linked(gateway: Gateway, call: Call) -> frozenset[UUID]:
    """The identities whose LinkedIn account is linked."""
    accounts = gateway.views.linkedin(call.organization, gateway.now())
    return frozenset(one.identity for one in accounts if one.state == "linked")


async def lead_table(gateway: Gateway, call: Call, wanted: ListLeads) -> LeadTable:
    found = await gateway.contexts.ask(wanted, by=call.by, seen=call.seen)
    addresses = {one.id: one.address for one in gateway.views.inboxes(call.organization)}
    return LeadTable(
        campaign=wanted.campaign,
        rows=tuple(lead_row(one, addresses) for one in found.leads),
        total=found.total,
        state=wanted.state or "",
        search=wanted.search,
        after=wanted.after,
        next=found.next,
    )


def lead_row(view: LeadView, addresses: Mapping[UUID, str]) -> LeadRow:
    data = view.data if isinstance(view.data, LeadData) else LeadData()
    return LeadRow(
        id=view.enrollment,
        name=name_of(view.data),
        email=data.email,
        profile=data.linkedin_url,
        connected=view.connected,
        state=view.state,
        step=view.step,
        steps=view.steps,
        since=view.since,
        now=Waiting(view.waiting.text, view.waiting.until) if view.waiting else None,
        failure=view.failure[1:] if view.failure else None,
        retryable=view.retryable,
        inbox=addresses.get(view.inbox, "") if view.inbox else "",
    )


def name_of(data: LeadData | Erased) -> str:
    """Empty: the data was erased."""
    if isinstance(data, Erased):
        return ""
    return (
        data.name or f"{data.first_name} {data.last_name}".strip() or data.email or data.linkedin_url or "–"
    )


def identity_options(gateway: Gateway, call: Call) -> tuple[Option, ...]:
    """The identities; those that cannot send say so."""
    able = {one.identity for one in gateway.views.inboxes(call.organization) if one.state == CONNECTED}
    able |= linked(gateway, call)
    return tuple(
        Option(str(one.id), one.name if one.id in able else f"{one.name} (nothing connected)")
        for one in gateway.views.identities(call.organization)
    )


def inbox_options(gateway: Gateway, call: Call) -> tuple[tuple[str, tuple[Option, ...]], ...]:
    """The inboxes, by their identity's name."""
    inboxes = gateway.views.inboxes(call.organization)
    return tuple(
        (identity.name, options)
        for identity in gateway.views.identities(call.organization)
        if (
            options := tuple(
                Option(str(one.id), one.address)
                for one in inboxes
                if one.identity == identity.id and one.state in INBOXES
            )
        )
    )


async def editor_page(
    gateway: Gateway, call: Call, view: CampaignView, values: Mapping[str, str] | None = None, **more: Any
) -> EditorPage:
    """The editor with what is stored, or with what was typed; `more` of the page."""
    wanted = ListLeads(campaign=view.campaign, limit=CHOICE)
    found = await gateway.contexts.ask(wanted, by=call.by, seen=call.seen)
    lead = (values or {}).get("lead", "")
    shown = dict(values) if values is not None else values_of(view.settings)
    begun = view.state != "draft"
    name, lost = await _identity(gateway, call, view.settings.identity)
    identities, errors = identity_options(gateway, call), dict[str, str]()
    if not begun and shown.get("identity") not in {one.value for one in identities}:
        identities = (NOBODY, *identities)
        errors = {"identity": f"{name}: choose another identity."} if lost else {}
    kinds = {value for name, value in shown.items() if name.endswith("-kind")}
    page = EditorPage(
        id=view.campaign,
        name=view.settings.name,
        form=campaign_filled(shown, errors),
        identity_name=name,
        begun=begun,
        identities=identities,
        inboxes=inbox_options(gateway, call),
        variables=_variables(found.leads, lead, reads="scraping" in kinds),
        leads=tuple(Option(str(one.enrollment), name_of(one.data) or "Erased") for one in found.leads),
        lead=lead,
    )
    preview, problem = await _previewed(gateway, call, view, shown, lead, page.identities)
    return replace(page, **{"preview": preview, "problem": problem, **more})


def when(delay: int, number: int) -> str:
    """When a step leaves, in words."""
    days, hours = divmod(delay, DAY)
    parts = [
        f"{count} {unit}" if count == 1 else f"{count} {unit}s"
        for count, unit in ((days, "day"), (hours, "hour"))
        if count
    ]
    after = "the start" if number == 0 else "the step before"
    return f"{' and '.join(parts)} after {after}" if parts else f"Right after {after}"


async def _previewed(
    gateway: Gateway,
    call: Call,
    view: CampaignView,
    values: Mapping[str, str],
    lead: str,
    identities: Sequence[Option],
) -> tuple[tuple[PreviewedStep, ...], str]:
    """What can be shown of what is typed so far, and why nothing can."""
    try:
        settings = settings_of(_typed(values, view.settings, {one.value for one in identities}))
    except MalformedError as wrong:
        return (), " ".join(wrong.errors.values())
    written = [
        number
        for number, step in enumerate(settings.steps)
        if step.kind in {"invitation", "scraping"} or words_of(step).strip()
    ]
    if not written:
        return (), "Write a step to see how a lead gets it."
    try:
        enrollment = UUID(lead) if lead else None
    except ValueError:
        enrollment = None
    kept = settings.model_copy(update={"steps": tuple(settings.steps[number] for number in written)})
    query = PreviewSteps(campaign=view.campaign, settings=kept, enrollment=enrollment)
    try:
        rendered = await gateway.contexts.ask(query, by=call.by, seen=call.seen)
    except Refused as refusal:
        if refusal.status >= 500:  # noqa: PLR2004  the rest of the page does not wait for it
            return (), refusal.detail
        if refusal.code == "identity.unknown":
            return (), "Choose an identity to see how a lead gets it."
        raise
    pairs = zip(written, rendered, strict=False)
    return tuple(_shown(settings, number, one) for number, one in pairs), ""


def _typed(
    values: Mapping[str, str], stored: CampaignSettings, identities: Collection[str]
) -> dict[str, str]:
    """So that what is still empty does not keep the rest from being seen."""
    chosen = values.get("identity", "")
    blank = {
        name: value if value.strip() else " "
        for name, value in values.items()
        if name.endswith("-text") and values.get(name.replace("-text", "-kind")) != "invitation"
    }
    return {
        **values,
        **blank,
        "name": stored.name,
        "identity": chosen if chosen and chosen in identities else str(stored.identity),
        "inbox": "",
        "pace": "even",
    }


def _shown(settings: CampaignSettings, number: int, step: RenderedStep) -> PreviewedStep:
    return PreviewedStep(
        number=number,
        when=when(settings.steps[number].delay, number),
        kind=step.kind,
        only_if=step.only_if,
        subject=step.subject,
        text=step.text,
        html=Markup(nh3.clean(step.html, tags=set(TAGS))) if step.html else "",  # noqa: S704  it is clean
        problem=step.problem,
    )


def _variables(leads: Sequence[LeadView], chosen: str, *, reads: bool) -> tuple[tuple[str, str], ...]:
    """What templates may name, as the lead has it that the preview is made for: `chosen`, else the first one, else
    the example. `reads`: a step reads the profile.
    """
    shown = next((one for one in leads if str(one.enrollment) == chosen), leads[0] if leads else None)
    data = EXAMPLE if shown is None else shown.data if isinstance(shown.data, LeadData) else LeadData()
    own = dict.fromkeys(name for one in leads if isinstance(one.data, LeadData) for name in one.data.own)
    if reads:
        own.update(dict.fromkeys(OF_PROFILE))
    usual = tuple((name, str(getattr(data, name))) for name in VARIABLES)
    return (*usual, *((name, data.own.get(name, "")) for name in own), *OF_IDENTITY)


def _title(subject: str, text: str) -> str:
    words = " ".join((subject or text).split())
    return words if len(words) <= FIRST_WORDS else words[: FIRST_WORDS - 1] + "…"


def gone(name: str) -> str:
    """How an identity that was deleted is named."""
    return f"{name} (deleted)" if name else "A deleted identity"


async def _identity(gateway: Gateway, call: Call, identity: UUID) -> tuple[str, bool]:
    """How it is named, and whether it was deleted."""
    deleted = gateway.views.deleted(call.organization)
    if identity in deleted:
        return gone(deleted[identity]), True
    known = {one.id: one.name for one in gateway.views.identities(call.organization)}
    if identity in known:
        return known[identity], False
    try:
        return (await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by)).name, False
    except Refused as refusal:
        if refusal.status != UNKNOWN:
            raise
        return gone(""), True


def lead_state(text: str) -> LeadState | None:
    """The filter's; None for what is none."""
    return next((state for state in LEAD_STATES if state == text), None)
