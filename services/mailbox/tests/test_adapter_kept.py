"""Connections kept for the next mail: fewer sign-ins, and never a mail lost or doubled by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.mailbox.adapters.kept import MOST, KeptConnections
from heraldry.mailbox.domain.compose import Draft, compose, message_id
from heraldry.mailbox.ports import Accepted, Account, Endpoint, NotSent, Outcome, Patience, Submission, Trust
from heraldry.sandbox.mail.faults import Fault
from heraldry.sandbox.mailhost import MailHost
from pydantic import SecretStr

pytestmark = pytest.mark.parts
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA, BOB, NOBODY = "ada@northwind.example", "bob@northwind.example", "nobody@northwind.example"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncGenerator[MailHost]:
    async with MailHost.start(tmp_path / "mail", people=()) as running:
        for address in (ADA, BOB):
            running.add_account(address, "secret")
        yield running


def account(host: MailHost, password: str = "secret") -> Account:
    imap, smtp = (Endpoint("localhost", port, "tls") for port in (host.ports.imaps, host.ports.smtps))
    return Account(ADA, ADA, SecretStr(password), imap, smtp)


def kept(host: MailHost, seconds: float = 20.0) -> KeptConnections:
    return KeptConnections(Trust(host.ca_file, allow_private_addresses=True), kept_for=seconds)


async def send(through: KeptConnections, host: MailHost, attempt: UUID, to: str = BOB) -> Outcome:
    async def nothing() -> None: ...

    content = compose(Draft(attempt, ADA, "Ada", BOB, "Hello", "Hello Bob", NOW))
    return await through.submit(account(host), Submission(ADA, to, content), before_content=nothing)


def signed_in(host: MailHost) -> int:
    return sum(effect.what == "authenticated" for effect in host.effects())


def delivered(host: MailHost) -> Sequence[str]:
    return [message.letter.message_id for message in host.messages(BOB)]


async def test_mails_in_turn_go_through_one_connection(host: MailHost) -> None:
    through, attempts = kept(host), [uuid4() for _ in range(5)]
    for attempt in attempts:
        assert isinstance(await send(through, host, attempt), Accepted)
    assert signed_in(host) == 1
    assert delivered(host) == [message_id(attempt, ADA) for attempt in attempts]
    await through.close()


async def test_many_at_once_share_a_few(host: MailHost) -> None:
    through, attempts = kept(host), [uuid4() for _ in range(20)]
    outcomes = await asyncio.gather(*(send(through, host, attempt) for attempt in attempts))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert signed_in(host) <= MOST
    assert sorted(delivered(host)) == sorted(message_id(attempt, ADA) for attempt in attempts)
    await through.close()


async def test_one_that_was_kept_too_long_costs_nothing(host: MailHost) -> None:
    through, attempt = kept(host), uuid4()
    assert isinstance(await send(through, host, uuid4()), Accepted)
    host.add_fault(Fault(point="smtp.mail", action="drop", times=1))
    assert isinstance(await send(through, host, attempt), Accepted)
    assert delivered(host).count(message_id(attempt, ADA)) == 1
    assert signed_in(host) == 2
    await through.close()


async def test_after_a_refusal_the_next_mail_leaves(host: MailHost) -> None:
    through = kept(host)
    refused = await send(through, host, uuid4(), to=NOBODY)
    assert isinstance(refused, NotSent)
    assert refused.duration == "permanent"
    assert isinstance(await send(through, host, uuid4()), Accepted)
    await through.close()


@pytest.mark.parametrize("point", ["smtp.connect", "smtp.ehlo"])
async def test_who_says_nothing_leaves_no_socket_under_the_event_loop(
    host: MailHost, point: Literal["smtp.connect", "smtp.ehlo"]
) -> None:
    """Else the next connections get its number, and all that the loop still knows of it."""
    trust = Trust(host.ca_file, allow_private_addresses=True)
    hasty, patient = KeptConnections(trust, Patience(connect=0.5, command=0.5)), kept(host)
    silence = host.add_fault(Fault(point, "silence"))
    refused = [await send(hasty, host, uuid4()) for _ in range(2)]
    assert all(isinstance(outcome, NotSent) for outcome in refused)
    host.remove_fault(silence.id)
    outcomes = await asyncio.gather(*(send(patient, host, uuid4()) for _ in range(2 * MOST)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    await patient.close()


async def test_an_idle_one_says_good_bye_by_itself(host: MailHost) -> None:
    through = kept(host, seconds=0.05)
    assert isinstance(await send(through, host, uuid4()), Accepted)
    await until(lambda: through.idle == 0)
    assert isinstance(await send(through, host, uuid4()), Accepted)
    assert signed_in(host) == 2
    await through.close()


async def test_a_changed_password_is_another_line(host: MailHost) -> None:
    through = kept(host)
    assert isinstance(await send(through, host, uuid4()), Accepted)
    host.change_password(ADA, "another")

    async def never() -> None:
        raise AssertionError("nothing begins without a sign-in")

    content = compose(Draft(uuid4(), ADA, "Ada", BOB, "Hello", "Hello Bob", NOW))
    wrong = await through.submit(account(host, "wrong"), Submission(ADA, BOB, content), before_content=never)
    assert isinstance(wrong, NotSent)
    await through.close()
