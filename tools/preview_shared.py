"""Share links in every state, for `tools/preview.py`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID, uuid5

from heraldry.contracts.share_links import LinkState
from heraldry.gateway.pages.forms import AddIdentityForm, CredentialsForm, filled
from heraldry.gateway.pages.models import (
    AddIdentityPage,
    Flash,
    Link,
    Linking,
    MadeLink,
    SharedGone,
    SharedGonePage,
    SharedInbox,
    SharedInboxPage,
    SharedLinkingPage,
    SharedPage,
    SharedRefreshPage,
    ShareSection,
    Shell,
)

NOW = datetime(2026, 11, 24, 13, 3, tzinfo=UTC)
ENDS = NOW + timedelta(hours=24)
ADA = UUID("0193c0de-0000-7000-8000-000000000001")
URL = "/share/sample"
OUTSIDE = Shell(csrf="sample", zone="Europe/Stockholm")


def shared(inside: Shell) -> Iterator[tuple[str, str, Shell, object]]:
    """`inside`: the shell of an admin."""
    links = tuple(
        Link(
            id=uuid5(ADA, state),
            state=state,
            refreshes=False,
            issued_at=NOW - timedelta(hours=number),
            valid_until=ENDS - timedelta(hours=number),
            by="Mina Okafor",
            revoke=f"{URL}/revoke" if state in {"open", "taken"} else "",
        )
        for number, state in enumerate(get_args(LinkState))
    )
    made = MadeLink(url="https://heraldry.example/share/" + "sample" * 10, valid_until=ENDS)
    section = ShareSection(url=URL, links=links, made=made)
    yield "share-links", "add_identity.html", inside, AddIdentityPage(way="share", share=section)
    yield from _create()
    yield from _refresh()
    for reason in get_args(SharedGone):
        gone = SharedGonePage(reason, NOW + timedelta(minutes=9) if reason == "taken" else None)
        yield f"shared-{reason}", "shared_gone.html", OUTSIDE, gone


def _create() -> Iterator[tuple[str, str, Shell, object]]:
    asking = SharedPage(stage="asking", organization="Northwind", action=URL, valid_until=ENDS)
    yield "shared", "shared_create.html", OUTSIDE, asking
    wrong = filled(AddIdentityForm, {"first_name": "Ada"}, {"last_name": "Fill this in."})
    typed = SharedPage(stage="asking", organization="Northwind", action=URL, valid_until=ENDS, form=wrong)
    yield "shared-wrong", "shared_create.html", OUTSIDE, typed
    missing = filled(CredentialsForm, {"name": "Ada Bergström"}, {"password": "Enter the password."})
    signing_in = SharedPage(
        stage="asking",
        way="credentials",
        organization="Northwind",
        action=URL,
        valid_until=ENDS,
        credentials=missing,
    )
    yield "shared-credentials", "shared_create.html", OUTSIDE, signing_in
    for stage in ("storing", "done"):
        page = SharedPage(stage=stage, organization="Northwind", action=URL, valid_until=ENDS)
        yield f"shared-{stage}", "shared_create.html", OUTSIDE, page
    for state in ("linking", "code wanted", "linked"):
        linking = Linking(
            url=f"{URL}/linkedin", state=state, member="Ada Bergström", email="ada@northwind.example"
        )
        page = SharedLinkingPage(
            organization="Northwind", identity_name="Ada Bergström", action=URL, linking=linking, by_hand=URL
        )
        yield f"shared-{state.replace(' ', '-')}", "shared_linkedin.html", OUTSIDE, page


def _refresh() -> Iterator[tuple[str, str, Shell, object]]:
    inbox = SharedInbox(
        id=ADA, address="ada@northwind.example", state="reconnect", detail="The server refuses the password."
    )
    page = SharedRefreshPage(
        organization="Northwind",
        identity_name="Ada Bergström",
        action=URL,
        valid_until=ENDS,
        inboxes=(inbox,),
        linkedin="needs reconnect",
        told=Flash("The inbox is connected: it can send, and its mail is read."),
    )
    yield "shared-connections", "shared_refresh.html", OUTSIDE, page
    connect = SharedInboxPage(organization="Northwind", identity_name="Ada Bergström", action=URL)
    yield "shared-inbox", "shared_inbox.html", OUTSIDE, connect
