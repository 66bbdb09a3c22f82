"""What the mailbox does when a person is erased: mails to them are stopped, and what is leaving is waited for.

Their address goes on the suppression list by its keyed hash. The inboxes of an identity that is erased are
disconnected as those of any deleted one.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.erasing import Erased, Part
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Erased as ErasedField
from heraldry.contracts.erasure import Kind, Person
from heraldry.contracts.mailbox import Diagnosed, SuppressRecipient
from heraldry.mailbox import projections
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain import email

ERASED = Diagnosed(
    code="recipient.erased",
    cause="The recipient's data was erased before it left.",
    resolution="Do not write to this person again.",
)


class ErasingHere:
    """Fills in this context's part."""

    def __init__(self, model: ReadModel, application: Application) -> None:
        self._model, self._application = model, application

    def fill(self, part: Part) -> None:
        part.stop, part.awaited, part.find = self.stop, self.awaited, self.find

    async def stop(self, erased: Erased, asking: Asking) -> None:
        if erased.kind != "lead":
            return
        stopping = self._application.stopping
        for subject in erased.subjects:
            await stopping.stop_mails(lambda db, of=str(subject): projections.open_for(db, of), ERASED)
            address = await self._address(str(subject))
            if address and not await stopping.is_suppressed(erased.organization, address):
                command = SuppressRecipient(address=address, person=subject)
                await stopping.suppress(command, Asking(uuid4(), asking.by))

    async def awaited(self, kind: Kind, subjects: tuple[UUID, ...]) -> str:
        if kind == "user":
            return ""
        await self._application.stopping.catch_up()
        names = tuple(map(str, subjects))
        if kind == "identity":
            held = sum(len(self._model.read(lambda db, of=of: projections.held_by(db, of))) for of in names)
            if held:
                return f"{held} inboxes to be disconnected"
        column = "identity" if kind == "identity" else "person"
        leaving = self._model.read(lambda db: projections.on_their_way(db, column, names))
        return f"{leaving} mails on their way to have an outcome" if leaving else ""

    async def find(self, kind: Kind, subject: UUID) -> Person:
        await self._application.stopping.catch_up()
        found = (
            self._model.read(lambda db: projections.written_to(db, str(subject))) if kind == "lead" else None
        )
        if found is None:
            return Person()
        organization, person, addresses = found
        return Person(organization=UUID(organization), person=UUID(person), addresses=addresses)

    async def _address(self, person: str) -> str:
        """As a mail to them says; empty: none does, or it cannot be read any more."""
        attempts = self._model.read(lambda db: projections.mails_to(db, person))
        for attempt in attempts:
            state = (await self._application.mail(attempt)).state
            if isinstance(state, email.NoMail | email.Withdrawn) or isinstance(state.mail.to, ErasedField):
                continue
            return email.text_of(state.mail.to)
        return ""
