"""Whom an installation may act on, decided at the real last gate; a browser that is none says what was clicked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.halt import Halt, HaltFlags
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.recipients import Recipients
from heraldry.chassis.runner import Runner
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.chassis.vault.secrets import Secret, Secrets
from heraldry.contracts.base import By
from heraldry.contracts.linkedin import (
    ActionKind,
    InvitationSent,
    LinkedInActionFailed,
    LinkedInLinked,
    LinkedInMessageSent,
    LinkedInProfile,
    account_of,
)
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched
from heraldry.linkedin_driver.actions import Actions
from heraldry.linkedin_driver.application import Application
from heraldry.linkedin_driver.domain.account import LinkingAccepted
from heraldry.linkedin_driver.domain.types import TYPES
from heraldry.linkedin_driver.ports import Browsers, Click, Done, Outcome, Visit, Wanted
from heraldry.linkedin_driver.service import PROJECTIONS
from heraldry.linkedin_driver.streams import CONTEXT, account_stream, action_stream
from heraldry.linkedin_driver.workers.acting import ActionWorker
from heraldry.linkedin_driver.workers.desk import Desk
from heraldry.linkedin_driver.workers.driving import Driving
from nacl.public import PrivateKey
from nats.aio.client import Client

NORTHWIND, ADA, LINKING = (UUID(int=n) for n in range(1, 4))
EVERYTHING: tuple[ActionKind, ...] = ("invitation", "message", "withdrawal", "scraping")
NOW, HELD = datetime(2026, 5, 4, 9, 30, tzinfo=UTC), timedelta(seconds=60)
HERE = Asking(uuid4(), By(organization=NORTHWIND, actor="user:ada"))


class NoVault(Secrets):
    async def get(self, subject: str, name: str) -> Secret:  # noqa: ARG002  the vault's
        return Secret(b"signed in", 1)


class NoHalt(HaltFlags):
    async def check_now(self, *scopes: str) -> Halt | None:  # noqa: ARG002  the flags'
        return None


class NobodyElse:
    """Leases of the only replica."""

    held, renewed_every = HELD, 20.0

    async def take(self, what: UUID) -> bool:  # noqa: ARG002  the leases'
        return True

    async def release(self, what: UUID) -> None:
        """Nobody waits for it."""


@dataclass
class NoBrowser:
    """Browser, visit and member in one; `clicked`: who was acted on."""

    opened: int = 0
    clicked: list[str] = field(default_factory=list[str])
    alive: bool = True

    @asynccontextmanager
    async def visit(self, state: bytes | None = None) -> AsyncGenerator[Visit]:  # noqa: ARG002  the browsers'
        self.opened += 1
        yield cast("Visit", self)

    @property
    def member(self) -> NoBrowser:
        return self

    async def state(self) -> None:
        return None

    async def act(self, wanted: Wanted, click: Click) -> Outcome:
        await click.before(wanted.slug, 0)
        self.clicked.append(wanted.slug)
        await click.after()
        return Done("It shows.")


@dataclass
class House:
    store: SqliteStore
    codec: Codec
    actions: Actions
    worker: ActionWorker
    browser: NoBrowser

    async def done(self, kind: ActionKind, profile: str) -> list[object]:
        """Dispatch it and try it; what its stream says of it."""
        step = LinkedInStepDispatched(
            attempt=uuid4(),
            kind=kind,
            sender="ada",
            account=account_of(ADA),
            identity=ADA,
            person=uuid4(),
            profile=f"https://www.linkedin.com/in/{profile}/",
            text="Hello",
            valid_until=NOW + timedelta(minutes=10),
            at=NOW,
        )
        await self.actions.queue(step, "user:ada", HERE)
        await self.worker.act(step.attempt)
        stored = await self.store.read_stream(f"{CONTEXT}.{action_stream(step.attempt)}")
        return [await self.codec.event(one) for one in stored]


@asynccontextmanager
async def house(folder: Path, recipients: Recipients) -> AsyncGenerator[House]:
    """One installation with one account that is linked."""
    keys, clock, nc = MemoryKeys(CONTEXT), MovableClock(NOW), Client()
    await keys.create(str(ADA))
    store = SqliteStore(folder / "store.sqlite3")
    codec, model = Codec(TYPES, keys), ReadModel(folder / "read.sqlite3", PROJECTIONS)
    runner, secrets = Runner(CONTEXT, store, codec), NoVault(nc, CONTEXT, keys)
    application = Application(runner, keys, secrets, PrivateKey.generate(), clock, clock, HELD)
    actions = Actions(runner, keys, application.names, model, clock)
    desk = Desk(application, secrets, NoHalt(nc), model, clock, clock, HELD, recipients=recipients)
    of = account_of(ADA)
    accepted = LinkingAccepted(
        account=of, organization=NORTHWIND, identity=ADA, linking=LINKING, secret="one", at=NOW
    )
    linked = LinkedInLinked(
        account=of,
        identity=ADA,
        linking=LINKING,
        sender="ada",
        profile=LinkedInProfile(first_name="Ada"),
        sales_navigator=False,
        at=NOW,
    )
    meta = Meta(command=str(uuid4()), actor="system:linkedin-driver", time=NOW.isoformat())
    new = await codec.encode([accepted, linked], meta)
    await store.append(f"{CONTEXT}.{account_stream(of)}", new, expected=NO_STREAM)
    browser = NoBrowser()
    driving = Driving(desk, cast("Browsers", browser), NobodyElse())
    yield House(store, codec, actions, ActionWorker(desk, actions, driving, pause=0), browser)
    model.close()
    await store.close()


@pytest.mark.parametrize("staging", [True, False])
async def test_the_last_gate_lets_a_click_be_made_only_on_whom_the_installation_may_write_to(
    tmp_path: Path,
    staging: bool,  # noqa: FBT001  a table
) -> None:
    told = Settings(staging=staging, recipient_allow_list="test.example, https://www.linkedin.com/in/kim")
    async with house(tmp_path, Recipients.of(told)) as here:
        *_, invited = await here.done("invitation", "kim")
        *_, written = await here.done("message", "kim")
        assert (type(invited), type(written)) == (InvitationSent, LinkedInMessageSent)
        opened = here.browser.opened
        for kind in EVERYTHING:
            _, failed = await here.done(kind, "lea")
            assert isinstance(failed, LinkedInActionFailed)
            said = failed.diagnosis.code, failed.proven, failed.again
            assert said == ("recipient.not-allowed", True, False)
        assert here.browser.clicked == ["kim", "kim"]
        assert here.browser.opened == opened
