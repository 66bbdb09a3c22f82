"""What may be a name: one line of text that one can see."""

from __future__ import annotations

from uuid import uuid4

import pytest
from heraldry.contracts.identity import RenameIdentity
from pydantic import ValidationError


@pytest.mark.parametrize("name", ["Ada Bergström", "李小龍", "O'Neil, 2nd", "محمد"])
def test_a_name(name: str) -> None:
    assert RenameIdentity(identity=uuid4(), name=name).name == name


@pytest.mark.parametrize("name", ["", "a\0b", "a\r\nBcc: eve", "\u200b", "\u202eada", "…", "x" * 201])
def test_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        RenameIdentity(identity=uuid4(), name=name)
