"""What standard reports say: delivery (RFC 3464, 6533), complaints (RFC 5965), receipts (RFC 8098). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from heraldry.mailbox.domain import failures
from heraldry.mailbox.domain.failures import Category
from heraldry.mailbox.domain.mime import groups_of_fields

Action: TypeAlias = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
ARRIVED: frozenset[Action] = frozenset({"delivered", "relayed", "expanded"})
MOST_RECIPIENTS = 300
_OPEN: frozenset[Category] = frozenset({"other", "temporary", "domain-unknown"})
_DIAGNOSTIC = 1_000  # characters that are kept
_ADDRESS = re.compile(r"[^\s<>()\[\]\",;:]{1,64}@[^\s<>()\[\]\",;:]{1,255}")


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of one address.

    `address` is the one that was written to, `final` the one it was forwarded to where that differs. `hard`:
    writing to it again is no use. `diagnostic`: the server's own words.
    """

    address: str
    hard: bool
    category: Category
    status: str = ""
    action: Action = "failed"
    diagnostic: str = ""
    final: str = ""


def delivery(text: str) -> Iterator[Recipient]:
    """The recipients of a `message/delivery-status`, in its order."""
    found = 0
    for group in groups_of_fields(text):
        if found < MOST_RECIPIENTS and (recipient := _recipient(group)):
            yield recipient
            found += 1


def judged(recipient: Recipient, words: str) -> Recipient:
    """A recipient of whom the report says nothing definite, judged by other words about them."""
    if recipient.action in ARRIVED or recipient.hard or recipient.category not in _OPEN:
        return recipient
    if not failures.is_open(recipient.status, recipient.diagnostic):
        return recipient
    found = failures.verdict(recipient.status, f"{recipient.diagnostic}\n{words}")
    if found.category == "other":
        return recipient
    hard = found.hard and recipient.action == "failed"
    return replace(recipient, category=found.category, hard=hard, status=found.status)


def failed(address: str, words: str, *, action: Action = "failed", final: str = "") -> Recipient:
    """A recipient of whom there are only words."""
    found = failures.verdict("", words)
    hard = found.hard and action == "failed"
    category: Category = "temporary" if action == "delayed" and found.category == "other" else found.category
    return Recipient(address, hard, category, found.status, action, words[:_DIAGNOSTIC], final)


def complaints(text: str) -> tuple[str, tuple[Recipient, ...]]:
    """What a `message/feedback-report` is (`abuse`, `fraud` …), and who complains, where it says so."""
    fields = _merged(text)
    address = address_in(fields.get("original-rcpt-to", ""))
    who = (Recipient(address, hard=False, category="complaint"),) if address else ()
    return fields.get("feedback-type", "abuse").split(";")[0].strip().lower()[:40], who


def receipt(text: str) -> tuple[str, str]:
    """What a `message/disposition-notification` says: the disposition, and the Message-ID it is about."""
    fields = _merged(text)
    kind = fields.get("disposition", "").rpartition(";")[2].strip().lower()
    return kind[:80], fields.get("original-message-id", "").strip()[:1000]


def address_in(value: str) -> str:
    """An address of a report's field: `rfc822; bob@bob.example`, with or without brackets."""
    found = _ADDRESS.search(value.rpartition(";")[2] if ";" in value else value)
    return found[0].strip("'`.") if found else ""


def _merged(text: str) -> Mapping[str, str]:
    merged: dict[str, str] = {}
    for group in groups_of_fields(text):
        merged = {**group, **merged}
    return merged


def _recipient(group: Mapping[str, str]) -> Recipient | None:
    final = _addressed(group, "final-recipient")
    written = _addressed(group, "original-recipient") or final
    actual = _addressed(group, "x-actual-recipient") or final
    if not written and not actual:
        return None
    if "action" not in group and "status" not in group and "diagnostic-code" not in group:
        return None
    address = written or actual
    beyond = actual if actual.casefold() != address.casefold() else ""
    status = failures.status_in(group.get("status", ""))
    words = group.get("diagnostic-code", "").partition(";")[2].strip() or group.get("diagnostic-code", "")
    action = _action(group.get("action", ""), status)
    shown = words[:_DIAGNOSTIC]
    if action in ARRIVED:
        return Recipient(address, False, "delivered", status, action, shown, beyond)  # noqa: FBT003
    found = failures.verdict(status, words)
    category: Category = (
        "temporary" if action == "delayed" and (found.hard or found.category == "other") else found.category
    )
    hard = found.hard and action == "failed"
    return Recipient(address, hard, category, found.status, action, shown, beyond)


def _addressed(group: Mapping[str, str], name: str) -> str:
    value = group.get(name, "")
    return address_in(value) or (
        value.rpartition(";")[2].strip(" <>\"'")[:320] if name == "final-recipient" else ""
    )


def _action(value: str, status: str) -> Action:
    word = re.sub(r"[^a-z].*", "", value.strip().lower())
    known: tuple[Action, ...] = get_args(Action)
    for action in known:
        if word and (word == action or action.startswith(word)):
            return action
    return "failed" if not status.startswith(("4", "2")) else "delayed" if status[0] == "4" else "delivered"
