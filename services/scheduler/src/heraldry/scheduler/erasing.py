"""What the scheduler does when a person is erased: their sequences end, and nothing is dispatched for them any more.

The address of a lead goes on the suppression list by its keyed hash, which outlives the person's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking, Caller
from heraldry.chassis.clock import Clock
from heraldry.chassis.erasing import Erased, Part
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import LeadData, StopIdentity
from heraldry.contracts.erasure import Kind, Person
from heraldry.contracts.mailbox import SuppressRecipient
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.domain import importing, sequence
from heraldry.scheduler.domain.enrollment import Enrollment
from heraldry.scheduler.imports import Imports
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.projections import erasing as rows
from heraldry.scheduler.projections import lead_rows
from heraldry.scheduler.projections.lead_rows import Row
from heraldry.scheduler.suppressions import Suppressions

GIVEN_UP: Final = "a person was erased: upload the file again"


class ErasingHere:
    """Fills in this context's part."""

    def __init__(  # noqa: PLR0913, PLR0917  a composition root names each part once
        self,
        model: ReadModel,
        clock: Clock,
        caller: Caller,
        scheduling: Scheduling,
        suppressions: Suppressions,
        leads: Leads,
        continuity: Continuity,
        imports: Imports,
    ) -> None:
        self._model, self._clock, self._caller = model, clock, caller
        self._scheduling, self._suppressions = scheduling, suppressions
        self._leads, self._continuity, self._imports = leads, continuity, imports

    def fill(self, part: Part) -> None:
        part.stop, part.awaited, part.find, part.named = self.stop, self.awaited, self.find, self.named

    async def stop(self, erased: Erased, asking: Asking) -> None:
        match erased.kind:
            case "lead":
                await self._scheduling.up_to_date()
                await self._give_up_imports(erased.organization, asking)
                for subject in erased.names:
                    await self._end(erased.organization, subject, asking)
            case "identity":
                for subject in erased.subjects:
                    await self._continuity.stop_identity(StopIdentity(identity=subject), asking)
            case "user":
                return

    async def awaited(self, kind: Kind, subjects: tuple[UUID, ...]) -> str:
        if kind == "user":
            return ""
        await self._scheduling.up_to_date()
        names = tuple(map(str, subjects))
        if kind == "lead" and (importing := self._model.read(lambda db: rows.imports_with(db, names))):
            return f"{importing} imports to end"
        column = "identity" if kind == "identity" else "person"
        leaving = self._model.read(lambda db: rows.leaving(db, column, names))
        return f"{leaving} steps on their way to have an outcome" if leaving else ""

    async def find(self, kind: Kind, subject: UUID) -> Person:
        await self._scheduling.up_to_date()
        found = self._model.read(lambda db: rows.who(db, str(subject))) if kind == "lead" else ()
        if not found:
            return Person()
        first = found[0]
        return Person(
            organization=UUID(first.organization),
            person=UUID(first.person),
            addresses=tuple(dict.fromkeys(one.email for one in found if one.email)),
            profiles=tuple(dict.fromkeys(one.profile for one in found if one.profile)),
        )

    async def named(
        self, organization: UUID, addresses: Sequence[str], profiles: Sequence[str]
    ) -> Sequence[UUID]:
        leads = (
            *(LeadData(email=address) for address in addresses),
            *(LeadData(linkedin_url=profile) for profile in profiles),
        )
        return [await self._suppressions.person_of(organization, lead) for lead in leads]

    async def _end(self, organization: UUID, person: str, asking: Asking) -> None:
        """Its sequences, in every campaign; its address, read from the streams, goes on the suppression list."""
        found = self._model.read(lambda db: lead_rows.of_person(db, str(organization), person))
        for row in found:
            lead = await self._leads.load(UUID(row.enrollment))
            if isinstance(lead, Enrollment) and isinstance(lead.data, LeadData) and lead.data.email:
                await self._suppress(organization, lead.data.email, UUID(person), asking)
            await self._end_one(row, asking)

    async def _end_one(self, row: Row, asking: Asking) -> None:
        end = sequence.Suppress("by hand", self._clock.now())
        await self._leads.of_row(row, end, Asking(uuid4(), asking.by))
        if row.attempt:
            await self._leads.recall(UUID(row.enrollment), asking)

    async def _suppress(self, organization: UUID, address: str, person: UUID, asking: Asking) -> None:
        if await self._suppressions.includes(organization, address):
            return
        command = SuppressRecipient(address=address, person=person)
        try:
            await self._caller.send(command, by=asking.by, id=uuid4())
        except Refused as refusal:
            if refusal.code != "address.invalid":  # nothing can be written to that one
                raise
        now = self._clock.now()
        await self._suppressions.suppressed(
            organization, address, "by hand", None, now, Asking(uuid4(), asking.by)
        )

    async def _give_up_imports(self, organization: UUID, asking: Asking) -> None:
        """A file nobody has confirmed may hold the person; one that is confirmed ends by itself."""
        for import_id in self._model.read(lambda db: rows.unconfirmed(db, str(organization))):
            give_up = importing.GiveUp(GIVEN_UP, self._clock.now())
            await self._imports.run(import_id, give_up, Asking(uuid4(), asking.by))
