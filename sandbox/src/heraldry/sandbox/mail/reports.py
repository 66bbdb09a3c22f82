"""Mails that nobody wrote: delivery reports (RFC 3464) and automatic replies (RFC 3834)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from email.utils import format_datetime, make_msgid

from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.letters import Letter, addresses, compose, read

REPORTING = "mail.sandbox.test"
RETRIES = timedelta(days=5)
FAILURES = {  # what servers say with the statuses that matter most
    "5.1.1": "550 5.1.1 <{}>: Recipient address rejected: User unknown",
    "5.2.1": "550 5.2.1 <{}>: The mailbox is disabled",
    "5.2.2": "552 5.2.2 <{}>: The recipient's mailbox is full",
    "5.7.1": "550 5.7.1 <{}>: Message rejected as spam by content filtering",
    "4.2.2": "452 4.2.2 <{}>: The recipient's mailbox is over quota",
    "4.4.1": "451 4.4.1 <{}>: Connection timed out",
}


def delivery_report(
    original: bytes, *, sender: str, recipient: str, status: str, date: datetime, whole: bool = True
) -> Letter:
    """What a mail server tells the sender of a mail: `5.x.x` has failed, `4.x.x` is delayed and tried again.

    `whole` attaches all of the original, else only its headers.
    """
    failed = status.startswith("5")
    said = FAILURES.get(status, f"{'550' if failed else '450'} {status} <{{}}>: The mail was not taken")
    diagnostic = said.format(recipient)
    boundary = f"{secrets.token_hex(8)}/{REPORTING}"
    head, _, _ = original.partition(b"\r\n\r\n")
    kind, part = ("message/rfc822", original) if whole else ("text/rfc822-headers", head + b"\r\n")
    subject = "Undelivered Mail Returned to Sender" if failed else "Delayed Mail (still being retried)"
    words = (
        f"I'm sorry to have to inform you that your message could not\r\n"
        f"be delivered to one or more recipients. It's attached below.\r\n\r\n<{recipient}>: {diagnostic}\r\n"
        if failed
        else f"Your message could not be delivered yet.\r\nIt will be retried until it is"
        f" {RETRIES.days} days old.\r\n\r\n<{recipient}>: {diagnostic}\r\n"
    )
    until = "" if failed else f"Will-Retry-Until: {format_datetime(date + RETRIES)}\r\n"
    text = (
        f"Return-Path: <>\r\nDate: {format_datetime(date)}\r\n"
        f"From: Mail Delivery System <MAILER-DAEMON@{REPORTING}>\r\nSubject: {subject}\r\nTo: {sender}\r\n"
        f"Auto-Submitted: auto-replied\r\nMessage-ID: {make_msgid(domain=REPORTING)}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n\r\n'
        f"This is a MIME-encapsulated message.\r\n\r\n--{boundary}\r\nContent-Description: Notification\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\n\r\nThis is the mail system at host {REPORTING}.\r\n\r\n"
        f"{words}\r\n--{boundary}\r\nContent-Description: Delivery report\r\n"
        f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {REPORTING}\r\n"
        f"Arrival-Date: {format_datetime(date)}\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n"
        f"Original-Recipient: rfc822;{recipient}\r\nAction: {'failed' if failed else 'delayed'}\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; {diagnostic}\r\n{until}\r\n--{boundary}\r\n"
        f"Content-Description: Undelivered Message\r\nContent-Type: {kind}\r\n"
        f"Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return read(text.encode("utf-8", "surrogateescape") + part + f"\r\n--{boundary}--\r\n".encode())


def automatic_reply(original: Letter, *, person: tuple[str, str], text: str, date: datetime) -> Letter:
    """What a mailbox answers by itself while `person`, as (name, address), is away."""
    thread = {"In-Reply-To": original.message_id} if original.message_id else {}
    references = [*original.header("References").split(), original.message_id]
    if original.message_id:
        thread["References"] = " ".join(references)
    letter = compose(
        sender=person,
        to=answered_by_machines(original),
        subject=f"Automatic reply: {original.subject}".rstrip(),
        text=text,
        date=date,
        headers={**thread, "Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"},
    )
    return read(b"Return-Path: <>\r\n" + letter.raw)


def answered_by_machines(original: Letter) -> str:
    """The address that a machine may write to because of this mail.

    Refused as `automatic_mail` where the mail is a machine's own: two machines would write to each other for ever.
    """
    path = original.header("Return-Path")
    automatic = original.header("Auto-Submitted").partition(";")[0].strip().lower() not in {"", "no"}
    if automatic or path.replace(" ", "") == "<>":
        raise SandboxError("automatic_mail", "No machine answers a machine's mail.", status=409)
    to = next(iter(addresses(path) or addresses(original.header("From"))), "")
    if not to:
        raise SandboxError("nobody_to_answer", "This mail has no sender, so nobody can be answered.")
    return to
