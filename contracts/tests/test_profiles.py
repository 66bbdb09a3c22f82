"""One LinkedIn profile has one address, however it is written; what is no profile has none."""

from __future__ import annotations

import pytest
from heraldry.contracts.profiles import NoProfile, profile_address, slug_of


@pytest.mark.parametrize(
    "written",
    [
        "https://www.linkedin.com/in/ada-l",
        " http://linkedin.com/in/Ada-L/ ",
        "se.linkedin.com/in/ada-l?trk=x",
        "https://www.linkedin.com/in/ada-l/details/experience/#top",
        "www.linkedin.com/mwlite/in/ADA-L",
    ],
)
def test_spellings_of_one_profile_are_one(written: str) -> None:
    address = profile_address(written)
    assert address == "https://www.linkedin.com/in/ada-l"
    assert profile_address(address) == address
    assert slug_of(address) == "ada-l"


def test_a_slug_in_another_script_is_written_in_one_way() -> None:
    encoded = profile_address("https://www.linkedin.com/in/j%C3%BCrgen")
    assert encoded == "https://www.linkedin.com/in/j%C3%BCrgen"
    assert profile_address("linkedin.com/in/JÜRGEN") == encoded
    assert profile_address("linkedin.com/in/ju\u0308rgen") == encoded


@pytest.mark.parametrize(
    "written",
    [
        "",
        "ada",
        "https://www.linkedin.com/company/northwind",
        "https://www.linkedin.com/in/",
        "https://www.linkedin.com/in/a%2Fb",
        "https://www.linkedin.com/in/..",
        "https://www.linkedin.com/in/%2e%2e",
        "https://www.linkedin.com.evil.example/in/ada-l",
        "https://evil.example/linkedin.com/in/ada-l",
        "javascript://linkedin.com/in/ada-l",
        "https://www.linkedin.com/in/ada l",
        "https://www.linkedin.com/in/ada%00",
    ],
)
def test_what_is_no_profile_is_refused(written: str) -> None:
    with pytest.raises(NoProfile, match="looks like"):
        profile_address(written)
