"""The unsubscribe link of a mail: whoever has it needs nothing else, and nothing but a POST uses it."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast
from uuid import UUID, uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack
from heraldry.chassis.vault import sealed
from heraldry.contracts.gateway import UnsubscribeToken
from nacl.public import PrivateKey, PublicKey

from tests.integration.support import (
    Admin,
    Answer,
    eventually,
    gateway_key,
    organization_in,
    unsubscribe_token,
)

pytestmark = pytest.mark.stack
ONE_CLICK: Final = {"List-Unsubscribe": "One-Click"}
OTHERS: Final = ("identity", "mailbox", "linkedin-driver", "scheduler")


@pytest.fixture(scope="module")
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack, "Northwind & Sons") as admin:
        yield admin


@pytest.fixture(scope="module")
def key(stack: Stack) -> PublicKey:
    return gateway_key(stack)


@pytest.fixture
def somebody(stack: Stack) -> Generator[httpx.Client]:
    """With no cookie, from wherever they read their mail."""
    with httpx.Client(base_url=f"{stack.url}/unsubscribe", timeout=20) as http:
        yield http


def link(us: Admin, key: PublicKey, address: str, attempt: UUID | None = None) -> str:
    return unsubscribe_token(key, us.organization, address, attempt)


def wishes(us: Admin) -> Sequence[Answer]:
    found = cast("Answer", us.get("/history?kind=RecipientUnsubscribed&limit=500"))
    return cast("Sequence[Answer]", found["entries"])


def address() -> str:
    return f"lea-{uuid4().hex[:8]}@brisa.example"


@contextmanager
def asleep(stack: Stack, services: Sequence[str]) -> Generator[None]:
    for service in services:
        stack.kill(service, signal.SIGSTOP)
    try:
        yield
    finally:
        for service in services:
            stack.kill(service, signal.SIGCONT)


@pytest.mark.requirement("R-BOX-16")
def test_one_click_unsubscribes_once_however_often_it_is_repeated(
    us: Admin, key: PublicKey, somebody: httpx.Client
) -> None:
    attempt = uuid4()
    token = link(us, key, address(), attempt)
    for _ in range(3):
        answer = somebody.post(f"/{token}", data=ONE_CLICK)
        assert answer.status_code == 200
        assert not answer.cookies
        assert "You are unsubscribed" in answer.text
    multipart = somebody.post(f"/{token}", files={"List-Unsubscribe": (None, "One-Click")})
    assert multipart.status_code == 200
    last = uuid4()
    somebody.post(f"/{link(us, key, address(), last)}", data=ONE_CLICK).raise_for_status()

    def told() -> list[str]:
        return [str(one["attempt"]) for one in wishes(us)]

    eventually(lambda: str(last) in told(), "the history tells of the last wish")
    assert told().count(str(attempt)) == 1


@pytest.mark.requirement("R-BOX-16")
def test_looking_at_a_link_shows_whose_it_is_and_changes_nothing(
    us: Admin, key: PublicKey, somebody: httpx.Client
) -> None:
    looked_at, used = uuid4(), uuid4()
    token = link(us, key, "lea.fournier@brisa.example", looked_at)
    shown = somebody.get(f"/{token}")
    assert shown.status_code == 200
    assert not shown.cookies
    assert "Northwind &amp; Sons" in shown.text
    assert "l…@brisa.example" in shown.text
    assert "fournier" not in shown.text
    assert us.organization not in shown.text
    assert "<script" not in shown.text
    assert somebody.head(f"/{token}").status_code == 200
    assert somebody.request("OPTIONS", f"/{token}").is_success
    for body in ({}, {"List-Unsubscribe": "yes"}, {"csrf": "One-Click"}):
        asked = somebody.post(f"/{token}", data=body)
        assert asked.status_code == 422
        assert "Unsubscribe?" in asked.text
    somebody.post(f"/{link(us, key, address(), used)}", data=ONE_CLICK).raise_for_status()
    eventually(lambda: [one for one in wishes(us) if one["attempt"] == str(used)], "the wish is told")
    assert not [one for one in wishes(us) if one["attempt"] == str(looked_at)]


@pytest.mark.requirement("R-BOX-16")
def test_what_is_no_link_of_ours_gets_one_page_that_tells_nothing(
    us: Admin, key: PublicKey, somebody: httpx.Client
) -> None:
    token = link(us, key, address())
    strangers = PrivateKey.generate().public_key
    elsewhere = UnsubscribeToken(
        organization=uuid4(), identity=uuid4(), person=uuid4(), attempt=uuid4(), address=address()
    )
    wrong = (
        "x",
        token[:-4],
        f"{token[:-1]}{'A' if token[-1] != 'A' else 'Q'}AAA",
        link(us, strangers, address()),
        sealed.seal_for_link(key, b"{}"),
        sealed.seal_for_link(key, b"\xff" * 400),
        "A" * 6000,
    )
    pages = {(answer.status_code, answer.text) for one in wrong for answer in _both(somebody, one)}
    unknown = somebody.post(
        f"/{sealed.seal_for_link(key, elsewhere.model_dump_json().encode())}", data=ONE_CLICK
    )
    pages.add((unknown.status_code, unknown.text))
    ((status, text),) = pages
    assert status == 404
    assert "This link does not work" in text


def _both(somebody: httpx.Client, token: str) -> list[httpx.Response]:
    return [somebody.get(f"/{token}"), somebody.post(f"/{token}", data=ONE_CLICK)]


@pytest.mark.requirement("R-BOX-16")
def test_unsubscribing_waits_for_no_other_service(
    stack: Stack, us: Admin, key: PublicKey, somebody: httpx.Client
) -> None:
    attempt = uuid4()
    with asleep(stack, OTHERS):
        answer = somebody.post(f"/{link(us, key, address(), attempt)}", data=ONE_CLICK)
        assert answer.status_code == 200
    eventually(lambda: [one for one in wishes(us) if one["attempt"] == str(attempt)], "the wish is told")


def test_a_link_that_is_used_again_and_again_has_to_wait(
    us: Admin, key: PublicKey, somebody: httpx.Client
) -> None:
    token = link(us, key, address())
    statuses = [somebody.post(f"/{token}", data=ONE_CLICK).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert somebody.post(f"/{link(us, key, address())}", data=ONE_CLICK).status_code == 200
