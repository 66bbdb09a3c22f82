"""Who is connected with whom at the stand-in of LinkedIn, and what it says no to."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.network import Invited
from heraldry.sandbox.linkedin.people import Account, Person, Scenario
from heraldry.sandbox.linkedin.site import LinkedIn

ADA, LEA, PIA = "ada-bergstrom", "lea-fournier", "pia-holm"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def linkedin(tmp_path: Path, clock: Clock) -> Generator[LinkedIn]:
    found = LinkedIn(tmp_path, now=clock.now)
    yield found
    found.close()


def ada(linkedin: LinkedIn, **how: object) -> Account:
    return linkedin.change_scenario("ada@northwind.example", replace(Scenario(), **how))  # pyright: ignore[reportArgumentType]  by name


def test_an_invitation_is_accepted(linkedin: LinkedIn) -> None:
    lea, network = linkedin.person(LEA), linkedin.network
    assert network.invite(ada(linkedin), lea, "We met in Lyon") == Invited(kept=True)
    assert [(one.to, one.note) for one in network.sent(ADA)] == [(LEA, "We met in Lyon")]
    assert (network.relation(ADA, LEA), network.relation(LEA, ADA)) == ("pending", "incoming")
    network.accept(ADA, LEA)
    assert (network.relation(ADA, LEA), network.relation(LEA, ADA)) == ("connected", "connected")
    assert network.sent(ADA) == ()
    assert [one.what for one in linkedin.effects()] == ["invited", "invitation accepted", "connected"]
    with pytest.raises(SandboxError):
        network.accept(ADA, LEA)


def test_a_withdrawal_comes_too_late(linkedin: LinkedIn) -> None:
    account, lea, network = (
        ada(linkedin, withdrawal="accepted_meanwhile"),
        linkedin.person(LEA),
        linkedin.network,
    )
    network.invite(account, lea)
    assert network.withdraw(account, lea) == "refused"
    assert network.relation(ADA, LEA) == "connected"


def test_a_message_is_said_to_be_sent_and_is_not(linkedin: LinkedIn) -> None:
    account, lea = ada(linkedin, message="not_kept"), linkedin.person(LEA)
    linkedin.network.connect(ADA, LEA)
    assert linkedin.messaging.send(account, lea, "Hello", by="button") is not None
    assert linkedin.messaging.conversations(ADA) == {}
    assert linkedin.effects()[-1].what == "message not kept"


def test_who_invited_is_not_told_of_being_ignored(linkedin: LinkedIn) -> None:
    account, lea, network = ada(linkedin), linkedin.person(LEA), linkedin.network
    network.invite(account, lea)
    network.ignore(ADA, LEA)
    assert (network.relation(ADA, LEA), network.relation(LEA, ADA)) == ("pending", "none")
    assert [one.to for one in network.sent(ADA)] == [LEA]
    assert network.received(LEA) == ()
    assert network.withdraw(account, lea) == "withdrawn"


def test_nobody_is_invited_again_for_three_weeks_after_a_withdrawal(linkedin: LinkedIn, clock: Clock) -> None:
    account, lea, network = ada(linkedin), linkedin.person(LEA), linkedin.network
    network.invite(account, lea)
    assert network.withdraw(account, lea) == "withdrawn"
    assert network.relation(ADA, LEA) == "withdrawn"
    assert network.invite(account, lea) == "not_possible"
    clock.time += timedelta(days=21)
    assert network.relation(ADA, LEA) == "none"
    assert network.invite(account, lea) == Invited(kept=True)


def test_a_week_has_a_limit_that_withdrawing_does_not_lift(linkedin: LinkedIn, clock: Clock) -> None:
    account, network = ada(linkedin, weekly_invitations=1), linkedin.network
    network.invite(account, linkedin.person(LEA))
    network.withdraw(account, linkedin.person(LEA))
    assert network.is_at_weekly_limit(account)
    assert network.invite(account, linkedin.person(PIA)) == "weekly_limit"
    clock.time += timedelta(days=7)
    assert network.invite(account, linkedin.person(PIA)) == Invited(kept=True)


def test_a_month_has_so_many_notes_and_premium_any_number(linkedin: LinkedIn, clock: Clock) -> None:
    account, network = ada(linkedin, notes=1), linkedin.network
    assert network.invite(account, linkedin.person(LEA), "x" * 201) == "note_too_long"
    network.invite(account, linkedin.person(LEA), "x" * 200)
    assert network.notes_left(account) == 0
    assert network.invite(account, linkedin.person(PIA), "Hello") == "no_notes_left"
    assert network.invite(account, linkedin.person(PIA)) == Invited(kept=True)
    clock.time = datetime(2026, 12, 1, tzinfo=UTC)
    assert network.notes_left(account) == 1
    premium = ada(linkedin, premium=True)
    assert network.notes_left(premium) is None
    assert network.invite(premium, linkedin.person("oskar-wren"), "x" * 300) == Invited(kept=True)


@pytest.mark.parametrize(
    ("how", "person", "outcome"),
    [
        ({"invitation": "slow_down"}, {}, "slow_down"),
        ({"invitation": "weekly_limit"}, {}, "weekly_limit"),
        ({"invitation": "weekly_limit_afterwards"}, {}, "weekly_limit"),
        ({"invitation": "not_kept"}, {}, Invited(kept=False)),
        ({}, {"email_required": True}, "email_required"),
        ({}, {"note_required": True}, "note_missing"),
    ],
)
def test_some_invitations_are_not_sent(
    linkedin: LinkedIn, how: dict[str, object], person: dict[str, object], outcome: object
) -> None:
    changed: Person = replace(linkedin.person(LEA), **person)  # pyright: ignore[reportArgumentType]  by name
    linkedin.change_person(changed)
    assert linkedin.network.invite(ada(linkedin, **how), changed) == outcome
    assert linkedin.network.sent(ADA) == ()
    assert "invited" not in {one.what for one in linkedin.effects()}


@pytest.mark.parametrize("outcome", ["not_kept", "refused"])
def test_some_withdrawals_do_nothing(linkedin: LinkedIn, outcome: str) -> None:
    account, lea = ada(linkedin, withdrawal=outcome), linkedin.person(LEA)
    linkedin.network.invite(account, lea)
    assert linkedin.network.withdraw(account, lea) == outcome
    assert linkedin.network.relation(ADA, LEA) == "pending"
    assert "withdrew" not in {one.what for one in linkedin.effects()}


def test_a_message_makes_a_conversation_that_is_read_when_opened(linkedin: LinkedIn) -> None:
    account, lea, messaging = ada(linkedin), linkedin.person(LEA), linkedin.messaging
    sent = messaging.send(account, lea, "Hello", by="button")
    assert sent is not None
    key, _ = messaging.reply(LEA, ADA, "Hello yourself")
    assert key == sent[0]
    assert messaging.conversations(ADA)[key].unread_by == [LEA, ADA]
    assert messaging.open(account, key) is not None
    assert messaging.open(linkedin.account("mina@northwind.example"), key) is None
    assert messaging.conversations(ADA)[key].unread_by == [LEA]
    assert messaging.send(ada(linkedin, message="failed"), lea, "Again", by="enter") is None
    assert [one.what for one in linkedin.effects()] == [
        "message sent",
        "replied",
        "conversation read",
        "message failed",
    ]


def test_invitations_and_messages_are_kept_over_a_restart(linkedin: LinkedIn, tmp_path: Path) -> None:
    linkedin.network.invite(ada(linkedin), linkedin.person(LEA), "Hello")
    linkedin.network.connect(ADA, PIA)
    linkedin.messaging.reply(PIA, ADA, "Hello Ada")
    again = LinkedIn(tmp_path)
    assert again.network.sent(ADA) == linkedin.network.sent(ADA)
    assert again.network.connections(ADA) == linkedin.network.connections(ADA)
    assert again.messaging.conversations(ADA) == linkedin.messaging.conversations(ADA)
    again.close()
