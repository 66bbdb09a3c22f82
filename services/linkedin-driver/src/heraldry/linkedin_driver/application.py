"""Commands come in, a decider decides, events are appended. Nothing here opens a browser."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.runner import Asked, Known, Ran, Runner
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.chassis.vault.sealed import open_sealed
from heraldry.chassis.vault.secrets import NONE_THERE, SecretConflictError, Secrets, SecretUnknownError
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.linkedin import (
    EnterCode,
    LinkLinkedIn,
    ResendCode,
    TryLinkingAgain,
    UnlinkLinkedIn,
    account_of,
)
from heraldry.linkedin_driver.domain import account, imports, linking, member
from heraldry.linkedin_driver.streams import (
    ACCOUNT,
    MEMBER,
    OWNER,
    SYSTEM,
    Names,
    account_stream,
    member_stream,
    owner_stream,
)
from nacl.public import PrivateKey
from uuid_utils.compat import uuid7

HEARD_OF_WITHIN: Final = 5.0  # seconds a new identity may take from its own context to here
LONGEST_SECRET: Final = 1024  # bytes


class Application:
    """The commands about LinkedIn accounts, each carried out once per command id.

    `real` is the real clock; `held`: how long a browser may work on one thing before others take it for dead.
    """

    def __init__(
        self,
        runner: Runner,
        keys: KeyRing,
        secrets: Secrets,
        private_key: PrivateKey,
        clock: Clock,
        real: Clock,
        held: timedelta,
    ) -> None:
        self._runner, self._keys, self._secrets, self._private_key = runner, keys, secrets, private_key
        self._clock, self._real, self._held = clock, real, held
        self.names = Names(keys)

    # --- what people ask

    async def link(self, command: LinkLinkedIn, asking: Asking) -> Accepted:
        """The password is in the vault before the event that refers to it stands in the log."""
        organization = organization_of(asking)
        email = command.email.strip()
        password = self._opened(command.password)
        if password is None:
            raise Refused(
                "linkedin.password-missing", "Enter the LinkedIn password.", status=422, field="password"
            )
        await self._owner(command.identity, organization)
        link = account.Link(
            account=account_of(command.identity),
            organization=organization,
            identity=command.identity,
            linking=asking.id,
            email=email,
            secret=f"password-{asking.id}",
            real_now=self._real.now(),
            at=self._clock.now(),
        )
        return await self._with_secret(link.secret, password, link, command.identity, asking)

    async def enter_code(self, command: EnterCode, asking: Asking) -> Accepted:
        code = self._opened(command.code)
        if code is None:
            raise Refused("linkedin.code-missing", "Enter the code.", status=422, field="code")
        enter = linking.EnterCode(
            organization=organization_of(asking),
            secret=f"code-{asking.id}",
            held_until=self._real.now() + self._held,
            real_now=self._real.now(),
            at=self._clock.now(),
        )
        return await self._with_secret(enter.secret, b"".join(code.split()), enter, command.identity, asking)

    async def resend_code(self, command: ResendCode, asking: Asking) -> Accepted:
        real_now = self._real.now()
        resend = linking.ResendCode(
            organization_of(asking), real_now + self._held, real_now, self._clock.now()
        )
        return await self._asked(resend, command.identity, asking)

    async def try_again(self, command: TryLinkingAgain, asking: Asking) -> Accepted:
        again = account.TryAgain(organization_of(asking), asking.id, self._clock.now())
        return await self._asked(again, command.identity, asking)

    async def unlink(self, command: UnlinkLinkedIn, asking: Asking) -> Accepted:
        unlink = account.Unlink(organization_of(asking), self._clock.now())
        return await self._asked(unlink, command.identity, asking)

    async def _with_secret(
        self,
        name: str,
        value: bytes,
        command: account.Link | linking.EnterCode,
        identity: UUID,
        asking: Asking,
    ) -> Accepted:
        """Refused before anything is put into the vault, unless somebody is quicker in between."""
        known = await self._runner.load(ACCOUNT, account_stream(account_of(identity)))
        if not any(one.meta.command == str(asking.id) for one in known.decoded):
            account.decide(command, known.state)
        try:
            await self._secrets.put(str(identity), name, value, expected_revision=NONE_THERE)
        except SecretConflictError:
            pass  # this very command, asked again
        except KeyDestroyedError:
            raise _no_identity() from None
        try:
            return await self._asked(command, identity, asking)
        except Refused:
            await self.forget_secret(identity, name)
            raise

    async def _asked(self, command: account.Command, identity: UUID, asking: Asking) -> Accepted:
        asked = Asked(asking.id, asking.by, self._clock.now(), identity)
        ran = await self._runner.run(ACCOUNT, account_stream(account_of(identity)), command, asked)
        return self._runner.accepted(ran)

    def _opened(self, sealed: str) -> bytes | None:
        """None: it is none."""
        value = open_sealed(self._private_key, sealed)
        return value if value.strip() and len(value) <= LONGEST_SECRET and b"\0" not in value else None

    # --- what workers and reactions do

    async def account(self, found: UUID) -> account.Account | None:
        """A LinkedIn account as its stream says it is."""
        state = (await self._runner.load(ACCOUNT, account_stream(found))).state
        return state if isinstance(state, account.Account) else None

    async def newer_account(self, found: UUID, known: Known[account.State]) -> Known[account.State]:
        """How the account stands now; `known`: how it stood a moment ago."""
        return await self._runner.load(ACCOUNT, account_stream(found), since=known)

    async def about_account(
        self, of: account.Account, command: account.Command
    ) -> Ran[account.State, account.Event]:
        """A command of ours, under a fresh id: *fresh* means that this call did it."""
        asked = self.fresh(of.organization, of.identity)
        return await self._runner.run(ACCOUNT, account_stream(of.id), command, asked)

    async def settle(self, found: UUID, of: UUID) -> None:
        """Whether the member who signed in is free, and what comes of that. `of`: the linking."""
        state = await self.account(found)
        if state is None or state.linking is None or state.linking.id != of:
            return
        if not isinstance(state.linking.stage, linking.Inside):
            return
        sender = state.linking.stage.signed_in.sender
        hold = member.Hold(state.identity, of, self._clock.now())
        asked = self.fresh(state.organization, state.identity)
        held = (await self._runner.run(MEMBER, member_stream(sender), hold, asked)).state
        if isinstance(held, member.Held):
            await self.about_account(state, linking.Settle(of, held.identity, self._clock.now()))
        await self.unlink_removed(state)

    async def tidy(self, found: UUID, failed: UUID | None) -> None:
        """Forget secrets and let go of members that an account needs no more. `failed`: a linking that did."""
        state = await self.account(found)
        if state is None:
            return
        for name in state.forgotten:
            await self.forget_secret(state.identity, name)
        ended = state.ended if failed in {None, state.session} else {*state.ended, failed}
        for one in ended:
            if one is not None:
                await self.forget_secret(state.identity, session_name(one))
        for sender, of in state.let_go:
            release = member.Release(state.identity, of, self._clock.now())
            asked = self.fresh(state.organization, state.identity)
            await self._runner.run(MEMBER, member_stream(sender), release, asked)

    async def forget_secret(self, identity: UUID, name: str) -> None:
        try:
            stored = await self._secrets.get(str(identity), name)
            await self._secrets.delete(str(identity), name, expected_revision=stored.revision)
        except (SecretUnknownError, SecretConflictError, KeyDestroyedError):
            return

    def fresh(self, organization: UUID, identity: UUID) -> Asked:
        return Asked(uuid7(), By(organization=organization, actor=SYSTEM), self._clock.now(), identity)

    # --- identities

    async def know(self, identity: UUID, name: str, revision: int, asking: Asking) -> None:
        """There is such an identity, by this name: its key is made, and the fact imported."""
        try:
            await self._keys.create(str(identity))
        except KeyDestroyedError:
            return
        command = imports.Import(identity, organization_of(asking), name, revision, self._clock.now())
        asked = Asked(asking.id, asking.by, command.at, identity)
        await self._runner.run(OWNER, owner_stream(identity), command, asked)

    async def forget(self, identity: UUID, revision: int, asking: Asking) -> None:
        """The identity was deleted: its account is unlinked, and it can have none any more."""
        command = imports.Remove(identity, revision, self._clock.now())
        asked = Asked(asking.id, asking.by, command.at, identity)
        await self._runner.run(OWNER, owner_stream(identity), command, asked)
        if state := await self.account(account_of(identity)):
            await self.about_account(state, account.Unlink(state.organization, self._clock.now()))

    async def unlink_removed(self, state: account.Account) -> bool:
        """Whether the identity was deleted meanwhile; then its account is unlinked."""
        if not isinstance(await self.owner(state.identity), imports.Removed):
            return False
        await self.about_account(state, account.Unlink(state.organization, self._clock.now()))
        return True

    async def owner(self, identity: UUID) -> imports.State:
        return (await self._runner.load(OWNER, owner_stream(identity))).state

    async def _owner(self, identity: UUID, organization: UUID) -> None:
        """Refused `identity.unknown`; a new identity may take a moment to be known here."""
        until = asyncio.get_running_loop().time() + HEARD_OF_WITHIN
        while isinstance(state := await self.owner(identity), imports.NotHeardOf):
            if asyncio.get_running_loop().time() > until:
                raise _no_identity()
            await asyncio.sleep(0.05)
        if isinstance(state, imports.Removed) or state.organization != organization:
            raise _no_identity()


def session_name(of: UUID) -> str:
    """What the vault calls the session that a linking began."""
    return f"session-{of}"


def organization_of(asking: Asking) -> UUID:
    """The organization somebody asks for. Refused `organization.missing`."""
    if asking.by.organization is None:
        raise Refused(
            "organization.missing", "LinkedIn accounts belong to an organization. Sign in to one.", status=403
        )
    return asking.by.organization


def _no_identity() -> Refused:
    return Refused(
        "identity.unknown",
        "There is no such identity in your organization. It may have been deleted.",
        status=404,
    )
