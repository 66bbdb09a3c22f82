"""What an incoming mail is: a person's reply, a program's, a bounce, or something else. Pure, never raises.

The protocol's own fields decide first (delivery, feedback and disposition reports, `Auto-Submitted`), then the
structure of the mail (empty return path, a daemon's address, headers of responders), and words come last. What a
mail quotes or forwards never decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from heraldry.mailbox.domain import automatic, bounces, mime, replies, reports
from heraldry.mailbox.domain.bounces import Original
from heraldry.mailbox.domain.compose import ATTEMPT_HEADER
from heraldry.mailbox.domain.mime import Part
from heraldry.mailbox.domain.replies import Incoming
from heraldry.mailbox.domain.reports import Recipient

Kind: TypeAlias = Literal["reply", "auto_reply", "bounce", "delayed", "feedback", "other"]

_DELIVERY: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RECEIPT: Final = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_FEEDBACK: Final = "message/feedback-report"
_HEADERS: Final = frozenset({"text/rfc822-headers", "message/global-headers", "text/rfc822-header"})
_ID_LINE: Final = re.compile(
    r"^[> \t]{0,8}(?:original-)?message-id:\s{0,20}(<[^<>\s]{1,900}>)", re.IGNORECASE | re.MULTILINE
)
_ATTEMPT_LINE: Final = re.compile(
    rf"^[> \t]{{0,8}}{ATTEMPT_HEADER}:\s{{0,20}}([0-9a-f-]{{36}})", re.IGNORECASE | re.MULTILINE
)
_TO_LINE: Final = re.compile(r"^[> \t]{0,8}to:(.{1,500})$", re.IGNORECASE | re.MULTILINE)
_JMRP: Final = "x-hmxmroriginalrecipient"


@dataclass(frozen=True, slots=True)
class Classification:
    """A mail and what it is. `reasons` name the headers or rules that decided, the strongest first.

    `recipients` are those whom a report is about; only a `hard` one of a bounce is never to be written to again.
    `original` is the mail of ours that a report gives back, as far as it does.
    """

    kind: Kind
    reasons: tuple[str, ...]
    incoming: Incoming
    recipients: tuple[Recipient, ...] = ()
    original: Original = field(default_factory=Original)
    detail: str = ""  # of a feedback report or a receipt: what it calls itself

    @property
    def about(self) -> tuple[str, ...]:
        """The Message-IDs of ours that it may be about, the likeliest first."""
        given_back = self.original.message_id
        return tuple(dict.fromkeys(filter(None, (given_back, *self.incoming.answers))))


@dataclass(frozen=True, slots=True)
class _Mail:
    raw: bytes
    found: tuple[Part, ...]
    incoming: Incoming

    @property
    def head(self) -> Part:
        return self.found[0]

    def own(self, *kinds: str) -> Part | None:
        """The first part of a kind that is not within a mail within the mail."""
        return next((part for part in self.found if part.kind in kinds and not part.in_mail), None)

    def text(self, part: Part) -> str:
        return mime.text_of(self.raw, part)


def classify(raw: bytes) -> Classification:
    """A raw mail, understood and told apart."""
    raw = raw.lstrip(b"\r\n\t ") if raw[:1].isspace() else raw
    found = tuple(mime.parts(raw))
    mail = _Mail(raw, found, replies.understood(raw, found))
    if not mail.head.headers:
        return Classification("other", ("no mail: it has no header",), mail.incoming)
    if mail.incoming.attempt:
        return Classification("other", (f"{ATTEMPT_HEADER}: a copy of our own mail",), mail.incoming)
    return _report(mail) or _notice(mail) or _automatic(mail) or _person(mail)


# --- standard reports -----------------------------------------------------------------------------


def _report(mail: _Mail) -> Classification | None:
    declared = mail.head.kind == "multipart/report"
    if (part := mail.own(_FEEDBACK)) and (declared or _by_program(mail)):
        return _feedback(mail, part)
    if (part := mail.own(*_DELIVERY)) and (declared or _by_program(mail)):
        return _delivery(mail, part)
    if (part := mail.own(*_RECEIPT)) and (declared or _by_program(mail)):
        return _receipt(mail, part)
    return _complaint_of_outlook(mail)


def _by_program(mail: _Mail) -> bool:
    """Whether a server sent it: a person may attach a report, and mail programs then keep its type."""
    return bool(bounces.structure(mail.head, mail.incoming.from_address, mail.incoming.from_name))


def _feedback(mail: _Mail, part: Part) -> Classification:
    original = _original(mail)
    detail, who = reports.complaints(mail.text(part))
    if not who:
        who = tuple(Recipient(each, hard=False, category="complaint") for each in original.to[:1])
    return Classification("feedback", (_FEEDBACK,), mail.incoming, who, original, detail)


def _complaint_of_outlook(mail: _Mail) -> Classification | None:
    inner = next((part for part in mail.found if part.in_mail and _JMRP in part.headers), None)
    if inner is None or not mail.incoming.from_address.lower().startswith("staff@"):
        return None
    address = reports.address_in(inner.raw(_JMRP))
    who = (Recipient(address, hard=False, category="complaint"),) if address else ()
    return Classification("feedback", (_JMRP,), mail.incoming, who, _original(mail), "abuse")


def _delivery(mail: _Mail, part: Part) -> Classification:
    original = _original(mail)
    notice = mail.incoming.text
    recipients = tuple(reports.delivery(mail.text(part)))
    reasons: tuple[str, ...] = (part.kind,)
    said = bounces.said_of(notice)
    alone = bounces.own_words(notice) if len(recipients) == 1 else ""
    recipients = tuple(reports.judged(each, said.get(each.address.casefold(), alone)) for each in recipients)
    if alone:
        recipients = (reports.judged(recipients[0], alone),)
    actions = {recipient.action for recipient in recipients}
    if not recipients:
        told = _told(mail, original)
        if told is not None:
            return told
        recipients = bounces.recipients_in(notice, (), frozenset(), original.to, "failed")
        actions = {"failed"}
    for action in ("failed", "delayed", "expanded", "relayed", "delivered"):
        if action in actions:
            kind: Kind = "bounce" if action == "failed" else "delayed" if action == "delayed" else "other"
            return Classification(kind, (*reasons, f"action: {action}"), mail.incoming, recipients, original)
    return Classification("other", reasons, mail.incoming, recipients, original)


def _receipt(mail: _Mail, part: Part) -> Classification:
    """A receipt is written by a program in direct response to a mail, which RFC 3834 calls an automatic reply."""
    detail, about = reports.receipt(mail.text(part))
    original = _original(mail)
    if not original.message_id:
        original = Original(about, original.to, original.subject, original.attempt)
    return Classification("auto_reply", (part.kind,), mail.incoming, (), original, detail)


# --- a server's own words -------------------------------------------------------------------------


def _notice(mail: _Mail) -> Classification | None:
    head, incoming = mail.head, mail.incoming
    if "x-failed-recipients" not in head.headers and automatic.says_so(incoming.subject):
        return None
    return _told(mail, _original(mail))


def _told(mail: _Mail, original: Original) -> Classification | None:
    head, incoming = mail.head, mail.incoming
    broken = len(mail.found) == 1 and head.kind.startswith("multipart/")
    found = bounces.notice(
        head,
        (incoming.from_address, incoming.from_name),
        incoming.subject,
        mail.text(head)[: replies.LONGEST_TEXT] if broken else incoming.text,
        gives_back=any(part.kind in mime.MAILS or part.kind in _HEADERS for part in mail.found[1:]),
        original=original,
    )
    if found is None:
        return None
    kind: Kind = "other" if found.outcome == "arrived" else found.outcome
    return Classification(kind, found.reasons, incoming, found.recipients, original)


# --- a program in a person's name, and a person ---------------------------------------------------


def _automatic(mail: _Mail) -> Classification | None:
    head, incoming = mail.head, mail.incoming
    answers = bool(incoming.answers)
    said = automatic.submitted(head)
    subject = automatic.says_so(incoming.subject)
    kind, reason = "", ""
    if automatic.challenge(head, incoming.from_address, incoming.subject, incoming.text):
        kind, reason = "auto_reply", "asks the sender to prove themselves"
    elif said.startswith("auto-replied"):
        kind, reason = "auto_reply", f"auto-submitted: {said}"
    elif found := automatic.responder(head):
        kind, reason = "auto_reply", found
    elif said:
        kind, reason = ("auto_reply" if answers or subject else "other"), f"auto-submitted: {said}"
    elif subject:
        kind, reason = "auto_reply", "subject"
    elif head.raw("return-path").replace(" ", "") == "<>":
        daemon = bounces.is_daemon(incoming.from_address, incoming.from_name, head.raw("from"))
        kind, reason = ("other" if daemon else "auto_reply"), "return-path: <>"
    elif head.raw("precedence").strip().lower() in automatic.BULK:
        mass = "list-id" in head.headers or "list-unsubscribe" in head.headers
        kind, reason = ("auto_reply" if answers and not mass else "other"), "precedence"
    elif automatic.nobody(incoming.from_address):
        kind, reason = ("auto_reply" if answers else "other"), "from: an address that nobody reads"
    if not kind:
        return None
    return Classification("auto_reply" if kind == "auto_reply" else "other", (reason,), incoming)


def _person(mail: _Mail) -> Classification:
    incoming = mail.incoming
    prefix = automatic.REPLIES_AND_FORWARDS.match(incoming.subject)
    forwards = bool(prefix and prefix["forward"])
    reason = ""
    if not incoming.from_address:
        return Classification("other", ("from: nobody",), incoming)
    if incoming.in_reply_to:
        reason = "in-reply-to"
    elif incoming.references and not forwards:
        reason = "references"
    elif prefix and not forwards:
        reason = "subject"
    elif not forwards and incoming.text and incoming.reply_text != incoming.text and _quotes(incoming.text):
        reason = "text: it quotes"
    if reason:
        return Classification("reply", (reason,), incoming)
    return Classification("other", ("forwards" if forwards else "answers nothing",), incoming)


def _quotes(text: str) -> bool:
    return bool(re.search(r"^>|^-{2,} ?original|:\s*\n+>", text[:20_000], re.IGNORECASE | re.MULTILINE))


# --- the mail a report is about -------------------------------------------------------------------


def _original(mail: _Mail) -> Original:
    """What a report gives back of our mail: as a mail, as its header, or pasted into the text."""
    outer = mail.found[0]
    for part in mail.found[1:]:
        if (
            part.within[-1:]
            and part.within[-1] in mime.MAILS
            and sum(each in mime.MAILS for each in part.within) == 1
        ):
            fields = {name: values[0] for name, values in part.headers.items()}
            if "message-id" in fields or "to" in fields:
                return _given_back(fields)
    for part in mail.found[1:]:
        if not part.in_mail and (part.kind in _HEADERS or part.kind in mime.MAILS):
            for given_back in mime.groups_of_fields(mail.text(part)):
                return _given_back(given_back)
    pasted = mail.incoming.text
    if outer.kind.startswith("text/") or outer.kind.startswith("multipart/"):
        message_id, attempt = _ID_LINE.search(pasted), _ATTEMPT_LINE.search(pasted)
        to = _TO_LINE.search(pasted, pasted.find("\n\n") + 1)
        return Original(
            message_id[1] if message_id else "",
            tuple(_addresses(to[1])) if to else (),
            "",
            attempt[1].lower() if attempt else "",
        )
    return Original()


def _given_back(fields: Mapping[str, str]) -> Original:
    return Original(
        message_id=replies.first_id(fields.get("message-id", "")),
        to=tuple(_addresses(fields.get("to", ""))),
        subject=mime.decoded(fields.get("subject", ""))[:1000],
        attempt=fields.get(ATTEMPT_HEADER.lower(), "")[:100].strip(),
    )


def _addresses(value: str) -> list[str]:
    return list(dict.fromkeys(bounces.addresses_in(value)))[:50]
