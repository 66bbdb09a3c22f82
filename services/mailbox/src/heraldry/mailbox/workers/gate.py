"""The last gate: what keeps a mail from leaving at this moment, read from streams and NATS, never from rows."""

from __future__ import annotations

import asyncio
from typing import Final

from heraldry.chassis.halt import HaltUnknownError, account, organization
from heraldry.contracts.mailbox import Diagnosed, EmailQueued
from heraldry.mailbox.domain import conversation, email, inbox, suppression
from heraldry.mailbox.domain.inbox import NOT_CONNECTED
from heraldry.mailbox.pausing import PAUSED
from heraldry.mailbox.workers.desk import Desk

NOT_ON_THE_LIST: Final = Diagnosed(
    code="recipient.not-allowed",
    cause="This installation writes only to recipients its operator has named, and this is none of them.",
    resolution="It may be a staging copy. The operator names recipients with HERALDRY_RECIPIENT_ALLOW_LIST.",
)


async def last_gate(desk: Desk, mail: EmailQueued, through: inbox.Inbox | None = None) -> email.Gate:
    """`through`: the inbox, if it was read just now."""
    found = through or await desk.inbox(mail.inbox)
    if found is None:
        return email.Gate(NOT_CONNECTED, again=True)
    suppressed, stopped, halted = await asyncio.gather(
        _is_suppressed(desk, mail, found), _has_stopped(desk, mail), _is_halted(desk, mail, found)
    )
    if stopped:
        return email.Gate(conversation.STOPPED)
    if suppressed:
        return email.Gate(suppression.SUPPRESSED)
    if not desk.recipients.may_hear(email.text_of(mail.to)):
        return email.Gate(NOT_ON_THE_LIST)
    if found.live is None or found.live.identity != mail.identity:
        return email.Gate(NOT_CONNECTED, again=True)
    if found.held_back:
        return email.Gate(PAUSED, again=True)
    return email.Gate(halted=halted)


async def _is_suppressed(desk: Desk, mail: EmailQueued, through: inbox.Inbox) -> bool:
    address = email.text_of(mail.to)
    return bool(address) and await desk.application.stopping.is_suppressed(through.organization, address)


async def _has_stopped(desk: Desk, mail: EmailQueued) -> bool:
    return mail.enrollment is not None and await desk.application.stopping.has_stopped(mail.enrollment)


async def _is_halted(desk: Desk, mail: EmailQueued, through: inbox.Inbox) -> bool:
    """Nothing leaves while a halt is set, nor while nobody can say whether one is."""
    sender = (account(mail.sender),) if mail.sender else ()
    try:
        return await desk.halt.check_now(organization(through.organization), *sender) is not None
    except HaltUnknownError:
        return True
