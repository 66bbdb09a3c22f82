"""Addresses as everybody compares and writes them, and what of a mail is refused before it is permitted."""

from __future__ import annotations

from uuid import UUID

import pytest
from heraldry.contracts.addresses import Malformed, normalised, travelling
from heraldry.contracts.scheduler import SendMail
from pydantic import ValidationError

ID = UUID(int=1)


@pytest.mark.parametrize(
    "spelling",
    ["  Ada@Bücher.Example ", "ada@xn--bcher-kva.example", "ADA@BÜCHER.EXAMPLE", "ada@bücher.example."],
)
def test_spellings_of_one_address_are_one(spelling: str) -> None:
    assert normalised(spelling) == "ada@xn--bcher-kva.example"
    assert normalised(normalised(spelling)) == normalised(spelling)


def test_different_addresses_are_different() -> None:
    assert normalised("ada@northwind.example") != normalised("ada.b@northwind.example")
    assert normalised("ada@northwind.example") != normalised("ada@southwind.example")


def test_an_address_travels_with_its_domain_in_ascii() -> None:
    assert travelling("Ada@bücher.example") == "Ada@xn--bcher-kva.example"
    assert travelling("eva@münchen.de") == "eva@xn--mnchen-3ya.de"


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("eva@faß.de", "eva@xn--fa-hia.de"),
        ("eva@FAẞ.de", "eva@xn--fa-hia.de"),
        ("eva@ελλάς.gr", "eva@xn--hxarsa0b.gr"),
        ("eva@a\u200cb.de", "eva@xn--ab-j1t.de"),
        ("eva@a\u200db.de", "eva@xn--ab-m1t.de"),
    ],
)
def test_a_domain_that_is_read_in_two_ways_has_to_be_written_in_ascii(address: str, written: str) -> None:
    with pytest.raises(Malformed, match="xn--") as refused:
        travelling(address)
    assert refused.value.code == "address.ambiguous"
    assert travelling(written) == written == normalised(written)


@pytest.mark.parametrize(
    "address",
    [
        "a.d.a+l@north-wind.example",
        "a" * 64 + "@northwind.example",
        "ada@" + "a" * 63 + ".example",
        "ada@3m.example",
        "ada@northwind.x1",
        "ada@localhost",
    ],
)
def test_an_address_that_can_exist_travels_as_it_is(address: str) -> None:
    assert travelling(address) == address


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "address.invalid"),
        ("ada", "address.invalid"),
        ("@northwind.example", "address.invalid"),
        ("ada@", "address.invalid"),
        ("ada@.", "address.invalid"),
        ("a@b@northwind.example", "address.invalid"),
        ("<ada@northwind.example>", "address.invalid"),
        ("ada@northwind.example\r\nBcc: eve@elsewhere.example", "address.invalid"),
        ("ada@" + "a" * 64 + ".example", "address.invalid"),
        ("ada@" + "ä" * 60 + ".example", "address.invalid"),
        ("ada@" + "ä" * 100_000 + ".example", "address.invalid"),
        ("ada..l@northwind.example", "address.invalid"),
        (".ada@northwind.example", "address.invalid"),
        ("ada.@northwind.example", "address.invalid"),
        ("a" * 65 + "@northwind.example", "address.invalid"),
        ("ada@-northwind.example", "address.invalid"),
        ("ada@northwind-.example", "address.invalid"),
        ("ada@northwind..example", "address.invalid"),
        ("ada@northwind.example-", "address.invalid"),
        ("ada@" + "a." * 124 + "example", "address.invalid"),
        ("ada@northwind.123", "address.invalid"),
        ("ada@192.0.2.1", "address.invalid"),
        ("ädä@northwind.example", "address.unsupported"),
    ],
)
def test_what_cannot_be_written_to_is_refused_without_repeating_it(address: str, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        travelling(address)
    assert refused.value.code == code
    assert not address or address not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", "lea@northwind.example\r\nBcc: eve@elsewhere.example"),
        ("to", "léa@northwind.example"),
        ("subject", "Hello\r\nBcc: eve@elsewhere.example"),
        ("subject", "Hello\0"),
        ("subject", "   "),
        ("text", "x" * 100_001),
        ("text", "🦊" * 50_000),
        ("text", "\x01" * 50_000),
    ],
)
def test_what_can_never_leave_is_no_command(field: str, value: str) -> None:
    letter = {"to": "lea@northwind.example", "subject": "Hello", "text": "Hello"}
    SendMail.model_validate({"inbox": ID, "person": ID, **letter})
    with pytest.raises(ValidationError) as wrong:
        SendMail.model_validate({"inbox": ID, "person": ID, **letter, field: value})
    assert [error["loc"] for error in wrong.value.errors()] == [(field,)]
