"""What all pages share: the shell around them, posted forms, cookies, answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID, uuid5

from heraldry.chassis import halt as halts
from heraldry.chassis.bus.operator import ACTOR as OPERATORS
from heraldry.contracts.base import Refused
from heraldry.gateway.application import random_id
from heraldry.gateway.mistakes import in_words
from heraldry.gateway.pages.forms import COMMAND_FIELD
from heraldry.gateway.pages.models import Flash, Halted, Nav, Shell
from heraldry.gateway.pages.render import render
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import SEEN_COOKIE, AnyRequest, Call, Gateway
from litestar import MediaType, Response
from litestar.datastructures import Cookie
from pydantic import ValidationError

FLASH_COOKIE: Final = "heraldry_flash"
ZONE_COOKIE: Final = "zone"
SEEN_FOR: Final = 300  # seconds a browser remembers what it has written
NO_STORE: Final = {"Cache-Control": "no-store"}
FLASHES: Final[Mapping[str, Flash]] = {
    "campaign-created": Flash("The campaign was created. Write what it sends, then import its leads."),
    "campaign-finished": Flash("The campaign was finished: its leads get no further step."),
    "campaign-given": Flash(
        "The leads that have not begun have another identity. Resume the campaign to go on."
    ),
    "campaign-paused": Flash("No further step begins."),
    "campaign-resumed": Flash("The campaign goes on."),
    "campaign-started": Flash("The campaign was started. Each lead says below when it is its turn."),
    "halted-already": Flash("Everything was halted already: that halt stays as it is.", "info"),
    "halted-unrecorded": Flash(
        "Everything is halted. The activity history cannot be written now, and has it as soon as it can.",
        "info",
    ),
    "identity-added": Flash("The identity was added. Connect an inbox to send from it."),
    "identity-deleted": Flash("The identity was deleted."),
    "import-undone": Flash("The import was dropped. None of its leads was taken."),
    "inbox-connected": Flash("The inbox is connected: it can send, and its mail is read."),
    "inbox-connecting": Flash(
        "The inbox is still being tried. It shows here as soon as it is known.", "info"
    ),
    "inbox-disconnected": Flash("The inbox was disconnected."),
    "inbox-resumed": Flash("The inbox may send again."),
    "lead-retried": Flash("The lead goes on."),
    "link-revoked": Flash("The link was revoked: it works no more."),
    "link-used": Flash("This link was used already, and works no more.", "info"),
    "linkedin-unlinked": Flash("The LinkedIn account was unlinked."),
    "mail-decided": Flash("Noted: it is in the activity history, with your name."),
    "mail-known": Flash("What became of this mail is known meanwhile; nothing was changed.", "info"),
    "step-decided": Flash("Noted: it is in the activity history, with your name."),
    "step-known": Flash("What became of this step is known meanwhile; nothing was changed.", "info"),
    "resumed": Flash("Things leave again."),
    "resumed-for-us": Flash(
        "Your organization's halt has ended. Nothing leaves all the same: the whole installation is halted, and only its"
        " operators end that.",
        "info",
    ),
    "subscriber-revoked": Flash("The credentials were revoked."),
    "suppressed": Flash("The address is on the list: nobody writes to it any more."),
    "unsuppressed": Flash("The address was taken off the list."),
}


@dataclass(frozen=True, slots=True)
class Form:
    """What was posted, as text, in the order of the form. Of several values of one name the last counts; files are
    elsewhere.
    """

    values: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.values.get(name, "").strip()

    def raw(self, name: str) -> str:
        """As it was typed: passwords."""
        return self.values.get(name, "")


async def posted(request: AnyRequest) -> Form:
    found = await request.form()
    items: Sequence[tuple[str, object]] = list(found.items())
    return Form({name: value for name, value in items if isinstance(value, str)})


def asked(call: Call, form: Form) -> Call:
    """The call under the form's own id, so that a form sent twice acts once."""
    return replace(call, command=uuid5(call.scope, str(asked_id(form))))


def asked_id(form: Form) -> UUID:
    try:
        return UUID(form.text(COMMAND_FIELD))
    except ValueError:
        return random_id()


async def shell(request: AnyRequest, gateway: Gateway, call: Call, nav: Nav = "") -> Shell:
    """What surrounds a page for somebody who is signed in."""
    await gateway.views.seen([one for one in call.seen if one.startswith("gateway:")])
    flash = FLASHES.get(request.cookies.get(FLASH_COOKIE, ""))
    halted = await _halted(gateway, call)
    around = surrounding(request, gateway, call.session)
    return replace(around, nav=nav, flash=flash, halted=halted, events=f"/events?after={call.heard}")


def surrounding(request: AnyRequest, gateway: Gateway, session: Session) -> Shell:
    """The shell as far as it does not depend on the page."""
    organization = gateway.views.organization(session.organization)
    person = gateway.views.person(session.organization, session.user)
    return Shell(
        csrf=session.csrf,
        user=person.name if person else "",
        organization=organization.name,
        role=session.role,
        zone=reader_zone(request, organization.zone),
    )


async def _halted(gateway: Gateway, call: Call) -> Halted | None:
    """The halt in force. Where NATS is silent, that is known at once, and no page waits for it."""
    scope = halts.organization(call.organization)
    try:
        gateway.halt.halted(scope)
        found = await gateway.halt.check_now(scope)
    except halts.HaltUnknownError:
        return Halted()
    if found is None:
        return None
    kind, _, who = found.actor.partition(":")
    person = gateway.views.person(call.organization, UUID(who)) if kind == "user" else None
    others = "The operators" if found.actor == OPERATORS else "Heraldry"
    by = person.name if person else "Somebody who left" if kind == "user" else others
    return Halted(by=by, reason=found.reason, since=found.since, ours=found.scope == scope)


def reader_zone(request: AnyRequest, default: str) -> str:
    return unquote(request.cookies.get(ZONE_COOKIE, ""))[:64] or default


def html(
    name: str,
    shell: Shell,
    page: object,
    *,
    status: int = 200,
    position: str = "",
    cookies: Sequence[Cookie] = (),
) -> Response[str]:
    """A page. A flash it shows is not shown again."""
    text = render(name, shell=shell, page=page)
    kept = [*cookies, *_seen(position)]
    if shell.flash is not None:
        kept.append(Cookie(FLASH_COOKIE, value="", max_age=0, path="/"))
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=NO_STORE, cookies=kept)


def redirect(
    request: AnyRequest,
    where: str,
    *,
    positions: Sequence[str] = (),
    flash: str = "",
    cookies: Sequence[Cookie] = (),
) -> Response[str]:
    """After a form: to the next page, also where HTMX sent it."""
    kept = [*cookies, *_seen(",".join(positions))]
    if flash:
        kept.append(Cookie(FLASH_COOKIE, value=flash, max_age=60, path="/", httponly=True, samesite="lax"))
    if request.headers.get("hx-request"):
        headers: dict[str, Any] = {"HX-Redirect": where, **NO_STORE}
        return Response("", status_code=200, media_type=MediaType.HTML, headers=headers, cookies=kept)
    headers = {"Location": where, **NO_STORE}
    return Response("", status_code=303, media_type=MediaType.HTML, headers=headers, cookies=kept)


def errors_of(error: ValidationError | Refused) -> dict[str, str]:
    """What is wrong, by the name of the form's field."""
    if isinstance(error, Refused):
        return {error.field.rpartition(".")[2]: error.detail}
    return {
        str(one["loc"][-1]) if one["loc"] else "": in_words(one["msg"])
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    }


def is_answerable(refusal: Refused) -> bool:
    """Whether the form itself can show it; what is unknown, foreign or away is a page of its own."""
    return refusal.status in {400, 409, 410, 413, 422, 429}


def _seen(position: str) -> list[Cookie]:
    if not position:
        return []
    return [Cookie(SEEN_COOKIE, value=position, max_age=SEEN_FOR, path="/", httponly=True, samesite="lax")]
