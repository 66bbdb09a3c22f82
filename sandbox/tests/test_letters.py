"""Reading mails of anybody's making, and answering them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.letters import compose, read, reply
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
ADA, LEA = ("Ada Bergström", "ada@northwind.example"), ("Léa Fournier", "lea@maison-verte.example")


def test_what_is_composed_is_read_again() -> None:
    letter = compose(sender=ADA, to=LEA[1], subject="Über 5* hôtels", text="* 1\n.\nÄ", date=AT)
    again = read(letter.raw)
    assert again == letter
    assert again.subject == "Über 5* hôtels"
    assert again.text == "* 1\n.\nÄ\n"
    assert again.header("Date") == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert again.sender == ADA[1]
    assert again.message_id.endswith("@northwind.example>")


def test_a_reply_goes_to_reply_to_and_continues_the_thread() -> None:
    raw = (
        b"From: Ada <ada@northwind.example>\r\nReply-To: <desk@northwind.example>\r\nSubject: RE: Offer\r\n"
        b"Message-ID: <2@x>\r\nReferences: <0@x>\r\n <1@x>\r\n\r\nHello\r\n"
    )
    answer = reply(read(raw), sender=LEA, text="Yes", date=AT)
    assert answer.header("To") == "desk@northwind.example"
    assert answer.header("In-Reply-To") == "<2@x>"
    assert answer.header("References") == "<0@x> <1@x> <2@x>"
    assert answer.subject == "RE: Offer"


def test_a_mail_without_sender_cannot_be_answered() -> None:
    with pytest.raises(SandboxError) as refused:
        reply(read(b"Subject: x\r\n\r\ny"), sender=LEA, text="?", date=AT)
    assert refused.value.code == "nobody_to_answer"


def test_html_is_shown_as_its_words() -> None:
    raw = (
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<head><title>t</title></head><p>Good <b>day</b></p>"
        b"<script>alert(1)</script><style>p{}</style><p onclick=x>1 &lt; 2</p>"
    )
    assert read(raw).text == "Good day\n\n1 < 2"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: =?utf-9?B?!!!?=\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xe4",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
        + b"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" * 400,
        b"From: " + b"(" * 5000 + b"\r\n\r\nx",
    ],
)
def test_broken_mails_are_read_all_the_same(raw: bytes) -> None:
    assert read(raw).raw == raw


@given(st.binary(max_size=300))
def test_nothing_makes_the_reader_fail(raw: bytes) -> None:
    assert read(raw).raw == raw


@pytest.mark.parametrize("name", ["From", "Bcc\r\nX", "X A", ""])
def test_headers_that_would_forge_are_refused(name: str) -> None:
    with pytest.raises(SandboxError):
        compose(sender=ADA, to=LEA[1], subject="s", text="t", date=AT, headers={name: "v"})
