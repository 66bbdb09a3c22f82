from __future__ import annotations

import time
import tracemalloc
from datetime import UTC, datetime

import pytest
from heraldry.mailbox.domain.kinds import classify
from heraldry.mailbox.domain.mime import parts
from heraldry.mailbox.domain.plaintext import text_of_html
from heraldry.mailbox.domain.quotes import without_quotes
from heraldry.mailbox.domain.replies import read
from hypothesis import given
from hypothesis import strategies as st

REPLY = (
    b"Message-ID: <r1@bob.example>\r\nIn-Reply-To: <a1@ada.example>\r\n"
    b"References: <a0@ada.example>\r\n <a1@ada.example>\r\n"
    b"From: =?utf-8?q?Bob_M=C3=BCller?= <bob@bob.example>\r\nTo: ada@ada.example\r\n"
    b"Subject: Re: =?utf-8?b?R3LDvMOfZQ==?=\r\nDate: Mon, 4 May 2026 11:30:00 +0200\r\n"
    b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gern, bis sp=E4ter!\r\n\r\nOn Mon, Ada wrote:\r\n> Hello\r\n> Bob\r\n"
)


def mail(headers: str, body: str = "Hi") -> bytes:
    return f"From: b@x.example\r\n{headers}\r\n\r\n{body}".replace("\r\n\r\n\r\n", "\r\n\r\n").encode()


def test_a_reply_is_understood() -> None:
    found = read(REPLY)
    assert found.message_id == "<r1@bob.example>"
    assert found.answers == ("<a1@ada.example>", "<a0@ada.example>")
    assert (found.from_address, found.from_name) == ("bob@bob.example", "Bob Müller")
    assert found.subject == "Re: Grüße"
    assert found.date == datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
    assert found.text.startswith("Gern, bis später!")
    assert found.reply_text == "Gern, bis später!"
    assert not found.automatic
    assert not found.report


@pytest.mark.parametrize(
    ("header", "automatic"),
    [
        ("Auto-Submitted: auto-replied", True),
        ("Auto-Submitted: auto-generated; owner=x", True),
        ("Auto-Submitted: no", False),
        ("Precedence: bulk", True),
        ("Precedence: first-class", False),
        ("X-Autoreply: yes", True),
        ("List-Id: <l.example>", True),
        ("Return-Path: <>", True),
        ("X-Auto-Response-Suppress: All", False),
    ],
)
def test_programs_are_told_from_people(header: str, automatic: bool) -> None:  # noqa: FBT001  a table
    assert read(mail(header)).automatic is automatic


def test_a_delivery_report_is_told_from_a_reply() -> None:
    report = mail(
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        "--b\r\n\r\nIt failed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--",
    )
    assert read(report).report
    assert read(report).text == "It failed"


def test_html_is_reduced_to_text() -> None:
    source = (
        "<style>p{}</style><script>alert(1)</script><p>Hello&nbsp;<b>Ada</b>,<br>1 &lt; 2</p>"
        "<!-- no --><blockquote>old <i>text</i></blockquote><p>Bye</p>"
    )
    assert text_of_html(source) == "Hello Ada,\n1 < 2\n\n> old text\n\nBye"
    found = read(mail("Content-Type: text/html", source))
    assert found.reply_text == "Hello Ada,\n1 < 2\n\nBye"


@pytest.mark.parametrize(
    "head",
    [
        "On Mon, May 4, 2026 at 9:30 AM Ada <ada@x.example> wrote:",
        "On Mon, May 4, 2026 at 9:30 AM\nAda <ada@x.example>\nwrote:",
        "Am 04.05.2026 um 09:30 schrieb Ada Lovelace <ada@x.example>:",
        "Am Mo., 4. Mai 2026 um 09:30 Uhr schrieb Ada:",
        "Le lun. 4 mai 2026 à 09:30, Ada a écrit :",
        "El lun, 4 may 2026, Ada escribió:",
        "Il giorno lun 4 mag 2026 Ada ha scritto:",
        "Op ma 4 mei 2026 schreef Ada:",
        "-----Original Message-----\nFrom: Ada",
        "-----Ursprüngliche Nachricht-----",
        "________________________________\nFrom: Ada\nSent: Monday",
        "Von: Ada\nGesendet: Montag\nAn: Bob\nBetreff: Hallo",
    ],
)
def test_a_quotation_is_split_off(head: str) -> None:
    for quoted in ("> Hello\n> Bob", "Hello\nBob"):
        if quoted.startswith(">") or not head.endswith("Ada"):
            assert without_quotes(f"Yes, gladly.\n\nBob\n\n{head}\n{quoted}") == "Yes, gladly.\n\nBob"


def test_answers_between_the_quoted_lines_are_kept() -> None:
    text = "Hi,\nOn Monday, Ada wrote:\n> When?\nTomorrow.\n> Where?\nHere.\n-- \nBob"
    assert without_quotes(text) == "Hi,\nTomorrow.\nHere."


def test_a_mail_that_is_all_quotation_stays() -> None:
    assert without_quotes("> only\n> this") == "> only\n> this"


@pytest.mark.parametrize(
    "charset", ["nonsense", "hex", "idna", "punycode", "unicode_escape", "undefined", "x" * 9999]
)
def test_bad_charsets_do_no_harm(charset: str) -> None:
    assert read(mail(f"Content-Type: text/plain; charset={charset}", "Grüße")).text == "Grüße"


def _nested(depth: int) -> bytes:
    raw = b"From: a@x.example\r\n"
    for level in range(depth):
        raw += f'Content-Type: multipart/mixed; boundary="b{level}"\r\n\r\n--b{level}\r\n'.encode()
    return raw + b"Content-Type: text/plain\r\n\r\ndeep\r\n"


HOSTILE = {
    "nested 1,000 deep": _nested(1_000),
    "mails in mails": b"Content-Type: message/rfc822\r\n\r\n" * 5_000,
    "100,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000,
    "boundary prefixes": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bx\r\n" * 200_000,
    "10 MB header": b"Subject: " + b"x" * 10_000_000 + b"\r\n\r\nHi",
    "endless folding": b"Subject: a\r\n" + b" b\r\n" * 500_000 + b"\r\nHi",
    "a million headers": b"X: y\r\n" * 1_000_000 + b"\r\nHi",
    "nested comments": b"From: " + b"(" * 100_000 + b"\r\n\r\nHi",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?=" * 100_000 + b"\r\n\r\nHi",
    "open encoded words": b"Subject: " + b"=?" * 8_000 + b"\r\n\r\nHi",
    "open html tags": b"Content-Type: text/html\r\n\r\n" + b"<a " * 500_000,
    "open html comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 500_000,
    "smaller than": b"Content-Type: text/html\r\n\r\n" + b"<<>" * 500_000,
    "open scripts": b"Content-Type: text/html\r\n\r\n" + b"<script>" * 200_000,
    "on on on": b"\r\n\r\n" + b"On " * 300_000 + b"\r\n",
    "on lines": b"\r\n\r\n" + b"On a\r\n" * 200_000,
    "empty lines": b"\r\n\r\n" + b"\n" * 1_000_000 + b"x",
    "10 MB of base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 2_500_000,
    "references": b"References: " + b"<a@b> " * 200_000 + b"\r\n\r\nHi",
    "a report without end": b"From: MAILER-DAEMON@x\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: message/delivery-status\r\n\r\n"
    + b"Final-Recipient: rfc822; a@b.c\r\nAction: failed\r\n\r\n"
    * 50_000,
    "a notice without end": b"From: MAILER-DAEMON@x\r\nReturn-Path: <>\r\nSubject: undelivered\r\n\r\n"
    + b"<a@b.c>: 550 no such user account " * 100_000,
    "a notice of dashes": b"From: MAILER-DAEMON@x\r\nReturn-Path: <>\r\n\r\n" + b"-@" * 500_000,
    "nothing": b"",
    "zeroes": b"\0" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_costs_little(name: str) -> None:
    begun = time.process_time()
    classify(HOSTILE[name])
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "name",
    [
        "nested 1,000 deep",
        "10 MB of base64",
        "a million headers",
        "a report without end",
        "a notice without end",
    ],
)
def test_memory_stays_flat(name: str) -> None:
    raw = HOSTILE[name]
    tracemalloc.start()
    classify(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_depth_and_number_of_parts_are_bounded() -> None:
    assert len(tuple(parts(HOSTILE["nested 1,000 deep"]))) == 21
    assert len(tuple(parts(HOSTILE["100,000 parts"]))) == 500


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(raw: bytes) -> None:
    read(raw)


@given(st.text(max_size=2_000))
def test_any_text_is_split(text: str) -> None:
    without_quotes(text)
    text_of_html(text)
