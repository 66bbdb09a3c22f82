"""Mails by hand, through the HTTP API and the mail host: each leaves once, within its limits, and is answered."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email import message_from_bytes
from imaplib import IMAP4_SSL
from threading import Barrier
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Account, Admin, Answer, Outside, eventually, organization_in

pytestmark = pytest.mark.stack
STEPS = ["QuotaConsumed", "EmailQueued", "EmailClaimed", "EmailSubmissionStarted", "EmailSent"]
HOUR, SOON = timedelta(hours=1), timedelta(seconds=20)


def letter(to: Account | str, subject: str = "Hello from Astrid", text: str = "Shall we talk?") -> Answer:
    return {"to": to if isinstance(to, str) else to.address, "subject": subject, "text": text}


def inbox_of(us: Admin, outside: Outside, account: Account, **rate: int) -> str:
    """A connected inbox of an identity where no day ends soon."""
    inbox = us.connected(us.identity(zone=outside.zone_about()), account)
    if rate:
        us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 30, "per_hour": 5, **rate})
    return inbox


def send(us: Admin, inbox: str, body: Answer) -> str:
    """The attempt of a mail that was permitted."""
    return str(us.call("POST", f"/inboxes/{inbox}/mails", body)["attempt"])


def free_again(us: Admin, inbox: str, settled_by: datetime) -> datetime:
    """When the next mail is possible, once the outcome of the last one counts."""

    def look() -> datetime | None:
        told = us.get(f"/inboxes/{inbox}/rate")["next_possible"]
        at = datetime.fromisoformat(told) if told else None
        return at if at is not None and at < settled_by + HOUR + SOON else None

    return eventually(look, "the outcome counts")


@pytest.mark.requirement("R-BOX-9")
def test_a_mail_leaves_once_and_its_answer_comes_back(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account("astrid", "northwind.example"), outside.account("lea", "maison.example")
    inbox = inbox_of(us, outside, ours)
    attempt = send(us, inbox, letter(theirs, "Grüße aus Malmö", "Gehen wir es an?\n\n.\nAstrid"))
    message = outside.message(theirs)
    assert message["message_id"] == f"<{attempt}@northwind.example>"
    assert message["subject"] == "Grüße aus Malmö"
    assert message["text"].splitlines() == ["Gehen wir es an?", "", ".", "Astrid"]
    assert ours.address in message["from"]
    assert "Astrid Lind" in message["from"]

    us.mail_in(attempt, "sent")
    outside.reply(theirs, message, "Gern, am Montag.\nLéa")
    mail = eventually(lambda: us.mail(attempt) if us.mail(attempt)["replies"] else None, "the reply is read")
    assert mail["replies"] == ["Gern, am Montag.\nLéa"]
    assert [step["type"] for step in mail["steps"]] == [*STEPS, "ReplyReceived"]
    assert (mail["state"], mail["message_id"]) == ("sent", message["message_id"])
    assert mail["answer"].startswith("250")
    assert mail["text"] == "Gehen wir es an?\n\n.\nAstrid"

    assert outside.message(ours, "Sent")["message_id"] == message["message_id"]
    assert len(outside.messages(ours, "Sent")) == 1
    assert len(outside.messages(theirs)) == 1
    assert len(outside.effects("accepted", sender=ours.address)) == 1


def test_a_mail_with_html_has_both_and_nothing_in_it_that_runs(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    inbox = inbox_of(us, outside, ours)
    html = (
        '<p onclick="steal()">Shall we <b>talk</b>?</p><script>steal()</script><a href="javascript:x">x</a>'
    )
    us.mail_in(send(us, inbox, {**letter(theirs), "html": html}), "sent")
    outside.message(theirs)
    raw = raw_message(theirs)
    assert raw.get_content_type() == "multipart/alternative"
    plain, shown = (part.get_payload(decode=True).decode() for part in raw.get_payload())
    assert plain.strip() == "Shall we talk?"
    assert "<b>talk</b>" in shown
    assert not any(word in shown for word in ("script", "onclick", "steal"))


def raw_message(account: Account) -> Any:
    """The first mail of a mailbox as it lies there."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the sandbox's own certificate
    with IMAP4_SSL(account.host, account.ports["imaps"], ssl_context=context) as imap:
        imap.login(account.address, account.password)
        imap.select("INBOX", readonly=True)
        _, found = imap.fetch("1", "(BODY.PEEK[])")
        return message_from_bytes(cast("tuple[bytes, bytes]", found[0])[1])


@pytest.mark.requirement("R-RATE-1")
def test_an_hour_is_any_sixty_minutes(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    inbox = inbox_of(us, outside, ours, per_hour=1)
    attempt = send(us, inbox, letter(theirs, "One"))
    sent_at = datetime.fromisoformat(us.mail_in(attempt, "sent")["steps"][-1]["time"])
    possible = free_again(us, inbox, sent_at)
    assert possible >= sent_at + HOUR

    refused = us.refusal("POST", f"/inboxes/{inbox}/mails", letter(theirs, "Two"))
    assert (refused["status"], refused["code"]) == (409, "quota.exhausted")
    assert refused["extra"] == {"until": possible.isoformat(), "window": "hour"}
    outside.advance_to(possible - timedelta(minutes=1))
    assert us.refusal("POST", f"/inboxes/{inbox}/mails", letter(theirs, "Two"))["code"] == "quota.exhausted"
    outside.advance_to(possible)
    us.mail_in(send(us, inbox, letter(theirs, "Two")), "sent")
    assert [message["subject"] for message in outside.messages(theirs)] == ["One", "Two"]


@pytest.mark.requirement("R-RATE-1")
def test_a_day_is_the_local_day_of_the_identity(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    zone = outside.zone_about(23)
    inbox = us.connected(us.identity(zone=zone), ours)
    usage = us.get(f"/inboxes/{inbox}/rate")
    assert (usage["rate"], usage["zone"]) == ({"per_day": 30, "per_hour": 5}, zone)
    us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 1, "per_hour": 5})
    us.mail_in(send(us, inbox, letter(theirs)), "sent")
    refused = us.refusal("POST", f"/inboxes/{inbox}/mails", letter(theirs))
    assert (refused["code"], refused["extra"]["window"]) == ("quota.exhausted", "day")
    midnight = datetime.fromisoformat(refused["extra"]["until"])
    assert midnight.astimezone(ZoneInfo(zone)).strftime("%H:%M:%S") == "00:00:00"
    assert midnight - outside.now() < 2 * HOUR
    outside.advance_to(midnight)
    us.mail_in(send(us, inbox, letter(theirs)), "sent")
    assert us.get(f"/inboxes/{inbox}/rate")["used_today"] == 1


@pytest.mark.requirement("R-RATE-1")
def test_connecting_anew_starts_nothing_anew(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    first, second = us.identity("Bo Berg"), us.identity("Cilla Ås")
    inbox = us.connected(first, ours)
    us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 30, "per_hour": 1})
    us.mail_in(send(us, inbox, letter(theirs)), "sent")

    def still_used(identity: str, spelling: str) -> None:
        us.connect(identity, ours.form(address=spelling))

        def refused() -> bool:
            answer = us.send("POST", f"/inboxes/{inbox}/mails", letter(theirs)).json()
            assert "attempt" not in answer
            return answer["code"] == "quota.exhausted"

        eventually(refused, "it can send again, but for its limit")
        usage = us.get(f"/inboxes/{inbox}/rate")
        assert (usage["used_this_hour"], usage["rate"]["per_hour"]) == (1, 1)

    us.call("POST", f"/inboxes/{inbox}/disconnect")
    still_used(first, ours.address)
    us.call("POST", f"/inboxes/{inbox}/disconnect")
    still_used(first, f" {ours.address.upper()}. ")
    us.call("DELETE", f"/identities/{first}")
    eventually(lambda: us.get(f"/inboxes/{inbox}")["state"] == "disconnected", "the address is free")
    still_used(second, ours.address)
    assert len(outside.messages(theirs)) == 1


@pytest.mark.requirement("R-RATE-2")
@pytest.mark.parametrize(
    ("rate", "field"),
    [({"per_day": 81, "per_hour": 10}, "per_day"), ({"per_day": 80, "per_hour": 11}, "per_hour")],
)
def test_more_than_the_ceiling_is_refused_with_a_pointer_to_support(
    us: Admin, outside: Outside, rate: Answer, field: str
) -> None:
    inbox = inbox_of(us, outside, outside.account())
    refused = us.refusal("PUT", f"/inboxes/{inbox}/rate", rate)
    assert (refused["status"], refused["code"], refused["field"]) == (422, "rate.above-ceiling", field)
    assert "support" in refused["detail"]
    us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 80, "per_hour": 10})
    assert us.get(f"/inboxes/{inbox}/rate")["rate"] == {"per_day": 80, "per_hour": 10}


@pytest.mark.requirement("R-RATE-4")
def test_of_twenty_mails_at_once_exactly_as_many_leave_as_are_allowed(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    inbox = inbox_of(us, outside, ours, per_hour=5)
    together = Barrier(20)

    def ask(number: int) -> httpx.Response:
        together.wait()
        return us.send("POST", f"/inboxes/{inbox}/mails", letter(theirs, f"Number {number}"))

    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(ask, range(20)))
    permitted = [answer.json()["attempt"] for answer in answers if answer.status_code == 202]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert (len(permitted), len(refused)) == (5, 15)
    for problem in refused:
        assert (problem["code"], problem["extra"]["window"]) == ("quota.exhausted", "hour")
        assert datetime.fromisoformat(problem["extra"]["until"]) > outside.now()
    for attempt in permitted:
        us.mail_in(attempt, "sent")
    assert len(outside.messages(theirs)) == 5
    usage = us.get(f"/inboxes/{inbox}/rate")
    assert (usage["used_this_hour"], usage["used_today"]) == (5, 5)


def test_the_same_key_twice_is_one_mail(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    inbox = inbox_of(us, outside, ours)
    key, together = uuid4(), Barrier(6)

    def ask(_: int) -> Answer:
        together.wait()
        return us.call("POST", f"/inboxes/{inbox}/mails", letter(theirs), key=key)

    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(ask, range(6)))
    assert answers == [answers[0]] * 6
    us.mail_in(answers[0]["attempt"], "sent")
    assert us.call("POST", f"/inboxes/{inbox}/mails", letter(theirs), key=key) == answers[0]
    assert us.get(f"/inboxes/{inbox}/rate")["used_today"] == 1
    assert len(outside.effects("accepted", sender=ours.address)) == 1


def test_one_key_at_two_inboxes_or_organizations_is_a_mail_each(
    stack: Stack, us: Admin, outside: Outside
) -> None:
    key, theirs = uuid4(), outside.account("lea")
    with organization_in(stack) as them:
        for sender in (us, us, them):
            inbox = inbox_of(sender, outside, outside.account())
            path = f"/inboxes/{inbox}/mails"
            attempt = sender.call("POST", path, letter(theirs), key=key)["attempt"]
            sender.mail_in(attempt, "sent")
    assert len(outside.messages(theirs)) == 3


def test_nothing_leaves_while_the_organization_is_halted(stack: Stack, us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    with organization_in(stack) as halted:
        inbox = inbox_of(halted, outside, ours)
        halted.call("POST", "/halt", {"reason": "We changed our minds"})
        attempt = send(halted, inbox, letter(theirs))
        halted.mail_in(attempt, "queued")
        others = inbox_of(us, outside, outside.account())
        us.mail_in(send(us, others, letter(outside.account("kim"))), "sent")  # so workers looked since
        assert halted.mail(attempt)["state"] == "queued"
        assert outside.effects("mail", sender=ours.address) == []
        halted.call("DELETE", "/halt")
        halted.mail_in(attempt, "sent")
    assert len(outside.messages(theirs)) == 1


HOSTILE: dict[str, tuple[Callable[[str], Answer], str]] = {
    "a header in the subject": (lambda to: letter(to, "Hello\r\nBcc: eve@northwind.example"), "subject"),
    "a line feed in the subject": (lambda to: letter(to, "Hello\nthere"), "subject"),
    "a null in the subject": (lambda to: letter(to, "Hello\0"), "subject"),
    "nothing but space in the subject": (lambda to: letter(to, "  "), "subject"),
    "a command in the address": (lambda to: letter(f"{to}>\r\nRCPT TO:<eve@northwind.example"), "to"),
    "a second address": (lambda to: letter(f"{to}, eve@northwind.example"), "to"),
    "letters outside ASCII in the address": (lambda _: letter("léa@maison.example"), "to"),
    "no address": (lambda _: letter("lea"), "to"),
    "300 KB of text": (lambda to: letter(to, text="x" * 300_000), "text"),
    "100,000 characters that are 400 KB": (lambda to: letter(to, text="🦊" * 100_000), "text"),
    "an empty text": (lambda to: letter(to, text=""), "text"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_mail_that_can_never_leave_is_refused_and_takes_no_permit(
    us: Admin, outside: Outside, hostile: str
) -> None:
    write, field = HOSTILE[hostile]
    inbox = shared_inbox(us, outside)
    before = us.get(f"/inboxes/{inbox}/rate")
    refused = us.refusal("POST", f"/inboxes/{inbox}/mails", write("lea@northwind.example"))
    assert (refused["status"], refused["field"]) == (422, field)
    assert refused["detail"]
    assert us.get(f"/inboxes/{inbox}/rate") == before


def shared_inbox(us: Admin, outside: Outside) -> str:
    found = [one["inbox"] for one in us.get("/inboxes") if one["address"].startswith("hostile-")]
    return str(found[0]) if found else inbox_of(us, outside, outside.account("hostile"))


def test_the_longest_text_that_is_taken_arrives_whole(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    text = "".join(f"{number:09}\n" for number in range(10_000))
    attempt = send(us, inbox_of(us, outside, ours), letter(theirs, text=text))
    us.mail_in(attempt, "sent")
    assert outside.message(theirs)["text"].splitlines() == text.splitlines()


def test_an_address_nobody_has_gives_its_permit_back(us: Admin, outside: Outside) -> None:
    ours = outside.account()
    inbox = inbox_of(us, outside, ours)
    mail = us.mail_in(send(us, inbox, letter("nobody-at-all@northwind.example")), "failed", "sent")
    assert mail["state"] == "failed"
    eventually(lambda: us.get(f"/inboxes/{inbox}/rate")["used_today"] == 0, "the permit is given back")
    assert outside.effects("accepted", sender=ours.address) == []
