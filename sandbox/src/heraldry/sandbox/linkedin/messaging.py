"""What members of the stand-in of LinkedIn write to each other."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.state import Conversation, Kept, Message
from heraldry.sandbox.mail.effects import Effects

LONGEST = 8000  # characters


class Messaging:
    """Every message, and every conversation opened, is one effect."""

    def __init__(self, kept: Kept, effects: Effects, now: Callable[[], datetime]) -> None:
        self._kept, self._effects, self._now = kept, effects, now

    def conversations(self, me: str) -> dict[str, Conversation]:
        """By id, the one with the newest message first."""
        found = {
            key: one for key, one in self._kept.state.conversations.items() if me in {one.one, one.other}
        }
        return dict(sorted(found.items(), key=lambda pair: pair[1].messages[-1].sent, reverse=True))

    def between(self, me: str, other: str) -> tuple[str, Conversation] | None:
        found = self.conversations(me).items()
        return next((pair for pair in found if other in {pair[1].one, pair[1].other}), None)

    def open(self, account: Account, key: str) -> Conversation | None:
        """Read it; what was unread is not any more. None where the account has no such conversation."""
        found = self.conversations(account.slug).get(key)
        if found and account.slug in found.unread_by:
            found.unread_by.remove(account.slug)
            self._kept.save()
            other = found.other if found.one == account.slug else found.one
            self._effects.record("conversation read", account=account.email, of=other)
        return found

    def send(
        self, account: Account, person: Person, text: str, *, by: Literal["button", "enter"]
    ) -> tuple[str, Message] | None:
        """The conversation and the message in it; None where the site failed."""
        scenario = account.scenario.message
        refused = scenario in {"failed", "never_ready"} or not text.strip() or len(text) > LONGEST
        lost = not refused and scenario == "not_kept"
        what = "message failed" if refused else "message not kept" if lost else "message sent"
        self._effects.record(what, account=account.email, to=person.slug, text=text, by=by)
        if lost:
            found = self.between(account.slug, person.slug)
            return (found[0] if found else _key()), Message(
                _key(), account.slug, text, self._now().timestamp()
            )
        return None if refused else self._add(account.slug, person.slug, text)

    def reply(self, by: str, to: str, text: str) -> tuple[str, Message]:
        """Write as somebody of the sandbox."""
        self._effects.record("replied", by=by, to=to, text=text)
        return self._add(by, to, text)

    def _add(self, by: str, to: str, text: str) -> tuple[str, Message]:
        found = self.between(by, to)
        key, conversation = found or (_key(), Conversation(by, to))
        message = Message(_key(), by, text, self._now().timestamp())
        conversation.messages.append(message)
        if to not in conversation.unread_by:
            conversation.unread_by.append(to)
        self._kept.state.conversations[key] = conversation
        self._kept.save()
        return key, message


def _key() -> str:
    return "2-" + secrets.token_urlsafe(18)
