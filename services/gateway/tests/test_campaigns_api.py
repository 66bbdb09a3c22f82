"""What the API asks of the scheduler for campaigns, leads and imports; the scheduler here is one that notes it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.health import Health
from heraldry.contracts.base import Accepted, By, Command, Query, Refused
from heraldry.contracts.campaigns import (
    AddImportPart,
    CampaignCounts,
    CampaignSettings,
    CampaignView,
    CheckImport,
    ConfirmImport,
    CreateCampaign,
    GetCampaign,
    GetImport,
    ImportView,
    LeadPage,
    ListLeads,
    OpenImport,
    PauseCampaign,
    RowProblem,
    UndoImport,
)
from heraldry.gateway.api.history import filter_of
from heraldry.gateway.api.imports import LARGEST_FILE, PART
from heraldry.gateway.app import application
from heraldry.gateway.assets import Files
from heraldry.gateway.live import Live
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import Gateway
from heraldry.gateway.views import OrganizationSeen, Views
from litestar.testing import TestClient

A = TypeVar("A")
CAMPAIGN = UUID(int=3)
SETTINGS = CampaignSettings(name="Spring", identity=UUID(int=1))
CSV = {"Content-Type": "text/csv"}


@dataclass
class Scheduler:
    """Takes everything, and notes it."""

    sent: list[tuple[Command, UUID]] = field(default_factory=list[tuple[Command, UUID]])
    asked: list[tuple[object, tuple[str, ...]]] = field(default_factory=list[tuple[object, tuple[str, ...]]])
    compared: list[tuple[UUID, bytes]] = field(default_factory=list[tuple[UUID, bytes]])
    wrong: tuple[RowProblem, ...] = ()
    left_out: tuple[RowProblem, ...] = ()

    async def send(self, command: Command, *, by: By, id: UUID) -> Accepted:  # noqa: A002  the command's id
        assert by.organization == UUID(int=9)
        self.sent.append((command, id))
        return Accepted(position=f"scheduler:1:{len(self.sent)}", fresh=True)

    async def check_repeat(self, command: UUID, body: bytes) -> None:
        self.compared.append((command, body))

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A:
        del by, deadline
        self.asked.append((query, tuple(seen)))
        return cast("A", self._answer(query))

    def _answer(self, query: object) -> object:
        match query:
            case GetCampaign():
                return CampaignView(
                    campaign=query.campaign,
                    settings=SETTINGS,
                    state="paused",
                    pause_reason="by hand",
                    leaving=3,
                    counts=CampaignCounts(),
                    created=datetime(2026, 11, 25, tzinfo=UTC),
                    revision=4,
                )
            case GetImport():
                return an_import(query.import_id, self.wrong, self.left_out)
            case ListLeads():
                return LeadPage(leads=(), next="", total=0)
            case _:
                raise AssertionError(query)

    def commands(self, kind: type[A]) -> list[A]:
        return [command for command, _ in self.sent if isinstance(command, kind)]


def an_import(import_id: UUID, wrong: tuple[RowProblem, ...], left_out: tuple[RowProblem, ...]) -> ImportView:
    return ImportView(
        import_id=import_id,
        campaign=CAMPAIGN,
        filename="leads.csv",
        state="checked",
        encoding="utf-8",
        delimiter=",",
        columns=(),
        sample=(),
        rows=1,
        good=1 - len(wrong) - len(left_out),
        wrong=len(wrong),
        problems=wrong,
        skipped={},
        skipped_rows=left_out,
        enrolled=0,
        refusal="",
    )


class Sessions:
    async def find(self, token: str) -> Session:
        return Session(token, "csrf", UUID(int=8), UUID(int=9), "admin", demo=False)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Scheduler, TestClient[Any]]]:
    """Made once: making the application takes longer than asking it."""
    scheduler = Scheduler()
    parts = dict.fromkeys(Gateway.__dataclass_fields__)
    parts |= {"contexts": scheduler, "sessions": Sessions(), "public_url": "http://testserver.local"}
    parts |= {"check_repeat": scheduler.check_repeat, "live": Live()}
    gateway = Gateway(**cast("dict[str, Any]", parts))
    app = application(gateway, cast("Health", None), cast("Files", {}))
    with TestClient(cast("Any", app), base_url="http://testserver.local") as client:
        client.headers["Authorization"] = "Bearer token"
        yield scheduler, client


@pytest.fixture
def scheduler(running: tuple[Scheduler, TestClient[Any]]) -> Scheduler:
    fresh = running[0]
    fresh.sent.clear()
    fresh.compared.clear()
    fresh.asked.clear()
    fresh.wrong = fresh.left_out = ()
    return fresh


@pytest.fixture
def http(running: tuple[Scheduler, TestClient[Any]]) -> TestClient[Any]:
    return running[1]


def test_the_same_request_again_makes_no_other_campaign(http: TestClient[Any], scheduler: Scheduler) -> None:
    key, body = {"Idempotency-Key": str(uuid4())}, SETTINGS.model_dump(mode="json")
    first, second = (http.post("/api/v1/campaigns", json=body, headers=key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    assert scheduler.sent[0] == scheduler.sent[1]
    assert scheduler.commands(CreateCampaign)[0].settings == SETTINGS


def test_pausing_says_how_many_steps_are_leaving(http: TestClient[Any], scheduler: Scheduler) -> None:
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/pause", headers={"X-Position": "scheduler:1:0"})
    assert answer.json() == {
        "campaign": str(CAMPAIGN),
        "state": "paused",
        "leaving": 3,
        "position": "scheduler:1:1",
    }
    assert answer.headers["X-Position"] == "scheduler:1:1"
    assert scheduler.commands(PauseCampaign) == [PauseCampaign(campaign=CAMPAIGN)]
    assert scheduler.asked[0][1] == ("scheduler:1:0", "scheduler:1:1"), "not older than the pause"


@pytest.mark.parametrize("as_form", [False, True])
def test_a_file_goes_on_in_parts_and_is_checked(
    http: TestClient[Any], scheduler: Scheduler, *, as_form: bool
) -> None:
    content = b"email\n" + b"lea@maison.example\n" * 60_000
    where = f"/api/v1/campaigns/{CAMPAIGN}/imports"
    if as_form:
        answer = http.post(where, files={"file": ("Léa's\n leads.csv", content, "text/csv")})
    else:
        answer = http.post(where, params={"filename": "Léa's\n leads.csv"}, content=content, headers=CSV)
    assert answer.status_code == 202
    opened = scheduler.commands(OpenImport)[0]
    assert (opened.campaign, opened.size, opened.format) == (CAMPAIGN, len(content), "csv")
    assert "\n" not in opened.filename
    assert opened.filename.endswith("leads.csv")
    parts = scheduler.commands(AddImportPart)
    assert [part.number for part in parts] == [0, 1, 2]
    sent = [base64.b64decode(part.content) for part in parts]
    assert b"".join(sent) == content
    assert max(map(len, sent)) == PART
    assert scheduler.sent[-1][0] == CheckImport(import_id=opened.import_id)
    assert answer.json()["import_id"] == str(opened.import_id)
    assert len({id_ for _, id_ in scheduler.sent}) == len(scheduler.sent)


def test_the_same_file_again_is_the_same_import(http: TestClient[Any], scheduler: Scheduler) -> None:
    headers = {**CSV, "Idempotency-Key": str(uuid4())}
    for _ in range(2):
        http.post(f"/api/v1/campaigns/{CAMPAIGN}/imports", content=b"email\na@b.example\n", headers=headers)
    half = len(scheduler.sent) // 2
    assert scheduler.sent[:half] == scheduler.sent[half:]
    http.post(f"/api/v1/campaigns/{CAMPAIGN}/imports", content=b"email\nc@b.example\n", headers=headers)
    first, again, other = scheduler.compared
    assert first == again
    assert (first[0], first[1] != other[1]) == (other[0], True), "another file is another request"


def endless() -> Iterator[bytes]:
    """Twice what may come, without saying so beforehand."""
    for _ in range(2 * LARGEST_FILE // 65_536):
        yield b"x" * 65_536


@pytest.mark.parametrize("told", [False, True])
def test_a_file_that_is_too_large_is_refused_before_anything_is_opened(
    http: TestClient[Any], scheduler: Scheduler, *, told: bool
) -> None:
    content = b"".join(endless()) if told else endless()
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/imports", content=content, headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (413, "import.too-large")
    assert scheduler.sent == []


def test_ten_megabytes_are_not_too_large(http: TestClient[Any], scheduler: Scheduler) -> None:
    where = f"/api/v1/campaigns/{CAMPAIGN}/imports"
    assert http.post(where, content=b"x" * LARGEST_FILE, headers=CSV).status_code == 202
    assert http.post(where, content=b"x" * (LARGEST_FILE + 1), headers=CSV).status_code == 413
    files = {"file": ("leads.csv", b"x" * LARGEST_FILE, "text/csv")}
    assert http.post(where, files=files).status_code == 202
    assert [one.size for one in scheduler.commands(OpenImport)] == [LARGEST_FILE] * 2


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"content": b"", "headers": CSV}, "import.missing"),
        ({"files": {"other": ("leads.csv", b"x")}}, "import.missing"),
        ({"json": []}, "media-type.unsupported"),
    ],
)
def test_what_is_no_file_is_refused(http: TestClient[Any], how: dict[str, Any], code: str) -> None:
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/imports", **how)
    assert answer.json()["code"] == code
    assert answer.is_client_error


def test_leads_by_the_api_are_checked_and_confirmed_at_once(
    http: TestClient[Any], scheduler: Scheduler
) -> None:
    leads = [{"name": "Léa", "email": "lea@maison.example", "own": {"city": "Lyon"}}]
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/leads", json=leads)
    assert answer.status_code == 202
    kinds = [type(command) for command, _ in scheduler.sent]
    assert kinds == [OpenImport, AddImportPart, CheckImport, ConfirmImport]
    assert scheduler.commands(OpenImport)[0].format == "jsonl"
    line = base64.b64decode(scheduler.commands(AddImportPart)[0].content)
    assert line == '{"name":"Léa","email":"lea@maison.example","own":{"city":"Lyon"}}\n'.encode()


def test_leads_of_which_one_is_wrong_are_not_taken(http: TestClient[Any], scheduler: Scheduler) -> None:
    scheduler.wrong = (RowProblem(row=1, code="email.malformed", text="“lea” is no address."),)
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/leads", json=[{"email": "lea"}])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["problems"] == [
        {"row": 1, "code": "email.malformed", "text": "“lea” is no address."}
    ]
    assert isinstance(scheduler.sent[-1][0], UndoImport)
    assert scheduler.commands(ConfirmImport) == []


def test_a_list_of_leads_sent_again_is_answered_again(http: TestClient[Any], scheduler: Scheduler) -> None:
    where, key = f"/api/v1/campaigns/{CAMPAIGN}/leads", {"Idempotency-Key": str(uuid4())}
    answers = [http.post(where, json=[{"email": "lea@maison.example"}], headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    half = len(scheduler.sent) // 2
    assert scheduler.sent[:half] == scheduler.sent[half:]


def test_leads_of_which_all_are_left_out_are_told_why(http: TestClient[Any], scheduler: Scheduler) -> None:
    known = RowProblem(row=1, code="suppressed", text="This address is on the suppression list.")
    scheduler.left_out = (known,)
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/leads", json=[{"email": "lea@maison.example"}])
    assert (answer.status_code, answer.json()["code"]) == (409, "leads.known")
    assert answer.json()["problems"] == [known.model_dump()]
    assert isinstance(scheduler.sent[-1][0], UndoImport)


@pytest.mark.parametrize("count", [0, 1001])
def test_no_leads_and_too_many_are_refused(http: TestClient[Any], scheduler: Scheduler, count: int) -> None:
    answer = http.post(f"/api/v1/campaigns/{CAMPAIGN}/leads", json=[{"email": "a@b.example"}] * count)
    assert (answer.status_code, answer.json()["code"]) == (422, "leads.too-many")
    assert scheduler.sent == []


def test_leads_are_filtered_by_what_is_asked(http: TestClient[Any], scheduler: Scheduler) -> None:
    query = {"state": "in progress", "search": "lea", "after": "12", "limit": "500"}
    assert http.get(f"/api/v1/campaigns/{CAMPAIGN}/leads", params=query).is_success
    assert scheduler.asked[0][0] == ListLeads(
        campaign=CAMPAIGN, state="in progress", search="lea", after="12", limit=500
    )
    for wrong in ({"state": "sleeping"}, {"limit": "501"}, {"limit": "0"}):
        answer = http.get(f"/api/v1/campaigns/{CAMPAIGN}/leads", params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")


@pytest.mark.parametrize(
    ("where", "body", "field"),
    [
        ("", {**SETTINGS.model_dump(mode="json"), "stepz": []}, "stepz"),
        ("", {**SETTINGS.model_dump(mode="json"), "steps": [{"text": "Hi", "wait": 3}]}, "steps.0.wait"),
        ("/preview", {"settings": {**SETTINGS.model_dump(mode="json"), "stepz": []}}, "settings.stepz"),
        ("/leads", [{"email": "lea@maison.example", "city": "Lyon"}], "city"),
    ],
)
def test_a_field_nobody_reads_is_refused_by_its_name(
    http: TestClient[Any], scheduler: Scheduler, where: str, body: object, field: str
) -> None:
    path = f"/api/v1/campaigns/{CAMPAIGN}{where}" if where else "/api/v1/campaigns"
    answer = http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")
    assert field in answer.json()["field"]
    assert scheduler.sent == []


def test_a_state_there_is_none_of_is_refused_with_those_there_are(
    http: TestClient[Any], scheduler: Scheduler
) -> None:
    answer = http.get(f"/api/v1/campaigns/{CAMPAIGN}/leads", params={"state": "sleeping"}).json()
    assert answer["field"] == "state"
    assert "outcome unknown" in answer["detail"]
    assert scheduler.asked == []


def test_a_kind_of_history_there_is_none_of_is_refused_with_those_there_are() -> None:
    @dataclass(frozen=True)
    class Seen:
        def organization(self, organization: UUID) -> OrganizationSeen:
            return OrganizationSeen(organization, "Northwind", "UTC")

    views = cast("Views", Seen())
    known = filter_of(views, UUID(int=9), None, "mail, EmailSent", None, None)
    assert known.kinds == ("mail", "EmailSent")
    with pytest.raises(Refused) as refusal:
        filter_of(views, UUID(int=9), None, "mail,bogus", None, None)
    assert (refusal.value.status, refusal.value.field) == (422, "kind")
    assert "campaign" in refusal.value.detail


def test_the_description_names_the_headers_and_the_file_an_import_takes(http: TestClient[Any]) -> None:
    paths = http.get("/api/v1/openapi.json").json()["paths"]
    imported = paths["/api/v1/campaigns/{campaign}/imports"]["post"]
    assert {"text/csv", "multipart/form-data"} <= imported["requestBody"]["content"].keys()
    headers = {one["name"] for one in imported["parameters"] if one["in"] == "header"}
    assert headers == {"Idempotency-Key", "X-Position"}
    assert not any(one["required"] for one in imported["parameters"] if one["in"] == "header")
