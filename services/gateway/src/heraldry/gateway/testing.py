"""An organization of its own in a running installation: what its people do through the HTTP API, for tests."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import uuid4

import httpx
from heraldry.chassis.testing.waiting import Pauses

API: Final = "/api/v1"
PATIENCE: Final = 30.0  # seconds for what the rest of the system does by itself
Answer = Mapping[str, Any]
T = TypeVar("T")


class Login(Protocol):
    @property
    def email(self) -> str: ...
    @property
    def password(self) -> str: ...


class Installation(Protocol):
    """A running one with its sandbox, such as `heraldry.chassis.testing.stack.Stack`."""

    @property
    def url(self) -> str: ...
    @property
    def sandbox_url(self) -> str: ...
    @property
    def sign_in(self) -> Login: ...


@dataclass(slots=True)
class Office:
    """`token`: the session of its admin."""

    http: httpx.Client
    sandbox: httpx.Client
    email: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    @contextmanager
    def opened(cls, installation: Installation, name: str = "Northwind") -> Generator[Office]:
        """A fresh organization, its admin signed in."""
        admin = {"name": "Mina Okafor", "email": f"mina-{secrets.token_hex(4)}@northwind.example"}
        admin["password"] = secrets.token_urlsafe(16)
        first = installation.sign_in
        with cls.at(installation, first.email, first.password) as demo:
            demo.call("POST", "/organizations", {"name": name, "admin": admin})
        with cls.at(installation, admin["email"], admin["password"]) as office:
            yield office

    @classmethod
    @contextmanager
    def of_the_demo(cls, installation: Installation) -> Generator[Office]:
        """The organization the installation begins with."""
        first = installation.sign_in
        with cls.at(installation, first.email, first.password) as office:
            yield office

    @classmethod
    @contextmanager
    def at(cls, installation: Installation, email: str, password: str) -> Generator[Office]:
        """The organization of whoever signs in like this."""
        with (
            httpx.Client(base_url=installation.url, timeout=20) as http,
            httpx.Client(base_url=installation.sandbox_url, timeout=20) as sandbox,
        ):
            office = cls(http, sandbox, email, password)
            session = office.call("POST", "/sessions", {"email": email, "password": password})
            office.token = str(session["token"])
            http.headers["Authorization"] = f"Bearer {office.token}"
            yield office

    def every(self, path: str) -> Sequence[Answer]:
        """The answer's JSON where it is a list."""
        return cast("Sequence[Answer]", self.call("GET", path))

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """The answer's JSON; the next read waits for what was written. Raises httpx.HTTPStatusError."""
        answer = self.http.request(method, API + path, json=body, headers={"Idempotency-Key": str(uuid4())})
        answer.raise_for_status()
        if position := answer.headers.get("x-position"):
            before = self.http.headers.get("x-position", "")
            self.http.headers["X-Position"] = ",".join([*before.split(",")[-6:], position]).strip(",")
        return cast("Answer", answer.json())

    def identity(
        self, name: str, *, zone: str = "Europe/Stockholm", picture: str = "", **details: str
    ) -> str:
        """The id of an identity that everybody sees. `picture` in base64."""
        body = {"name": name, "hours": {"zone": zone}, "picture": picture, "details": details}
        made = str(self.call("POST", "/identities", body)["id"])
        self.call("GET", f"/identities/{made}")
        self.call("GET", "/dashboard")
        return made

    def account(self, address: str = "", name: str = "Léa Fournier") -> Answer:
        """An account at the sandbox's mail host: this one, made if it is not there, or a fresh one."""
        there = cast("list[Answer]", self.sandbox.get("/control/v1/accounts").json())
        for one in there:
            if one["address"] == address:
                return one
        body = {"address": address or f"{secrets.token_hex(6)}@northwind.example", "name": name}
        return self._post("/accounts", body)

    def inbox(self, identity: str, account: Answer) -> str:
        """The id of an inbox that is connected and known everywhere."""
        form = {
            "address": account["address"],
            "password": account["password"],
            "imap": {"host": account["host"], "port": account["ports"]["imaps"], "security": "tls"},
            "smtp": {"host": account["host"], "port": account["ports"]["smtp"], "security": "starttls"},
        }
        made = str(self.call("POST", f"/identities/{identity}/inboxes", form)["inbox"])
        eventually(lambda: self._state(made) == "connected")
        eventually(lambda: self.http.get(f"{API}/inboxes/{made}/rate").is_success)
        return made

    def mail(self, inbox: str, to: str, subject: str, text: str) -> str:
        """The id of a mail that was asked for."""
        letter = {"to": to, "subject": subject, "text": text}
        return str(self.call("POST", f"/inboxes/{inbox}/mails", letter)["attempt"])

    def campaign(self, identity: str, name: str, *steps: Answer, **settings: object) -> str:
        """The id of a draft."""
        body = {"name": name, "identity": identity, "steps": steps, **settings}
        return str(self.call("POST", "/campaigns", body)["id"])

    def leads(self, campaign: str, *leads: Answer) -> None:
        """Add leads, and wait until they count."""
        body = list(leads)
        imported = self.call("POST", f"/campaigns/{campaign}/leads", body)["import_id"]
        eventually(lambda: self.call("GET", f"/imports/{imported}")["state"] == "imported")

    def upload(self, campaign: str, content: bytes, filename: str = "leads.csv") -> str:
        """The id of an import whose file was checked."""
        headers = {"Content-Type": "text/csv", "Idempotency-Key": str(uuid4())}
        where = f"{API}/campaigns/{campaign}/imports"
        answer = self.http.post(where, params={"filename": filename}, content=content, headers=headers)
        answer.raise_for_status()
        return str(answer.json()["import_id"])

    def answer(self, attempt: str, to: str, text: str) -> None:
        """Whoever got the mail replies, and the reply is read."""
        messages = f"/control/v1/accounts/{to}/messages"
        there = cast("list[Answer]", eventually(lambda: self.sandbox.get(messages).json()))
        self._post(f"/accounts/{to}/reply", {"uid": there[-1]["uid"], "text": text})
        eventually(lambda: self.call("GET", f"/mails/{attempt}")["replies"])

    def lose(self, inbox: str, address: str, to: str) -> None:
        """The inbox's owner changes the password, and the next mail finds out."""
        path = f"/control/v1/accounts/{address}/password"
        self.sandbox.put(path, json={"password": secrets.token_urlsafe(8)}).raise_for_status()
        self.mail(inbox, to, "Northwind in Lisbon", "Are you there in May?")
        eventually(lambda: self._state(inbox) == "needs reconnect")

    def _state(self, inbox: str) -> object:
        return self.call("GET", f"/inboxes/{inbox}")["state"]

    def _post(self, path: str, body: object) -> Answer:
        answer = self.sandbox.post(f"/control/v1{path}", json=body)
        answer.raise_for_status()
        return cast("Answer", answer.json())


def eventually(look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """What `look` finds as soon as it is true. Raises TimeoutError."""
    pauses, until = Pauses(), time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"nothing within {seconds:g} s")
        time.sleep(pauses.next())
    return found
