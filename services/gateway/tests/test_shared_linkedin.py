"""LinkedIn by a share link; the other contexts answer as they are told and note all that is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import pytest
from heraldry.chassis.health import Health
from heraldry.chassis.vault.keys import Key
from heraldry.contracts.base import Accepted, By, Command, Query, Refused
from heraldry.contracts.identity import ContactDetails, GetIdentity, IdentityView, WorkingHours
from heraldry.contracts.linkedin import (
    AccountView,
    EnterCode,
    LinkLinkedIn,
    ListLinkedInAccounts,
    Obstacle,
    ResendCode,
    TryLinkingAgain,
)
from heraldry.contracts.mailbox import ListInboxes
from heraldry.contracts.share_links import LookUpShareLink, ShareLinkStanding, TakeShareLink
from heraldry.gateway.app import application
from heraldry.gateway.assets import Files
from heraldry.gateway.live import Live
from heraldry.gateway.share_tokens import ShareTokens
from heraldry.gateway.state import Gateway
from heraldry.gateway.throttles import Limit
from heraldry.gateway.views import OrganizationSeen
from litestar.testing import TestClient

A = TypeVar("A")
LINK, US, ADA, BOB = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKENS = ShareTokens(Key("share-links", b"k" * 32))
TOKEN = TOKENS.token(LINK)
MAIN, PAGE = f"/share/{TOKEN}", f"/share/{TOKEN}/linkedin"
PASSWORD = "correct horse"
SIGN_IN = {"name": "Ada Bergström", "email": "ada@northwind.example", "password": PASSWORD}


@dataclass
class Others:
    """The identity service and the LinkedIn driver."""

    link: dict[str, Any] = field(default_factory=dict[str, Any])  # what is different of it
    state: str = ""  # of the account; empty: there is none
    diagnosis: Obstacle | None = None
    refusal: Refused | None = None
    sent: list[tuple[Command, By]] = field(default_factory=list[tuple[Command, By]])

    def reset(self, **link: Any) -> None:
        self.link, self.state, self.diagnosis, self.refusal = link, "", None, None
        self.sent.clear()

    async def send(self, command: Command, *, by: By, id: UUID) -> Accepted:  # noqa: A002  the command's id
        del id
        if self.refusal:
            raise self.refusal
        self.sent.append((command, by))
        return Accepted(position=f"{command.context}:1:{len(self.sent)}", fresh=True)

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A:
        del by, seen, deadline
        return cast("A", self._answer(query))

    def _answer(self, query: object) -> object:
        match query:
            case LookUpShareLink():
                return self._standing()
            case GetIdentity():
                return identity()
            case ListLinkedInAccounts():
                return (self._account(),) if self.state else ()
            case ListInboxes():
                return ()
            case _:
                raise AssertionError(query)

    def _standing(self) -> ShareLinkStanding:
        usual = {
            "link": LINK,
            "organization": US,
            "kind": "create",
            "identity": ADA,
            "state": "open",
            "yours": False,
            "way": None,
            "valid_until": NOON + timedelta(hours=24),
            "tries_left": 10,
            "done": False,
        }
        return ShareLinkStanding.model_validate({**usual, **self.link})

    def _account(self) -> AccountView:
        facts = {"account": UUID(int=7), "identity": ADA, "state": self.state, "since": NOON}
        facts |= {"email": SIGN_IN["email"], "profile": None, "diagnosis": self.diagnosis}
        return AccountView.model_validate(facts)

    @property
    def asked(self) -> list[type[Command]]:
        assert {(by.organization, by.actor) for _, by in self.sent} <= {(US, f"link:{LINK}")}
        return [type(command) for command, _ in self.sent]


def identity() -> IdentityView:
    return IdentityView(
        identity=ADA,
        name="Ada",
        details=ContactDetails(),
        picture="",
        hours=WorkingHours(zone="UTC"),
        likings_opted_out=False,
        crm_user="",
        deleted=False,
        position="identity:1:1",
    )


class Views:
    def organization(self, organization: UUID) -> OrganizationSeen:
        return OrganizationSeen(organization, "Northwind", "UTC")


class Sessions:
    def csrf(self, token: str) -> str:
        return f"csrf of {token}"

    def csrf_holds(self, token: str, given: str) -> bool:
        return given == self.csrf(token)


class Throttles:
    async def count(self, what: str, limit: Limit) -> None:
        del what, limit


async def sealed(context: str, secret: str) -> str:
    return f"sealed to {context}: {secret[::-1]}"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Others, TestClient[Any]]]:
    """Made once: making the application takes longer than asking it."""
    others = Others()
    parts = dict.fromkeys(Gateway.__dataclass_fields__)
    parts |= {"contexts": others, "sessions": Sessions(), "views": Views(), "throttles": Throttles()}
    parts |= {"share_tokens": TOKENS, "seal": sealed, "public_url": "http://testserver.local", "live": Live()}
    gateway = Gateway(**cast("dict[str, Any]", parts))
    app = application(gateway, cast("Health", None), cast("Files", {}))
    with TestClient(cast("Any", app), base_url="http://testserver.local") as client:
        client.follow_redirects = False
        yield others, client


@pytest.fixture
def others(running: tuple[Others, TestClient[Any]]) -> Others:
    running[0].reset()
    return running[0]


@pytest.fixture
def http(running: tuple[Others, TestClient[Any]]) -> TestClient[Any]:
    """A browser that has been at the link before."""
    client = running[1]
    client.cookies.clear()
    client.cookies.set("heraldry_link", "ada")
    client.headers["X-CSRF-Token"] = "csrf of ada"
    return client


def test_a_sign_in_takes_the_link_and_goes_on_sealed_in_the_name_of_the_link(
    http: TestClient[Any], others: Others
) -> None:
    answer = http.post(PAGE, data={**SIGN_IN, "zone": "Europe/Lisbon"})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert others.asked == [TakeShareLink, LinkLinkedIn]
    taken, link = (command for command, _ in others.sent)
    assert isinstance(taken, TakeShareLink)
    assert (taken.way, taken.name, taken.hours.zone) == ("credentials", "Ada Bergström", "Europe/Lisbon")
    assert taken.browser == TOKENS.browser("ada")
    assert isinstance(link, LinkLinkedIn)
    assert (link.identity, link.password) == (ADA, f"sealed to linkedin-driver: {PASSWORD[::-1]}")


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        ("name", "Enter your name."),
        ("password", "Enter the password."),
        ("email", "This is no email address."),
    ],
)
def test_what_is_missing_is_said_beside_the_field_and_takes_nothing(
    http: TestClient[Any], others: Others, left_out: str, told: str
) -> None:
    answer = http.post(PAGE, data={**SIGN_IN, left_out: ""})
    assert answer.status_code == 422
    assert f'id="credentials-{left_out}-error"' in answer.text
    assert told in answer.text
    assert PASSWORD not in answer.text
    assert others.asked == []


def test_while_linking_goes_on_nothing_is_taken_again(http: TestClient[Any], others: Others) -> None:
    others.reset(yours=True, way="credentials")
    for others.state in ("linking", "code wanted", "approval wanted"):
        assert http.post(PAGE, data=SIGN_IN).headers["location"] == PAGE
        assert http.post(f"{PAGE}/again").status_code == 200
    assert others.asked == []


def test_every_sign_in_counts_as_a_try_and_a_code_does_not(http: TestClient[Any], others: Others) -> None:
    others.reset(yours=True, way="credentials", tries_left=8)
    others.state = "failed"
    others.diagnosis = Obstacle(code="linkedin.captcha", cause="A puzzle.", resolution="Solve it there.")
    assert "8 tries left" in http.get(PAGE).text
    http.post(PAGE, data={**SIGN_IN, "name": ""})
    http.post(f"{PAGE}/again")
    assert others.asked == [TakeShareLink, LinkLinkedIn, TakeShareLink, TryLinkingAgain]
    assert [one.name for one, _ in others.sent if isinstance(one, TakeShareLink)] == ["Ada", "Ada"]
    others.sent.clear()
    others.state = "code wanted"
    http.post(f"{PAGE}/code", data={"code": "482 913"})
    http.post(f"{PAGE}/resend")
    assert others.asked == [EnterCode, ResendCode]


def test_another_browser_sees_and_does_nothing_of_a_linking(http: TestClient[Any], others: Others) -> None:
    others.reset(state="taken", busy_until=NOON)
    others.state = "code wanted"
    tried = [http.get(PAGE), http.post(PAGE, data=SIGN_IN)]
    tried += [http.post(f"{PAGE}/{what}", data={"code": "1"}) for what in ("code", "resend", "again")]
    assert {answer.status_code for answer in tried} == {409}
    others.reset()  # nobody has tried yet, or whoever did has not for long
    others.state = "code wanted"
    assert http.get(PAGE).headers["location"] == f"{MAIN}?way=credentials"
    for what in ("code", "resend", "again"):
        assert http.post(f"{PAGE}/{what}", data={"code": "1"}).headers["location"] == MAIN
    assert others.asked == []


def test_a_refresh_link_takes_nothing_and_says_nothing_of_other_identities(
    http: TestClient[Any], others: Others
) -> None:
    others.reset(kind="refresh")
    others.state = "needs reconnect"
    others.diagnosis = Obstacle(
        code="linkedin.taken", cause="It belongs to another identity.", resolution="Unlink it.", identity=BOB
    )
    page = http.get(PAGE).text
    assert "It belongs to another identity." in page
    assert str(BOB) not in page
    assert "tries left" not in page
    assert http.post(PAGE, data=SIGN_IN).headers["location"] == PAGE
    assert others.asked == [LinkLinkedIn]


def test_an_open_page_shows_as_a_whole_that_its_link_has_ended(http: TestClient[Any], others: Others) -> None:
    others.reset(state="revoked", yours=True, way="credentials")
    for answer in (
        http.get(PAGE),
        http.post(f"{PAGE}/code", data={"code": "1"}),
        http.post(PAGE, data=SIGN_IN),
    ):
        assert (answer.status_code, answer.headers["HX-Refresh"]) == (410, "true")
    assert others.asked == []


def test_who_has_just_linked_sees_it_although_the_link_is_used_up(
    http: TestClient[Any], others: Others
) -> None:
    others.reset(state="used", yours=True, way="credentials", done=True)
    others.state = "linked"
    assert "LinkedIn is linked" in http.get(PAGE).text
    assert "Your identity was added" in http.get(MAIN).text
    assert http.post(PAGE, data=SIGN_IN).status_code == 410


def test_pages_of_a_link_send_no_referrer_whatever_they_answer(http: TestClient[Any], others: Others) -> None:
    for path in (MAIN, PAGE, "/share/mistyped", f"{MAIN}/no/such/page"):
        answer = http.get(path)
        assert answer.headers["Referrer-Policy"] == "no-referrer", path
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow", path
    assert http.get("/sign-in").headers["Referrer-Policy"] == "same-origin"
    assert others.asked == []


def test_a_token_is_the_links_own_and_another_key_reads_nothing() -> None:
    assert TOKENS.link(TOKEN) == LINK
    assert TOKENS.token(LINK) == TOKEN
    assert ShareTokens(Key("share-links", b"j" * 32)).link(TOKEN) is None
    wrong = [TOKEN[:-1], f"{TOKEN}A", "", "x" * 64, TOKENS.token(US)[:22] + TOKEN[22:], "é" * 64]
    assert [TOKENS.link(one) for one in wrong] == [None] * len(wrong)
