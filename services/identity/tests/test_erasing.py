"""Asking for an erasure: whose ids belong together, once for each person, in the ledger before in the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis import points
from heraldry.chassis.bus.operator import ACTOR
from heraldry.chassis.bus.rpc import Asking, Caller
from heraldry.chassis.clock import FrozenClock
from heraldry.chassis.codec import Codec
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.chassis.vault import ledger
from heraldry.contracts.base import By, Refused
from heraldry.contracts.erasure import (
    ContextStanding,
    ErasureRequested,
    FindPerson,
    GetErasure,
    GetStanding,
    Kind,
    ListSubjects,
    Person,
    RequestErasure,
)
from heraldry.identity.domain.types import TYPES
from heraldry.identity.erasing import Erasures
from heraldry.identity.projections import erasures, erasures_under_way

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NORTHWIND, LEAD, ENROLLMENT, BY_HAND, INVITED, STRANGER, ADA = (UUID(int=number) for number in range(1, 8))
OPERATOR, ADMIN = By(organization=None, actor=ACTOR), By(organization=NORTHWIND, actor="user:ada")
ADDRESS, PROFILE = "lea@fabrikam.example", "linkedin.com/in/lea"


@dataclass
class Others(Caller):
    """The other contexts: the scheduler knows a lead with address and profile, the rest what was done by hand."""

    known: Mapping[tuple[str, UUID], Person] = field(default_factory=dict[tuple[str, UUID], Person])
    away: tuple[str, ...] = ()

    async def ask(self, query: object, *, to: str = "", **_: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]  as tests need it
        match query:
            case FindPerson(subject=subject):
                return self.known.get((to, subject), Person())
            case ListSubjects(addresses=addresses, profiles=profiles) if to == "scheduler":
                return (LEAD,) if ADDRESS in addresses else ()
            case ListSubjects(addresses=addresses, profiles=profiles):
                return (
                    *[BY_HAND for one in addresses if one == ADDRESS],
                    *[INVITED for one in profiles if one == PROFILE],
                )
            case GetStanding() if to in self.away:
                raise Refused("service.unavailable", f"{to} does not answer.", status=503)
            case GetStanding():
                return ContextStanding(waiting="a mail", rows=0, replicas=1)
            case _:
                raise TypeError(type(query).__name__)


LEA = Person(organization=NORTHWIND, person=LEAD, addresses=(ADDRESS,), profiles=(PROFILE,))
KNOWN = {
    ("scheduler", LEAD): LEA,
    ("scheduler", ENROLLMENT): LEA,
    ("mailbox", BY_HAND): Person(organization=NORTHWIND, person=BY_HAND, addresses=(ADDRESS,)),
    ("mailbox", LEAD): Person(organization=NORTHWIND, person=LEAD, addresses=(ADDRESS,)),
    ("gateway", ADA): Person(organization=NORTHWIND, person=ADA, last_admin=True),
    ("linkedin-driver", INVITED): Person(organization=NORTHWIND, person=INVITED, profiles=(PROFILE,)),
}


@dataclass
class Made:
    erasures: Erasures
    store: SqliteStore
    model: ReadModel
    feed: StoreFeed

    async def request(self, subject: UUID, by: By = OPERATOR) -> None:
        command = RequestErasure(kind="lead", subject=subject, reason="asked by letter")
        accepted = await self.erasures.request(command, Asking(uuid4(), by))
        assert await self.model.wait_for([accepted.position], 10)

    async def recorded(self) -> list[ErasureRequested]:
        stored = await self.store.read_all()
        return [ErasureRequested.model_validate_json(one.data) for one in stored]


@asynccontextmanager
async def made(data: Path, away: tuple[str, ...] = ()) -> AsyncGenerator[Made]:
    (data / "store").mkdir(exist_ok=True)
    store = SqliteStore(data / "store" / "identity.sqlite3")
    codec = Codec(TYPES, MemoryKeys("identity"))
    model = ReadModel(data / "read" / "identity.sqlite3", [erasures])
    feed = StoreFeed("identity", store, codec.veiled(), model)
    await feed.start()
    others = Others(known=KNOWN, away=away)
    asked = Erasures(
        Runner("identity", store, codec), model, cast("Caller", others), FrozenClock(NOW), data, points.none
    )
    yield Made(asked, store, model, feed)
    await feed.stop()
    model.close()
    await store.close()


@pytest.mark.parametrize("subject", [LEAD, ENROLLMENT, BY_HAND])
async def test_all_ids_of_a_person_are_found_from_each_and_make_one_erasure(
    tmp_path: Path, subject: UUID
) -> None:
    async with made(tmp_path) as one:
        await one.request(subject)
        for again in (LEAD, ENROLLMENT, BY_HAND, INVITED):
            await one.request(again)
        (requested,) = await one.recorded()
        assert requested.subjects[0] == LEAD
        assert set(requested.subjects) == {LEAD, BY_HAND, INVITED}
        (entry,) = ledger.read(tmp_path)
        assert (entry.erasure, entry.subjects) == (requested.erasure, requested.subjects)
        view = await one.erasures.get(GetErasure(erasure=BY_HAND), Asking(uuid4(), OPERATOR))
        assert (view.step, view.waiting["mailbox"]) == ("stopping", "a mail")
        assert one.model.read(erasures_under_way) == (requested.erasure,)


@pytest.mark.parametrize("kind", ["identity", "user"])
async def test_who_was_erased_as_another_kind_is_named_for_what_they_were(tmp_path: Path, kind: Kind) -> None:
    async with made(tmp_path) as one:
        await one.request(LEAD)
        again = RequestErasure(kind=kind, subject=BY_HAND, reason="asked by letter")
        with pytest.raises(Refused) as refused:
            await one.erasures.request(again, Asking(uuid4(), OPERATOR))
        assert refused.value.code == "erasure.other-kind"
        assert "as a lead" in refused.value.detail
        assert "`--lead`" in refused.value.detail
        assert len(await one.recorded()) == 1


async def test_only_operators_erase_and_only_who_is_known(tmp_path: Path) -> None:
    async with made(tmp_path) as one:
        with pytest.raises(Refused) as refused:
            await one.request(LEAD, ADMIN)
        assert refused.value.code == "operator.needed"
        with pytest.raises(Refused) as refused:
            await one.erasures.get(GetErasure(erasure=LEAD), Asking(uuid4(), ADMIN))
        assert refused.value.code == "operator.needed"
        with pytest.raises(Refused) as refused:
            await one.request(STRANGER)
        assert refused.value.code == "erasure.unknown"
        assert ledger.read(tmp_path) == ()


async def test_the_only_admin_of_an_organization_is_erased_only_if_that_is_meant(tmp_path: Path) -> None:
    async with made(tmp_path) as one:
        request = RequestErasure(kind="user", subject=ADA, reason="asked by letter")
        with pytest.raises(Refused) as refused:
            await one.erasures.request(request, Asking(uuid4(), OPERATOR))
        assert refused.value.code == "user.last-admin"
        assert ledger.read(tmp_path) == ()
        meant = request.model_copy(update={"anyway": True})
        await one.erasures.request(meant, Asking(uuid4(), OPERATOR))
        (requested,) = await one.recorded()
        assert requested.subjects == (ADA,)


async def test_a_context_that_is_away_is_named_and_hides_no_other(tmp_path: Path) -> None:
    async with made(tmp_path, away=("scheduler",)) as one:
        await one.request(LEAD)
        view = await one.erasures.get(GetErasure(erasure=LEAD), Asking(uuid4(), OPERATOR))
        assert (view.waiting["scheduler"], view.waiting["mailbox"]) == ("does not answer", "a mail")


@pytest.mark.requirement("R-AUD-6")
async def test_what_the_ledger_knows_and_the_log_does_not_is_begun_again(tmp_path: Path) -> None:
    """After a restored backup, and after a crash between the two."""
    async with made(tmp_path) as one:
        await one.request(LEAD)
        (before,) = await one.recorded()
    for file in (*(tmp_path / "store").iterdir(), *(tmp_path / "read").iterdir()):
        file.unlink()
    async with made(tmp_path) as restored:
        assert await restored.recorded() == []
        await restored.erasures.heed_ledger()
        await restored.erasures.heed_ledger()
        (after,) = await restored.recorded()
        assert (after.erasure, after.subjects, after.kind) == (before.erasure, before.subjects, "lead")
