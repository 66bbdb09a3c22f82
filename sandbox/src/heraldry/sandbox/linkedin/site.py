"""The stand-in of LinkedIn as one object: for its web site, for the control API, for tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.messaging import Messaging
from heraldry.sandbox.linkedin.network import Network
from heraldry.sandbox.linkedin.people import (
    FIRST_ACCOUNTS,
    FIRST_PEOPLE,
    Account,
    Layout,
    Person,
    Scenario,
    checked_slug,
    slug_of,
)
from heraldry.sandbox.linkedin.signin import SignIn
from heraldry.sandbox.linkedin.state import Kept
from heraldry.sandbox.mail.accounts import ADDRESS, normal
from heraldry.sandbox.mail.effects import Effect, Effects, Fact


class LinkedIn:
    """Accounts, people and what happens between them, kept in `folder`; a second start finds all as it was."""

    def __init__(
        self, folder: Path, url: str = "", now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.url, self.now = url, now  # `url` is where its pages answer
        self.salt = secrets.token_hex(8)  # the names of classes are made of it: other ones at every start
        self._kept = Kept(folder / "state.json")
        self._effects = Effects(folder / "effects.jsonl")
        self.sign_in = SignIn(self._kept, self._effects, now)
        self.network = Network(self._kept, self._effects, now)
        self.messaging = Messaging(self._kept, self._effects, now)
        for one in FIRST_PEOPLE:
            self._kept.state.people.setdefault(one.slug, one)
        if self._kept.fresh:
            self._kept.state.accounts = {
                email: Account(email, secrets.token_urlsafe(9), slug, scenario)
                for email, slug, scenario in FIRST_ACCOUNTS
            }
            self._kept.save()

    def close(self) -> None:
        self._effects.close()

    def effects(self, since: int = 0) -> tuple[Effect, ...]:
        """What truly happened, after the effect with this number."""
        return self._effects.since(since)

    @property
    def layout(self) -> Layout:
        return self._kept.state.layout

    def change_layout(self, layout: Layout) -> Layout:
        self._kept.state.layout = layout
        self._kept.save()
        return layout

    def people(self) -> Mapping[str, Person]:
        return self._kept.state.people

    def person(self, slug: str) -> Person:
        """SandboxError `person_unknown` when nobody has this profile."""
        if found := self._kept.state.people.get(slug):
            return found
        raise SandboxError("person_unknown", f"Nobody here has the profile {slug}.", status=404, field="slug")

    def strangers(self, account: Account) -> Mapping[str, str]:
        """Name by slug of who can invite the account."""
        relation = self.network.relation
        return {
            one.slug: one.name
            for one in self.people().values()
            if not one.moved_to and relation(account.slug, one.slug) in {"none", "withdrawn"}
        }

    def with_profile_id(self, profile_id: str) -> Person | None:
        """Addresses of profiles have either the slug or this id in them."""
        found = (one for one in self.people().values() if one.profile_id == profile_id and not one.moved_to)
        return next(found, None)

    def change_person(self, person: Person) -> Person:
        """Another profile at the same slug. SandboxError `person_unknown` when nobody has it."""
        self.person(person.slug)
        self._kept.state.people[person.slug] = person
        self._kept.save()
        return person

    def add_person(self, person: Person) -> Person:
        """Refused: slug_malformed, person_exists."""
        checked_slug(person.slug)
        if person.slug in self._kept.state.people:
            raise SandboxError("person_exists", f"{person.slug} has a profile already.", field="slug")
        self._kept.state.people[person.slug] = person
        self._kept.save()
        return person

    def rename(self, slug: str, to: str) -> Person:
        """Give a profile another address; the old one leads there. Refused: slug_malformed, person_exists."""
        person, state = self.person(slug), self._kept.state
        renamed = self.add_person(replace(person, slug=to, had_slug=person.had_slug or slug, moved_to=""))
        state.people[slug] = replace(person, moved_to=to)
        for one in state.invitations:
            one.by, one.to = (to if each == slug else each for each in (one.by, one.to))
        for one in (*state.connections, *state.conversations.values()):
            one.one, one.other = (to if each == slug else each for each in (one.one, one.other))
        for one in state.conversations.values():
            one.unread_by = [to if each == slug else each for each in one.unread_by]
            for message in one.messages:
                message.by = to if message.by == slug else message.by
        for account in self.accounts():
            state.accounts[account.email] = replace(
                account, slug=to if account.slug == slug else account.slug
            )
        self._kept.save()
        return renamed

    def record(self, what: str, **facts: Fact) -> None:
        """One more effect."""
        self._effects.record(what, session="", **facts)

    def accounts(self) -> tuple[Account, ...]:
        return tuple(self._kept.state.accounts.values())

    def account(self, email: str) -> Account:
        """SandboxError `account_unknown` when there is none."""
        if found := self._kept.state.accounts.get(normal(email)):
            return found
        raise SandboxError("account_unknown", f"No account here signs in as {email}.", status=404)

    def add_account(
        self, email: str, password: str | None = None, *, name: str = "", slug: str = ""
    ) -> Account:
        """A new account with the profile `slug`, made if nobody has it; without a password one is made.

        Refused: address_malformed, account_exists, slug_malformed, slug_taken.
        """
        email = normal(email)
        if not ADDRESS.fullmatch(email):
            raise SandboxError(
                "address_malformed", "Give an address like ada@northwind.example.", status=422, field="email"
            )
        if email in self._kept.state.accounts:
            raise SandboxError("account_exists", f"{email} has an account already.", field="email")
        name = name.strip() or email.partition("@")[0].capitalize()
        slug = checked_slug(slug or slug_of(name))
        if any(one.slug == slug for one in self._kept.state.accounts.values()):
            raise SandboxError("slug_taken", f"The profile {slug} has an account already.", field="slug")
        if slug not in self._kept.state.people:
            first, _, last = name.partition(" ")
            self._kept.state.people[slug] = Person(slug, first, last)
        account = Account(email, password or secrets.token_urlsafe(9), slug)
        self._kept.state.accounts[email] = account
        self._kept.save()
        return account

    def change_scenario(self, email: str, scenario: Scenario) -> Account:
        """Treat the account like this from now on."""
        return self._change(replace(self.account(email), scenario=scenario))

    def count_page(self, account: Account) -> None:
        """One more page was asked for; the last one that the scenario allows ends every session."""
        left = account.scenario.pages_until_revoked
        if left is None:
            return
        self.change_scenario(
            account.email, replace(account.scenario, pages_until_revoked=left - 1 if left > 1 else None)
        )
        if left <= 1:
            self.sign_in.revoke(account.email)

    def change_password(self, email: str, password: str) -> Account:
        """From now on this one signs in, and every session is ended."""
        account = self._change(replace(self.account(email), password=password))
        self.sign_in.revoke(account.email)
        return account

    def _change(self, account: Account) -> Account:
        self._kept.state.accounts[account.email] = account
        self._kept.save()
        return account
