"""The part of the demo's story in which a real mail leaves, arrives and is answered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import httpx
from heraldry.gateway.demo.report import moment
from heraldry.gateway.demo.world import Answer, Story, until

STEPS: Final = (
    "QuotaConsumed",
    "EmailQueued",
    "EmailClaimed",
    "EmailSubmissionStarted",
    "EmailSent",
    "ReplyReceived",
)
EVENTS: Final = (
    "IdentityCreated",
    "MailboxConnected",
    "QuotaConsumed",
    "EmailSent",
    "ReplyReceived",
    "EmailBounced",
    "MailboxNeedsReconnect",
)


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

    async def auto_reply(self, address: str, uid: int) -> None:
        await self._post(f"/accounts/{address}/auto-reply", {"uid": uid})

    async def bounce(self, address: str, uid: int) -> None:
        await self._post(f"/accounts/{address}/bounce", {"uid": uid, "status": "5.1.1"})

    async def change_password(self, address: str, password: str) -> None:
        path = f"/control/v1/accounts/{address}/password"
        (await self.http.put(path, json={"password": password})).raise_for_status()

    async def now(self) -> datetime:
        """Business time, as every service sees it."""
        answer = await self.http.get("/control/v1/clock")
        answer.raise_for_status()
        return datetime.fromisoformat(str(answer.json()["now"]))

    async def advance(self, by: timedelta) -> None:
        await self._post("/clock/advance", {"seconds": by.total_seconds()})

    async def _post(self, path: str, body: dict[str, Any]) -> Answer:
        answer = await self.http.post(f"/control/v1{path}", json=body)
        answer.raise_for_status()
        return cast("Answer", answer.json())


async def play_mail(story: Story, outside: Outside, identity: str) -> None:
    """Connect an inbox, send one mail, have the second refused, get the answer."""
    ours, theirs = await outside.account("astrid"), await outside.account("lea")
    inbox = await _connect(story, identity, ours)
    await _first_mail(story, outside, inbox, theirs)
    await _told_apart(story, outside, inbox)
    await _reconnect(story, outside, identity, inbox, ours)


async def _first_mail(story: Story, outside: Outside, inbox: str, theirs: Answer) -> None:
    """Within its limit, delivered once, answered."""
    await story.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 30, "per_hour": 1})
    letter = {"to": theirs["address"], "subject": "Hello from Astrid", "text": "Shall we talk on Monday?"}
    asked = await story.call("POST", f"/inboxes/{inbox}/mails", letter)
    refused = await story.refused("POST", f"/inboxes/{inbox}/mails", letter)
    possible = str(cast("Answer", refused.get("extra", {})).get("until", ""))
    found = f"{refused.get('detail', '')} Possible from {moment(possible)}."
    ok = refused.get("code") == "quota.exhausted" and bool(possible)
    story.expect("Ask for two mails at one an hour: the second is refused", found, ok=ok)

    async def arrived() -> Answer | None:
        there = await outside.messages(str(theirs["address"]))
        return there[0] if there else None

    message = await until(arrived)
    story.expect("The mail arrives", str(theirs["address"]), ok=message is not None)
    if message is None:
        return
    await outside.reply(str(theirs["address"]), int(message["uid"]), "Monday is fine. Lea")

    async def answered() -> Answer | None:
        mail = await story.call("GET", f"/mails/{asked['attempt']}")
        return mail if mail["replies"] else None

    mail = await until(answered) or await story.call("GET", f"/mails/{asked['attempt']}")
    story.expect(
        "The reply is read", " ".join(mail["replies"]), ok=list(mail["replies"]) == ["Monday is fine. Lea"]
    )
    types = [step["type"] for step in mail["steps"]]
    story.expect(
        "Every step of the mail stands in its history", " → ".join(types), ok=set(STEPS) <= set(types)
    )
    arrived_once = len(await outside.messages(str(theirs["address"])))
    story.expect("It was delivered once", f"{arrived_once} mail", ok=arrived_once == 1)


async def _told_apart(story: Story, outside: Outside, inbox: str) -> None:
    """A mail that bounces, and one that a program answers: neither is a reply."""
    await story.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 30, "per_hour": 5})
    gone, away = await outside.account("gone"), await outside.account("away")
    bounced = await _sent(story, outside, inbox, str(gone["address"]))
    answered = await _sent(story, outside, inbox, str(away["address"]))
    await outside.auto_reply(str(away["address"]), 1)
    await outside.bounce(str(gone["address"]), 1)

    async def known() -> Answer | None:
        mail = await story.call("GET", f"/mails/{bounced}")
        return mail if mail["bounced"] else None

    mail = await until(known)
    found = "" if mail is None else str(mail["steps"][-1]["what"])
    story.expect("A mail bounces, and its history says so", found, ok=mail is not None)
    mail = await story.call("GET", f"/mails/{answered}")
    ok = not mail["replies"] and not mail["bounced"]
    story.expect("An automatic reply is no reply", f"{len(mail['replies'])} replies", ok=ok)


async def _sent(story: Story, outside: Outside, inbox: str, to: str) -> str:
    """The attempt of a mail that lies in its recipient's mailbox."""
    letter = {"to": to, "subject": "Hello from Astrid", "text": "Shall we talk on Monday?"}
    attempt = str((await story.call("POST", f"/inboxes/{inbox}/mails", letter))["attempt"])

    async def arrived() -> Answer | None:
        mail = await story.call("GET", f"/mails/{attempt}")
        return mail if mail["state"] == "sent" and await outside.messages(to) else None

    await until(arrived)
    return attempt


async def _reconnect(story: Story, outside: Outside, identity: str, inbox: str, account: Answer) -> None:
    """The password is changed outside: the inbox says so, and reconnecting keeps it."""
    password = secrets.token_urlsafe(12)
    await outside.change_password(str(account["address"]), password)

    async def lost() -> Answer | None:
        found = await story.call("GET", f"/inboxes/{inbox}")
        return found if found["state"] == "needs reconnect" else None

    found = await until(lost)
    cause = "" if found is None else str(found["diagnosis"]["cause"])
    story.expect("A changed password is noticed, with its cause", cause, ok=found is not None)
    again = await _try(story, identity, account, password)
    ok = again["state"] == "connected" and str(again["inbox"]) == inbox
    story.expect(
        "Reconnect: the same inbox, with its history", f"{account['address']}: {again['state']}", ok=ok
    )


async def _connect(story: Story, identity: str, account: Answer) -> str:
    """A wrong password first: its diagnosis, and no inbox. Then the right one; the inbox's id."""
    failed = await _try(story, identity, account, "not the password")
    inboxes = await story.call("GET", f"/identities/{identity}/inboxes")
    diagnosis = cast("Answer", failed["diagnosis"] or {})
    ok = failed["state"] == "failed" and not inboxes and bool(diagnosis.get("resolution"))
    story.expect("A wrong password makes no inbox and says what to do", str(diagnosis.get("cause")), ok=ok)
    inbox = await connect(story, identity, account)
    state = (await story.call("GET", f"/inboxes/{inbox}"))["state"]
    story.expect("Connect an inbox", f"{account['address']}: {state}", ok=state == "connected")
    return inbox


async def connect(story: Story, identity: str, account: Answer) -> str:
    """The id of the inbox, once its limits are known."""
    tried = await _try(story, identity, account, str(account["password"]))
    await until(lambda: story.there(f"/inboxes/{tried['inbox']}/rate"))
    return str(tried["inbox"])


async def _try(story: Story, identity: str, account: Answer, password: str) -> Answer:
    """Fill in the form; the inbox when both protocols have been tried."""
    form = {
        "address": account["address"],
        "password": password,
        "imap": {"host": account["host"], "port": account["ports"]["imaps"], "security": "tls"},
        "smtp": {"host": account["host"], "port": account["ports"]["smtp"], "security": "starttls"},
    }
    tried = await story.call("POST", f"/identities/{identity}/inboxes", form)
    return await _settled(story, str(tried["inbox"]))


async def _settled(story: Story, inbox: str) -> Answer:
    async def look() -> Answer | None:
        found = await story.call("GET", f"/inboxes/{inbox}")
        return None if found["state"] == "connecting" else found

    return await until(look) or await story.call("GET", f"/inboxes/{inbox}")
