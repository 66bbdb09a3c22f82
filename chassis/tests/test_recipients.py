from __future__ import annotations

import pytest
from heraldry.chassis.recipients import Recipients
from heraldry.chassis.settings import Settings

LIST = "Ada@Northwind.example, test.example, https://www.linkedin.com/in/ada/"


def recipients(*, staging: bool = False, named: str = "") -> Recipients:
    return Recipients.of(Settings(staging=staging, recipient_allow_list=named))


def test_an_installation_writes_to_anybody_and_a_staging_copy_to_nobody() -> None:
    assert recipients().may_hear("lea@northwind.example")
    assert not recipients(staging=True).may_hear("lea@northwind.example")
    assert not recipients(staging=True, named=" , ").may_hear("")


@pytest.mark.parametrize("staging", [True, False])
@pytest.mark.parametrize(
    ("recipient", "may"),
    [
        ("ada@northwind.example", True),
        ("ADA@northwind.example ", True),
        ("lea@northwind.example", False),
        ("lea@test.example", True),
        ("lea@my.test.example", False),
        ("test.example@evil.example", False),
        ("https://linkedin.com/in/ada", True),
        ("https://www.linkedin.com/in/lea", False),
        ("", False),
    ],
)
def test_whom_a_list_names_hears_and_nobody_else(recipient: str, may: bool, staging: bool) -> None:  # noqa: FBT001  a table
    assert recipients(staging=staging, named=LIST).may_hear(recipient) is may
