"""Inboxes, mails and rates over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import nh3
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.mailbox import (
    ConnectInbox,
    DecideOutcome,
    FindInbox,
    InboxView,
    ListInboxes,
    ResumeInbox,
    Server,
)
from heraldry.contracts.scheduler import (
    ChangeEmailRate,
    EmailRate,
    GetUsage,
    MailAddress,
    MailHtml,
    MailText,
    RequestRateIncrease,
    SendMail,
    SubjectLine,
    Usage,
)
from heraldry.gateway.api.answers import Body, Written, with_position, written
from heraldry.gateway.api.consequences import disconnect_inbox
from heraldry.gateway.api.history import Entry, entry
from heraldry.gateway.api.past import AsOf, moment, patience
from heraldry.gateway.figures import Volume, volume
from heraldry.gateway.history import MailSeen
from heraldry.gateway.state import Asker, Call, Gateway
from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import Field, SecretStr

DAYS: Final = 30  # of an inbox's own volume, shown where more is asked for


class NewInbox(Body):
    address: Annotated[str, Field(min_length=3, max_length=254)]
    password: SecretStr
    imap: Server
    smtp: Server


class NewMail(Body):
    to: MailAddress
    subject: SubjectLine
    text: MailText
    html: MailHtml = ""


class WantedRate(Body):
    """`reason`: for support, in the words of whoever asks."""

    per_day: Annotated[int, Field(ge=1)]
    per_hour: Annotated[int, Field(ge=1)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class DayVolume(Body):
    """Emails sent and hard bounces on one day of the identity."""

    day: date
    sent: int
    bounced: int


class Decision(Body):
    """What a person found out about a mail whose outcome is unknown."""

    sent: bool


class Mail(Body):
    """One mail, step by step (oldest first). `answer`: the mail server's own words."""

    attempt: UUID
    identity: UUID
    inbox: UUID
    sender: str
    to: str
    subject: str
    text: str
    state: str
    message_id: str
    answer: str
    steps: tuple[Entry, ...]
    replies: tuple[str, ...]
    bounced: bool


class Asked(Body):
    """The mail was permitted and is on its way; `attempt` names it from now on."""

    attempt: UUID
    position: str


class InboxesController(Controller):
    path = "/api/v1"
    tags = ("Inboxes",)

    @post(
        "/identities/{identity:uuid}/inboxes",
        status_code=202,
        summary="Connect an inbox",
        description="Its `state` is `connecting`; read the inbox until it is `connected` or `failed`.",
    )
    async def connect(
        self,
        identity: FromPath[UUID],
        data: JSONBody[NewInbox],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        inbox, position = await connect(
            gateway,
            call,
            identity,
            address=data.address,
            password=data.password.get_secret_value(),
            imap=data.imap,
            smtp=data.smtp,
        )
        return with_position(inbox, position, 202)

    @get("/identities/{identity:uuid}/inboxes", summary="An identity's inboxes")
    async def of_identity(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        as_of: AsOf = "",
    ) -> tuple[InboxView, ...]:
        at = moment(as_of)
        await gateway.contexts.ask(GetIdentity(identity=identity, as_of=at), by=call.by, seen=call.seen)
        query = ListInboxes(identity=identity, as_of=at)
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=patience(at))

    @get("/inboxes", summary="The organization's inboxes")
    async def every(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway], as_of: AsOf = ""
    ) -> tuple[InboxView, ...]:
        at = moment(as_of)
        query = ListInboxes(as_of=at)
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=patience(at))

    @get("/inboxes/{inbox:uuid}", summary="One inbox")
    async def read(
        self,
        inbox: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        as_of: AsOf = "",
    ) -> InboxView:
        query = FindInbox(inbox=inbox, as_of=moment(as_of))
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen)

    @post(
        "/inboxes/{inbox:uuid}/disconnect",
        status_code=200,
        summary="Disconnect it",
        description="Refused `inbox.in-use` (409) where leads are in mid-sequence, with the campaigns' names and"
        " how many leads would fail, unless `confirm=true`.",
    )
    async def disconnect(
        self,
        inbox: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        confirm: Annotated[bool, QueryParameter(description="also where leads are in mid-sequence")] = False,  # noqa: FBT002  a query parameter
    ) -> Response[Written]:
        return written(await disconnect_inbox(gateway, call, inbox, confirmed=confirm), inbox)

    @get("/inboxes/{inbox:uuid}/rate", summary="What it may send, and what is used now")
    async def rate(
        self,
        inbox: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        as_of: AsOf = "",
    ) -> Usage:
        query = GetUsage(inbox=inbox, as_of=moment(as_of))
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen)

    @put("/inboxes/{inbox:uuid}/rate", summary="Change what it may send")
    async def change_rate(
        self,
        inbox: FromPath[UUID],
        data: JSONBody[EmailRate],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        call.require_admin()
        change = ChangeEmailRate(inbox=inbox, rate=data)
        accepted = await gateway.contexts.send(change, by=call.by, id=call.command)
        return written(accepted.position, inbox)

    @post(
        "/inboxes/{inbox:uuid}/rate/increase",
        status_code=200,
        summary="Ask support for a temporary increase",
        description="Two conditions: this volume is already sent consistently, and the domain's reputation is"
        " strong. What was asked and what is granted shows in `rate`.",
    )
    async def ask_for_more(
        self,
        inbox: FromPath[UUID],
        data: JSONBody[WantedRate],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        wanted = EmailRate(per_day=data.per_day, per_hour=data.per_hour)
        return written(await ask_for_more(gateway, call, inbox, wanted, data.reason), inbox)

    @get("/inboxes/{inbox:uuid}/volume", summary="What it sent in its last 30 days, oldest first")
    async def volume(
        self, inbox: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> tuple[DayVolume, ...]:
        await gateway.views.seen(call.seen)
        usage = await gateway.contexts.ask(GetUsage(inbox=inbox), by=call.by, seen=call.seen)
        return tuple(
            DayVolume(day=one.day, sent=one.sent, bounced=one.bounced)
            for one in volume_of(gateway, call, inbox, usage.zone)
        )

    @post("/inboxes/{inbox:uuid}/resume", status_code=200, summary="Let a paused inbox send again")
    async def resume(
        self, inbox: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        accepted = await gateway.contexts.send(ResumeInbox(inbox=inbox), by=call.by, id=call.command)
        return written(accepted.position, inbox)

    @post("/inboxes/{inbox:uuid}/mails", status_code=202, summary="Send a mail from it, now")
    async def send(
        self,
        inbox: FromPath[UUID],
        data: JSONBody[NewMail],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        position = await send(
            gateway, call, inbox, to=data.to, subject=data.subject, text=data.text, html=data.html
        )
        return with_position(Asked(attempt=call.command, position=position), position, 202)

    @get("/mails/{attempt:uuid}", summary="A mail, step by step")
    async def mail(
        self, attempt: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Mail:
        await gateway.views.seen(call.seen)
        return _mail(gateway.views.mail(call.organization, attempt))

    @get("/mails/undecided", summary="Mails of which nobody knows whether they left")
    async def undecided(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> tuple[Mail, ...]:
        await gateway.views.seen(call.seen)
        return tuple(map(_mail, gateway.views.undecided(call.organization)))

    @post("/mails/{attempt:uuid}/outcome", status_code=200, summary="Say whether it left, where nobody knows")
    async def decide(
        self,
        attempt: FromPath[UUID],
        data: JSONBody[Decision],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        decision = DecideOutcome(attempt=attempt, sent=data.sent)
        accepted = await gateway.contexts.send(decision, by=call.by, id=call.command)
        return written(accepted.position, attempt)


async def connect(
    gateway: Gateway, call: Asker, identity: UUID, *, address: str, password: str, imap: Server, smtp: Server
) -> tuple[InboxView, str]:
    """Have an inbox tried; its state now, and the position at which it was taken."""
    await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    sealed = await gateway.seal("mailbox", password)
    wanted = ConnectInbox(identity=identity, address=address, imap=imap, smtp=smtp, password=sealed)
    accepted = await gateway.contexts.send(wanted, by=call.by, id=call.command)
    found = await gateway.contexts.ask(FindInbox(address=address), by=call.by, seen=(accepted.position,))
    return found, accepted.position


async def ask_for_more(gateway: Gateway, call: Call, inbox: UUID, wanted: EmailRate, reason: str) -> str:
    """The position at which support was asked."""
    ask = RequestRateIncrease(inbox=inbox, wanted=wanted, reason=reason)
    return (await gateway.contexts.send(ask, by=call.by, id=call.command)).position


def volume_of(gateway: Gateway, call: Call, inbox: UUID, zone: str) -> tuple[Volume, ...]:
    """The inbox's last 30 days in its identity's zone."""
    today = gateway.now().astimezone(ZoneInfo(zone)).date()
    return volume(gateway.views, call.organization, inbox, zone, today, DAYS)


def _mail(found: MailSeen) -> Mail:
    return Mail(
        attempt=found.attempt,
        identity=found.identity,
        inbox=found.inbox,
        sender=found.sender,
        to=found.to,
        subject=found.subject,
        text=found.text,
        state=found.state,
        message_id=found.message_id,
        answer=found.answer,
        steps=tuple(map(entry, found.entries)),
        replies=found.replies,
        bounced=found.bounced,
    )


async def send(
    gateway: Gateway, call: Call, inbox: UUID, *, to: str, subject: str, text: str, html: str = ""
) -> str:
    """Ask for one mail; the position at which it was permitted. What `html` may not hold is taken out."""
    person = await gateway.application.person(call.organization, to)
    mail = SendMail(
        inbox=inbox, person=person, to=to, subject=subject, text=text, html=nh3.clean(html) if html else ""
    )
    return (await gateway.contexts.send(mail, by=call.by, id=call.command)).position
