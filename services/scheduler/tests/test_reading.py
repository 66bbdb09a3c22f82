"""A file of leads read with the templates of its campaign."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from uuid import UUID

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import CampaignSettings, SendEmail
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.domain.leadfile import lead_of
from heraldry.scheduler.ports import Speaker
from heraldry.scheduler.reading import Reading, missing_in, read

ADA = Speaker("Ada")
NAMES: Sequence[str] = ("first_name", "last_name", "city", "team")
CELLS: Sequence[str] = ("", "Paris", "Rome, Paris", "x")


def settings(*texts: str) -> CampaignSettings:
    steps = [SendEmail(subject="" if n else "Hello", text=text) for n, text in enumerate(texts)]
    return CampaignSettings(name="Spring", identity=UUID(int=2), steps=tuple(steps))


def reading(content: bytes, *texts: str) -> Reading:
    return read(content, "csv", (), missing_in(LiquidTemplates(), settings(*texts), ADA), str)


def problems(found: Reading) -> Sequence[tuple[int, str]]:
    return [(one.row, one.code) for one in found.problems]


@pytest.mark.parametrize(
    "text",
    [
        "{% if city %}{{ team }}{% else %}{{ first_name }}{% endif %}",
        '{% if city == "Paris" %}{{ team }}{% elsif team != "x" %}{{ first_name }}{% endif %}',
        '{% unless city contains "Paris" and first_name != blank %}{{ last_name }}{% endunless %}',
        "{% if city == team %}{{ last_name }}{% endif %}",
        "{% if name %}{{ name }}{% else %}{{ city }}{% endif %}",
        '{% if name == "Paris x" %}{{ city }}{% endif %}',
        '{% case city %}{% when "Paris" %}{{ team }}{% when "x" %}{{ first_name }}{% else %}-{% endcase %}',
        '{% assign where = city | default: team %}{{ where | append: "!" }}',
        '{% assign where = city | upcase %}{% if where == "PARIS" %}{{ team }}{% endif %}',
        '{% assign parts = city | split: ", " %}{{ parts[1] }}',
        '{% assign one = city | split: ", " | last %}{% if one %}{{ team }}{% endif %}',
        '{% capture both %}{{ city }}{% endcapture %}{% if both == "x" %}{{ team }}{% endif %}',
        "{% if city.size > 3 %}{{ team }}{% endif %}",
        "{% if identity.name %}{{ city }}{% endif %}",
        "{{ city | append: team }}",
    ],
)
def test_what_a_row_lacks_is_the_same_as_if_it_were_the_only_one(text: str) -> None:
    templates, campaign = LiquidTemplates(), settings(text)
    missing = missing_in(templates, campaign, ADA)
    for cells in product(CELLS, repeat=len(NAMES)):
        values = dict(zip(NAMES, cells, strict=True))
        assert missing(values) == templates.missing(campaign.steps, lead_of(values), ADA), values


@pytest.mark.parametrize(
    "text",
    [
        "{% if city %}How is {{ city }}?{% else %}How are you?{% endif %}",
        '{% if city == "City 7" %}How is {{ city }}?{% else %}How are you?{% endif %}',
        "{% case city %}{% when 'City 7' %}How is {{ city }}?{% else %}How are you?{% endcase %}",
        "{% assign where = city | default: 'there' %}How is it {{ where }}?",
    ],
)
def test_the_largest_file_is_read_in_a_moment_also_with_conditions(text: str) -> None:
    rows = "".join(f"ada{n}@x.example,{f'City {n}' * (n % 3 > 0)}\n" for n in range(10_000))
    begun = time.process_time()
    found = reading(f"Email,City\n{rows}".encode(), text, text)
    assert time.process_time() - begun < 4
    assert len(found.good) == 10_000


# --- what is wrong with the whole file


def test_a_column_that_is_not_there_is_said_once_and_not_for_every_row() -> None:
    rows = "".join(f"ada{n}@x.example,{'x' * (n != 250)}\n" for n in range(300))
    found = reading(f"Email,City\n{rows}".encode(), "{{ city }} {{ town }} {{ identity.phone }}")
    assert problems(found) == [(1, "identity.incomplete"), (1, "column.missing"), (252, "variable.missing")]
    assert "no column is town" in found.problems[1].text
    assert len(found.wrong) == 300
    assert problems(reading(b"Who,City\nAda,Paris\nBob,\n", "{{ city }}")) == [(1, "column.missing")]


def test_what_concerns_the_whole_file_is_said_before_its_many_rows() -> None:
    rows = "".join(f"ada{n},{'x' * (n > 250)}\n" for n in range(300))
    found = reading(f"Email,City\n{rows}".encode(), "{% if city %}{{ town }}{% endif %}")
    assert problems(found)[0] == (1, "column.missing")
    assert len(found.problems) == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00xl/workbook.xml" + bytes(range(256)), "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel"),
        (b"PK\x03\x04\x14\x00\x06\x00leads.csv" + bytes(range(256)), "no file of text"),
        (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "no file of text"),
        (b"\x7fELF\x02\x01\x01" + b"\x00\x00\x00\x01\xff\xd8" * 99, "no file of text"),
    ],
    ids=["xlsx", "xls", "zip", "pdf", "a program"],
)
def test_a_file_that_is_no_text_is_refused_whole(content: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said) as refusal:
        reading(content, "Hello")
    assert refusal.value.code == "import.unreadable"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_text_in_wide_characters_is_text(encoding: str) -> None:
    found = reading("Email,City\nada@x.example,Malmö\n".encode(encoding), "Hello")
    assert len(found.good) == 1
