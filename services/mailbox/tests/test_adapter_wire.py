from __future__ import annotations

import pytest
from heraldry.mailbox.adapters.folders import folders_in, sent_among
from heraldry.mailbox.adapters.wire import (
    Malformed,
    argument,
    folder_from_wire,
    folder_to_wire,
    pieces,
    tokens,
)
from hypothesis import given
from hypothesis import strategies as st

NAME = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@given(NAME)
def test_a_folders_name_comes_back(name: str) -> None:
    wire = folder_to_wire(name)
    assert wire.isascii()
    assert wire.isprintable() or not wire
    assert folder_from_wire(wire) == name


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("Entwürfe", "Entw&APw-rfe"),
        ("a&b", "a&-b"),
        ("台北", "&U,BTFw-"),
        ("~peter/mail/日本語", "~peter/mail/&ZeVnLIqe-"),
    ],
)
def test_modified_utf7_is_that_of_the_rfc(name: str, wire: str) -> None:
    assert folder_to_wire(name) == wire
    assert folder_from_wire(wire) == name


def test_what_is_no_utf7_stays() -> None:
    assert folder_from_wire("R&D") == "R&D"
    assert folder_from_wire("a&AA-") == "a&AA-"


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=1500))
def test_an_argument_reads_back(text: str) -> None:
    written, literal = argument(text)
    assert b"\r" not in written
    assert b"\n" not in written
    segments = (b"X " + written,) if literal is None else (b"X " + written, literal, b"")
    assert tokens(segments) == ("X", text.encode())


def test_a_nul_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="NUL"):
        argument("a\0b")


def test_a_command_waits_at_each_literal() -> None:
    assert pieces('a"b', "grün", b"(X)", "z\r\n") == (b'"a\\"b" {5}', b"gr\xc3\xbcn (X) {3}", b"z\r\n")


def test_an_answer_is_read_as_atoms_strings_and_lists() -> None:
    segments = (b'1 FETCH (UID 5 BODY[HEADER.FIELDS (A "B")] {3}', b"a)\n", b' X NIL Y "q\\"(" Z (1 (2)))')
    assert tokens(segments) == (
        "1",
        "FETCH",
        ("UID", "5", 'BODY[HEADER.FIELDS (A "B")]', b"a)\n", "X", None, "Y", b'q"(', "Z", ("1", ("2",))),
    )


@pytest.mark.parametrize("line", [b"(", b")", b'"', b"(" * 100_000, b'"a\\'])
def test_what_is_malformed_is_said_so(line: bytes) -> None:
    with pytest.raises(Malformed):
        tokens((line,))


@given(st.binary(max_size=300))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    try:
        tokens((line,))
    except Malformed:
        return


def test_the_sent_folder_is_the_marked_one_or_the_one_with_a_usual_name() -> None:
    plain = folders_in([tokens((b'(\\HasNoChildren) "/" "Gesendete Elemente"',)), tokens((b'() "/" INBOX',))])
    marked = folders_in([tokens((b'(\\Sent) "." "INBOX.Weg"',))])
    literal = folders_in([tokens((b'() "/" {4}', b"Sent", b""))])
    assert sent_among(plain) == "Gesendete Elemente"
    assert sent_among(plain + marked) == "INBOX.Weg"
    assert sent_among(literal) == "Sent"
    assert sent_among(folders_in([tokens((b'(\\Noselect) "/" Sent',)), tokens((b"nonsense",))])) is None
