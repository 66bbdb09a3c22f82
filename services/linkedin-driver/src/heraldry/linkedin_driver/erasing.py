"""What the LinkedIn driver does when a person is erased: actions for them are cancelled, begun ones are waited for.

The account of an identity that is erased is unlinked as that of any deleted one. Pictures of pages that were not
understood show nobody knows whom, so all of them go.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.erasing import Erased, Part
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import By
from heraldry.contracts.erasure import Kind, Person
from heraldry.contracts.linkedin import account_of
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled
from heraldry.linkedin_driver import projections as rows
from heraldry.linkedin_driver.actions import Actions
from heraldry.linkedin_driver.application import Application

COLUMNS: Final[Mapping[Kind, Literal["person", "identity"]]] = {"lead": "person", "identity": "identity"}


class ErasingHere:
    """Fills in this context's part."""

    def __init__(
        self,
        model: ReadModel,
        application: Application,
        acting: Actions,
        clock: Clock,
        evidence: Path,
        stamp: Path,
    ) -> None:
        self._model, self._application, self._acting, self._clock = model, application, acting, clock
        self._evidence, self._stamp = evidence, stamp

    def fill(self, part: Part) -> None:
        part.stop, part.awaited, part.find = self.stop, self.awaited, self.find
        part.forgets.append(self.forget_pictures)

    async def stop(self, erased: Erased, asking: Asking) -> None:
        if erased.kind != "lead":
            return
        for subject in erased.names:
            for one in self._model.read(lambda db, of=subject: rows.undone(db, "person", of)):
                by = By(organization=one.organization, actor=asking.by.actor)
                step = LinkedInStepCancelled(attempt=one.attempt, identity=one.identity, at=self._clock.now())
                await self._acting.cancel(step, Asking(uuid4(), by))

    async def awaited(self, kind: Kind, subjects: tuple[UUID, ...]) -> str:
        if kind == "user":
            return ""
        undone = sum(
            len(self._model.read(partial(rows.undone, column=COLUMNS[kind], of=str(of)))) for of in subjects
        )
        if undone:
            return f"{undone} actions on their way to have an outcome"
        if kind == "identity":
            for subject in subjects:
                state = await self._application.account(account_of(subject))
                if state is not None and state.bound:
                    return "its LinkedIn account to be unlinked"
        return ""

    async def find(self, kind: Kind, subject: UUID) -> Person:
        found = self._model.read(lambda db: rows.acted_on(db, str(subject))) if kind == "lead" else None
        if found is None:
            return Person()
        organization, person, profiles = found
        return Person(organization=UUID(organization), person=UUID(person), profiles=profiles)

    def forget_pictures(self, erased: Mapping[str, int]) -> None:
        newest = max(erased.values(), default=0)
        before = int(self._stamp.read_text(encoding="ascii")) if self._stamp.exists() else 0
        if newest > before:
            shutil.rmtree(self._evidence, ignore_errors=True)
            self._stamp.write_text(str(newest), encoding="ascii")
