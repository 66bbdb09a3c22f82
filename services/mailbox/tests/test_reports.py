"""Standard reports, field by field, and the judgement on what a server said."""

from __future__ import annotations

import pytest
from heraldry.mailbox.domain import reports
from heraldry.mailbox.domain.failures import HARD, Verdict, category_in, status_in, verdict
from heraldry.mailbox.domain.mime import groups_of_fields
from hypothesis import given
from hypothesis import strategies as st


def test_fields_come_in_groups() -> None:
    text = "A: 1\r\nB: two\r\n three\r\n\r\n\r\nFinal-Recipient: rfc822; a@x\nnot indented\nFinal-Recipient: rfc822; b@x\n"
    assert list(groups_of_fields(text)) == [
        {"a": "1", "b": "two three"},
        {"final-recipient": "rfc822; a@x not indented"},
        {"final-recipient": "rfc822; b@x"},
    ]


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("rfc822; bob@lead.example", "bob@lead.example"),
        ("RFC822;<bob@lead.example>", "bob@lead.example"),
        ("bob@lead.example", "bob@lead.example"),
        ("utf-8; bøb@lead.example", "bøb@lead.example"),
        ("x400; /C=de/", ""),
    ],
)
def test_an_address_is_read_in_every_form(field: str, address: str) -> None:
    assert reports.address_in(field) == address


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ("Action: failed\nStatus: 5.1.1", "failed"),
        ("Action: Failed (permanent)\nStatus: 5.1.1", "failed"),
        ("Action: delayed", "delayed"),
        ("Action: DELIVERED\nStatus: 2.0.0", "delivered"),
        ("Action: relayed", "relayed"),
        ("Action: expanded", "expanded"),
        ("Status: 4.4.1", "delayed"),
        ("Status: 2.1.5", "delivered"),
        ("Status: 5.0.0", "failed"),
    ],
)
def test_an_action_is_stated_or_follows_from_the_status(fields: str, action: str) -> None:
    (found,) = reports.delivery(f"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@x.example\n{fields}\n")
    assert found.action == action


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("5.1.10", "5.1.10"),
        ("(#5.7.1)", "5.7.1"),
        ("host [5.1.1.2] said no", ""),
        ("10.5.1.1", ""),
        ("3.1.1", ""),
    ],
)
def test_a_status_is_no_network_address(text: str, status: str) -> None:
    assert status_in(text) == status


@pytest.mark.parametrize(
    "status", ["4.1.1", "4.2.1", "4.0.0", "5.2.2", "5.2.3", "5.3.4", "5.4.5", "5.7.1", "5.7.26", "5.6.0"]
)
@given(words=st.sampled_from(["", "550 user unknown", "550 no such domain", "account disabled"]))
def test_what_is_not_about_the_address_is_never_hard(status: str, words: str) -> None:
    assert not verdict(status, words).hard


@pytest.mark.parametrize(
    "words",
    [
        "550 mail delivery time expired",
        "554 the recipient's server closed the connection",
        "550 account has been temporarily suspended",
        "550 the account or domain may not exist",
        "554 mail domain of the sender is on hold",
        "",
    ],
)
def test_words_that_prove_nothing_are_not_hard(words: str) -> None:
    assert not verdict("5.0.0", words).hard


@pytest.mark.parametrize(
    "words",
    [
        "User unknown (queue {} )",
        "Message of {} KB: user unknown",
        "after {} ms: user unknown",
        "smtp.lead.example:{} said: user unknown",
        "user unknown, ticket {} of today",
        "550 unknown user, {} of them",
    ],
)
@given(number=st.integers(100, 599))
def test_a_number_that_no_answer_begins_with_decides_nothing(words: str, number: int) -> None:
    assert verdict("", words.format(number)) == Verdict("unknown-address", hard=True)


@pytest.mark.parametrize(
    "words",
    [
        "450 mailbox unavailable",
        "Not delivered within 240 hours: 450 mailbox unavailable",
        "host mx.lead.example[192.0.2.1] said: 450 mailbox unavailable",
        "after 250 tries:\n  >>> 450-mailbox unavailable",
        "<bob@lead.example>: 421 user unknown for now",
    ],
)
def test_what_a_server_says_for_now_is_not_hard(words: str) -> None:
    assert not verdict("", words).hard


@pytest.mark.parametrize(
    "server",
    [
        "d123456a.ess.barracudanetworks.com[192.0.2.1]",
        "mx1.spamexperts.com",
        "mail.virusfree.example (192.0.2.1)",
        "mx.reputation-junk.example:25",
    ],
)
def test_the_name_of_a_server_softens_nothing(server: str) -> None:
    said = verdict("", f"host {server} said: 550 5.1.1 User unknown (in reply to RCPT TO command)")
    assert said == Verdict("unknown-address", hard=True, status="5.1.1")
    blocked = verdict("5.7.1", f"host {server} said: 550 5.7.1 [192.0.2.9] blocked using bl.spamcop.net")
    assert blocked.category == "blocked-reputation"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_words_end_in_a_category(status: str, words: str) -> None:
    found = verdict(status, words)
    assert found.hard <= (found.category in HARD)
    assert category_in(words) is None or category_in(words)


@given(st.text(max_size=1_000))
def test_any_text_is_read_as_a_report(text: str) -> None:
    tuple(reports.delivery(text))
    reports.complaints(text)
    reports.receipt(text)
