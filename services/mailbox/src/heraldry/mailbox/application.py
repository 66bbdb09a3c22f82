"""Commands come in, a decider decides, events are appended. Nothing here calls a mail server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Known, Loaded, Ran, Runner
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.chassis.vault.sealed import open_sealed
from heraldry.chassis.vault.secrets import NONE_THERE, SecretConflictError, Secrets, SecretUnknownError
from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.mailbox import ConnectInbox, DecideOutcome, DisconnectInbox, EmailQueued
from heraldry.contracts.scheduler import StepCancelled, StepDispatched
from heraldry.mailbox.domain import email, imports, inbox, reply
from heraldry.mailbox.pausing import Pausing
from heraldry.mailbox.projections import Held, email_of, held_by, open_through
from heraldry.mailbox.stopping import Stopping, organization_of
from heraldry.mailbox.streams import (
    EMAIL,
    INBOX,
    OWNER,
    REPLY,
    SYSTEM,
    email_stream,
    inbox_stream,
    owner_stream,
    reply_stream,
)
from nacl.public import PrivateKey
from uuid_utils.compat import uuid7

HEARD_OF_WITHIN: Final = 5.0  # seconds a new identity may take from its own context to here
LONGEST_PASSWORD: Final = 1024  # bytes
ID_BYTES: Final = 16


class Application:
    """The commands of the mailbox context, each carried out once per command id."""

    def __init__(
        self,
        runner: Runner,
        store: EventStore,
        model: ReadModel,
        keys: KeyRing,
        secrets: Secrets,
        private_key: PrivateKey,
        clock: Clock,
    ) -> None:
        self._runner, self._store, self._model = runner, store, model
        self._keys, self._secrets, self._private_key, self._clock = keys, secrets, private_key, clock
        self.stopping = Stopping(runner, store, model, keys, clock)
        self.pausing = Pausing(runner, model, self.stopping, clock)

    # --- inboxes

    async def inbox_id(self, organization: UUID, address: str) -> UUID:
        """The inbox an address has in an organization, whether it is there or not."""
        key = await self._keys.create(organization_subject(organization))
        return UUID(hex=keyed_hash(key, normalised(address))[: 2 * ID_BYTES], version=5)

    async def connect(self, command: ConnectInbox, asking: Asking) -> Accepted:
        """The password is in the vault before the event that refers to it stands in the log."""
        organization = organization_of(asking)
        address = inbox.well_formed(command.address)
        password = open_sealed(self._private_key, command.password)
        if not password or len(password) > LONGEST_PASSWORD or b"\0" in password:
            raise Refused("inbox.password-missing", "Enter the password.", status=422, field="password")
        await self._owner(command.identity, organization)
        found = await self.inbox_id(organization, address)
        current = await self.inbox(found)
        secret = f"inbox-{asking.id}"
        connect = inbox.Connect(
            inbox=found,
            organization=organization,
            identity=command.identity,
            trial=asking.id,
            address=address,
            imap=command.imap,
            smtp=command.smtp,
            secret=secret,
            holder=await self._holder(current),
            at=self._clock.now(),
        )
        if isinstance(current, inbox.Inbox):
            inbox.decide(connect, current)  # refused before anything is put into the vault
        try:
            await self._secrets.put(str(command.identity), secret, password, expected_revision=NONE_THERE)
        except SecretConflictError:
            pass  # this very command, asked again
        except KeyDestroyedError:
            raise _no_identity() from None
        asked = Asked(asking.id, asking.by, connect.at, command.identity)
        try:
            ran = await self._runner.run(INBOX, inbox_stream(found), connect, asked)
        except Refused:  # another identity was quicker: say which, and keep no password for nothing
            await self._forget(command.identity, secret)
            current = await self.inbox(found)
            inbox.decide(replace(connect, holder=await self._holder(current)), current)
            raise
        return self._runner.accepted(ran)

    async def _forget(self, identity: UUID, secret: str) -> None:
        try:
            stored = await self._secrets.get(str(identity), secret)
            await self._secrets.delete(str(identity), secret, expected_revision=stored.revision)
        except (SecretUnknownError, SecretConflictError, KeyDestroyedError):
            return

    async def disconnect(self, command: DisconnectInbox, asking: Asking) -> Accepted:
        organization = organization_of(asking)
        current = await self.inbox(command.inbox)
        identity = current.holder if isinstance(current, inbox.Inbox) else None
        asked = Asked(asking.id, asking.by, self._clock.now(), identity)
        return self._runner.accepted(await self._disconnect(command.inbox, organization, asked))

    async def _disconnect(
        self, found: UUID, organization: UUID, asked: Asked
    ) -> Ran[inbox.State, inbox.Event]:
        """Nothing more leaves, what is open is stopped, then it is said: nothing is claimed after that."""
        first = replace(asked, id=uuid5(asked.id, "close"))
        closed = await self._runner.run(
            INBOX, inbox_stream(found), inbox.Close(organization, asked.at), first
        )
        if isinstance(closed.state, inbox.Inbox) and closed.state.closing:
            await self._stop_mails_of(found)
        disconnect = inbox.Disconnect(organization, asked.at)
        return await self._runner.run(INBOX, inbox_stream(found), disconnect, asked)

    async def finish_closing(self, found: UUID, asking: Asking) -> None:
        """Go on where somebody was killed between the two steps."""
        state = await self.inbox(found)
        if isinstance(state, inbox.Inbox) and state.closing:
            await self._stop_mails_of(found)
            disconnect = inbox.Disconnect(state.organization, self._clock.now())
            asked = Asked(asking.id, asking.by, disconnect.at, state.holder)
            await self._runner.run(INBOX, inbox_stream(found), disconnect, asked)

    async def _stop_mails_of(self, found: UUID) -> None:
        await self.stopping.stop_mails(
            lambda db: open_through(db, str(found)), inbox.NOT_CONNECTED, again=True
        )

    async def forget_passwords(self, found: UUID) -> None:
        """Remove from the vault what the inbox needs no more: superseded, refused, disconnected."""
        state = await self.inbox(found)
        for identity, name in state.forgotten if isinstance(state, inbox.Inbox) else ():
            await self._forget(identity, name)

    async def inbox(self, found: UUID) -> inbox.State:
        """An inbox as its stream says it is."""
        return (await self._runner.load(INBOX, inbox_stream(found))).state

    async def about_inbox(
        self, state: inbox.Inbox, command: inbox.Command, identity: UUID
    ) -> Ran[inbox.State, inbox.Event]:
        """A command of a worker of ours, under a fresh id: *fresh* means that this call did it."""
        return await self._runner.run(
            INBOX, inbox_stream(state.id), command, self._fresh(state.organization, identity)
        )

    async def _holder(self, current: inbox.State) -> str:
        """The name of the identity that has the address."""
        if not isinstance(current, inbox.Inbox) or current.holder is None:
            return ""
        return await self.name_of(current.holder)

    # --- mails

    async def queue(self, step: StepDispatched, asking: Asking) -> None:
        """A dispatched step arrives; the same one again changes nothing."""
        await self._ensure_key(step.person)
        mail = EmailQueued(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            to=step.to,
            subject=step.subject,
            text=step.text,
            html=step.html,
            valid_until=step.valid_until,
            sender=step.sender,
            campaign=step.campaign,
            enrollment=step.enrollment,
            in_reply_to=step.in_reply_to,
            references=step.references,
            at=self._clock.now(),
        )
        await self._mail(step.attempt, email.Queue(mail), step.identity, asking)

    async def cancel(self, step: StepCancelled, asking: Asking) -> None:
        cancel = email.Cancel(step.attempt, self._clock.now())
        await self._mail(step.attempt, cancel, step.identity, asking)

    async def mail(self, attempt: UUID) -> Loaded[email.State, email.Event]:
        """A mail as its stream says it is."""
        return await self._runner.load(EMAIL, email_stream(attempt))

    async def about_mail(
        self,
        attempt: UUID,
        organization: UUID,
        identity: UUID,
        command: email.Command,
        known: Known[email.State] | None = None,
        *,
        correlation: str,
    ) -> Ran[email.State, email.Event]:
        """A command of a worker of ours, under a fresh id: *fresh* means that this call did it.

        `known`: how the mail stood a moment ago, if that was read or written. `correlation`: of what had it queued.
        """
        asked = self._fresh(organization, identity, correlation)
        return await self._runner.run(EMAIL, email_stream(attempt), command, asked, known=known)

    async def decide_outcome(self, command: DecideOutcome, asking: Asking) -> Accepted:
        """A person says whether a mail left. Refused `email.unknown`, `email.outcome-known`."""
        organization = str(organization_of(asking))
        view = self._model.read(lambda db: email_of(db, organization, str(command.attempt)))
        if view is None:
            raise no_mail()
        asked = Asked(asking.id, asking.by, self._clock.now(), view.identity)
        decision = email.Decide(command.sent, asked.at)
        ran = await self._runner.run(EMAIL, email_stream(command.attempt), decision, asked)
        return self._runner.accepted(ran)

    async def record_incoming(self, found: reply.Incoming, organization: UUID, correlation: str) -> bool:
        """Record an answer or a report. Whether it is new. `correlation`: of the mail that it is about."""
        await self._ensure_key(found.person)
        key = await self._keys.create(organization_subject(organization))
        stream = reply_stream(keyed_hash(key, reply.told_by(found)))
        asked = self._fresh(organization, found.identity, correlation)
        return (await self._runner.run(REPLY, stream, reply.Record(found), asked)).fresh

    async def _mail(self, attempt: UUID, command: email.Command, identity: UUID, asking: Asking) -> None:
        asked = Asked(asking.id, asking.by, self._clock.now(), identity)
        await self._runner.run(EMAIL, email_stream(attempt), command, asked)

    # --- identities

    async def know(self, identity: UUID, name: str, revision: int, asking: Asking) -> None:
        """There is such an identity, by this name: its key is made, and the fact imported."""
        try:
            await self._keys.create(str(identity))
        except KeyDestroyedError:
            return
        organization = organization_of(asking)
        command = imports.Import(identity, organization, name, revision, self._clock.now())
        asked = Asked(asking.id, asking.by, command.at, identity)
        await self._runner.run(OWNER, owner_stream(identity), command, asked)

    async def forget(self, identity: UUID, revision: int, asking: Asking) -> None:
        """The identity was deleted: its inboxes are disconnected, and it can have none any more."""
        command = imports.Remove(identity, revision, self._clock.now())
        asked = Asked(asking.id, asking.by, command.at, identity)
        await self._runner.run(OWNER, owner_stream(identity), command, asked)
        for held in await self._held_by(identity):
            again = Asked(uuid5(asking.id, str(held.inbox)), asking.by, self._clock.now(), identity)
            await self._disconnect(held.inbox, held.organization, again)

    async def _held_by(self, identity: UUID) -> tuple[Held, ...]:
        """What the identity holds, once everything stored up to now is in the read model."""
        await self.stopping.catch_up()
        return self._model.read(lambda db: held_by(db, str(identity)))

    async def owner(self, identity: UUID) -> imports.State:
        return (await self._runner.load(OWNER, owner_stream(identity))).state

    async def name_of(self, identity: UUID) -> str:
        """The name of an identity; empty if it is not known here."""
        state = await self.owner(identity)
        return state.name if isinstance(state, imports.Owner) else ""

    async def _owner(self, identity: UUID, organization: UUID) -> None:
        """Refused `identity.unknown`; a new identity may take a moment to be known here."""
        until = asyncio.get_running_loop().time() + HEARD_OF_WITHIN
        while isinstance(state := await self.owner(identity), imports.NotHeardOf):
            if asyncio.get_running_loop().time() > until:
                raise _no_identity()
            await asyncio.sleep(0.05)
        if isinstance(state, imports.Removed) or state.organization != organization:
            raise _no_identity()

    async def _ensure_key(self, person: UUID) -> None:
        try:
            await self._keys.create(str(person))
        except KeyDestroyedError:
            return  # an erased person: what is recorded of them is recorded as erased

    def _fresh(self, organization: UUID, identity: UUID, correlation: str = "") -> Asked:
        by = By(organization=organization, actor=SYSTEM, correlation=correlation)
        return Asked(uuid7(), by, self._clock.now(), identity)


def _no_identity() -> Refused:
    return Refused(
        "identity.unknown",
        "There is no such identity in your organization. It may have been deleted.",
        status=404,
    )


def no_mail() -> Refused:
    return Refused("email.unknown", "There is no such mail in your organization.", status=404)
