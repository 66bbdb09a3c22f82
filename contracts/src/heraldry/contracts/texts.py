"""Texts that people write and others read: plain, and typed the same wherever they were typed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def plain(text: str) -> str:
    """With one kind of line end, and without control characters: no page shows those, so none can prove them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lines if char in "\n\t" or (char >= " " and char != "\x7f"))


def one_line(text: str) -> str:
    """The same without ends of lines."""
    return " ".join(plain(text).split())


PlainText = Annotated[str, AfterValidator(plain)]
OneLine = Annotated[str, AfterValidator(one_line)]
