"""After a lively session no password of a mailbox is in a byte of what is stored, logged, answered or published.

The passwords have what is written differently in different places, and the mail host throws them back at us. Its own
folder is the other side and is left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from heraldry.chassis.testing.bus import messages
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import CSRF, Account, Admin, Outside, eventually, organization_in, outside_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(150)]
WRONG, RIGHT, CHANGED = (f'Zebra"{word}\\77 &<{word}>' for word in ("wrong", "right", "changed"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, so that all its folder is what this session left."""
    with Stack.running(tmp_path_factory.mktemp("lively") / "data") as stack:
        yield stack


def forms(password: str, user: str) -> Mapping[str, bytes]:
    """A password as it may be written anywhere; in base64 also as the midst of something longer."""
    raw = password.encode()
    return {
        "as it is": raw,
        "in JSON": json.dumps(password)[1:-1].encode(),
        "in JSON in JSON": json.dumps(json.dumps(password))[3:-3].encode(),
        "quoted for IMAP": password.replace("\\", "\\\\").replace('"', '\\"').encode(),
        "in HTML": password.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&#34;").encode(),
        "in a URL": quote(password, safe="").encode(),
        "in a form": quote(password, safe=" ").replace(" ", "+").encode(),
        "in Python": repr(password)[1:-1].encode(),
        "in hexadecimal": raw.hex().encode(),
        "in UTF-16": password.encode("utf-16-le"),
        "in base64": base64.b64encode(raw).rstrip(b"="),
        "AUTH PLAIN": base64.b64encode(f"\0{user}\0{password}".encode()).rstrip(b"="),
        **{f"in base64, shifted by {n}": shifted(raw, n) for n in (1, 2)},
    }


def shifted(raw: bytes, by: int) -> bytes:
    """What surely stands in the base64 of anything that contains this at such a place."""
    whole = base64.b64encode(b"\0" * by + raw)
    return whole[4 : -4 if (len(raw) + by) % 3 else None]


def test_each_form_is_found_where_it_stands() -> None:
    user = "ada@northwind.example"
    found = forms(RIGHT, user)
    assert found["in base64, shifted by 1"] in base64.b64encode(b"x" + RIGHT.encode() + b"yz")
    assert found["in base64, shifted by 2"] in base64.b64encode(b"wx" + RIGHT.encode() + b"z")
    assert found["AUTH PLAIN"] in base64.b64encode(f"\0{user}\0{RIGHT}".encode())
    assert found["in JSON in JSON"] in json.dumps(json.dumps({"password": RIGHT})).encode()
    assert all(len(form) > len(RIGHT) / 2 for form in found.values())


class Session:
    """What an admin does with an inbox, by API and by page, with everything that is answered."""

    def __init__(self, us: Admin, outside: Outside, account: Account) -> None:
        self.us, self.outside, self.account = us, outside, account
        self.answers: list[bytes] = []
        us.http.event_hooks["response"] = [self._keep]
        self.identity = us.identity()

    def _keep(self, answer: httpx.Response) -> None:
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        self.answers.append(head.encode() + b"\n\n" + answer.read())

    def play(self) -> None:
        wrong = self.us.connect(self.identity, self.account.form(password=WRONG))
        assert wrong["state"] == "failed"
        self._thrown_back()
        self._refused()
        inbox = self.us.connected(self.identity, self.account)
        self._written_to_and_answered(inbox)
        self._password_changes(inbox)
        self._by_page()
        self.us.call("POST", f"/inboxes/{inbox}/disconnect")
        for path in ("/inboxes", f"/identities/{self.identity}/inboxes", "/history", "/dashboard"):
            self.us.get(path)

    def _thrown_back(self) -> None:
        """A server that repeats the password in its answer, in both protocols."""
        plain = base64.b64encode(f"\0{self.account.address}\0{WRONG}".encode()).decode()
        echoes = {
            "imap.login": f"NO [ALERT] {WRONG} is no password",
            "smtp.auth": f"535 5.7.8 {plain} is wrong",
        }
        for point, echo in echoes.items():
            fault = {"point": point, "action": "answer", "account": self.account.address, "answer": echo}
            set_ = self._outside("POST", "/faults", fault)
            failed = self.us.connect(self.identity, self.account.form())
            assert failed["state"] == "failed", point
            self._outside("DELETE", f"/faults/{set_['id']}")
        # the same with what really is the password
        plain = base64.b64encode(f"\0{self.account.address}\0{RIGHT}".encode()).decode()
        fault = {"point": "smtp.auth", "action": "answer", "account": self.account.address}
        set_ = self._outside("POST", "/faults", {**fault, "answer": f"535 5.7.8 {RIGHT} {plain} is wrong"})
        assert self.us.connect(self.identity, self.account.form())["state"] == "failed"
        self._outside("DELETE", f"/faults/{set_['id']}")

    def _refused(self) -> None:
        """Forms that cannot be right: what was typed is not repeated."""
        path = f"/identities/{self.identity}/inboxes"
        self.us.refusal("POST", path, self.account.form(imap_port=0))
        self.us.refusal("POST", path, self.account.form(address="none"))
        self.us.refusal("POST", path, self.account.form(password=[RIGHT]))
        self.us.refusal("POST", path, {**self.account.form(), "passwort": RIGHT})
        broken = json.dumps(self.account.form())[:-2].encode()
        url = f"{self.us.stack.url}/api/v1{path}"
        assert self.us.http.post(url, content=broken, headers={"Content-Type": "application/json"}).is_error

    def _written_to_and_answered(self, inbox: str) -> None:
        theirs = self.outside.account("lea", "maison.example")
        letter = {"to": theirs.address, "subject": "Hello", "text": "Shall we talk?"}
        attempt = self.us.call("POST", f"/inboxes/{inbox}/mails", letter)["attempt"]
        self.us.mail_in(attempt, "sent")
        self.outside.reply(theirs, self.outside.message(theirs), "Yes.")
        eventually(lambda: self.us.mail(attempt)["replies"] == ["Yes."], "the reply is read")

    def _password_changes(self, inbox: str) -> None:
        self._outside("PUT", f"/accounts/{self.account.address}/password", {"password": CHANGED})
        eventually(
            lambda: self.us.get(f"/inboxes/{inbox}")["state"] == "needs reconnect", "it needs a reconnection"
        )
        assert self.us.connect(self.identity, self.account.form())["state"] == "needs reconnect"
        found = self.us.connect(self.identity, self.account.form(password=CHANGED))
        assert (found["inbox"], found["state"]) == (inbox, "connected")

    def _by_page(self) -> None:
        """The same form as a page, with a wrong password, and one that lacks a field."""
        with httpx.Client(
            base_url=self.us.stack.url, timeout=60, event_hooks={"response": [self._keep]}
        ) as http:
            who = {"email": self.us.email, "password": self.us.password}
            assert (
                http.post("/sign-in", data={**who, "_csrf_token": token(http, "/sign-in")}).status_code == 303
            )
            path = f"/identities/{self.identity}/inboxes"
            typed = self.account.form(password=WRONG)
            servers = {
                f"{name}_{key}": str(value) for name in ("imap", "smtp") for key, value in typed[name].items()
            }
            for changes in ({}, {"imap_host": ""}, {"email": "none"}):
                form = {"email": self.account.address, "password": WRONG, **servers, **changes}
                form["_csrf_token"] = token(http, f"{path}/new")
                assert http.post(path, data=form).status_code == 422

    def _outside(self, method: str, path: str, body: object = None) -> Any:
        url = f"{self.us.stack.sandbox_url}/control/v1{path}"
        answer = self.outside.http.request(method, url, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else {}


def token(http: httpx.Client, path: str) -> str:
    found = CSRF.search(http.get(path).text)
    assert found is not None
    return found[1]


def everything_kept(stack: Stack) -> Mapping[str, bytes]:
    """All files of the installation but the mail host's, and what its processes printed."""
    other_side = stack.folder / "sandbox"
    files = [path for path in stack.folder.rglob("*") if other_side not in path.parents and path.is_file()]
    return {str(path): path.read_bytes() for path in (*files, stack.log, stack.output)}


async def published(folder: Path, organization: str) -> Sequence[bytes]:
    async with calling(folder) as calls:
        found = await messages(calls.js)
    told = [orjson.dumps(one.body) + repr(one.headers).encode() for one in found]
    assert any(organization in one.subject for one in found)
    return told


@pytest.mark.requirement("R-ACC-5")
async def test_no_password_of_a_mailbox_is_in_a_byte_of_anything(own: Stack) -> None:
    with outside_of(own) as outside, organization_in(own) as us:
        account = outside.account(password=RIGHT)
        session = Session(us, outside, account)
        session.play()
        told = await published(own.folder, us.organization)
    kept = everything_kept(own)
    kinds = b"".join(told)
    for kind in (b"MailboxConnectionFailed", b"MailboxConnected", b"MailboxNeedsReconnect", b"ReplyReceived"):
        assert kind in kinds
    for part in ("store/", "nats/", "read/", "run/"):
        assert [name for name in kept if part in name], part
    places = {
        **kept,
        **{f"answer {number}": answer for number, answer in enumerate(session.answers)},
        **{f"event {number}": event for number, event in enumerate(told)},
    }
    assert any(account.address.encode() in content for content in places.values())
    assert found_in({"the other side": (own.folder / "sandbox/accounts.json").read_bytes()}, account) != []
    assert found_in(places, account) == []


def found_in(places: Mapping[str, bytes], account: Account) -> Sequence[tuple[str, str, str]]:
    """Which password stands where, and in which form."""
    return [
        (secret, form, place)
        for secret in (WRONG, RIGHT, CHANGED)
        for form, written in forms(secret, account.address).items()
        for place, content in places.items()
        if written in content
    ]
