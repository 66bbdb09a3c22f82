"""The form that connects an inbox, tried: for whoever is signed in, and for whoever has a share link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.mailbox import FindInbox, InboxView, Server
from heraldry.gateway.api.inboxes import connect
from heraldry.gateway.pages.models import Diagnosis
from heraldry.gateway.routes.inbox_models import diagnosis
from heraldry.gateway.routes.shown import Form, errors_of, is_answerable
from heraldry.gateway.state import Asker, Gateway
from pydantic import ValidationError

PATIENCE: Final = 50.0  # seconds the form waits for both protocols to be tried
LOOK: Final = 0.25  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Tried:
    """`connected` or still `connecting`; else what is wrong, in the form or at the servers.

    `refused`: the code of the refusal, where it was one.
    """

    position: str = ""
    connected: bool = False
    connecting: bool = False
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    diagnosis: Diagnosis | None = None
    refused: str = ""


async def tried(gateway: Gateway, asker: Asker, identity: UUID, form: Form) -> Tried:
    """Have what was typed tried at both servers, and wait for what comes of it.

    Raises what no form can show: Refused as `identity.unknown`.
    """
    try:
        inbox, position = await connect(
            gateway,
            asker,
            identity,
            address=form.text("email"),
            password=form.raw("password"),
            imap=_server(form, "imap"),
            smtp=_server(form, "smtp"),
        )
    except _Malformed as wrong:
        return Tried(errors=wrong.errors)
    except (ValidationError, Refused) as wrong:
        if isinstance(wrong, Refused) and not is_answerable(wrong):
            raise
        errors = {"email" if key == "address" else key: text for key, text in errors_of(wrong).items()}
        return Tried(errors=errors, refused=wrong.code if isinstance(wrong, Refused) else "")
    inbox = await _outcome(gateway, asker, inbox)
    if inbox.state == "connected" and inbox.diagnosis is None:  # else it goes on as it did before
        return Tried(position, connected=True)
    if inbox.state == "connecting":
        return Tried(position, connecting=True)
    return Tried(position, diagnosis=diagnosis(inbox.diagnosis) if inbox.diagnosis else None)


def values(inbox: InboxView) -> dict[str, object]:
    """What the form of an inbox that is connected again begins with."""
    servers = {
        f"{kind}_{name}": value
        for kind, server in (("imap", inbox.imap), ("smtp", inbox.smtp))
        for name, value in server.model_dump().items()
    }
    return {"email": inbox.address, **servers}


async def _outcome(gateway: Gateway, asker: Asker, inbox: InboxView) -> InboxView:
    """The inbox when both protocols have been tried, or as it is when the form's patience ends."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while inbox.state == "connecting" and loop.time() < until:
        await asyncio.sleep(LOOK)
        inbox = await gateway.contexts.ask(FindInbox(inbox=inbox.inbox), by=asker.by)
    return inbox


class _Malformed(Exception):  # noqa: N818  as Refused is
    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("the form")
        self.errors = errors


def _server(form: Form, kind: str) -> Server:
    try:
        return Server.model_validate(
            {name: form.text(f"{kind}_{name}") for name in ("host", "port", "security")}, strict=False
        )
    except ValidationError as wrong:
        raise _Malformed({f"{kind}_{name}": text for name, text in errors_of(wrong).items()}) from wrong
