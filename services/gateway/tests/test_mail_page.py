"""One mail's page says everything that is known of it, and whose words are whose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.gateway.entries import HistoryEntry
from heraldry.gateway.history import MailSeen
from heraldry.gateway.pages.models import Shell
from heraldry.gateway.pages.render import render
from heraldry.gateway.routes.activity import mail_page

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ATTEMPT = UUID(int=7)


def step(number: int, kind: str, what: str = "", actor: str = "system:mailbox") -> HistoryEntry:
    return HistoryEntry(
        cursor=str(number),
        at=NOON + timedelta(seconds=number),
        type=kind,
        kind="mail",
        actor=actor,
        actor_name="Mina Okafor" if actor.startswith("user:") else "Heraldry",
        what=what,
        cause="",
        outcome="Done",
        tone="good",
        identity=str(UUID(int=1)),
        identity_name="Ada",
        inbox=str(UUID(int=2)),
        attempt=str(ATTEMPT),
    )


def seen(
    *entries: HistoryEntry,
    state: str = "sent",
    text: str = "Hello",
    answer: str = "250 taken",
    replies: tuple[str, ...] = (),
) -> MailSeen:
    return MailSeen(
        attempt=ATTEMPT,
        identity=UUID(int=1),
        inbox=UUID(int=2),
        sender="ada@northwind.example",
        to="lea@maison.example",
        subject="A first hello",
        text=text,
        state=state,
        message_id="",
        answer=answer,
        entries=entries,
        replies=replies,
    )


def shown(mail: MailSeen) -> str:
    return render("mail.html", shell=Shell(csrf="", user="Mina Okafor"), page=mail_page(mail))


def test_the_mail_s_and_the_replies_texts_are_there_with_their_lines_and_nothing_that_runs() -> None:
    page = shown(
        seen(
            step(1, "EmailQueued"),
            step(2, "EmailSent"),
            step(3, "ReplyReceived"),
            step(4, "ReplyReceived"),
            text="Hello,\n\nshall we <b>talk</b>?",
            replies=("Tuesday <script>\nis good.", ""),
        )
    )
    assert "What was sent" in page
    assert "Hello,<br><br>shall we &lt;b&gt;talk&lt;/b&gt;?" in page
    assert "Tuesday &lt;script&gt;<br>is good." in page
    assert page.count("The text was erased.") == 1


def test_a_mail_that_did_not_leave_does_not_say_that_its_text_was_sent() -> None:
    page = shown(seen(step(1, "EmailQueued"), step(2, "EmailFailed"), state="failed"))
    assert "What was sent" not in page
    assert "What the mail says" in page
    assert "Hello" in page
    assert "Replies" not in page


def test_a_mail_that_is_only_permitted_has_no_text_yet() -> None:
    page = shown(seen(step(1, "QuotaConsumed"), state="permitted", text=""))
    assert "What the mail says" not in page
    assert "erased" not in page


def test_a_step_that_a_person_did_names_them_and_other_steps_name_nobody() -> None:
    page = mail_page(
        seen(
            step(1, "QuotaConsumed", actor="user:1"),
            step(2, "EmailQueued"),
            step(3, "EmailOutcomeUnknown"),
            step(4, "EmailSent", actor="user:1"),
            answer="A person decided that it was sent.",
        )
    )
    assert [one.who for one in page.steps] == ["Mina Okafor", "", "", "Mina Okafor"]
    assert "· <bdi>Mina Okafor</bdi>" in render("mail.html", shell=Shell(csrf="", user="Kim"), page=page)


@pytest.mark.parametrize(
    "ours", ["A person decided that it was sent.", "Looked up: it lies in the folder Sent."]
)
def test_only_the_server_s_words_are_shown_as_the_server_s(ours: str) -> None:
    sent = (step(1, "EmailQueued"), step(2, "EmailSent", "Mail sent from ada@northwind.example"))
    page = shown(seen(*sent, answer=ours))
    assert ours in page
    assert "The server said" not in page
    page = shown(seen(*sent, answer="250 2.0.0 taken as 81A"))
    assert "The server said: </span>250 2.0.0 taken as 81A" in page
    assert "Mail sent from ada@northwind.example" in page


def test_while_nobody_knows_it_says_how_long_the_mail_is_looked_for_and_who_decides_then() -> None:
    leaving = (step(1, "EmailQueued"), step(2, "EmailClaimed"), step(60, "EmailSubmissionStarted"))
    page = shown(seen(*leaving, state="leaving"))
    assert "If the connection broke, Heraldry looks for the mail until" in page
    assert "24 Nov, 12:31</time>" in page
    assert "a person decides" in page
    assert "looks for the mail" not in shown(seen(*leaving, step(61, "EmailSent")))
