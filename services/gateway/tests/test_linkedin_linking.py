"""Linking LinkedIn by the API and by its pages; the driver here is one that answers as it is told and notes all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.health import Health
from heraldry.contracts.base import Accepted, By, Command, Query, Refused
from heraldry.contracts.campaigns import Consequences, GetConsequences
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ContactDetails,
    CreateIdentity,
    GetIdentity,
    IdentityView,
    WorkingHours,
)
from heraldry.contracts.linkedin import (
    AccountView,
    EnterCode,
    LinkedInProfile,
    LinkLinkedIn,
    ListLinkedInAccounts,
    Obstacle,
    ResendCode,
    TryLinkingAgain,
    UnlinkLinkedIn,
)
from heraldry.contracts.mailbox import ListInboxes
from heraldry.contracts.share_links import ListShareLinks
from heraldry.gateway.app import application
from heraldry.gateway.assets import Files
from heraldry.gateway.live import Live
from heraldry.gateway.routes.linkedin_models import offers
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import Gateway
from heraldry.gateway.views import IdentitySeen, OrganizationSeen
from litestar.testing import TestClient

A = TypeVar("A")
ADA, BOB, US, SPRING = UUID(int=1), UUID(int=2), UUID(int=9), UUID(int=4)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PASSWORD, CODE = "correct horse", "482 913"
API, PAGE = f"/api/v1/identities/{ADA}/linkedin", f"/identities/{ADA}/linkedin"
PROFILE = LinkedInProfile(
    first_name="Ada", last_name="Bergström", headline="COO", url="https://www.linkedin.com/in/ada"
)
REFUSED = {
    "wrong-password": Obstacle(code="linkedin.wrong-password", cause="Wrong.", resolution="Enter it again."),
    "captcha": Obstacle(code="linkedin.captcha", cause="A puzzle.", resolution="Solve it there."),
    "taken": Obstacle(code="linkedin.taken", cause="Of another.", resolution="Unlink it.", identity=BOB),
}


@dataclass
class Others:
    """The identity service and the LinkedIn driver."""

    state: str = ""  # of the account; empty: there is none
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    refusal: Refused | None = None
    sent: list[tuple[Command, UUID]] = field(default_factory=list[tuple[Command, UUID]])

    async def send(self, command: Command, *, by: By, id: UUID) -> Accepted:  # noqa: A002  the command's id
        assert by.organization == US
        if self.refusal and command.context == "linkedin-driver":
            raise self.refusal
        self.sent.append((command, id))
        return Accepted(position=f"{command.context}:1:{len(self.sent)}", fresh=True)

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A:
        del by, seen, deadline
        return cast("A", self._answer(query))

    def _answer(self, query: object) -> object:
        match query:
            case GetIdentity(identity=identity):
                return IdentityView(
                    identity=identity,
                    name="Ada",
                    details=ContactDetails(first_name="Ada", job_title="Editor"),
                    picture="",
                    hours=WorkingHours(zone="UTC"),
                    likings_opted_out=False,
                    crm_user="",
                    deleted=False,
                    position="identity:1:1",
                )
            case ListLinkedInAccounts():
                return (self.account(),) if self.state else ()
            case ListInboxes() | ListShareLinks():
                return ()
            case GetConsequences(unlinked=identity) if identity == ADA:
                return Consequences(campaigns=((SPRING, "Spring"),), begun=0, waiting=12)
            case _:
                raise AssertionError(query)

    def account(self) -> AccountView:
        facts = {
            "account": UUID(int=7),
            "identity": ADA,
            "state": self.state,
            "email": "ada@northwind.example",
            "profile": PROFILE if self.state == "linked" else None,
            "diagnosis": None,
            "since": NOON,
            **self.more,
        }
        return AccountView.model_validate(facts)

    def commands(self, kind: type[A]) -> list[A]:
        return [command for command, _ in self.sent if isinstance(command, kind)]


class Views:
    async def seen(self, positions: Sequence[str]) -> None:
        pass

    def organization(self, organization: UUID) -> OrganizationSeen:
        return OrganizationSeen(organization, "Northwind", "UTC")

    def person(self, organization: UUID, user: UUID) -> None:
        pass

    def identities(self, organization: UUID) -> tuple[IdentitySeen, ...]:
        del organization
        return (IdentitySeen(BOB, "Bob Lind", "", "", WorkingHours(zone="UTC")),)

    def linkedin(self, organization: UUID, now: datetime) -> tuple[()]:
        del organization, now
        return ()


class Halt:
    def halted(self, *scopes: str) -> None:
        pass

    async def check_now(self, *scopes: str) -> None:
        pass


class Sessions:
    async def find(self, token: str) -> Session:
        return Session(token, "csrf", UUID(int=8), US, "admin", demo=False)


async def first_time(command: UUID, body: bytes) -> None:
    del command, body


async def sealed(context: str, secret: str) -> str:
    return f"sealed to {context}: {secret[::-1]}"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Others, TestClient[Any]]]:
    """Made once: making the application takes longer than asking it."""
    others = Others()
    parts = dict.fromkeys(Gateway.__dataclass_fields__)
    parts |= {"contexts": others, "sessions": Sessions(), "views": Views(), "halt": Halt(), "seal": sealed}
    parts |= {"now": lambda: NOON, "public_url": "http://testserver.local", "check_repeat": first_time}
    parts |= {"live": Live()}
    gateway = Gateway(**cast("dict[str, Any]", parts))
    app = application(gateway, cast("Health", None), cast("Files", {}))
    with TestClient(cast("Any", app), base_url="http://testserver.local") as client:
        client.headers["Authorization"], client.follow_redirects = "Bearer token", False
        yield others, client


@pytest.fixture
def others(running: tuple[Others, TestClient[Any]]) -> Others:
    fresh = running[0]
    fresh.sent.clear()
    fresh.state, fresh.more, fresh.refusal = "", {}, None
    return fresh


@pytest.fixture
def http(running: tuple[Others, TestClient[Any]]) -> TestClient[Any]:
    client = running[1]
    client.cookies.clear()
    return client


def test_password_and_code_go_on_sealed_and_nothing_gives_them_back(
    http: TestClient[Any], others: Others
) -> None:
    others.state = "linking"
    linked = http.post(API, json={"email": " ada@northwind.example ", "password": PASSWORD})
    others.state = "code wanted"
    entered = http.post(f"{API}/code", json={"code": CODE})
    assert (linked.status_code, entered.status_code) == (202, 202)
    assert others.commands(LinkLinkedIn) == [
        LinkLinkedIn(
            identity=ADA,
            email="ada@northwind.example",
            password=f"sealed to linkedin-driver: {PASSWORD[::-1]}",
        )
    ]
    (code,) = others.commands(EnterCode)
    assert code.code == "sealed to linkedin-driver: 319284", "without the space in it"
    for answer in (linked, entered):
        assert not [one for one in (PASSWORD, CODE, "482913", "sealed") if one in answer.text]
        assert answer.headers["X-Position"] == answer.headers["x-position"] != ""
    assert linked.json()["state"] == "linking"


def test_the_same_request_again_signs_in_once(http: TestClient[Any], others: Others) -> None:
    others.state, key = "linking", {"Idempotency-Key": str(uuid4())}
    for _ in range(2):
        http.post(API, json={"email": "ada@northwind.example", "password": PASSWORD}, headers=key)
    assert others.sent[0] == others.sent[1]


def test_each_of_the_other_routes_asks_for_one_thing(http: TestClient[Any], others: Others) -> None:
    others.state = "failed"
    assert http.post(f"{API}/code/resend").status_code == 202
    assert http.post(f"{API}/again").status_code == 202
    assert http.delete(API).json()["id"] == str(ADA)
    assert [command for command, _ in others.sent] == [
        ResendCode(identity=ADA),
        TryLinkingAgain(identity=ADA),
        UnlinkLinkedIn(identity=ADA),
    ]


def test_an_identity_without_an_account_says_so(http: TestClient[Any], others: Others) -> None:
    answer = http.get(API)
    assert (answer.status_code, answer.json()["code"]) == (404, "linkedin.unknown")
    others.state = "linked"
    assert http.get("/api/v1/linkedin").json() == [http.get(API).json()]


def test_an_account_that_another_identity_has_is_refused_with_its_name(
    http: TestClient[Any], others: Others
) -> None:
    others.state, others.more = "failed", {"diagnosis": REFUSED["taken"]}
    assert "“Bob Lind”" in http.get(API).json()["diagnosis"]["cause"]
    assert "“Bob Lind”" in http.get(PAGE).text


def form(page: str, action: str) -> dict[str, str]:
    """What a form of the page carries without being typed."""
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found is not None, action
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[0]))


def test_by_credentials_the_identity_exists_from_the_first_try(http: TestClient[Any], others: Others) -> None:
    page = http.get("/identities/new").text
    assert "Have the device of your two-step verification at hand" in page
    typed = {
        **form(page, "/identities/credentials"),
        "name": "Ada",
        "email": "ada@northwind.example",
        "password": PASSWORD,
        "zone": "Europe/Lisbon",
    }
    answers = [http.post("/identities/credentials", data=typed) for _ in range(2)]
    (create, link), again = (others.sent[:2], others.sent[2:])
    assert isinstance(create[0], CreateIdentity)
    assert (create[0].name, create[0].hours.zone, create[0].from_linkedin) == ("Ada", "Europe/Lisbon", True)
    assert isinstance(link[0], LinkLinkedIn)
    assert link[0].identity == create[0].identity
    assert again == [create, link], "sent twice, it acts once"
    for answer in answers:
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/identities/{create[0].identity}/linkedin"


@pytest.mark.parametrize(
    ("missing", "label"), [("name", "credentials-name"), ("email", "credentials-email"), ("password", "")]
)
def test_what_is_missing_is_said_beside_the_field_before_anything_is_created(
    http: TestClient[Any], others: Others, missing: str, label: str
) -> None:
    typed = {"name": "Ada", "email": "ada@northwind.example", "password": PASSWORD, missing: ""}
    answer = http.post("/identities/credentials", data=typed)
    assert answer.status_code == 422
    assert f'id="{label or "credentials-password"}-error"' in answer.text
    assert PASSWORD not in answer.text
    assert others.sent == []


def test_the_page_asks_for_the_code_where_it_was_sent_to_and_until_when(
    http: TestClient[Any], others: Others
) -> None:
    others.state = "code wanted"
    others.more = {"code_by": "SMS", "hint": "a number ending in 07", "wanted_until": NOON}
    page = http.get(PAGE).text
    for shown in ("a text message to your phone", "a number ending in 07", "until 12:00 (UTC)"):
        assert shown in page
    others.state, others.more = "code given", {}
    carried = form(page, f"{PAGE}/code")
    after = http.post(f"{PAGE}/code", data={**carried, "code": CODE})
    assert after.status_code == 200
    assert "Checking the code" in after.text
    assert 'name="code"' not in after.text
    assert others.commands(EnterCode)[0].code.endswith("319284")


@pytest.mark.parametrize(("rejected", "said"), [("wrong", "did not take"), ("expired", "had expired")])
def test_a_code_that_was_not_taken_can_be_entered_again_beside_the_reason(
    http: TestClient[Any], others: Others, rejected: str, said: str
) -> None:
    others.state, others.more = "code wanted", {"code_by": "email", "rejected": rejected}
    page = http.get(PAGE).text
    wrong = re.search(r'id="code-error">([^<]+)<', page)
    assert wrong is not None
    assert said in wrong[1]
    assert 'aria-invalid="true"' in page
    assert http.post(f"{PAGE}/resend", data=form(page, f"{PAGE}/resend")).status_code == 200
    assert others.commands(ResendCode) == [ResendCode(identity=ADA)]


def test_an_authenticator_sends_no_new_code(http: TestClient[Any], others: Others) -> None:
    others.state, others.more = "code wanted", {"code_by": "authenticator"}
    page = http.get(PAGE).text
    assert f"{PAGE}/resend" not in page
    others.refusal = Refused("linkedin.code-by-authenticator", "Enter the new one.")
    refused = http.post(f"{PAGE}/resend")
    assert refused.status_code == 422
    assert "Enter the new one." in refused.text


def test_what_comes_too_late_shows_how_it_stands_now(http: TestClient[Any], others: Others) -> None:
    others.state, others.refusal = "linked", Refused("linkedin.no-code-wanted", "Nobody waits for a code.")
    after = http.post(f"{PAGE}/code", data={"code": CODE})
    assert after.status_code == 200
    assert "LinkedIn is linked as" in after.text
    others.refusal = Refused("linkedin.linking-under-way", "LinkedIn is being signed in to.")
    again = http.post(PAGE, data={"email": "ada@northwind.example", "password": PASSWORD})
    assert (again.status_code, again.headers["location"]) == (303, PAGE)


def test_no_code_is_said_beside_the_field(http: TestClient[Any], others: Others) -> None:
    others.state, others.more = "code wanted", {"code_by": "SMS"}
    answer = http.post(f"{PAGE}/code", data={"code": " "})
    assert answer.status_code == 422
    assert "Enter the code." in answer.text
    assert others.sent == []


def test_a_failure_says_why_and_what_to_do_and_is_tried_again_as_far_as_that_can_help(
    http: TestClient[Any], others: Others
) -> None:
    others.state, others.more = "failed", {"diagnosis": REFUSED["captcha"]}
    page = http.get(PAGE).text
    for shown in ("A puzzle.", "Solve it there.", "linkedin.captcha", f"/identities/{ADA}/delete"):
        assert shown in page
    others.state, others.more = "linking", {}
    assert http.post(f"{PAGE}/again", data=form(page, f"{PAGE}/again")).status_code == 200
    assert others.commands(TryLinkingAgain) == [TryLinkingAgain(identity=ADA)]
    others.state, others.more = "failed", {"diagnosis": REFUSED["wrong-password"]}
    page = http.get(PAGE).text
    assert f"{PAGE}/again" not in page, "never a wrong password again"
    assert 'value="ada@northwind.example"' in page
    assert form(page, PAGE)


def test_what_goes_on_by_itself_is_looked_at_again_also_without_a_script(
    http: TestClient[Any], others: Others
) -> None:
    for state, by_itself in {
        "linking": True,
        "code given": True,
        "approval wanted": True,
        "code wanted": False,
    }.items():
        others.state = state
        assert ('<meta http-equiv="refresh"' in http.get(PAGE).text) is by_itself, state


def test_an_account_that_is_linked_is_linked_again_only_where_that_is_asked_for(
    http: TestClient[Any], others: Others
) -> None:
    others.state = "linked"
    assert 'type="password"' not in http.get(PAGE).text
    assert 'type="password"' in http.get(f"{PAGE}?again=yes").text


@pytest.mark.parametrize(("where", "prefix"), [("/identities/credentials", "credentials-"), (PAGE, "link-")])
def test_what_is_no_email_address_is_refused_beside_its_field(
    http: TestClient[Any], others: Others, where: str, prefix: str
) -> None:
    others.state = "failed"
    answer = http.post(where, data={"name": "Ada", "email": "abc", "password": PASSWORD})
    assert answer.status_code == 422
    assert f'id="{prefix}email-error">This is no email address.' in answer.text
    assert 'value="abc"' in answer.text
    by_api = http.post(API, json={"email": "abc", "password": PASSWORD})
    assert (by_api.status_code, by_api.json()["field"]) == (422, "email")
    assert others.sent == []


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (ContactDetails(), ["first_name", "last_name", "job_title", "linkedin_url"]),
        (
            ContactDetails(first_name="Ada", last_name="Lind", job_title="COO", linkedin_url=PROFILE.url),
            ["last_name"],
        ),
    ],
)
def test_only_what_differs_is_offered(details: ContactDetails, expected: list[str]) -> None:
    assert [one.name for one in offers(details, PROFILE)] == expected
    assert offers(details, LinkedInProfile()) == ()


def test_only_the_fields_that_were_chosen_are_taken_over(http: TestClient[Any], others: Others) -> None:
    others.state = "linked"
    page = http.get(f"/identities/{ADA}?section=linkedin").text
    assert "Editor" in page
    chosen = {"job_title": "COO", "last_name": "what LinkedIn said an hour ago"}
    after = http.post(f"{PAGE}/details", data={**form(page, f"{PAGE}/details"), **chosen})
    assert after.status_code == 200
    (change,) = others.commands(ChangeContactDetails)
    assert change.details == ContactDetails(first_name="Ada", job_title="COO")
    assert http.post(f"{PAGE}/details").status_code == 422


def test_unlinking_says_first_what_it_does(http: TestClient[Any], others: Others) -> None:
    assert http.get(f"{PAGE}/unlink").status_code == 404
    others.state = "linked"
    page = http.get(f"{PAGE}/unlink").text
    assert f'<a href="/campaigns/{SPRING}"><bdi>Spring</bdi></a>' in page
    assert "<b>12 leads wait</b>" in page
    assert "Invitations that are pending stay pending" in page
    assert others.sent == []
    answer = http.post(f"{PAGE}/unlink", data=form(page, f"{PAGE}/unlink"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/identities/{ADA}?section=linkedin")
    assert others.commands(UnlinkLinkedIn) == [UnlinkLinkedIn(identity=ADA)]
