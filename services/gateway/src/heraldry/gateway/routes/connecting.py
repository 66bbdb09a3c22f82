"""The form that connects an inbox, tried: for whoever is signed in, and for whoever has a share link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import Refused
from heraldry.contracts.mailbox import FindInbox, InboxView, Server
from heraldry.gateway.api.inboxes import connect
from heraldry.gateway.pages.models import Diagnosis
from heraldry.gateway.routes.inbox_models import diagnosis, find
from heraldry.gateway.routes.shown import Form, errors_of, is_answerable
from heraldry.gateway.state import Asker, Gateway
from pydantic import ValidationError

PATIENCE: Final = 50.0  # seconds the form waits for both protocols to be tried
LOOK: Final = 0.25  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Tried:
    """`connected` or still `connecting`; else what is wrong, in the form or at the servers.

    `refused`: the code of the refusal, where it was one. `again`: the inbox that was to be reconnected.
    """

    position: str = ""
    connected: bool = False
    connecting: bool = False
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    diagnosis: Diagnosis | None = None
    refused: str = ""
    again: InboxView | None = None

    @property
    def reconnect(self) -> UUID | None:
        return self.again.inbox if self.again else None

    def typed(self, form: Form) -> Mapping[str, object]:
        """What the form shows again. The address of an inbox that is reconnected is not typed but given."""
        return {**form.values, "email": self.again.address} if self.again else form.values


async def tried(gateway: Gateway, asker: Asker, identity: UUID, form: Form) -> Tried:
    """Have what was typed tried at both servers, and wait for what comes of it.

    Raises what no form can show: Refused as `identity.unknown`.
    """
    if not form.text("inbox"):
        return await _tried(gateway, asker, identity, form)
    again = await find(gateway, asker, identity, _id(form.text("inbox")))
    if normalised(form.text("email")) != normalised(again.address):
        other = (
            f"Only {again.address} can be reconnected here. Connect another address as an inbox of its own."
        )
        return Tried(errors={"email": other}, again=again)
    return replace(await _tried(gateway, asker, identity, form), again=again)


async def _tried(gateway: Gateway, asker: Asker, identity: UUID, form: Form) -> Tried:
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


def _id(typed: str) -> UUID:
    try:
        return UUID(typed)
    except ValueError:
        raise Refused("inbox.unknown", "There is no such inbox.", status=404) from None


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
