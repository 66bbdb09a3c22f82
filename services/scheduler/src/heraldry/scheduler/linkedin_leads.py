"""The LinkedIn steps of leads: what became of them, who is connected, and what is called back."""

from __future__ import annotations

from typing import Final, assert_never
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    InvitationSent,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInMessageSent,
    LinkedInReplyReceived,
    ProfileScraped,
)
from heraldry.scheduler.application import derived
from heraldry.scheduler.domain import acquaintance, sequence
from heraldry.scheduler.domain.acquaintance import STRANGERS, acquaintance_of
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.linkedin_reactions import LinkedInOutcome

acquaintances: Decider[acquaintance.Command, acquaintance.Acquaintance, acquaintance.Event] = Decider(
    STRANGERS, acquaintance.decide, acquaintance.evolve
)
CONNECTED_ALREADY: Final = "invitation.already-connected"
AS_IF_DONE: Final = frozenset({CONNECTED_ALREADY, "invitation.already-invited"})  # R-LIM-4


class LinkedInLeads:
    """`leads` has the streams; here is what LinkedIn's words mean for them."""

    def __init__(self, runner: Runner, clock: Clock, leads: Leads) -> None:
        self._runner, self._clock, self._leads = runner, clock, leads

    async def connected(self, identity: UUID, person: UUID) -> bool:
        """Whether they are, as far as is known."""
        stream = _stream(identity, person)
        return (await self._runner.load(acquaintances, stream)).state.connected

    async def record(self, outcome: LinkedInOutcome, asking: Asking) -> None:
        """What became of a step, whenever that is told. What was done by hand no lead knows."""
        if _shows_connection(outcome):
            await self._connect(outcome.identity, outcome.person, asking)
        lead = outcome.enrollment
        if lead is None:
            return
        match outcome:
            case InvitationSent() | LinkedInMessageSent():
                await self._leads.done(lead, outcome.attempt, outcome.at, asking)
            case ProfileScraped(attempt=attempt, at=at, data=data):
                await self._leads.done(lead, attempt, at, asking, data)
            case LinkedInActionFailed():
                await self._not_done(lead, outcome, asking)
            case LinkedInActionOutcomeUnknown(attempt=attempt):
                command = sequence.RecordUnknown(attempt, self._clock.now())
                await self._leads.decide(lead, command, asking)
            case LinkedInReplyReceived(attempt=attempt):
                await self._leads.decide(lead, sequence.RecordReply(attempt, self._clock.now()), asking)
            case InvitationAccepted():
                pass  # it stands in the history; what follows from it, a step's condition asks when it is due
            case _:
                assert_never(outcome)

    async def _not_done(self, lead: UUID, outcome: LinkedInActionFailed, asking: Asking) -> None:
        found = outcome.diagnosis
        if found.code in AS_IF_DONE:
            await self._leads.done(lead, outcome.attempt, outcome.at, asking)
            return
        command = sequence.RecordFailed(
            attempt=outcome.attempt,
            code=found.code,
            reason=found.cause,
            resolution=found.resolution,
            at=self._clock.now(),
            again=outcome.again,
            costly=outcome.kind == "scraping" and not outcome.proven,
        )
        await self._leads.decide(lead, command, asking)

    async def _connect(self, identity: UUID, person: UUID, asking: Asking) -> None:
        now = self._clock.now()
        asked = Asked(derived(asking.id, "connected"), asking.by, now, identity, asking.by.organization)
        command = acquaintance.Import(identity, person, now)
        await self._runner.run(acquaintances, _stream(identity, person), command, asked)


def _shows_connection(outcome: LinkedInOutcome) -> bool:
    """Only who is connected accepts, gets a message and answers it."""
    match outcome:
        case InvitationAccepted() | LinkedInMessageSent():
            return True
        case LinkedInActionFailed(diagnosis=diagnosis):
            return diagnosis.code == CONNECTED_ALREADY
        case _:
            return False


def _stream(identity: UUID, person: UUID) -> str:
    return f"acquaintance-{acquaintance_of(identity, person)}"
