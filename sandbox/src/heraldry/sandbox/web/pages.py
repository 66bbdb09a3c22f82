"""The sandbox's pages: who is here, what lies in their mailboxes, what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal
from urllib.parse import quote, urlencode

from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mailhost import MailHost
from heraldry.sandbox.web.control import present
from heraldry.sandbox.web.rendering import page
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

UNITS = {"minutes": 60, "hours": 3600, "days": 86400}
STATUSES = {"failed": "5.1.1", "delayed": "4.4.1"}
DONE = {
    "replied": "The reply was delivered.",
    "auto-replied": "The automatic reply was delivered.",
    "failed": "The report that the mail could not be delivered is in its sender's inbox.",
    "delayed": "The report that the mail is delayed is in its sender's inbox.",
    "advanced": "The clock was moved forward.",
}


@dataclass(frozen=True, slots=True)
class ReplyForm:
    folder: str
    uid: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class MachineForm:
    folder: str
    uid: int
    kind: Literal["auto-replied", "failed", "delayed"]


@dataclass(frozen=True, slots=True)
class ClockForm:
    amount: str
    unit: Literal["minutes", "hours", "days"]


@dataclass(frozen=True, slots=True)
class MailboxShown:
    folder: str
    uid: int = 0  # 0: no mail is open
    done: str = ""
    error: str = ""
    typed: str = ""
    refused: str = ""  # why a machine did not answer


@dataclass(frozen=True, slots=True)
class ClockShown:
    state: Literal["absent", "away", "running"]
    now: datetime | None = None
    ahead: str = ""
    error: str = ""
    typed: str = "3"


class PagesController(Controller):
    path = "/"
    include_in_schema = False

    @get("/")
    async def home(
        self,
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
        done: FromQuery[str] = "",
    ) -> Response[str]:
        return page(
            "home.html",
            accounts=host.accounts(),
            counts=_counts(host),
            host=host,
            done=DONE.get(done, ""),
            clock=await _clock_shown(clock),
        )

    @get("/mail/{address:str}")
    async def mailbox(
        self,
        address: FromPath[str],
        host: NamedDependency[MailHost],
        folder: FromQuery[str] = "INBOX",
        uid: FromQuery[int] = 0,
        done: FromQuery[str] = "",
    ) -> Response[str]:
        return _mailbox(host, address, MailboxShown(folder, uid, done=DONE.get(done, "")))

    @post("/mail/{address:str}/reply")
    async def reply(
        self,
        address: FromPath[str],
        data: URLEncodedBody[ReplyForm],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> Response[str] | Redirect:
        if not data.text.strip():
            empty = MailboxShown(data.folder, data.uid, error="Write something first.")
            return _mailbox(host, address, empty, status=422)
        if clock:
            await clock.refresh()
        try:
            host.reply(address, data.text, uid=data.uid, folder=data.folder)
        except SandboxError as refused:
            again = MailboxShown(data.folder, data.uid, error=refused.detail, typed=data.text)
            return _mailbox(host, address, again, status=refused.status)
        asked = urlencode({"folder": data.folder, "uid": data.uid, "done": "replied"})
        return Redirect(f"/mail/{quote(address)}?{asked}", status_code=303)

    @post("/mail/{address:str}/machine")
    async def machine(
        self,
        address: FromPath[str],
        data: URLEncodedBody[MachineForm],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> Response[str] | Redirect:
        """What a machine answers by itself."""
        if clock:
            await clock.refresh()
        try:
            if data.kind == "auto-replied":
                host.auto_reply(address, uid=data.uid, folder=data.folder)
            else:
                host.bounce(address, STATUSES[data.kind], uid=data.uid, folder=data.folder)
        except SandboxError as refused:
            again = MailboxShown(data.folder, data.uid, refused=refused.detail)
            return _mailbox(host, address, again, status=refused.status)
        asked = urlencode({"folder": data.folder, "uid": data.uid, "done": data.kind})
        return Redirect(f"/mail/{quote(address)}?{asked}", status_code=303)

    @post("/clock/advance")
    async def advance(
        self,
        data: URLEncodedBody[ClockForm],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> Response[str] | Redirect:
        try:
            await present(clock).advance(_seconds(data))
        except SandboxError as refused:
            return page(
                "home.html",
                status=refused.status,
                accounts=host.accounts(),
                counts=_counts(host),
                host=host,
                done="",
                clock=await _clock_shown(clock, error=refused.detail, typed=data.amount),
            )
        return Redirect("/?done=advanced#clock", status_code=303)


def _counts(host: MailHost) -> dict[str, int]:
    return {one.address: len(host.folders(one.address)["INBOX"].mails()) for one in host.accounts()}


def _seconds(form: ClockForm) -> Decimal:
    try:
        return Decimal(form.amount.strip()) * UNITS[form.unit]
    except InvalidOperation:
        raise SandboxError("clock_malformed", "Give a number, such as 3 or 1.5.", status=422) from None


async def _clock_shown(clock: SandboxClock | None, *, error: str = "", typed: str = "3") -> ClockShown:
    if clock is None:
        return ClockShown("absent", error=error)
    try:
        ahead = await clock.refresh()
    except SandboxError as away:
        return ClockShown("away", error=away.detail)
    return ClockShown("running", clock.now(), _duration(ahead), error, typed)


def _duration(seconds: Decimal) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    parts = ((days, "day"), (hours, "hour"), (rest // 60, "minute"), (rest % 60, "second"))
    return " ".join(f"{n} {unit}{'s' if n != 1 else ''}" for n, unit in parts if n)


def _mailbox(host: MailHost, address: str, shown: MailboxShown, *, status: int = 200) -> Response[str]:
    account = host.account(address)
    messages = host.messages(address, shown.folder)
    return page(
        "mailbox.html",
        status=status,
        account=account,
        folders={name: len(one.mails()) for name, one in host.folders(address).items()},
        messages=tuple(reversed(messages)),
        message=host.message(address, uid=shown.uid, folder=shown.folder) if shown.uid else None,
        shown=shown,
    )
