"""A file of leads read with the templates of its campaign."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from uuid import UUID

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import CampaignSettings, SendEmail, SendInvitation, Step
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.domain.leadfile import lead_of
from heraldry.scheduler.ports import Speaker
from heraldry.scheduler.reading import Reading, missing_in, needs_of, read

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
    assert time.process_time() - begun < 15
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


def for_linkedin(content: bytes, *steps: Step) -> Reading:
    """Read for a campaign of these steps, some of them on LinkedIn."""
    campaign = CampaignSettings(name="Spring", identity=UUID(int=2), steps=steps)
    templates = LiquidTemplates()
    missing, needs = missing_in(templates, campaign, ADA), needs_of(templates, campaign, ADA)
    return read(content, "csv", (), missing, str, needs)


def test_a_campaign_of_linkedin_steps_needs_profiles_and_no_addresses() -> None:
    file = (
        b"name,linkedin,email\n"
        b"Ada,linkedin.com/in/Ada,\n"
        b"Bob,,bob@x.example\n"
        b"Cleo,https://example.com/cleo,\n"
        b"Dan,https://www.linkedin.com/in/dan,dan@x.example\n"
        b"Eve,https://www.linkedin.com/in/eve,no address\n"
    )
    found = for_linkedin(file, SendInvitation())
    assert problems(found) == [
        (3, "linkedin-url.missing"),
        (4, "linkedin-url.malformed"),
        (6, "address.invalid"),
    ]
    assert found.good == [
        (2, "linkedin.com/in/ada", "https://www.linkedin.com/in/ada", "linkedin.com/in/ada"),
        (5, "dan@x.example", "dan@x.example", "linkedin.com/in/dan"),
    ]


def test_a_campaign_of_both_channels_needs_both_and_says_of_each_what_is_missing() -> None:
    steps = (SendEmail(subject="Hello", text="Hi"), SendInvitation())
    found = for_linkedin(b"name,linkedin,email\nAda,,\nBob,linkedin.com/in/bob,bob@x.example\n", *steps)
    assert problems(found) == [(2, "linkedin-url.missing"), (2, "address.missing")]
    assert len(found.good) == 1
    found = for_linkedin(b"name,email\nAda,ada@x.example\n", *steps)
    assert [(one.code, "LinkedIn profiles" in one.text) for one in found.problems] == [
        ("column.missing", True)
    ]


def test_without_steps_an_address_or_a_profile_is_enough() -> None:
    file = b"name,linkedin,email\nAda,linkedin.com/in/ada,\nBob,,bob@x.example\nCleo,,\n"
    found = for_linkedin(file)
    assert problems(found) == [(4, "address.missing")]
    assert [row for row, *_ in found.good] == [2, 3]


def test_who_is_in_the_file_twice_is_known_by_the_profile_too() -> None:
    file = (
        b"name,linkedin,email\n"
        b"Ada,linkedin.com/in/ada,\n"
        b"Ada again,https://se.linkedin.com/in/ADA/,ada@x.example\n"
        b"Bob,linkedin.com/in/bob,ada@x.example\n"
    )
    found = for_linkedin(file, SendInvitation())
    assert [(one.row, one.code) for one in found.skipped_rows] == [(3, "duplicate-in-file")]
    assert [row for row, *_ in found.good] == [2, 4]


def test_a_note_too_long_for_linkedin_is_said_for_the_row_whose_it_is() -> None:
    note = SendInvitation(note="{{ first_name }}, " + "x" * 285)
    fits, long = b"A" * 13, b"B" * 14
    file = b"first_name,linkedin\n%s,linkedin.com/in/ada\n%s,linkedin.com/in/bob\n" % (fits, long)
    found = for_linkedin(file, note)
    assert problems(found) == [(3, "text.too-long")]
    assert "301 characters" in found.problems[0].text
