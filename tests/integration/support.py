"""What tests of the running system share: an organization of their own, the mail host, and waiting."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Final, Literal, TypeVar, cast
from uuid import UUID, uuid4

import httpx
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack
from heraldry.chassis.testing.waiting import Pauses
from heraldry.chassis.vault import sealed
from heraldry.contracts.gateway import UnsubscribeToken
from nacl.public import PublicKey

API = "/api/v1"
PATIENCE = 30.0  # seconds for what another part of the system has to do
CSRF = re.compile(r'name="_csrf_token" value="([^"]+)"')
REMEMBERED = 8  # positions a client sends back
EVERY_DAY: Final = tuple({"day": day, "start": "09:00", "end": "18:00"} for day in range(1, 8))
Answer = Mapping[str, Any]
Security = Literal["tls", "starttls"]
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """What `look` finds as soon as it finds something. AssertionError with `what` after so many seconds."""
    pauses, until = Pauses(), monotonic() + seconds
    while (found := look()) is None or found is False:
        if monotonic() > until:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        sleep(pauses.next())
    return found


@dataclass(slots=True)
class Admin:
    """The admin of an organization, signed in at the API. Reads are not older than what was written here."""

    stack: Stack
    http: httpx.Client
    organization: str
    email: str
    password: str
    positions: list[str] = field(default_factory=list[str])

    def send(self, method: str, path: str, body: object = None, *, key: UUID | None = None) -> httpx.Response:
        """Whatever the API answers."""
        headers = {"X-Position": ",".join(self.positions[-REMEMBERED:])}
        if method != "GET":
            headers["Idempotency-Key"] = str(key or uuid4())
        answer = self.http.request(method, f"{self.stack.url}{API}{path}", json=body, headers=headers)
        if position := answer.headers.get("X-Position"):
            self.positions.append(position)
        return answer

    def call(self, method: str, path: str, body: object = None, *, key: UUID | None = None) -> Answer:
        """A success's JSON."""
        answer = self.send(method, path, body, key=key)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return cast("Answer", answer.json())

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def refusal(self, method: str, path: str, body: object = None, *, key: UUID | None = None) -> Answer:
        """A refusal's problem document."""
        answer = self.send(method, path, body, key=key)
        assert answer.is_client_error, f"{method} {path}: {answer.status_code} {answer.text}"
        return cast("Answer", answer.json())

    def identity(self, name: str = "Astrid Lind", zone: str = "UTC") -> str:
        """At work from 9 to 18 on every day, so that a test does not depend on the day it runs on."""
        hours = {"zone": zone, "week": EVERY_DAY}
        return str(self.call("POST", "/identities", {"name": name, "hours": hours})["id"])

    def connect(self, identity: str, form: Answer) -> Answer:
        """Fill in the form and wait: the inbox when both protocols have been tried."""
        tried = self.call("POST", f"/identities/{identity}/inboxes", form)
        return self.settled(str(tried["inbox"]))

    def settled(self, inbox: str) -> Answer:
        def look() -> Answer | None:
            found = cast("Answer", self.get(f"/inboxes/{inbox}"))
            return None if found["state"] == "connecting" else found

        return eventually(look, f"inbox {inbox} is tried")

    def connected(self, identity: str, account: Account) -> str:
        """An inbox that can send."""
        found = self.connect(identity, account.form())
        assert found["state"] == "connected", found["diagnosis"]
        inbox = str(found["inbox"])
        eventually(lambda: self.send("GET", f"/inboxes/{inbox}/rate").is_success, "its limits are known")
        return inbox

    def mail(self, attempt: str) -> Answer:
        return cast("Answer", self.get(f"/mails/{attempt}"))

    def mail_in(self, attempt: str, *states: str) -> Answer:
        """The mail as soon as it is in one of these states."""

        def look() -> Answer | None:
            answer = self.send("GET", f"/mails/{attempt}")
            found = cast("Answer", answer.json()) if answer.is_success else {"state": ""}
            return found if found["state"] in states else None

        return eventually(look, f"mail {attempt} is {' or '.join(states)}")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's mailbox at the sandbox's mail host."""

    address: str
    password: str = field(repr=False)
    host: str
    ports: Mapping[str, int]

    def form(self, **changes: object) -> Answer:
        """What is typed to connect it. `changes`: address, password; `imap_port`, `smtp_host` and so on."""
        imap: dict[str, object] = {"host": self.host, "port": self.ports["imaps"], "security": "tls"}
        smtp: dict[str, object] = {"host": self.host, "port": self.ports["smtp"], "security": "starttls"}
        form: dict[str, object] = {"address": self.address, "password": self.password}
        for name, value in changes.items():
            protocol, _, part = name.partition("_")
            {"imap": imap, "smtp": smtp}.get(protocol, form)[part or name] = value
        return {**form, "imap": imap, "smtp": smtp}


@dataclass(frozen=True, slots=True)
class Outside:
    """The world outside: the mail host with its people, and the clock. The sandbox's control API."""

    stack: Stack
    http: httpx.Client

    def account(self, name: str = "astrid", domain: str = "northwind.example", password: str = "") -> Account:
        body = {"address": f"{name}-{uuid4().hex[:8]}@{domain}", "name": name.title()}
        made = self._post("/accounts", {**body, **({"password": password} if password else {})})
        return Account(made["address"], made["password"], made["host"], made["ports"])

    def messages(self, account: Account, folder: str = "INBOX") -> Sequence[Answer]:
        path = f"/accounts/{account.address}/messages"
        return cast("Sequence[Answer]", self._get(path, {"folder": folder}))

    def message(self, account: Account, folder: str = "INBOX") -> Answer:
        """The first mail there, as soon as it is there."""
        return eventually(
            lambda: next(iter(self.messages(account, folder)), None),
            f"a mail lies in {folder} of {account.address}",
        )

    def reply(self, account: Account, message: Answer, text: str) -> None:
        self._post(f"/accounts/{account.address}/reply", {"uid": message["uid"], "text": text})

    def effects(self, what: str, **facts: object) -> Sequence[Answer]:
        """All that truly happened of one kind, with these facts."""
        found = cast("Sequence[Answer]", self._get("/effects", {}))
        return [one for one in found if one["what"] == what and facts.items() <= one.items()]

    def now(self) -> datetime:
        return datetime.fromisoformat(cast("Answer", self._get("/clock", {}))["now"])

    def advance(self, seconds: float) -> None:
        """Move the installation's business time forward."""
        self._post("/clock/advance", {"seconds": seconds})

    def advance_to(self, instant: datetime) -> None:
        self.advance(max(0.0, (instant - self.now()).total_seconds()))

    def zone_about(self, hour: int = 12) -> str:
        """A zone in which it is about this hour. Its name's sign is the other way round than people's."""
        now = self.now().astimezone(UTC)
        ahead = round(hour - now.hour - now.minute / 60)
        ahead -= 24 if ahead > 12 else 0
        ahead += 24 if ahead < -12 else 0
        return "Etc/GMT" if ahead == 0 else f"Etc/GMT{-ahead:+d}"

    def _get(self, path: str, query: Mapping[str, str]) -> object:
        answer = self.http.get(f"{self.stack.sandbox_url}/control/v1{path}", params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def _post(self, path: str, body: Answer) -> Answer:
        answer = self.http.post(f"{self.stack.sandbox_url}/control/v1{path}", json=body)
        assert answer.is_success, answer.text
        return cast("Answer", answer.json())


def gateway_key(stack: Stack) -> PublicKey:
    """What unsubscribe links are sealed to."""

    async def key() -> PublicKey:
        async with calling(stack.folder) as calls:
            found = await sealed.public_key(calls.operator, "gateway")
            assert found is not None
            return found

    with ThreadPoolExecutor(1) as apart:  # where a browser drives this thread's loop
        return apart.submit(lambda: asyncio.run(key())).result()


def unsubscribe_token(key: PublicKey, organization: str, address: str, attempt: UUID | None = None) -> str:
    """The last part of the unsubscribe link in a mail to this address."""
    held = UnsubscribeToken(
        organization=UUID(organization),
        identity=uuid4(),
        person=uuid4(),
        attempt=attempt or uuid4(),
        address=address,
    )
    return sealed.seal_for_link(key, held.model_dump_json().encode())


@contextmanager
def outside_of(stack: Stack) -> Generator[Outside]:
    with httpx.Client(timeout=20) as http:
        yield Outside(stack, http)


@contextmanager
def organization_in(stack: Stack, name: str = "Northwind") -> Generator[Admin]:
    """A fresh organization."""
    with signed_in(stack, stack.sign_in.email, stack.sign_in.password) as demo:
        admin = {"name": "Ada", "email": f"{uuid4().hex}@a.example", "password": uuid4().hex}
        demo.call("POST", "/organizations", {"name": name, "admin": admin})
    with signed_in(stack, admin["email"], admin["password"]) as us:
        yield us


@contextmanager
def first_organization(stack: Stack) -> Generator[Admin]:
    """The first organization of a real installation, made by its one-time link."""
    admin = {"name": "Ada", "email": "ada@a.example", "password": uuid4().hex}
    with httpx.Client(timeout=20) as http:
        token = CSRF.search(http.get(stack.first_admin_url).text)
        assert token is not None
        form = {"_csrf_token": token[1], "organization": "Northwind", "zone": "UTC", **admin}
        assert http.post(stack.first_admin_url, data=form).status_code == 303
    with signed_in(stack, admin["email"], admin["password"]) as us:
        yield us


@contextmanager
def signed_in(stack: Stack, email: str, password: str) -> Generator[Admin]:
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    with httpx.Client(timeout=30, limits=limits) as http:
        answer = http.post(f"{stack.url}{API}/sessions", json={"email": email, "password": password})
        assert answer.is_success, answer.text
        session = answer.json()
        http.headers["Authorization"] = f"Bearer {session['token']}"
        yield Admin(stack, http, session["organization"], email, password)
