"""Invitations that are pending, and their withdrawal: what the driver says of them, and what people wish."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.base import Accepted, By, Erased, Refused
from heraldry.contracts.scheduler import (
    GetWithdrawalResults,
    WithdrawalOutcome,
    WithdrawalResult,
    WithdrawInvitations,
)
from heraldry.scheduler.application import derived
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.domain import invitation, withdrawal
from heraldry.scheduler.domain.invitation import Invitation, InvitationImported
from heraldry.scheduler.domain.linkedin_sender import Action, Dispatch
from heraldry.scheduler.domain.withdrawal import Answer, WithdrawalRequested, attempt_of
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.projections import invitations as pending
from heraldry.scheduler.projections import linkedin_senders, linkedin_steps
from heraldry.scheduler.projections import withdrawals as rows

invitations: Decider[invitation.Command, Invitation, invitation.Event] = Decider(
    invitation.UNKNOWN, invitation.decide, invitation.evolve
)
requests: Decider[withdrawal.Command, withdrawal.State, withdrawal.Event] = Decider(
    withdrawal.NOTHING, withdrawal.decide, withdrawal.evolve
)
NO_NEWS_FOR: Final = timedelta(minutes=35)  # after it could begin no more: a look-up takes 30 minutes
FOR_ALL: Final = frozenset({"quota.exhausted", "linkedin.not-linked", "linkedin.slowed-down"})


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a try to withdraw an invitation, as the driver said. `blocked_until`: it was withdrawn."""

    organization: UUID
    account: UUID
    person: UUID
    attempt: UUID
    outcome: WithdrawalOutcome
    detail: str = ""
    blocked_until: datetime | None = None


class Withdrawals:
    """Carries out what people wish, and knows which invitations there are to withdraw."""

    def __init__(
        self,
        runner: Runner,
        model: ReadModel,
        keys: KeyRing,
        clock: Clock,
        linkedin: LinkedIn,
        blocks: Blocks,
    ) -> None:
        self._runner, self._model, self._keys, self._clock = runner, model, keys, clock
        self._linkedin, self._blocks = linkedin, blocks

    # --- what the driver says

    async def sent(self, attempt: UUID, sent_at: datetime, asking: Asking) -> None:
        """LinkedIn shows it as pending. What was never dispatched here is not ours."""
        step = await self._step(attempt)
        if step is None:
            return
        try:
            await self._keys.create(step.person)
        except KeyDestroyedError:
            return
        imported = InvitationImported(
            invitation=attempt,
            sender=step.sender,
            account=UUID(step.account),
            identity=UUID(step.identity),
            person=UUID(step.person),
            profile=step.profile,
            name=step.name,
            sent_at=sent_at,
            at=self._clock.now(),
        )
        await self._run(attempt, invitation.Import(imported), asking, UUID(step.identity))

    async def accepted(self, which: UUID, asking: Asking) -> None:
        await self._run(which, invitation.Accept(which, self._clock.now()), asking)

    async def tried(self, said: Tried, asking: Asking) -> None:
        """R-WD-4 and 5: the block first, then the answer."""
        step = await self._step(said.attempt)
        sender = "" if step is None else step.sender
        if not sender:
            row = self._model.read(lambda db: linkedin_senders.of_account(db, str(said.account)))
            sender = "" if row is None else row.sender
        if said.blocked_until is not None and sender:
            profile = "" if step is None else step.profile
            until = said.blocked_until
            await self._blocks.block(said.organization, sender, said.person, profile, until, asking)
        if step is not None and step.invitation:
            await self.record(UUID(step.invitation), said.attempt, said.outcome, said.detail, asking)

    async def record(
        self, which: UUID, attempt: UUID, outcome: WithdrawalOutcome, detail: str, asking: Asking
    ) -> None:
        command = invitation.Record(which, attempt, outcome, detail, self._clock.now())
        await self._run(which, command, asking)

    # --- what people wish

    async def request(self, command: WithdrawInvitations, asking: Asking) -> Accepted:
        """R-WD-2. It is carried out by the reaction to what this stores."""
        account = self._linkedin.mine(command.identity, asking)
        wish = withdrawal.Request(
            command.request,
            account.organization,
            account.sender,
            command.identity,
            command.invitations,
            self._clock.now(),
        )
        asked = Asked(asking.id, asking.by, wish.at, command.identity, account.organization)
        return self._runner.accepted(
            await self._runner.run(requests, _of_request(command.request), wish, asked)
        )

    async def carry_out(self, request: UUID, actor: str, asking: Asking) -> None:
        """Each gets a permit from the day's allowance, or its answer. A repeat goes on where one was cut off."""
        state = (await self._runner.load(requests, _of_request(request))).state
        wish = state.requested
        if wish is None or state.answered:
            return
        answers, spent = list[Answer](), ""
        for which in wish.invitations:
            try:
                answer = spent or await self._withdraw(wish, which, actor, asking)
            except Refused as refusal:
                if refusal.code == "not-yet":
                    raise
                answer = refusal.detail
                spent = refusal.detail if refusal.code in FOR_ALL else ""
            if isinstance(answer, str):
                answer = Answer(invitation=which, outcome="not attempted", detail=answer)
            if answer is not None:
                answers.append(answer)
        command = withdrawal.SayAnswers(tuple(answers), self._clock.now())
        asked = Asked(asking.id, asking.by, command.at, wish.identity, wish.organization)
        await self._runner.run(requests, _of_request(request), command, asked)

    async def _withdraw(
        self, wish: WithdrawalRequested, which: UUID, actor: str, asking: Asking
    ) -> Answer | None:
        """None: it was dispatched, now or before."""
        known = await self.known(which)
        attempt = attempt_of(wish.request, which)
        if attempt in known.tries:
            return None
        if known.sent is None or known.sent.sender != wish.sender:
            detail = "This LinkedIn account sent no such invitation."
            return Answer(invitation=which, outcome="not found", detail=detail)
        match known.ended:
            case "accepted":
                return Answer(invitation=which, outcome="accepted meanwhile", detail="")
            case "withdrawn":
                return Answer(invitation=which, outcome="not found", detail="It was withdrawn before.")
            case "gone":
                detail = "LinkedIn shows no such pending invitation any more."
                return Answer(invitation=which, outcome="not found", detail=detail)
            case _:
                pass
        by = By(
            organization=wish.organization,
            actor=actor,
            correlation=asking.by.correlation,
            causation=asking.by.causation,
        )
        step = Dispatch(
            wish.organization,
            attempt,
            withdrawing(known.sent, automatic=False),
            self._clock.now(),
            identity=wish.identity,
        )
        await self._linkedin.dispatch(wish.sender, step, Asking(attempt, by))
        return None

    async def results(self, query: GetWithdrawalResults, asking: Asking) -> tuple[WithdrawalResult, ...]:
        found = self._model.read(
            lambda db: rows.of_request(db, str(asking.by.organization), str(query.request))
        )
        if not found:
            raise Refused("withdrawal.unknown", "Your organization asked for no such withdrawal.", status=404)
        return tuple(found)

    # --- what those beside it use, too

    async def known(self, which: UUID) -> Invitation:
        return (await self._runner.load(invitations, _of_invitation(which))).state

    async def watch(self, now: datetime) -> None:
        """A withdrawal without news is asked to be closed, never tried anew."""
        for lost in self._model.read(lambda db: pending.lost_on_their_way(db, now - NO_NEWS_FOR)):
            attempt, by = (
                UUID(lost.attempt),
                By(organization=UUID(lost.organization), actor="system:scheduler"),
            )
            await self._linkedin.cancel(lost.sender, attempt, Asking(derived(attempt, "cancel"), by))

    async def _step(self, attempt: UUID) -> linkedin_steps.Step | None:
        await self._linkedin.up_to_date()
        return self._model.read(lambda db: linkedin_steps.of_attempt(db, str(attempt)))

    async def _run(
        self, which: UUID, command: invitation.Command, asking: Asking, identity: UUID | None = None
    ) -> None:
        at = self._clock.now()
        asked = Asked(derived(asking.id, str(which)), asking.by, at, identity)
        await self._runner.run(invitations, _of_invitation(which), command, asked)


def withdrawing(sent: InvitationImported, *, automatic: bool) -> Action:
    """Refused `person.erased`: without the profile nobody finds it on LinkedIn."""
    if isinstance(sent.profile, Erased) or isinstance(sent.name, Erased):
        raise Refused("person.erased", "This person's data was erased: nothing is done with them any more.")
    return Action(
        "withdrawal",
        sent.person,
        sent.profile,
        sent.name,
        invitation=sent.invitation,
        invited_at=sent.sent_at,
        automatic=automatic,
    )


def _of_invitation(which: UUID) -> str:
    return f"invitation-{which}"


def _of_request(request: UUID) -> str:
    return f"withdrawal-{request}"
