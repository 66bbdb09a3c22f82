"""What is written to people is plain text, however it was typed."""

from __future__ import annotations

from heraldry.contracts.texts import one_line, plain
from hypothesis import given
from hypothesis import strategies as st


def test_line_ends_are_of_one_kind_and_control_characters_are_left_out() -> None:
    assert plain("Hello\r\nKim\r\n\nbye\x00\x07\x1b\x7f\tfor now") == "Hello\nKim\n\nbye\tfor now"
    assert one_line("Kim\0\n<b>  Öberg\r\n") == "Kim <b> Öberg"


@given(st.text())
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    once = plain(text)
    assert plain(once) == once
    assert not any(char < " " and char not in "\n\t" for char in once)
