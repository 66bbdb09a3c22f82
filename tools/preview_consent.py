"""Sample data of who is written to no more, and of what is asked before something hurts: for tools/preview.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from heraldry.gateway.pages.forms import SuppressForm, filled
from heraldry.gateway.pages.models import (
    Concerned,
    DeleteIdentityPage,
    DisconnectInboxPage,
    Shell,
    Suppressed,
    SuppressionsPage,
    UnsubscribePage,
)

NOW = datetime(2026, 11, 24, 13, 3, 12, tzinfo=UTC)
OUTSIDE = Shell(csrf="")
SHELL = Shell(
    csrf="sample", user="Mina Okafor", organization="Northwind", role="admin", zone="Europe/Stockholm"
)
LIST = replace(SHELL, nav="suppressions")
IDENTITIES = replace(SHELL, nav="identities")
SUPPRESSED = (
    Suppressed(
        recipient="a1",
        address="lea.fournier@maison-verte.example",
        reason="unsubscribed",
        since=NOW - timedelta(minutes=12),
        by="The recipient",
    ),
    Suppressed(
        recipient="a2",
        address="purchasing@brisa.example",
        reason="bounced",
        since=NOW - timedelta(hours=7),
        by="Heraldry",
    ),
    Suppressed(
        recipient="a3",
        address="legal@contoso.example",
        reason="by hand",
        since=NOW - timedelta(days=3),
        by="Oskar Dahl",
    ),
    Suppressed(
        recipient="a4", address="", reason="unsubscribed", since=NOW - timedelta(days=90), by="The recipient"
    ),
)
CONCERNED = Concerned(
    campaigns=((UUID(int=1), "Spring"), (UUID(int=2), "Iberia, second half")), begun=37, waiting=412, mark="m"
)
DELETION = DeleteIdentityPage(
    identity=UUID(int=3), identity_name="Ada Bergström", concerned=CONCERNED, inboxes=2
)
DISCONNECTION = DisconnectInboxPage(
    identity=UUID(int=3),
    identity_name="Ada Bergström",
    inbox=UUID(int=4),
    address="ada@northwind.example",
    concerned=Concerned(campaigns=((UUID(int=1), "Spring"),), begun=1, waiting=1, mark="m"),
)


def consent() -> Iterator[tuple[str, str, Shell, object]]:
    page = "unsubscribe.html"
    asking = UnsubscribePage("asking", organization="Northwind", address="l…@maison-verte.example")
    yield "unsubscribe", page, OUTSIDE, asking
    yield "unsubscribe-unnamed", page, OUTSIDE, replace(asking, organization="")
    yield "unsubscribe-done", page, OUTSIDE, replace(asking, stage="done")
    yield "unsubscribe-unknown", page, OUTSIDE, UnsubscribePage("unknown")
    page = "suppressions.html"
    full = SuppressionsPage(suppressed=SUPPRESSED, total=212, next="160")
    yield "suppressions", page, LIST, full
    erased = tuple(replace(one, address="") if one.reason == "bounced" else one for one in SUPPRESSED)
    yield "suppressions-erased", page, replace(LIST, role="member"), replace(full, suppressed=erased)
    yield "suppressions-later", page, LIST, replace(full, after="160", search="example")
    wrong = filled(
        SuppressForm,
        {"address": "nobody"},
        {"address": "This is no email address. It looks like name@company.example."},
    )
    yield "suppressions-empty", page, LIST, SuppressionsPage(form=wrong)
    yield "suppressions-not-found", page, LIST, SuppressionsPage(search="zoe")
    page = "delete_identity.html"
    yield "delete", page, IDENTITIES, DELETION
    yield "delete-changed", page, IDENTITIES, replace(DELETION, changed=True)
    yield "delete-unused", page, IDENTITIES, replace(DELETION, concerned=Concerned(), inboxes=0)
    yield "disconnect", "disconnect_inbox.html", IDENTITIES, DISCONNECTION
