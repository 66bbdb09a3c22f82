"""All that the stand-in of LinkedIn remembers, in one file that only its owner can read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from heraldry.sandbox.linkedin.people import Account, CodeBy, Layout, Person
from pydantic import TypeAdapter

ChallengeKind = Literal["code", "app", "captcha", "restricted", "phone", "identity", "agree"]


@dataclass(slots=True)
class Session:
    """A browser that has signed in."""

    email: str
    began: float
    revoked: bool = False


@dataclass(slots=True)
class OpenChallenge:
    """What somebody who gave the right password has to do before the feed."""

    email: str
    kind: ChallengeKind
    expires: float  # the code, or the wait for the app; the sandbox's time
    by: CodeBy = "sms"
    code: str = ""
    answer: Literal["", "approved", "denied"] = ""  # given in the app


@dataclass(slots=True)
class Invitation:
    """From one member to another, both by slug."""

    by: str
    to: str
    sent: float
    note: str = ""
    status: Literal["pending", "accepted", "withdrawn", "ignored"] = "pending"
    ended: float = 0.0


@dataclass(slots=True)
class Connection:
    """Two members, by slug."""

    one: str
    other: str
    since: float


@dataclass(slots=True)
class Message:
    id: str
    by: str  # slug
    text: str
    sent: float


@dataclass(slots=True)
class Conversation:
    """Between two members, by slug."""

    one: str
    other: str
    messages: list[Message] = field(default_factory=list[Message])
    unread_by: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class State:
    accounts: dict[str, Account] = field(default_factory=dict[str, Account])  # by email
    people: dict[str, Person] = field(default_factory=dict[str, Person])  # by slug
    sessions: dict[str, Session] = field(default_factory=dict[str, Session])  # by cookie
    challenges: dict[str, OpenChallenge] = field(default_factory=dict[str, OpenChallenge])  # by id
    invitations: list[Invitation] = field(default_factory=list[Invitation])  # oldest first
    connections: list[Connection] = field(default_factory=list[Connection])  # oldest first
    conversations: dict[str, Conversation] = field(default_factory=dict[str, Conversation])  # by id
    layout: Layout = field(default_factory=Layout)


class Kept:
    """The state and the file it is kept in; `save` after every change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._form = TypeAdapter(State)
        self.fresh = not path.exists()
        self.state = State() if self.fresh else self._form.validate_json(path.read_bytes())

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self._form.dump_json(self.state))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
