"""What is typed into a campaign's form is what is stored, in whatever order its steps are brought."""

from __future__ import annotations

from uuid import UUID

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    Column,
    ReadProfile,
    SendEmail,
    SendInvitation,
    SendMessage,
    Step,
)
from heraldry.contracts.texts import plain
from heraldry.gateway.pages.campaign_forms import (
    MalformedError,
    campaign_filled,
    columns_of,
    rearranged,
    refused,
    settings_of,
    values_of,
)
from heraldry.gateway.pages.forms import with_scheme
from heraldry.gateway.routes.campaign_models import when
from hypothesis import given
from hypothesis import strategies as st

IDENTITY = UUID(int=1)
TEXTS = st.text(
    st.characters(exclude_characters="\r", exclude_categories=("Cs",)), min_size=1, max_size=20
).filter(plain)  # of control characters alone nothing stays
DELAYS = st.integers(0, 2160)
CONDITIONS = st.sampled_from(["always", "connected", "not connected"])
STEPS = st.one_of(
    st.builds(SendEmail, delay=DELAYS, only_if=CONDITIONS, text=TEXTS, html=st.just("") | TEXTS),
    st.builds(SendInvitation, delay=DELAYS, only_if=CONDITIONS, note=st.just("") | TEXTS),
    st.builds(SendMessage, delay=DELAYS, only_if=CONDITIONS, text=TEXTS),
    st.builds(ReadProfile, delay=DELAYS, only_if=CONDITIONS),
)


def settings(*steps: Step) -> CampaignSettings:
    return CampaignSettings(name="Spring", identity=IDENTITY, steps=steps)


def texts(values: dict[str, str]) -> list[str]:
    return [step.text.value for step in campaign_filled(values).steps]


def waits(values: dict[str, str]) -> list[str]:
    return [f"{step.delay.value} {step.unit.value}" for step in campaign_filled(values).steps]


THREE = values_of(
    settings(
        SendEmail(subject="Hi", text="a"),
        SendEmail(delay=72, text="b", html="B"),
        SendEmail(delay=30, text="c"),
    )
)


@given(st.lists(STEPS, max_size=4), st.none() | st.uuids(), st.sampled_from(["even", "at once"]))
def test_what_the_form_shows_of_a_campaign_means_that_campaign(
    steps: list[Step], inbox: UUID | None, pace: str
) -> None:
    first = next((number for number, step in enumerate(steps) if step.kind == "email"), None)
    if first is not None:
        steps[first] = steps[first].model_copy(update={"subject": "Hello"})
    stored = CampaignSettings.model_validate(
        {"name": "Spring", "identity": IDENTITY, "inbox": inbox, "pace": pace, "steps": steps}
    )
    assert settings_of(values_of(stored)) == stored


@pytest.mark.parametrize(
    ("do", "order", "focus"),
    [
        ("up-1", ["b", "a", "c"], 0),
        ("up-0", ["a", "b", "c"], 0),
        ("down-1", ["a", "c", "b"], 2),
        ("down-2", ["a", "b", "c"], 2),
        ("remove-1", ["a", "c"], 0),
        ("remove-9", ["a", "b", "c"], 9),
        ("add", ["a", "b", "c", ""], 3),
        ("up-x", ["a", "b", "c"], 0),
    ],
)
def test_steps_change_their_order_and_nothing_that_was_typed_is_lost(
    do: str, order: list[str], focus: int
) -> None:
    values, looked_at = rearranged({**THREE, "name": "Typed"}, do)
    assert (texts(values), looked_at) == (order, focus)
    assert (values["name"], values["subject"]) == ("Typed", "Hi")
    assert "".join(step.html.value for step in campaign_filled(values).steps) == (
        "" if "b" not in order else "B"
    )


def test_waits_keep_their_place_when_steps_are_moved() -> None:
    assert waits(THREE) == ["0 days", "3 days", "30 hours"]
    assert waits(rearranged(THREE, "up-1")[0]) == ["0 days", "3 days", "30 hours"]
    assert waits(rearranged(THREE, "remove-0")[0]) == ["0 days", "30 hours"]
    assert waits(rearranged(THREE, "remove-1")[0]) == ["0 days", "30 hours"]


def test_the_subject_is_that_of_the_first_email_wherever_it_stands() -> None:
    mixed = values_of(
        settings(
            SendInvitation(note="Hello"), SendEmail(subject="Hi", text="a"), SendEmail(delay=24, text="b")
        )
    )
    assert [step.first for step in campaign_filled(mixed).steps] == [False, True, False]
    moved = settings_of(rearranged(mixed, "up-2")[0])
    assert [(step.kind, getattr(step, "subject", "")) for step in moved.steps] == [
        ("invitation", ""),
        ("email", "Hi"),
        ("email", ""),
    ]
    alone = settings_of(rearranged(rearranged(mixed, "remove-2")[0], "remove-1")[0])
    assert alone.steps == (SendInvitation(note="Hello"),)


@pytest.mark.parametrize(
    ("do", "kind", "only_if"),
    [
        ("add", "email", "always"),
        ("add-invitation", "invitation", "always"),
        ("add-message", "message", "connected"),
        ("add-scraping", "scraping", "always"),
        ("add-bogus", "email", "always"),
    ],
)
def test_a_step_of_each_kind_can_be_added(do: str, kind: str, only_if: str) -> None:
    values, number = rearranged(THREE, do)
    added = campaign_filled(values).steps[number]
    assert (number, added.kind.value, added.only_if.value) == (3, kind, only_if)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": ""}, "name", "Fill this in."),
        ({"name": "x" * 201}, "name", "At most 200 characters."),
        ({"identity": "somebody"}, "identity", "Choose one."),
        ({"step-1-text": ""}, "step-1-text", "Fill this in."),
        ({"step-1-delay": "-1"}, "step-1-delay", "Give a whole number."),
        ({"step-1-delay": "91"}, "step-1-delay", "Wait at most 90 days."),
        ({"step-1-delay": "９"}, "step-1-delay", "Give a whole number."),
        ({"step-1-kind": "message", "step-1-text": ""}, "step-1-text", "Fill this in."),
        (
            {"step-1-kind": "invitation", "step-1-text": "x" * 2001},
            "step-1-text",
            "At most 2,000 characters.",
        ),
        ({"step-1-only_if": "sometimes"}, "step-1-only_if", "Input should be"),
        ({"step-1-kind": "telegram"}, "", "does not match"),
        ({f"step-{number}-text": "x" for number in range(21)}, "", "at most 20 steps"),
        ({"step-0-text": "x" * 50_000, "step-1-html": "ä" * 60_000}, "", "too long together"),
    ],
)
def test_what_cannot_be_meant_is_said_beside_its_field(
    change: dict[str, str], field: str, words: str
) -> None:
    with pytest.raises(MalformedError) as wrong:
        settings_of({**THREE, **change})
    assert list(wrong.value.errors) == [field]
    assert words in wrong.value.errors[field]


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("steps.1.html", "step-1-html"),
        ("steps.2.note", "step-2-text"),
        ("steps.0.subject", "subject"),
        ("name", "name"),
        ("", ""),
    ],
)
def test_a_refusal_is_shown_beside_the_field_it_is_about(field: str, shown: str) -> None:
    assert refused(Refused("template.invalid", "No.", field=field)) == {shown: "No."}


def test_columns_keep_their_headers_whatever_is_posted() -> None:
    columns = (Column(header="Größe", field="own", name="groesse"), Column(header="Mail", field="email"))
    posted = {"field-0": "ignored", "name-0": " size ", "header-0": "Other", "field-7": "email"}
    assert columns_of(columns, posted) == (Column(header="Größe", field="ignored", name="size"), columns[1])


@pytest.mark.parametrize(
    ("hours", "number", "words"),
    [
        (0, 0, "Right after the start"),
        (0, 1, "Right after the step before"),
        (24, 1, "1 day after the step before"),
        (49, 2, "2 days and 1 hour after the step before"),
    ],
)
def test_when_a_step_leaves_is_said_in_words(hours: int, number: int, words: str) -> None:
    assert when(hours, number) == words


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("linkedin.com/in/ada", "https://linkedin.com/in/ada"),
        ("https://www.linkedin.com/in/ada", "https://www.linkedin.com/in/ada"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("", ""),
    ],
)
def test_a_web_address_may_be_typed_without_its_scheme(typed: str, meant: str) -> None:
    assert with_scheme(typed) == meant
