"""The part of the demo's story in which a real mail leaves, arrives and is answered."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import httpx
from heraldry.gateway.demo.world import DEADLINE, Answer, Story

LOOK: Final = 0.1
STEPS: Final = (
    "QuotaConsumed",
    "EmailQueued",
    "EmailClaimed",
    "EmailSubmissionStarted",
    "EmailSent",
    "ReplyReceived",
)
EVENTS: Final = ("IdentityCreated", "MailboxConnected", "QuotaConsumed", "EmailSent", "ReplyReceived")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outside:
    """The other side: the sandbox's control API."""

    http: httpx.AsyncClient

    async def account(self, name: str) -> Answer:
        """A fresh account, with its password and where its mail server listens."""
        address = f"{name}-{secrets.token_hex(4)}@northwind.example"
        return await self._post("/accounts", {"address": address, "name": name.title()})

    async def messages(self, address: str) -> list[Answer]:
        answer = await self.http.get(f"/control/v1/accounts/{address}/messages")
        answer.raise_for_status()
        return cast("list[Answer]", answer.json())

    async def reply(self, address: str, uid: int, text: str) -> None:
        await self._post(f"/accounts/{address}/reply", {"uid": uid, "text": text})

    async def _post(self, path: str, body: dict[str, Any]) -> Answer:
        answer = await self.http.post(f"/control/v1{path}", json=body)
        answer.raise_for_status()
        return cast("Answer", answer.json())


async def play_mail(story: Story, outside: Outside, identity: str) -> None:
    """Connect an inbox, send one mail, have the second refused, get the answer."""
    ours, theirs = await outside.account("astrid"), await outside.account("lea")
    inbox = await _connect(story, identity, ours)
    await story.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 30, "per_hour": 1})
    letter = {"to": theirs["address"], "subject": "Hello from Astrid", "text": "Shall we talk on Monday?"}
    asked = await story.call("POST", f"/inboxes/{inbox}/mails", letter)
    refused = await story.refused("POST", f"/inboxes/{inbox}/mails", letter)
    until = str(cast("Answer", refused.get("extra", {})).get("until", ""))
    found = f"{refused.get('detail', '')} Possible from {until or 'unknown'}."
    ok = refused.get("code") == "quota.exhausted" and bool(until)
    story.expect("Ask for two mails at one an hour: the second is refused", found, ok=ok)

    async def arrived() -> Answer | None:
        there = await outside.messages(str(theirs["address"]))
        return there[0] if there else None

    message = await _until(arrived)
    story.expect("The mail arrives", str(theirs["address"]), ok=message is not None)
    if message is None:
        return
    await outside.reply(str(theirs["address"]), int(message["uid"]), "Monday is fine. Lea")

    async def answered() -> Answer | None:
        mail = await story.call("GET", f"/mails/{asked['attempt']}")
        return mail if mail["replies"] else None

    mail = await _until(answered) or await story.call("GET", f"/mails/{asked['attempt']}")
    story.expect(
        "The reply is read", " ".join(mail["replies"]), ok=list(mail["replies"]) == ["Monday is fine. Lea"]
    )
    types = [step["type"] for step in mail["steps"]]
    story.expect(
        "Every step of the mail stands in its history", " → ".join(types), ok=set(STEPS) <= set(types)
    )
    arrived_once = len(await outside.messages(str(theirs["address"])))
    story.expect("It was delivered once", f"{arrived_once} mail", ok=arrived_once == 1)


async def _connect(story: Story, identity: str, account: Answer) -> str:
    """A wrong password first: its diagnosis, and no inbox. Then the right one; the inbox's id."""
    form = {
        "address": account["address"],
        "imap": {"host": account["host"], "port": account["ports"]["imaps"], "security": "tls"},
        "smtp": {"host": account["host"], "port": account["ports"]["smtp"], "security": "starttls"},
    }
    path = f"/identities/{identity}/inboxes"
    tried = await story.call("POST", path, {**form, "password": "not the password"})
    failed = await _settled(story, str(tried["inbox"]))
    inboxes = await story.call("GET", path)
    diagnosis = cast("Answer", failed["diagnosis"] or {})
    ok = failed["state"] == "failed" and not inboxes and bool(diagnosis.get("resolution"))
    story.expect("A wrong password makes no inbox and says what to do", str(diagnosis.get("cause")), ok=ok)
    tried = await story.call("POST", path, {**form, "password": account["password"]})
    state = (await _settled(story, str(tried["inbox"])))["state"]
    story.expect("Connect an inbox", f"{account['address']}: {state}", ok=state == "connected")

    async def known() -> Answer | None:
        try:
            return await story.call("GET", f"/inboxes/{tried['inbox']}/rate")
        except httpx.HTTPStatusError:
            return None

    await _until(known)
    return str(tried["inbox"])


async def _settled(story: Story, inbox: str) -> Answer:
    async def look() -> Answer | None:
        found = await story.call("GET", f"/inboxes/{inbox}")
        return None if found["state"] == "connecting" else found

    return await _until(look) or await story.call("GET", f"/inboxes/{inbox}")


async def _until(look: Callable[[], Awaitable[T | None]]) -> T | None:
    """What `look` finds within the deadline."""
    loop = asyncio.get_running_loop()
    until = loop.time() + DEADLINE
    while (found := await look()) is None and loop.time() < until:  # noqa: ASYNC110  others' state, over HTTP
        await asyncio.sleep(LOOK)
    return found
