"""Pages and control API, asked as a browser and as a program would."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiosmtplib
import httpx
import pytest
from heraldry.chassis.bus.border import jetstream
from heraldry.chassis.health import Health
from heraldry.chassis.testing.nats import NatsServer
from heraldry.sandbox.clock import BUCKET, SandboxClock
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.mailhost import MailHost
from heraldry.sandbox.web.application import application

pytestmark = pytest.mark.parts
ADA, LEA = "ada@northwind.example", "lea.fournier@maison-verte.example"
BASE = "http://127.0.0.1:8701"


@pytest.fixture
async def nats() -> AsyncGenerator[NatsServer]:
    async with NatsServer() as server:
        yield server


@pytest.fixture
async def clock(nats: NatsServer) -> SandboxClock:
    client = await nats.client("sandbox")
    return SandboxClock(await jetstream(client).key_value(BUCKET))


@pytest.fixture
async def host(tmp_path: Path) -> AsyncGenerator[MailHost]:
    async with MailHost.start(tmp_path) as running:
        yield running


@pytest.fixture
async def web(host: MailHost) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(host, None) as client:
        yield client


def client_of(host: MailHost, clock: SandboxClock | None) -> httpx.AsyncClient:
    app = application(host, LinkedIn(host.folder / "linkedin"), clock, Health())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # pyright: ignore[reportArgumentType]  httpx has a type of its own for ASGI
    return httpx.AsyncClient(transport=transport, base_url=BASE)


async def test_accounts_are_listed_and_made(web: httpx.AsyncClient, host: MailHost) -> None:
    made = await web.post("/control/v1/accounts", json={"address": "new@example.org", "password": "p w"})
    assert made.status_code == 201
    listed = (await web.get("/control/v1/accounts")).json()
    assert listed[-1] == made.json()
    assert listed[-1]["password"] == "p w"
    assert listed[-1]["ports"]["imaps"] == host.ports.imaps
    again = await web.post("/control/v1/accounts", json={"address": "new@example.org"})
    assert (again.status_code, again.json()["code"], again.json()["field"]) == (
        409,
        "account_exists",
        "address",
    )
    assert again.headers["content-type"] == "application/problem+json"
    changed = await web.put("/control/v1/accounts/new@example.org/password", json={"password": "q"})
    assert changed.json()["password"] == "q"


async def test_a_mail_is_sent_read_and_answered(web: httpx.AsyncClient) -> None:
    sent = await web.post(
        f"/control/v1/accounts/{ADA}/send",
        json={"to": LEA, "subject": "Hi", "text": "Hello", "headers": {"X-Own": "7"}},
    )
    found = (await web.get(f"/control/v1/accounts/{LEA}/messages")).json()
    assert [(one["uid"], one["subject"], one["text"]) for one in found] == [(1, "Hi", "Hello\n")]
    assert ["X-Own", "7"] in found[0]["headers"]
    answer = await web.post(
        f"/control/v1/accounts/{LEA}/reply", json={"message_id": sent.json()["message_id"], "text": "Oui"}
    )
    back = (await web.get(f"/control/v1/accounts/{ADA}/messages", params={"folder": "INBOX"})).json()
    assert back[0]["message_id"] == answer.json()["message_id"]
    assert dict(back[0]["headers"])["In-Reply-To"] == sent.json()["message_id"]
    effects = (await web.get("/control/v1/effects", params={"since": 1})).json()
    assert [one["what"] for one in effects] == ["delivered", "written", "delivered"]


async def test_faults_are_set_listed_released_and_removed(web: httpx.AsyncClient, host: MailHost) -> None:
    made = await web.post("/control/v1/faults", json={"point": "smtp.accepted", "action": "hold", "times": 2})
    assert made.status_code == 201
    key = made.json()["id"]
    client = aiosmtplib.SMTP(
        hostname=host.host,
        port=host.ports.smtps,
        use_tls=True,
        tls_context=ssl.create_default_context(cafile=str(host.ca_file)),
        username=ADA,
        password=host.account(ADA).password,
    )
    async with client:
        sending = asyncio.create_task(client.sendmail(ADA, [LEA], b"Message-ID: <1@x>\r\n\r\nHi\r\n"))
        await host.wait_until_held(key)
        (listed,) = (await web.get("/control/v1/faults")).json()
        assert (listed["id"], listed["point"], listed["times"], listed["applied"]) == (
            key,
            "smtp.accepted",
            2,
            1,
        )
        assert [(one["account"], one["message_id"]) for one in listed["waiting"]] == [(ADA, "<1@x>")]
        assert not sending.done()
        released = await web.post(f"/control/v1/faults/{key}/release", json={})
        assert (released.status_code, released.json()["released"]) == (200, 1)
        await sending
    assert (await web.delete(f"/control/v1/faults/{key}")).status_code == 204
    assert (await web.get("/control/v1/faults")).json() == []
    again = await web.delete(f"/control/v1/faults/{key}")
    assert (again.status_code, again.json()["code"]) == (404, "fault_unknown")


async def test_an_account_is_locked_and_opened_again(web: httpx.AsyncClient, host: MailHost) -> None:
    locked = await web.post(
        f"/control/v1/accounts/{ADA}/lock", json={"smtp": "534 5.7.9 Use an app password"}
    )
    assert [(one["point"], one["account"]) for one in locked.json()] == [
        ("imap.login", ADA),
        ("smtp.auth", ADA),
    ]
    assert locked.json()[1]["answer"] == "534 5.7.9 Use an app password"
    for one in locked.json():
        await web.delete(f"/control/v1/faults/{one['id']}")
    assert host.faults() == ()


async def test_machines_answer(web: httpx.AsyncClient, host: MailHost) -> None:
    sent = host.send(ADA, to=LEA, subject="Hi", text="Hello")
    away = await web.post(f"/control/v1/accounts/{LEA}/auto-reply", json={"uid": 1, "text": "Away"})
    bounced = await web.post(
        f"/control/v1/accounts/{LEA}/bounce",
        json={"message_id": sent.message_id, "status": "4.4.1", "whole": False},
    )
    assert (away.status_code, bounced.status_code) == (201, 201)
    reply, report = host.messages(ADA)
    assert reply.letter.message_id == away.json()["message_id"]
    assert reply.letter.text == "Away\n"
    assert b"Action: delayed" in report.letter.raw


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"accounts/{ADA}/reply", {"text": "x", "uid": 5}, 404, "message_unknown"),
        (f"accounts/{ADA}/reply", {"uid": 5}, 422, "input_malformed"),
        (f"accounts/{ADA}/send", {"to": "a@b.example", "subject": "", "text": ""}, 422, "recipient_unknown"),
        ("accounts/x@y.example/send", {"to": ADA, "subject": "", "text": ""}, 404, "account_unknown"),
        ("accounts", {"address": 5}, 422, "input_malformed"),
        ("clock/advance", {"seconds": 5}, 503, "clock_absent"),
        ("faults", {"point": "smtp.nowhere", "action": "drop"}, 422, "input_malformed"),
        ("faults", {"point": "smtp.data", "action": "answer"}, 422, "fault_malformed"),
        (
            "faults",
            {"point": "smtp.data", "action": "drop", "account": "x@y.example"},
            404,
            "account_unknown",
        ),
        ("faults/fault-1/release", {}, 404, "fault_unknown"),
        (f"accounts/{ADA}/lock", {"imap": "451 no"}, 422, "fault_malformed"),
        (f"accounts/{ADA}/bounce", {"uid": 1, "status": "x"}, 422, "fault_malformed"),
        (f"accounts/{ADA}/auto-reply", {"uid": 1}, 404, "message_unknown"),
        ("nowhere", {}, 404, "page_unknown"),
    ],
)
async def test_bad_input_is_a_problem(
    web: httpx.AsyncClient, path: str, body: dict[str, object], status: int, code: str
) -> None:
    answer = await web.post(f"/control/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://evil.example"}, "cross_site"),
        ({"origin": "null"}, "cross_site"),
        ({"sec-fetch-site": "cross-site"}, "cross_site"),
        ({"sec-fetch-site": "same-site"}, "cross_site"),
        ({"host": "evil.example"}, "host_refused"),
    ],
)
async def test_other_sites_can_do_nothing(
    web: httpx.AsyncClient, host: MailHost, headers: dict[str, str], code: str
) -> None:
    host.send(ADA, to=LEA, subject="s", text="t")
    form = await web.post(
        f"/mail/{LEA}/reply", data={"folder": "INBOX", "uid": "1", "text": "x"}, headers=headers
    )
    api = await web.post(f"/control/v1/accounts/{LEA}/reply", json={"uid": 1, "text": "x"}, headers=headers)
    assert (form.status_code, api.status_code) == (403, 403)
    assert api.json()["code"] == code
    assert host.messages(ADA) == ()


async def test_the_control_api_takes_json_only(web: httpx.AsyncClient) -> None:
    answer = await web.post(
        "/control/v1/accounts", content=b'{"address": "a@b.example"}', headers={"content-type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "json_only")


async def test_the_home_page_lists_what_is_needed_to_connect(web: httpx.AsyncClient, host: MailHost) -> None:
    answer = await web.get("/")
    assert answer.status_code == 200
    for account in host.accounts():
        assert account.address in answer.text
        assert account.password in answer.text
    for port in (host.ports.imap, host.ports.imaps, host.ports.smtp, host.ports.smtps):
        assert f"<code>{port}</code>" in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for forbidden in ("<script", "<style", "style=", "onclick="):
        assert forbidden not in answer.text
    assert (await web.get("/static/tokens.css")).headers["content-type"].startswith("text/css")
    assert (await web.get("/static/..%2fguard.py")).status_code == 404


async def test_a_mail_is_shown_as_text_and_answered_from_its_page(
    web: httpx.AsyncClient, host: MailHost
) -> None:
    host.send(ADA, to=LEA, subject="<b>Hi</b>", text="<script>alert(1)</script>")
    shown = await web.get(f"/mail/{LEA}", params={"uid": 1})
    assert "<script" not in shown.text
    assert "&lt;script&gt;alert(1)" in shown.text
    assert "&lt;b&gt;Hi" in shown.text
    form = {"folder": "INBOX", "uid": "1", "text": "Merci"}
    own = {"origin": BASE, "sec-fetch-site": "same-origin"}
    sent = await web.post(f"/mail/{LEA}/reply", data=form, headers=own)
    assert sent.status_code == 303
    followed = await web.get(sent.headers["location"])
    assert "The reply was delivered." in followed.text
    assert host.messages(ADA)[0].letter.text.startswith("Merci")
    empty = await web.post(f"/mail/{LEA}/reply", data={**form, "text": "  "}, headers=own)
    assert empty.status_code == 422
    assert "Write something first." in empty.text
    unknown = await web.get("/mail/nobody@x.example", headers={"accept": "text/html"})
    assert unknown.status_code == 404
    assert "<h1>That did not work</h1>" in unknown.text


@pytest.mark.parametrize(
    ("kind", "says", "subject"),
    [
        ("auto-replied", "The automatic reply was delivered.", "Automatic reply: Hi"),
        ("failed", "could not be delivered is in", "Undelivered Mail Returned to Sender"),
        ("delayed", "is delayed is in", "Delayed Mail (still being retried)"),
    ],
)
async def test_machines_answer_from_the_page(
    web: httpx.AsyncClient, host: MailHost, kind: str, says: str, subject: str
) -> None:
    host.send(ADA, to=LEA, subject="Hi", text="Hello")
    form = {"folder": "INBOX", "uid": "1", "kind": kind}
    sent = await web.post(f"/mail/{LEA}/machine", data=form)
    assert says in (await web.get(sent.headers["location"])).text
    assert [one.letter.subject for one in host.messages(ADA)] == [subject]
    refused = await web.post(f"/mail/{ADA}/machine", data=form)
    assert refused.status_code == 409
    assert "No machine answers a machine&#39;s mail." in refused.text


async def test_the_clock_moves_forward_only(clock: SandboxClock, tmp_path: Path) -> None:
    async with MailHost.start(tmp_path, now=clock.now) as host, client_of(host, clock) as web:
        assert (await web.get("/control/v1/clock")).json()["offset"] == 0
        moved = await web.post("/control/v1/clock/advance", json={"seconds": 90_000.5})
        assert (moved.status_code, moved.json()["offset"]) == (200, 90_000.5)
        ahead = datetime.fromisoformat(moved.json()["now"]) - datetime.now(UTC)
        assert abs(ahead - timedelta(seconds=90_000.5)) < timedelta(seconds=5)
        for seconds in (-1, 1e12):
            refused = await web.post("/control/v1/clock/advance", json={"seconds": seconds})
            assert refused.status_code == 422
        page = await web.get("/")
        assert "1 day 1 hour ahead of real time" in page.text
        form = await web.post("/clock/advance", data={"amount": "2", "unit": "hours"})
        assert form.status_code == 303
        assert (await web.get("/control/v1/clock")).json()["offset"] == 97_200.5
        wrong = await web.post("/clock/advance", data={"amount": "two", "unit": "hours"})
        assert "Give a number, such as 3 or 1.5." in wrong.text
        letter = host.send(ADA, to=LEA, subject="s", text="t")
        assert parsedate_to_datetime(letter.header("Date")) - datetime.now(UTC) > timedelta(days=1)
        assert abs(host.messages(LEA)[0].received - datetime.now(UTC)) < timedelta(seconds=5)


async def test_advances_at_once_add_up(nats: NatsServer) -> None:
    clocks = [SandboxClock(await jetstream(await nats.client("sandbox")).key_value(BUCKET)) for _ in range(3)]
    await asyncio.gather(*(clock.advance(Decimal(n)) for clock in clocks for n in (1, 10, 100)))
    assert {await clock.refresh() for clock in clocks} == {333}


async def test_a_lost_nats_is_said(nats: NatsServer, clock: SandboxClock, host: MailHost) -> None:
    await nats.kill()
    async with client_of(host, clock) as web:
        answer = await web.get("/control/v1/clock")
        assert (answer.status_code, answer.json()["code"]) == (503, "clock_away")
        assert "The clock cannot be reached" in (await web.get("/")).text
        await nats.restart()
        async with asyncio.timeout(20):
            while (await web.get("/control/v1/clock")).status_code != 200:  # noqa: ASYNC110  nothing tells when it is back
                await asyncio.sleep(0.05)
        assert (await web.post("/control/v1/clock/advance", json={"seconds": 5})).json()["offset"] == 5


async def test_linkedin_is_controlled(web: httpx.AsyncClient) -> None:
    path = "/control/v1/linkedin"
    made = await web.post(f"{path}/accounts", json={"email": "zoe@brisa.example", "name": "Zoe Lemaire"})
    assert (made.status_code, made.json()["slug"]) == (201, "zoe-lemaire")
    account = f"{path}/accounts/zoe@brisa.example"
    treated = await web.patch(f"{account}/scenario", json={"challenge": "captcha"})
    assert treated.json()["scenario"]["challenge"] == "captcha"
    treated = await web.patch(f"{account}/scenario", json={"sales_navigator": True})
    assert treated.json()["scenario"]["challenge"] == "captcha"
    assert (await web.patch(f"{account}/scenario", json={"challenge": "riddle"})).status_code == 422
    changed = await web.put(f"{account}/password", json={"password": "another one"})
    assert changed.json()["password"] == "another one"
    assert (await web.get(account)).json() == changed.json()
    for what, count in (("app", "answered"), ("expire", "expired"), ("revoke", "revoked")):
        assert (await web.post(f"{account}/{what}", json={})).json() == {count: 0}
    person = {"slug": "nora-berg", "first_name": "Nora", "last_name": "Berg"}
    assert (await web.post(f"{path}/people", json=person)).json()["headline"] == "Member"
    assert (await web.get(f"{path}/people")).json()[-1]["slug"] == "nora-berg"
    layout = (await web.get(f"{path}/layout")).json()
    changed = await web.patch(f"{path}/layout", json={"sign_in": "formless"})
    assert changed.json() == {**layout, "sign_in": "formless"}
    assert (await web.get(f"{path}/effects")).json() == []


async def test_somebody_without_an_account_is_played(web: httpx.AsyncClient, host: MailHost) -> None:
    path, ada = "/control/v1/linkedin", {"account": "ada@northwind.example"}
    lea = f"{path}/people/lea-fournier"
    assert (await web.post(f"{lea}/accept", json=ada)).json()["code"] == "invitation_unknown"
    assert (await web.post(f"{lea}/invite", json=ada)).json() == {"relation": "incoming"}
    assert (await web.post(f"{lea}/invite", json=ada)).json()["code"] == "invitation_refused"
    assert (await web.post(f"{lea}/connect", json=ada)).json() == {"relation": "connected"}
    replied = await web.post(f"{lea}/reply", json={**ada, "text": "Hello Ada"})
    network = (await web.get(f"{path}/accounts/ada@northwind.example/network")).json()
    assert network["connections"] == ["lea-fournier"]
    conversation = network["conversations"][replied.json()["conversation"]]
    assert [(one["by"], one["text"]) for one in conversation["messages"]] == [("lea-fournier", "Hello Ada")]
    changed = await web.patch(lea, json={"connect": "more", "headline": "Owner"})
    assert (changed.json()["connect"], changed.json()["last_name"]) == ("more", "Fournier")
    what = [one["what"] for one in (await web.get(f"{path}/effects")).json()]
    assert what == ["invitation received", "connected", "replied"]
