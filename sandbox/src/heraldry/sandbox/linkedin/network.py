"""Who is connected with whom at the stand-in of LinkedIn, and who asked whom to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.state import Connection, Invitation, Kept
from heraldry.sandbox.mail.effects import Effects

WEEK = 7 * 24 * 3600  # seconds
BLOCKED_FOR = 3 * WEEK  # after a withdrawal
NOTE_OF_MEMBER, NOTE_OF_PREMIUM = 200, 300  # characters
WAITING = frozenset({"pending", "ignored"})  # who invited is not told that it was ignored

Relation = Literal["self", "connected", "pending", "incoming", "withdrawn", "none"]
NotSent = Literal[
    "weekly_limit",
    "slow_down",
    "note_missing",
    "note_too_long",
    "no_notes_left",
    "email_required",
    "not_possible",
]
Withdrawn = Literal["withdrawn", "not_kept", "refused"]


@dataclass(frozen=True, slots=True)
class Invited:
    """What the site says of it; `kept` is whether it is true."""

    kept: bool


class Network:
    """Every change is one effect."""

    def __init__(self, kept: Kept, effects: Effects, now: Callable[[], datetime]) -> None:
        self._kept, self._effects, self._now = kept, effects, now

    def relation(self, me: str, other: str) -> Relation:
        """What `other` is to `me`."""
        if me == other:
            return "self"
        if self.connected_since(me, other) is not None:
            return "connected"
        if self._waiting(me, other):
            return "pending"
        if self._pending(other, me):
            return "incoming"
        since = self._now().timestamp() - BLOCKED_FOR
        withdrawn = any(one.status == "withdrawn" and one.ended > since for one in self._between(me, other))
        return "withdrawn" if withdrawn else "none"

    def connected_since(self, me: str, other: str) -> float | None:
        found = (one for one in self._kept.state.connections if {one.one, one.other} == {me, other})
        return next((one.since for one in found), None)

    def connections(self, me: str) -> tuple[tuple[str, float], ...]:
        """Slug and since when, the newest first."""
        found = (
            (one.other if one.one == me else one.one, one.since)
            for one in self._kept.state.connections
            if me in {one.one, one.other}
        )
        return tuple(found)[::-1]

    def sent(self, me: str) -> tuple[Invitation, ...]:
        """What waits for an answer, as far as `me` can see, the newest first."""
        waiting = (one for one in self._kept.state.invitations if one.by == me and one.status in WAITING)
        return tuple(waiting)[::-1]

    def received(self, me: str) -> tuple[Invitation, ...]:
        """What waits for `me`, the newest first."""
        waiting = (one for one in self._kept.state.invitations if one.to == me and one.status == "pending")
        return tuple(waiting)[::-1]

    def is_at_weekly_limit(self, account: Account) -> bool:
        since = self._now().timestamp() - WEEK
        sent = sum(one.by == account.slug and one.sent > since for one in self._kept.state.invitations)
        return account.scenario.invitation == "weekly_limit" or sent >= account.scenario.weekly_invitations

    def notes_left(self, account: Account) -> int | None:
        """In this calendar month; None where they have no end."""
        if account.scenario.premium:
            return None
        month = self._now().replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
        used = sum(
            one.by == account.slug and bool(one.note) and one.sent >= month
            for one in self._kept.state.invitations
        )
        return max(0, account.scenario.notes - used)

    def note_limit(self, account: Account) -> int:
        return NOTE_OF_PREMIUM if account.scenario.premium else NOTE_OF_MEMBER

    def invite(self, account: Account, person: Person, note: str = "") -> Invited | NotSent:
        """One press on Send."""
        reason = self._why_not(account, person, note)
        if reason:
            self._effects.record("invitation not sent", account=account.email, to=person.slug, reason=reason)
            return reason
        if account.scenario.invitation == "not_kept":
            self._effects.record("invitation not kept", account=account.email, to=person.slug)
            return Invited(kept=False)
        self._kept.state.invitations.append(
            Invitation(account.slug, person.slug, self._now().timestamp(), note)
        )
        self._kept.save()
        self._effects.record("invited", account=account.email, to=person.slug, note=note)
        return Invited(kept=True)

    def _why_not(self, account: Account, person: Person, note: str) -> NotSent | None:
        scenario = account.scenario
        if self.relation(account.slug, person.slug) != "none":
            return "not_possible"
        if person.email_required:
            return "email_required"
        if scenario.invitation == "weekly_limit_afterwards" or self.is_at_weekly_limit(account):
            return "weekly_limit"
        if scenario.invitation == "slow_down":
            return "slow_down"
        if not note:
            return "note_missing" if person.note_required else None
        if len(note) > self.note_limit(account):
            return "note_too_long"
        return "no_notes_left" if self.notes_left(account) == 0 else None

    def withdraw(self, account: Account, person: Person) -> Withdrawn:
        """One press on Withdraw."""
        found = self._waiting(account.slug, person.slug)
        if found and account.scenario.withdrawal == "accepted_meanwhile":
            found.status = "pending"  # an ignored one can still be accepted
            self.accept(account.slug, person.slug)
            found = None
        outcome: Withdrawn = "refused"
        if found and account.scenario.withdrawal in {"not_kept", "refused"}:
            outcome = "not_kept" if account.scenario.withdrawal == "not_kept" else "refused"
        elif found:
            outcome = "withdrawn"
        if found and outcome == "withdrawn":
            found.status, found.ended = "withdrawn", self._now().timestamp()
            self._kept.save()
        what = {"withdrawn": "withdrew", "not_kept": "withdrawal not kept", "refused": "withdrawal refused"}
        self._effects.record(what[outcome], account=account.email, to=person.slug)
        return outcome

    def accept(self, by: str, to: str) -> None:
        """As `to`. SandboxError `invitation_unknown` when none waits."""
        self._answer(by, to, "accepted")
        self.connect(by, to)

    def ignore(self, by: str, to: str) -> None:
        """As `to`; who invited is not told. SandboxError `invitation_unknown` when none waits."""
        self._answer(by, to, "ignored")

    def connect(self, one: str, other: str) -> None:
        """Connected, however it came about."""
        if self.connected_since(one, other) is None and one != other:
            self._kept.state.connections.append(Connection(one, other, self._now().timestamp()))
            self._kept.save()
            self._effects.record("connected", one=one, other=other)

    def disconnect(self, one: str, other: str) -> None:
        self._kept.state.connections = [
            found for found in self._kept.state.connections if {found.one, found.other} != {one, other}
        ]
        self._kept.save()
        self._effects.record("disconnected", one=one, other=other)

    def receive(self, by: str, to: str, note: str = "") -> None:
        """Somebody without an account invites `to`. SandboxError `invitation_refused` where that cannot be."""
        if self.relation(to, by) not in {"none", "withdrawn"}:
            raise SandboxError(
                "invitation_refused", f"{by} and {to} are connected, or one has invited the other."
            )
        self._kept.state.invitations.append(Invitation(by, to, self._now().timestamp(), note))
        self._kept.save()
        self._effects.record("invitation received", by=by, to=to)

    def _answer(self, by: str, to: str, status: Literal["accepted", "ignored"]) -> None:
        found = self._pending(by, to)
        if found is None:
            raise SandboxError("invitation_unknown", f"No invitation of {by} waits for {to}.", status=404)
        found.status, found.ended = status, self._now().timestamp()
        self._kept.save()
        self._effects.record(f"invitation {status}", by=by, to=to)

    def _pending(self, by: str, to: str) -> Invitation | None:
        return next((one for one in self._between(by, to) if one.status == "pending"), None)

    def _waiting(self, by: str, to: str) -> Invitation | None:
        return next((one for one in self._between(by, to) if one.status in WAITING), None)

    def _between(self, by: str, to: str) -> Iterator[Invitation]:
        return (one for one in self._kept.state.invitations if one.by == by and one.to == to)
