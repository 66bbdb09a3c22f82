"""What the lines of a profile's top card are taken for."""

from __future__ import annotations

import pytest
from heraldry.linkedin_driver.adapters.pages.reading import data_of, job_title_of


@pytest.mark.parametrize(
    ("lines", "company", "location"),
    [
        (("Baker", "Green Ltd · Lund University", "Lund, Sweden"), "Green Ltd", "Lund, Sweden"),
        (("Baker", "Lund, Sweden ·"), "", "Lund, Sweden"),
        (("Baker",), "", ""),
        (("· 2nd",), "", ""),
    ],
)
def test_behind_the_headline_stand_the_company_and_the_place(
    lines: tuple[str, ...], company: str, location: str
) -> None:
    data = data_of("Kim van Dam", "Baker", lines)
    assert (data.first_name, data.last_name, data.headline) == ("Kim", "van Dam", "Baker")
    assert (data.company, data.location, data.job_title) == (company, location, "")


@pytest.mark.parametrize(
    ("headline", "company", "title"),
    [
        ("Head of purchasing at Brisa", "Brisa", "Head of purchasing"),
        ("Head of purchasing at BRISA | Speaker", "Brisa", "Head of purchasing"),
        ("Good at cooking at Brisa", "Brisa", "Good at cooking"),
        ("CTO @ Brisa", "Brisa", "CTO"),
        ("Good at cooking", "Brisa", ""),
        ("Head of purchasing at Brisa", "", ""),
    ],
)
def test_a_headline_says_the_job_before_the_company_the_page_names(
    headline: str, company: str, title: str
) -> None:
    assert job_title_of(headline, company) == title


def test_what_strangers_write_fits_wherever_it_goes() -> None:
    endless, bell = "H" * 1_000_000, "Bell\x07 Ltd\x1b[31m"
    data = data_of(endless, endless, (endless, bell, endless))
    assert len(data.model_dump_json()) < 5_000
    assert (data.headline, data.company, data.location) == ("H" * 250, "Bell Ltd[31m", "H" * 250)
