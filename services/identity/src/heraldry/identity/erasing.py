"""Erasures, led from here: asked for, carried on step by step by whoever runs, and shown.

What is done is repeated until its end is recorded in the erasure's stream; everything asked of a context may be asked
again. So it does not matter how many replicas carry an erasure on, nor where one of them is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid4, uuid5

import structlog
from heraldry.chassis.bus.forgetting import delete_messages, messages_of
from heraldry.chassis.bus.rights import KEYS
from heraldry.chassis.bus.rpc import QUERY_DEADLINE, Asking, Caller
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.erasing import Erased, Part
from heraldry.chassis.leases import Leases
from heraldry.chassis.points import Points
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault import ledger
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.erasure import (
    Cleared,
    ContextStanding,
    DestroySubjectsKeys,
    EraseSubjects,
    ErasureView,
    FindPerson,
    GetErasure,
    GetStanding,
    Kind,
    ListSubjects,
    Person,
    RequestErasure,
)
from heraldry.identity.application import Identities
from heraldry.identity.domain import erasure, identity
from heraldry.identity.domain.erasure import CONTEXTS, Erasure
from heraldry.identity.domain.identity import Identity
from heraldry.identity.projections import erasure_about, erasures_under_way
from nats.aio.client import Client
from nats.errors import Error as NatsError

T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)
ERASURE: Final[Decider[erasure.Command, erasure.State, erasure.Event]] = Decider(
    erasure.NO_ERASURE, erasure.decide, erasure.evolve
)
KNOWING: Final[dict[Kind, tuple[str, ...]]] = {  # which contexts may know whom, best first
    "lead": ("scheduler", "mailbox", "linkedin-driver"),
    "identity": ("identity",),
    "user": ("gateway",),
}
NAMED: Final[dict[Kind, str]] = {"lead": "a lead", "identity": "an identity", "user": "a user"}
NAMING: Final = ("scheduler", "gateway")  # contexts that give leads their ids
BY: Final = By(organization=None, actor="system:identity")
PAUSE: Final = 0.5  # seconds between two looks at an erasure that waits
LOOK: Final = 2.0  # seconds a context may take to say what it waits for, where somebody only looks
DEADLINE: Final = 60.0  # seconds a context may need to stop what is meant for somebody


class Erasures:
    """What is asked and told about erasures."""

    def __init__(
        self, runner: Runner, model: ReadModel, caller: Caller, clock: Clock, data: Path, reach: Points
    ) -> None:
        self._runner, self._model, self._caller, self._clock = runner, model, caller, clock
        self._data, self._reach = data, reach

    async def request(self, command: RequestErasure, asking: Asking) -> Accepted:
        """In the ledger first, then in the log: what the log has begun, no restored backup undoes."""
        for_operators(asking)
        found = await self._find(command.kind, command.subject)
        if found is None or self._known(command.subject) or (found.person and self._known(found.person)):
            return await self._again(command, asking)
        if found.last_admin and not command.anyway:
            raise Refused(
                "user.last-admin",
                "This user is the only admin of their organization: nobody could look after it any more."
                " If that is meant, ask with `--anyway`.",
            )
        subjects = await self._subjects(command.kind, found)
        about = erasure.erasure_of(command.kind, subjects[0])
        request = erasure.Request(
            about,
            found.organization or UUID(int=0),
            command.kind,
            subjects,
            command.reason,
            self._clock.now(),
        )
        entry = ledger.Entry(
            at=request.at,
            kind=command.kind,
            erasure=about,
            organization=request.organization,
            subjects=subjects,
        )
        ledger.append(self._data, entry)
        await self._reach("erasure.in-ledger")
        return await self._run(request, asking)

    async def heed_ledger(self) -> None:
        """Begin again what a restored backup knows nothing of, and what a crash kept from being begun."""
        for entry in ledger.read(self._data):
            request = erasure.Request(
                entry.erasure,
                entry.organization,
                entry.kind,
                entry.subjects,
                "It stands in the ledger of erasures.",
                self._clock.now(),
            )
            await self._run(request, Asking(uuid4(), BY))

    async def get(self, query: GetErasure, asking: Asking) -> ErasureView:
        for_operators(asking)
        state = await self._of(query.erasure)
        waiting = await asyncio.gather(*(self._waiting(context, state) for context in state.uncleared))
        return ErasureView(
            erasure=state.id,
            organization=state.organization,
            kind=state.kind,
            subjects=state.subjects,
            step=state.step,
            requested_at=state.requested_at,
            completed_at=state.completed_at,
            contexts=tuple(state.cleared[one] for one in CONTEXTS if one in state.cleared),
            messages=state.messages or 0,
            keys=state.keys or 0,
            waiting=dict(zip(state.uncleared, waiting, strict=True)),
        )

    async def _waiting(self, context: str, about: Erasure) -> str:
        """What the context waits for, in words."""
        try:
            return (await self.standing(context, about, LOOK)).waiting or "to be asked"
        except Refused as refusal:
            if refusal.code != "service.unavailable":
                raise
            return "does not answer"

    async def load(self, about: UUID) -> erasure.State:
        return (await self._runner.load(ERASURE, erasure.stream(about))).state

    async def note(self, about: Erasure, command: erasure.Command) -> None:
        asked = Asked(uuid4(), BY, command.at, _identity(about), about.organization)
        await self._runner.run(ERASURE, erasure.stream(about.id), command, asked)

    async def standing(
        self, context: str, about: Erasure, deadline: float = QUERY_DEADLINE
    ) -> ContextStanding:
        query = GetStanding(kind=about.kind, subjects=about.subjects)
        return await self._caller.ask(query, by=BY, to=context, deadline=deadline)

    async def _of(self, subject: UUID) -> Erasure:
        """The erasure with this id, or of who has it. Refused `erasure.unknown`."""
        state = await self.load(self._known(subject) or subject)
        if isinstance(state, Erasure):
            return state
        found = await self._find("lead", subject)  # the id of an enrollment
        known = self._known(found.person) if found is not None and found.person is not None else None
        state = await self.load(known or subject)
        if not isinstance(state, Erasure):
            raise _unknown()
        return state

    async def _again(self, command: RequestErasure, asking: Asking) -> Accepted:
        about = await self._of(command.subject)
        if about.kind != command.kind:
            raise Refused(
                "erasure.other-kind",
                f"Who has this id is erased already, as {NAMED[about.kind]}, not as {NAMED[command.kind]}."
                f" If that is whom you mean, ask with `--{about.kind}`.",
            )
        request = erasure.Request(
            about.id, about.organization, about.kind, about.subjects, command.reason, self._clock.now()
        )
        return await self._run(request, asking)

    async def _find(self, kind: Kind, subject: UUID) -> Person | None:
        """All that is known under this id; None: nobody has it, or it is known by nothing but ids."""
        query = FindPerson(kind=kind, subject=subject)
        answers = [await self._caller.ask(query, by=BY, to=context) for context in KNOWING[kind]]
        found = [one for one in answers if one.organization is not None]
        if not found:
            return None
        return found[0].model_copy(
            update={
                "addresses": _once(one.addresses for one in found),
                "profiles": _once(one.profiles for one in found),
            }
        )

    async def _subjects(self, kind: Kind, found: Person) -> tuple[UUID, ...]:
        """Every id of the person, the one their erasure is named by first: it is the same whichever was given.

        What is known under each id may lead to another one: a mail by hand to an address, a lead with it, their profile.
        """
        own = () if found.person is None else (found.person,)
        if kind != "lead" or found.organization is None:
            return own
        addresses, profiles, asked = found.addresses, found.profiles, set(own)
        while True:
            query = ListSubjects(organization=found.organization, addresses=addresses, profiles=profiles)
            named = _once([await self._caller.ask(query, by=BY, to=context) for context in NAMING])
            new = [one for one in named if one not in asked]
            asked.update(new)
            more = [known for one in new if (known := await self._find(kind, one)) is not None]
            wider = (
                _once((addresses, *(one.addresses for one in more))),
                _once((profiles, *(one.profiles for one in more))),
            )
            if wider == (addresses, profiles):
                return _once((named, own))
            addresses, profiles = wider

    def _known(self, subject: UUID) -> UUID | None:
        return self._model.read(lambda db: erasure_about(db, subject))

    async def _run(self, command: erasure.Request, asking: Asking) -> Accepted:
        by = By(organization=command.organization, actor=asking.by.actor, correlation=asking.by.correlation)
        whose = command.subjects[0] if command.kind == "identity" and command.subjects else None
        asked = Asked(asking.id, by, command.at, whose, command.organization)
        ran = await self._runner.run(ERASURE, erasure.stream(command.erasure), command, asked)
        return self._runner.accepted(ran)


class Eraser:
    """Carries erasures on, one after the other; one replica at a time, for comfort."""

    def __init__(
        self,
        nc: Client,
        erasures: Erasures,
        model: ReadModel,
        caller: Caller,
        clock: Clock,
        leases: Leases,
        reach: Points,
    ) -> None:
        self._nc, self._erasures, self._model, self._caller = nc, erasures, model, caller
        self._clock, self._leases, self._reach = clock, leases, reach

    async def run(self) -> None:
        while True:
            for about in self._model.read(erasures_under_way):
                try:
                    if await self._leases.take(about):
                        await self._carry_on(about)
                except (Refused, NatsError, TimeoutError) as error:
                    log.warning("an erasure waits", erasure=str(about), because=type(error).__name__)
            await asyncio.sleep(PAUSE)

    async def _carry_on(self, about: UUID) -> None:
        """The next step, if nothing is waited for; the following one comes with the next look."""
        state = await self._erasures.load(about)
        if not isinstance(state, Erasure):
            return
        match state.step:
            case "stopping":
                for context in state.uncleared:
                    await self._clear(state, context)
            case "deleting messages":
                deleted = await self._delete_messages(state)
                await self._erasures.note(state, erasure.NoteMessages(deleted, self._clock.now()))
            case "destroying keys":
                await self._destroy(state)
            case "completed":
                return

    async def _clear(self, about: Erasure, context: str) -> None:
        command = EraseSubjects(kind=about.kind, subjects=about.subjects, organization=about.organization)
        await self._caller.send(command, by=self._by(about), id=uuid4(), to=context, deadline=DEADLINE)
        standing = await self._erasures.standing(context, about)
        await self._reach("erasure.asked")
        if not standing.waiting:
            cleared = Cleared(context=context, rows=standing.rows, replicas=standing.replicas)
            await self._erasures.note(about, erasure.NoteCleared(cleared, self._clock.now()))

    async def _delete_messages(self, about: Erasure) -> int:
        persons = frozenset(map(str, about.subjects))
        found = await messages_of(self._nc, persons, str(about.organization))
        await self._reach("erasure.messages-found")
        deleted = await delete_messages(self._nc, found)
        await self._reach("erasure.messages-deleted")
        return deleted

    async def _destroy(self, about: Erasure) -> None:
        if about.keys is None:
            records = 0
            for context in CONTEXTS:
                command = DestroySubjectsKeys(kind=about.kind, subjects=about.subjects)
                await self._caller.send(command, by=BY, id=uuid4(), to=context, deadline=DEADLINE)
            await self._reach("erasure.keys-destroyed")
            for context in CONTEXTS:
                standing = await self._erasures.standing(context, about)
                records += await delete_messages(self._nc, standing.superseded, KEYS)
            await self._reach("erasure.keys-overwritten")
            await self._erasures.note(about, erasure.NoteDestroyed(records, self._clock.now()))
        late = await self._delete_messages(about)
        await self._erasures.note(about, erasure.Complete(late, self._clock.now()))

    @staticmethod
    def _by(about: Erasure) -> By:
        return By(organization=about.organization, actor=BY.actor, causation=str(about.id))


def own_part(part: Part, identities: Identities, clock: Clock) -> None:
    """What the identity context itself does: an identity whose owner is erased is deleted."""

    async def stop(erased: Erased, asking: Asking) -> None:
        if erased.kind != "identity":
            return
        for subject in erased.subjects:
            state = await identities.load(subject)
            if isinstance(state, Identity) and not state.deleted:
                delete = identity.Delete(erased.organization, clock.now())
                await identities.run(subject, delete, Asking(uuid5(asking.id, "delete"), asking.by))

    async def find(kind: Kind, subject: UUID) -> Person:
        state = await identities.load(subject)
        if kind != "identity" or not isinstance(state, Identity):
            return Person()
        return Person(organization=state.organization, person=subject)

    part.stop, part.find = stop, find


def _once(many: Iterable[Iterable[T]]) -> tuple[T, ...]:
    """All of them in order, each once."""
    return tuple(dict.fromkeys(one for some in many for one in some))


def for_operators(asking: Asking) -> None:
    if asking.by.organization is not None:
        raise Refused(
            "operator.needed", "Only the operators of the platform erase people. Ask them.", status=403
        )


def _identity(about: Erasure) -> UUID | None:
    return about.subjects[0] if about.kind == "identity" else None


def _unknown() -> Refused:
    return Refused(
        "erasure.unknown", "Nobody with this id is known, and nobody with it was erased.", status=404
    )
