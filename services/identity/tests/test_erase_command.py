"""`heraldry erase` waits for the end of an erasure, whoever is away meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.erasure import ErasureStep, ErasureView
from heraldry.identity import commands

LEAD = UUID(int=1)  # by which it is asked: an enrollment's, say
PERSON = UUID(int=2)
AWAY = Refused("service.unavailable", "The part that does this (scheduler) does not answer.", status=503)


def view(step: ErasureStep) -> ErasureView:
    at = datetime(2026, 11, 26, 12, tzinfo=UTC)
    return ErasureView(
        erasure=PERSON,
        organization=PERSON,
        kind="lead",
        subjects=(PERSON,),
        step=step,
        requested_at=at,
        completed_at=None,
        contexts=(),
        messages=0,
        keys=0,
    )


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[ErasureView | Refused]:
    """What is found, one look after the other; the last one from then on. To send is the first."""
    found: list[ErasureView | Refused] = []
    ids = set[UUID]()

    def next_one() -> ErasureView:
        one = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(one, Refused):
            raise one
        return one

    class Asked:
        def __init__(self, _: object) -> None: ...

        async def send(self, _: object, *, id: UUID, **__: object) -> Accepted:  # noqa: A002  as the caller has it
            ids.add(id)
            assert len(ids) == 1
            next_one()
            return Accepted(position="identity:e:1", fresh=True)

        async def ask(self, _: object, **__: object) -> ErasureView:
            return next_one()

    @asynccontextmanager
    async def operator(_: Path) -> AsyncGenerator[None]:
        yield

    monkeypatch.setattr(commands, "operator", operator)
    monkeypatch.setattr(commands, "Caller", Asked)
    monkeypatch.setattr(commands, "PAUSE", 0.001)
    return found


def erased(capsys: pytest.CaptureFixture[str], wait: str) -> tuple[int, dict[str, object]]:
    ended = commands.main(["--lead", str(LEAD), "--reason", "asked by letter", "--wait", wait])
    return ended, json.loads(capsys.readouterr().out)


def test_who_does_not_answer_for_a_while_ends_nothing(
    looks: list[ErasureView | Refused], capsys: pytest.CaptureFixture[str]
) -> None:
    looks += [AWAY, view("stopping"), AWAY, view("stopping"), AWAY, view("completed")]
    ended, answer = erased(capsys, "60")
    assert (ended, answer["step"], answer["asked"]) == (0, "completed", str(LEAD))


def test_when_patience_ends_it_says_who_does_not_answer(
    looks: list[ErasureView | Refused], capsys: pytest.CaptureFixture[str]
) -> None:
    looks += [view("stopping"), AWAY]
    ended, answer = erased(capsys, "0.01")
    assert (ended, answer["code"]) == (1, "service.unavailable")
    assert "scheduler" in str(answer["detail"])


def test_a_no_is_not_asked_for_again(
    looks: list[ErasureView | Refused], capsys: pytest.CaptureFixture[str]
) -> None:
    looks += [Refused("erasure.unknown", "Nobody.", status=404), view("completed")]
    assert erased(capsys, "60")[1]["code"] == "erasure.unknown"
