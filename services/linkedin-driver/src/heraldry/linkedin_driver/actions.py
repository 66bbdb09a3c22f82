"""Commands about actions and about what is between a member and a person. Nothing here opens a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Known, Loaded, Ran, Runner
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.base import Accepted, By, Erased, Refused
from heraldry.contracts.linkedin import (
    DecideActionOutcome,
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionQueued,
    LinkedInReplyReceived,
)
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.application import organization_of
from heraldry.linkedin_driver.domain import action, pending, reply
from heraldry.linkedin_driver.streams import (
    ACTION,
    PENDING,
    REPLY,
    SYSTEM,
    Names,
    action_stream,
    pending_stream,
    reply_stream,
)
from uuid_utils.compat import uuid7

PEOPLE: Final = ("user:", "key:", "link:")  # how the actors begin who are no services


@dataclass(frozen=True, slots=True)
class Whose:
    """An action as commands about it name it. `actor`: who asked for it, as the history says; `correlation`: of what had
    it queued.
    """

    attempt: UUID
    organization: UUID
    identity: UUID
    actor: str = SYSTEM
    correlation: str = ""


class Actions:
    """Each command is carried out once per command id."""

    def __init__(self, runner: Runner, keys: KeyRing, names: Names, model: ReadModel, clock: Clock) -> None:
        self._runner, self._keys, self._names, self._model, self._clock = runner, keys, names, model, clock

    # --- actions

    async def queue(self, step: LinkedInStepDispatched, actor: str, asking: Asking) -> None:
        """A dispatched step arrives; the same one again changes nothing. `actor`: who asked for it."""
        await self._ensure_key(step.person)
        wanted = LinkedInActionQueued(
            attempt=step.attempt,
            kind=step.kind,
            account=step.account,
            identity=step.identity,
            person=step.person,
            profile=step.profile,
            name=step.name,
            text=step.text,
            valid_until=step.valid_until,
            sender=step.sender,
            invitation=step.invitation,
            invited_at=step.invited_at,
            automatic=step.automatic,
            campaign=step.campaign,
            enrollment=step.enrollment,
            at=self._clock.now(),
        )
        by = asking.by.model_copy(update={"actor": actor}) if actor.startswith(PEOPLE) else asking.by
        asked = Asked(asking.id, by, wanted.at, step.identity)
        await self._runner.run(ACTION, action_stream(step.attempt), action.Queue(wanted), asked)

    async def cancel(self, step: LinkedInStepCancelled, asking: Asking) -> None:
        asked = Asked(asking.id, asking.by, self._clock.now(), step.identity)
        cancel = action.Cancel(step.attempt, asked.at)
        await self._runner.run(ACTION, action_stream(step.attempt), cancel, asked)

    async def load(self, attempt: UUID) -> Loaded[action.State, action.Event]:
        """An action as its stream says it is."""
        return await self._runner.load(ACTION, action_stream(attempt))

    async def about(
        self, whose: Whose, command: action.Command, known: Known[action.State] | None = None
    ) -> Ran[action.State, action.Event]:
        """A command of a worker of ours, under a fresh id: *fresh* means that this call did it.

        `known`: how the action stood a moment ago, if that was read or written.
        """
        actor = whose.actor if isinstance(command, action.Finish) else SYSTEM
        asked = self._fresh(whose.organization, whose.identity, actor, whose.correlation)
        return await self._runner.run(ACTION, action_stream(whose.attempt), command, asked, known=known)

    async def decide_outcome(self, command: DecideActionOutcome, asking: Asking) -> Accepted:
        """A person says whether an action was done. Refused `action.unknown`, `action.outcome-known`."""
        organization = str(organization_of(asking))
        view = self._model.read(lambda db: projections.action_of(db, organization, str(command.attempt)))
        if view is None:
            raise no_action()
        asked = Asked(asking.id, asking.by, self._clock.now(), view.identity)
        decision = action.Decide(command.done, asked.at)
        ran = await self._runner.run(ACTION, action_stream(command.attempt), decision, asked)
        return self._runner.accepted(ran)

    # --- what is between a member and a person

    async def between(self, organization: UUID, sender: str, profile: str | Erased) -> pending.State:
        """As its stream says it is; nothing where the address says nobody."""
        stream = await self._between(organization, sender, profile)
        return pending.NOTHING if stream is None else (await self._runner.load(PENDING, stream)).state

    async def about_both(
        self, whose: Whose, sender: str, profile: str | Erased, command: pending.Command
    ) -> None:
        """`whose`: the action it is known by."""
        stream = await self._between(whose.organization, sender, profile)
        if stream is not None:
            asked = self._fresh(whose.organization, whose.identity, correlation=whose.correlation)
            await self._runner.run(PENDING, stream, command, asked)

    async def note(self, event: InvitationSent | InvitationWithdrawn) -> None:
        """An outcome, whoever stored it, changes what is between both."""
        loaded = await self.load(event.attempt)
        queued = next((one for one in loaded.decoded if isinstance(one.event, LinkedInActionQueued)), None)
        if queued is None or not isinstance(queued.event, LinkedInActionQueued):
            return
        whose = Whose(
            event.attempt,
            UUID(queued.meta.organization),
            event.identity,
            correlation=queued.meta.correlation,
        )
        wanted = queued.event
        await self.about_both(whose, wanted.sender, wanted.profile, noted(event))

    # --- replies

    async def hear(self, received: LinkedInReplyReceived, organization: UUID, message: str) -> bool:
        """Record a message somebody wrote back, once. `message`: its id; answers whether it is new."""
        await self._ensure_key(received.person)
        stream = reply_stream(await self._names.message(organization, received.account, message))
        asked = self._fresh(organization, received.identity)
        return (await self._runner.run(REPLY, stream, reply.Record(received), asked)).fresh

    async def person_named(self, organization: UUID, member: str) -> str:
        """What the history calls a person, by the member's own id."""
        return await self._names.member(organization, member) if member else ""

    async def _between(self, organization: UUID, sender: str, profile: str | Erased) -> str | None:
        if isinstance(profile, Erased):
            return None
        try:
            address = profile_address(profile)
        except NoProfile:
            return None
        return pending_stream(await self._names.between(organization, sender, address))

    async def _ensure_key(self, person: UUID) -> None:
        try:
            await self._keys.create(str(person))
        except KeyDestroyedError:
            return  # an erased person: what is recorded of them is recorded as erased

    def _fresh(self, organization: UUID, identity: UUID, actor: str = SYSTEM, correlation: str = "") -> Asked:
        by = By(organization=organization, actor=actor, correlation=correlation)
        return Asked(uuid7(), by, self._clock.now(), identity)


def noted(event: InvitationSent | InvitationWithdrawn) -> pending.Command:
    """What an outcome means for what is between both."""
    match event:
        case InvitationSent():
            return pending.Note(
                pending.InvitationNoted(
                    invitation=event.attempt,
                    account=event.account,
                    identity=event.identity,
                    person=event.person,
                    sent_at=event.at,
                    campaign=event.campaign,
                    enrollment=event.enrollment,
                    at=event.at,
                )
            )
        case InvitationWithdrawn():
            return pending.NoteWithdrawal(event.at, event.at)


def asked_by(loaded: Loaded[action.State, action.Event]) -> str:
    """Who asked for an action, as its first entry says; its worker where that is lost."""
    return next((one.meta.actor for one in loaded.decoded), SYSTEM)


def withdrawn_at(at: datetime) -> pending.Command:
    return pending.NoteWithdrawal(at, at)


def no_action() -> Refused:
    return Refused("action.unknown", "There is no such LinkedIn action in your organization.", status=404)
