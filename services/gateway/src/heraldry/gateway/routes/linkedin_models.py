"""LinkedIn accounts as the pages show them, and linking one as it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import ContactDetails
from heraldry.contracts.linkedin import AccountView, CodeBy, LinkedInProfile, Obstacle
from heraldry.gateway.api.linkedin import account, named
from heraldry.gateway.cards import SLOWED
from heraldry.gateway.pages.forms import CodeForm, Field, LinkedInForm, filled
from heraldry.gateway.pages.models import (
    Diagnosis,
    LinkedInAccount,
    LinkedInSection,
    LinkedInState,
    Linking,
    Offer,
    Waiting,
)
from heraldry.gateway.state import Call, Gateway

AWAY: Final = 503
BRIEFLY: Final = 1.5  # seconds
SENT_BY: Final[Mapping[CodeBy, str]] = {
    "authenticator": "your authenticator app",
    "SMS": "a text message to your phone",
    "email": "an email",
}
REJECTED: Final = {
    "": "",
    "wrong": "LinkedIn did not take that code. Enter it again.",
    "expired": "That code had expired. Enter the newest one.",
}
PASSWORD_NEEDED: Final = frozenset(
    {
        "linkedin.wrong-password",
        "linkedin.unknown-account",
        "linkedin.no-password",
    }
)
TITLES: Final[Mapping[LinkedInState, str]] = {
    "failed": "LinkedIn could not be linked",
    "linked": "LinkedIn could not be linked again",
    "needs reconnect": "LinkedIn needs to be linked again",
    "restricted": "LinkedIn restricted this account",
}
OFFERED: Final[Mapping[str, str]] = {
    "first_name": "First name",
    "last_name": "Last name",
    "job_title": "Job title",
    "linkedin_url": "LinkedIn URL",
}


async def linkedin_section(
    gateway: Gateway, call: Call, identity: UUID, details: ContactDetails
) -> LinkedInSection:
    """While the LinkedIn driver is away its events say how the account stands: the rest of the page does not wait."""
    try:
        found = await account(gateway, call.by, identity, call.seen, deadline=BRIEFLY)
    except Refused as refusal:
        if refusal.status != AWAY:
            raise
        return LinkedInSection(account=_from_events(gateway, call, identity))
    if found is None or found.state == "unlinked":
        return LinkedInSection()
    profile = found.profile if found.state == "linked" else None
    return LinkedInSection(
        account=_account(gateway, named(gateway, call, found)),
        offers=offers(details, profile) if profile else (),
    )


def offers(details: ContactDetails, profile: LinkedInProfile) -> tuple[Offer, ...]:
    """R-ID-5: what differs, field by field."""
    there = said_by_linkedin(profile)
    return tuple(
        Offer(name=name, label=label, here=str(getattr(details, name)), there=there[name])
        for name, label in OFFERED.items()
        if there[name] and there[name] != getattr(details, name)
    )


def said_by_linkedin(profile: LinkedInProfile) -> Mapping[str, str]:
    """By the name of the contact detail; empty: LinkedIn says nothing."""
    return {
        "first_name": profile.first_name[:100],
        "last_name": profile.last_name[:100],
        "job_title": profile.headline[:200],
        "linkedin_url": profile.url,
    }


def linking(found: AccountView | None, *, url: str, relink: bool = False) -> Linking:
    """How linking stands, to be shown at `url`, whoever looks at it."""
    if found is None:
        return Linking(url=url)
    state = cast("LinkedInState", found.state)
    failure = found.diagnosis
    return Linking(
        url=url,
        state=state,
        relink=relink and state == "linked",
        member=_member(found.profile),
        profile=found.profile.url if found.profile else "",
        email=found.email,
        form=filled(LinkedInForm, {"email": found.email}),
        code=CodeForm(code=Field(error=REJECTED[found.rejected])),
        sent_by=SENT_BY[found.code_by] if found.code_by else "",
        hint=found.hint,
        resendable=found.code_by in {"SMS", "email"},
        until=found.wanted_until,
        diagnosis=diagnosis(state, failure) if failure else None,
        again=state in {"failed", "needs reconnect", "restricted"}
        and failure is not None
        and failure.code not in PASSWORD_NEEDED,
    )


def diagnosis(state: LinkedInState, found: Obstacle) -> Diagnosis:
    """In the page's shape; the resolution's lines are its steps."""
    return Diagnosis(
        code=found.code,
        title=TITLES.get(state, "LinkedIn could not be linked"),
        cause=found.cause,
        resolution=tuple(line.strip() for line in found.resolution.splitlines() if line.strip()),
    )


def _account(gateway: Gateway, found: AccountView) -> LinkedInAccount:
    state, now = cast("LinkedInState", found.state), gateway.now()
    return LinkedInAccount(
        state=state,
        email=found.email,
        member=_member(found.profile),
        profile=found.profile.url if found.profile else "",
        since=found.since,
        sales_navigator=found.sales_navigator,
        diagnosis=diagnosis(state, found.diagnosis) if found.diagnosis else None,
        waiting=tuple(
            Waiting(f"LinkedIn wants no more {SLOWED[kind]} now.", until)
            for kind, until in found.slowed
            if until > now
        ),
    )


def _from_events(gateway: Gateway, call: Call, identity: UUID) -> LinkedInAccount | None:
    seen = next(
        (one for one in gateway.views.linkedin(call.organization, gateway.now()) if one.identity == identity),
        None,
    )
    if seen is None or seen.state == "unlinked":
        return None
    return LinkedInAccount(state=cast("LinkedInState", seen.state), since=seen.since)


def _member(profile: LinkedInProfile | None) -> str:
    return f"{profile.first_name} {profile.last_name}".strip() if profile else ""
