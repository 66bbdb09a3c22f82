from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import cast
from uuid import UUID

import pytest
from heraldry.mailbox.adapters.smtp import stuffed
from heraldry.mailbox.domain.compose import Draft, Unmailable, compose, message_id
from hypothesis import given
from hypothesis import strategies as st

ATTEMPT = UUID("018f3e5e-0000-7000-8000-000000000001")
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LINE = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" "), max_size=300
)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=2000)


def draft(**changed: object) -> Draft:
    values: dict[str, object] = {
        "attempt": ATTEMPT,
        "from_address": "ada@example.org",
        "from_name": "Ada Lovelace",
        "to_address": "bob@example.net",
        "subject": "Hello",
        "text": "Hello Bob,\n\nhow are you?\n",
        "at": NOW,
        **changed,
    }
    return Draft(**values)  # pyright: ignore[reportArgumentType]  the tests name their fields


def parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return cast("str", part.get_content()).replace("\r\n", "\n")


def shown_name(raw: bytes) -> str:
    """By the older of Python's two parsers: the newer one puts a space between adjacent encoded words."""
    name, _ = parseaddr(str(message_from_bytes(raw)["From"]))
    return str(make_header(decode_header(name)))


def test_a_mail_carries_what_proves_it() -> None:
    mail = parsed(compose(draft()))
    assert mail["Message-ID"] == f"<{ATTEMPT}@example.org>" == message_id(ATTEMPT, "ada@example.org")
    assert mail["X-Heraldry-Attempt"] == str(ATTEMPT)
    assert mail["Date"].datetime == NOW
    assert body(mail, "plain") == "Hello Bob,\n\nhow are you?\n"


@pytest.mark.requirement("R-BOX-17")
def test_a_follow_up_is_threaded() -> None:
    mail = parsed(compose(draft(in_reply_to="<b@x>", references=("<a@x>", "<b@x>"))))
    assert mail["In-Reply-To"] == "<b@x>"
    assert mail["References"].split() == ["<a@x>", "<b@x>"]


def test_a_long_thread_keeps_its_beginning_and_its_end() -> None:
    mail = parsed(compose(draft(references=tuple(f"<{n}@x>" for n in range(100)), in_reply_to="<99@x>")))
    assert mail["References"].split() == ["<0@x>", *(f"<{n}@x>" for n in range(81, 100))]


def test_a_mail_with_a_link_for_unsubscribing_says_that_one_click_is_enough() -> None:
    link = f"https://heraldry.example/unsubscribe/{'a_-' * 150}"
    raw = compose(draft(unsubscribe=link))
    mail = parsed(raw)
    assert mail["List-Unsubscribe"] == f"<{link}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"List-Unsubscribe: <{link}>\r\n".encode() in raw  # whole: nothing may be folded into an address
    assert b"List-Unsubscribe" not in compose(draft())


@pytest.mark.parametrize(
    "link", ["http://a.example/x", "https://a b", "https://a>", "https://a\r\nX: y", "/u"]
)
def test_what_is_no_https_address_is_no_link(link: str) -> None:
    with pytest.raises(Unmailable):
        compose(draft(unsubscribe=link))


def test_text_and_html_are_alternatives() -> None:
    mail = parsed(compose(draft(html="<p>Grüße</p>", text="Grüße")))
    assert mail.get_content_type() == "multipart/alternative"
    assert body(mail, "plain") == "Grüße\n"
    assert body(mail, "html") == "<p>Grüße</p>\n"


@given(subject=LINE, name=LINE, text=TEXT, html=st.none() | TEXT)
def test_any_mail_is_legal_and_reads_back(subject: str, name: str, text: str, html: str | None) -> None:
    this = draft(subject=subject, from_name=name, text=text, html=html or "")
    raw = compose(this)
    assert raw == compose(this)
    head = raw.partition(b"\r\n\r\n")[0]
    assert raw.isascii()
    assert all(len(line) <= 100 for line in head.split(b"\r\n"))
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    mail = parsed(raw)
    assert mail["Subject"] == subject.strip()
    assert mail["From"].addresses[0].addr_spec == "ada@example.org"
    assert shown_name(raw) == name.strip()
    assert body(mail, "plain").removesuffix("\n") == text.removesuffix("\n")
    if html:
        assert body(mail, "html").removesuffix("\n") == html.removesuffix("\n")


@pytest.mark.parametrize("evil", ["a\r\nBcc: all@example.com", "a\nX: y", "a\rb", "a\0b"])
@pytest.mark.parametrize("field", ["subject", "from_name", "to_name", "from_address", "to_address"])
def test_nothing_slips_a_header_in(field: str, evil: str) -> None:
    with pytest.raises(Unmailable):
        compose(draft(**{field: evil}))


@pytest.mark.parametrize("value", ["a", "<a@x>\r\nBcc: b@x", "<a b@x>", "<é@x>", "<a@x> <b@x>"])
def test_a_message_id_is_one_word_in_brackets(value: str) -> None:
    with pytest.raises(Unmailable):
        compose(draft(in_reply_to=value))


@pytest.mark.parametrize(
    "address", ["", "a", "@x", "a@", "a b@x", "a@b@c", "<a@b>", "ü@example.org", "a@b c"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Unmailable):
        compose(draft(to_address=address))


def test_an_international_domain_travels_in_ascii() -> None:
    assert b"To: bob@xn--mnchen-3ya.example\r\n" in compose(draft(to_address="bob@münchen.example"))


@given(TEXT)
def test_dots_never_end_the_content_early(text: str) -> None:
    wire = stuffed(compose(draft(text=text)))
    assert wire.endswith(b"\r\n.\r\n")
    assert wire.count(b"\r\n.\r\n") == 1


def test_a_lone_dot_is_doubled() -> None:
    assert stuffed(b"a\n.\n..b\rc") == b"a\r\n..\r\n...b\r\nc\r\n.\r\n"
