"""Organizations, users and subscribers: commands come in, a decider decides, events are appended.

What spans several aggregates is done step by step, each under a command id derived from the first, so that a
repeat after a crash finishes what was begun and changes nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from heraldry.chassis.bus.rights import SubscriberRights
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import Destroyed, KeyDestroyedError, KeyRing
from heraldry.chassis.vault.secrets import NONE_THERE, SecretConflictError, Secrets, SecretUnknownError
from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.gateway.domain import login, organization, setup, subscriber, user
from heraldry.gateway.passwords import Passwords

LOGINS: Final = "logins"  # the key subject that addresses are hashed with: one for the installation
PASSWORD: Final = "password"  # noqa: S105  the name of a secret
ORGANIZATION = Decider(organization.initial, organization.decide, organization.evolve)
USER = Decider(user.initial, user.decide, user.evolve)
LOGIN = Decider(login.initial, login.decide, login.evolve)
SUBSCRIBER = Decider(subscriber.initial, subscriber.decide, subscriber.evolve)
SETUP = Decider(setup.initial, setup.decide, setup.evolve)
SIGN_INS = Decider(None, user.decide_sign_in, user.evolve_sign_in)


@dataclass(frozen=True, slots=True)
class Admin:
    """The first person of an organization. `password` in the clear: only on its way to its hash."""

    name: str
    email: str
    password: str

    def __repr__(self) -> str:
        return "Admin(***)"


@dataclass(frozen=True, slots=True)
class Founded:
    organization: UUID
    user: UUID
    position: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a subscriber signs in to NATS with. Shown once."""

    subscriber: UUID
    rights: SubscriberRights
    password: str
    position: str

    def __repr__(self) -> str:
        return f"Credentials({self.subscriber})"


class Application:
    """The gateway's own context."""

    def __init__(
        self,
        runner: Runner,
        ring: KeyRing,
        secrets: Secrets,
        passwords: Passwords,
        now: Callable[[], datetime],
    ) -> None:
        self._runner, self._ring, self._secrets = runner, ring, secrets
        self._passwords, self._now = passwords, now

    async def prepare(self) -> None:
        """Make the installation's own key. Once, at start."""
        await self._ring.create(LOGINS)

    # Organizations and users

    async def found(
        self, command: UUID, *, organization_id: UUID, name: str, zone: str, admin: Admin, actor: str = ""
    ) -> Founded:
        """Make an organization and its admin. A repeat with the same ids and address changes nothing.

        `actor` empty: the admin. Refused as the aggregates refuse; nothing is stored before all was checked.
        """
        organization.named(name)
        organization.known(zone)
        user.named(admin.name)
        user.acceptable(admin.password)
        hashed = self._hashed(user.address(admin.email))
        user_id = uuid5(organization_id, hashed)
        by = By(organization=organization_id, actor=actor or f"user:{user_id}")
        await self._ring.create(organization_subject(organization_id))
        await self._ring.create(str(user_id))

        def asked(step: str) -> Asked:
            return Asked(uuid5(command, step), by, self._now(), organization=organization_id)

        now = self._now()
        taken = login.TakeLogin(user_id, organization_id, now)
        await self._runner.run(LOGIN, login.stream(hashed), taken, asked("login"))
        if not await self._joined(user_id):
            await self._set_password(user_id, admin.password)
        created = organization.CreateOrganization(organization_id, name, zone, now)
        await self._runner.run(
            ORGANIZATION, organization.stream(organization_id), created, asked("organization")
        )
        join = user.Join(user_id, organization_id, admin.name, admin.email, "admin", now)
        ran = await self._runner.run(USER, user.stream(user_id), join, asked("user"))
        return Founded(organization_id, user_id, self._runner.accepted(ran).position)

    async def organization(self, organization_id: UUID) -> organization.Organization:
        """Refused `organization.unknown`."""
        loaded = await self._runner.load(ORGANIZATION, organization.stream(organization_id))
        if loaded.state is None:
            raise Refused("organization.unknown", "There is no such organization.", status=404)
        return loaded.state

    async def change_zone(self, command: UUID, by: By, zone: str) -> Accepted:
        return await self._of_organization(command, by, organization.ChangeZone(zone, self._now()))

    async def record_halt(self, command: UUID, by: By, reason: str, since: datetime) -> Accepted:
        return await self._of_organization(command, by, organization.RecordHalt(reason, since))

    async def record_resumption(self, command: UUID, by: By, reason: str) -> Accepted:
        return await self._of_organization(command, by, organization.RecordResumption(reason, self._now()))

    async def user(self, user_id: UUID) -> user.User | None:
        return (await self._runner.load(USER, user.stream(user_id))).state

    async def forget_password(self, user_id: UUID) -> None:
        """Nobody signs in as this user any more."""
        try:
            stored = await self._secrets.get(str(user_id), PASSWORD)
            await self._secrets.delete(str(user_id), PASSWORD, expected_revision=stored.revision)
        except (SecretUnknownError, SecretConflictError, KeyDestroyedError):
            return

    async def signed_in(self, command: UUID, email: str, password: str) -> user.User | None:
        """The user with this address and password, with SignedIn recorded; None for anything else."""
        found, hashed = await self._find(email)
        if not await self._passwords.matches(password, hashed) or found is None:
            return None
        record = user.RecordSignIn(found.id, found.organization, self._now())
        by = By(organization=found.organization, actor=f"user:{found.id}")
        await self._runner.run(
            SIGN_INS,
            user.sign_ins(found.id),
            record,
            Asked(command, by, self._now()),
            enough=lambda _: True,
        )
        return found

    async def person(self, organization_id: UUID, address: str) -> UUID:
        """The data subject behind an address the organization writes to: the same address, the same person."""
        return await self.person_behind(organization_id, normalised(address))

    async def person_behind(self, organization_id: UUID, address: str) -> UUID:
        """The same of a profile's address, or of one that is normalised already."""
        key = await self._ring.fetch(organization_subject(organization_id))
        if isinstance(key, Destroyed):
            raise Refused("organization.unknown", "There is no such organization.", status=404)
        return UUID(hex=keyed_hash(key, address)[:32], version=5)

    # The link that makes the first organization

    async def make_first_link(self) -> str | None:
        """A token that makes the first organization, known to nobody else; None if that was made."""
        token = random.token_urlsafe(32)
        asked = Asked(random_id(), By(organization=None, actor="system:gateway"), self._now())
        ran = await self._runner.run(
            SETUP, setup.STREAM, setup.MakeLink(hashed_token(token), self._now()), asked
        )
        return None if ran.state.done else token

    async def check_first_link(self, token: str) -> None:
        """Refused `first-admin.link-used`, `first-admin.link-unknown`."""
        setup.check(hashed_token(token), (await self._runner.load(SETUP, setup.STREAM)).state)

    async def use_first_link(self, command: UUID, token: str, name: str, zone: str, admin: Admin) -> Founded:
        """Make the first organization. Of two who use the link at once one is refused; a repeat goes on."""
        organization.named(name)
        organization.known(zone)
        user.named(admin.name)
        user.acceptable(admin.password)
        organization_id = uuid5(command, "first organization")
        hashed = self._hashed(user.address(admin.email))
        by = By(organization=organization_id, actor=f"user:{uuid5(organization_id, hashed)}")
        use = setup.UseLink(hashed_token(token), organization_id, self._now())
        ran = await self._runner.run(SETUP, setup.STREAM, use, Asked(uuid5(command, "link"), by, self._now()))
        del ran
        founded = await self.found(
            command, organization_id=organization_id, name=name, zone=zone, admin=admin
        )
        finish = setup.Finish(organization_id, self._now())
        await self._runner.run(SETUP, setup.STREAM, finish, Asked(uuid5(command, "done"), by, self._now()))
        return founded

    # Subscribers

    async def create_subscriber(self, command: UUID, by: By, name: str) -> Credentials:
        """A subscriber with a fresh password. A repeat makes a new password for the same subscriber."""
        subscriber_id = uuid5(command, "subscriber")
        subscriber.named(name)
        password = random.token_urlsafe(32)
        create = subscriber.CreateSubscriber(subscriber_id, _of(by), name, self._now())
        await self._put(
            organization_subject(_of(by)), _secret_of(subscriber_id), hashed_token(password).encode()
        )
        ran = await self._runner.run(
            SUBSCRIBER, subscriber.stream(subscriber_id), create, Asked(command, by, self._now())
        )
        accepted = self._runner.accepted(ran)
        rights = SubscriberRights.of(str(subscriber_id))
        return Credentials(subscriber_id, rights, password, accepted.position)

    async def revoke_subscriber(self, command: UUID, by: By, subscriber_id: UUID) -> Accepted:
        stream = subscriber.stream(subscriber_id)
        revoke = subscriber.RevokeSubscriber(_of(by), self._now())
        return self._runner.accepted(
            await self._runner.run(SUBSCRIBER, stream, revoke, Asked(command, by, self._now()))
        )

    async def subscriber(self, name: str, password: str) -> subscriber.Subscriber | None:
        """The subscriber that signs in to NATS with this user and password; None refuses."""
        try:
            subscriber_id = UUID(name.removeprefix("sub_"))
        except ValueError:
            return None
        state = (await self._runner.load(SUBSCRIBER, subscriber.stream(subscriber_id))).state
        if state is None or state.revoked or SubscriberRights.of(str(subscriber_id)).consumer != name:
            return None
        secret = await self._secrets.get(organization_subject(state.organization), _secret_of(subscriber_id))
        return state if hmac.compare_digest(secret.value, hashed_token(password).encode()) else None

    async def _of_organization(self, command: UUID, by: By, wanted: organization.Command) -> Accepted:
        stream = organization.stream(_of(by))
        return self._runner.accepted(
            await self._runner.run(ORGANIZATION, stream, wanted, Asked(command, by, self._now()))
        )

    async def _find(self, email: str) -> tuple[user.User | None, bytes | None]:
        taken = (await self._runner.load(LOGIN, login.stream(self._hashed(email)))).state
        if taken is None:
            return None, None
        found = (await self._runner.load(USER, user.stream(taken.user))).state
        if found is None or self._ring.is_erased(str(found.id)):
            return None, None
        return found, (await self._secrets.get(str(found.id), PASSWORD)).value

    async def _joined(self, user_id: UUID) -> bool:
        return await self.user(user_id) is not None

    async def _set_password(self, user_id: UUID, password: str) -> None:
        await self._put(str(user_id), PASSWORD, await self._passwords.hash(password))

    async def _put(self, subject: str, name: str, value: bytes) -> None:
        while True:
            try:
                revision = (await self._secrets.get(subject, name)).revision
            except SecretUnknownError:
                revision = NONE_THERE
            try:
                await self._secrets.put(subject, name, value, expected_revision=revision)
            except SecretConflictError:
                continue
            return

    def _hashed(self, email: str) -> str:
        key = self._ring.get(LOGINS)
        if isinstance(key, Destroyed):
            raise TypeError("the key of the logins is never destroyed")
        return keyed_hash(key, login.normalised(email))


def hashed_token(token: str) -> str:
    """How a random token is remembered: it has 256 bits, so nothing slower is needed."""
    return hashlib.blake2b(token.encode(), digest_size=32, person=b"heraldry-token").hexdigest()


def random_id() -> UUID:
    """A fresh command id."""
    from uuid_utils.compat import uuid7  # noqa: PLC0415  a C library; only writing needs it

    return uuid7()


def _of(by: By) -> UUID:
    if by.organization is None:
        raise Refused("organization.needed", "Only somebody of an organization may do this.", status=403)
    return by.organization


def _secret_of(subscriber_id: UUID) -> str:
    return f"subscriber-{subscriber_id}"
