"""The forms of campaigns and imports: steps in an order that can be changed, columns of a file.

A step's inputs are called `step-<n>-kind`, `-delay`, `-unit`, `-only_if`, `-text` and `-html`, n from 0; the text of
an invitation is its note. The subject is the campaign's own, since only its first email has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import MOST_STEPS, CampaignSettings, Column, words_of
from heraldry.gateway.pages.forms import Field, Form, filled
from pydantic import ValidationError

HOURS: Final = {"hours": 1, "days": 24}
USUAL: Final[Mapping[str, str]] = {
    "kind": "email",
    "delay": "0",
    "unit": "days",
    "only_if": "always",
    "text": "",
    "html": "",
}
"""Of a step of which nothing was said."""
FRESH: Final[Mapping[str, Mapping[str, str]]] = {
    "": {},
    "invitation": {"kind": "invitation"},
    "message": {"kind": "message", "only_if": "connected"},
    "scraping": {"kind": "scraping"},
}
"""How a step begins that is added. LinkedIn takes messages to connections only."""
LONGEST_NUMBER: Final = 4  # digits of a delay
EMPTY: Final = Field()
NOW: Final = Field("0")
DAYS: Final = Field("days")
EVEN: Final = Field("even")
EMAIL: Final = Field("email")
ALWAYS: Final = Field("always")
MOVES: Final = frozenset({"add", "remove", "up", "down"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """`delay` counts in `unit`s, after the step before it or after the start. `first`: the first email, which has the
    subject.
    """

    number: int
    first: bool = False
    kind: Field = EMAIL
    delay: Field = NOW
    unit: Field = DAYS
    only_if: Field = ALWAYS
    text: Field = EMPTY
    html: Field = EMPTY

    def name(self, part: str) -> str:
        return f"step-{self.number}-{part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignForm(Form):
    """`inbox` empty: Shuffle, over all inboxes of the identity."""

    name: Field = EMPTY
    identity: Field = EMPTY
    inbox: Field = EMPTY
    pace: Field = EVEN
    subject: Field = EMPTY
    steps: tuple[StepForm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm(Form):
    """`file` is a file input: its value is never shown again, its error is."""

    file: Field = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnForm:
    """What a column is, beside what is in it."""

    number: int
    header: str
    examples: tuple[str, ...]
    field: str
    name: str


class MalformedError(Exception):
    """What was typed cannot be meant. `errors`: by the name of the input."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("the form")
        self.errors = dict(errors)


def campaign_filled(values: Mapping[str, str], errors: Mapping[str, str] | None = None) -> CampaignForm:
    """The form with what was posted or stored, and what is wrong with it."""
    wrong = dict(errors or {})
    typed = _steps(values)
    first = _first_email(typed)
    steps = tuple(
        StepForm(
            number=number,
            first=number == first,
            **{part: Field(step[part], wrong.pop(f"step-{number}-{part}", "")) for part in USUAL},
        )
        for number, step in enumerate(typed)
    )
    form = filled(CampaignForm, {**values, "pace": values.get("pace") or "even"}, wrong)
    return replace(form, steps=steps)


def values_of(settings: CampaignSettings) -> dict[str, str]:
    """What the form shows of a stored campaign."""
    steps = [
        {
            "kind": step.kind,
            "delay": delay,
            "unit": unit,
            "only_if": step.only_if,
            "text": words_of(step),
            "html": step.html if step.kind == "email" else "",
        }
        for step in settings.steps
        for delay, unit in [_shown(step.delay)]
    ]
    values = {
        "name": settings.name,
        "identity": str(settings.identity),
        "inbox": str(settings.inbox or ""),
        "pace": settings.pace,
        "subject": settings.first_email.subject if settings.first_email else "",
    }
    return _with_steps(values, steps)


def settings_of(values: Mapping[str, str]) -> CampaignSettings:
    """What the form means. Raises MalformedError."""
    wrong: dict[str, str] = {}
    steps: list[dict[str, object]] = []
    written = _steps(values)
    first = _first_email(written)
    for number, step in enumerate(written):
        typed = step["delay"] or "0"
        if not (typed.isascii() and typed.isdigit() and len(typed) <= LONGEST_NUMBER):
            wrong[f"step-{number}-delay"] = "Give a whole number."
            typed = "0"
        subject = values.get("subject", "").strip() if number == first else ""
        steps.append(
            {
                "kind": step["kind"],
                "delay": int(typed) * HOURS.get(step["unit"], 1),
                "only_if": step["only_if"],
                **_content(step, subject),
            }
        )
    given: dict[str, Any] = {
        "name": values.get("name", "").strip(),
        "identity": values.get("identity", ""),
        "inbox": values.get("inbox") or None,
        "pace": values.get("pace", "even"),
        "steps": steps,
    }
    try:
        settings = CampaignSettings.model_validate(given)
    except ValidationError as error:
        wrong = {**_wrong(error), **wrong}
    else:
        if not wrong:
            return settings
    raise MalformedError(wrong)


def rearranged(values: Mapping[str, str], do: str) -> tuple[dict[str, str], int]:
    """The values after `add`, `add-invitation`, `add-message`, `remove-<n>`, `up-<n>` or `down-<n>`, and the step to
    look at.

    All that was typed stays. What is first leaves as soon as what was first, so waits keep their place.
    """
    steps = _steps(values)
    what, _, which = do.partition("-")
    number = int(which) if which.isascii() and which.isdigit() and len(which) < LONGEST_NUMBER else 0
    there = number < len(steps)
    if what == "add":
        steps.append({**USUAL, "delay": "3" if steps else "0", **FRESH.get(which, {})})
        number = len(steps) - 1
    elif what == "remove" and there:
        removed = steps.pop(number)
        if number == 0 and steps:
            steps[0] = {**steps[0], **_wait(removed)}
        number = max(0, number - 1)
    elif what == "up" and there and number > 0:
        number -= 1
        _exchange(steps, number)
    elif what == "down" and number + 1 < len(steps):
        _exchange(steps, number)
        number += 1
    kept = {name: value for name, value in values.items() if not name.startswith("step-")}
    return _with_steps(kept, steps), number


def refused(refusal: Refused) -> dict[str, str]:
    """What a decider says no to, by the name of the input: `steps.1.text` is `step-1-text`."""
    return {_input(refusal.field.split(".")): refusal.detail}


def columns_filled(columns: Sequence[Column], sample: Sequence[Sequence[str]]) -> tuple[ColumnForm, ...]:
    return tuple(
        ColumnForm(
            number=number,
            header=column.header,
            examples=tuple(row[number] for row in sample if number < len(row) and row[number].strip())[:3],
            field=column.field,
            name=column.name,
        )
        for number, column in enumerate(columns)
    )


def columns_of(columns: Sequence[Column], values: Mapping[str, str]) -> tuple[Column, ...]:
    """The file's columns as the form says they are."""
    return tuple(
        Column.model_validate(
            {
                "header": column.header,
                "field": values.get(f"field-{number}", column.field),
                "name": values.get(f"name-{number}", column.name).strip(),
            }
        )
        for number, column in enumerate(columns)
    )


def _steps(values: Mapping[str, str]) -> list[dict[str, str]]:
    steps: list[dict[str, str]] = []
    while f"step-{len(steps)}-text" in values:
        here = f"step-{len(steps)}-"
        steps.append(
            {part: values.get(here + part, usual).replace("\r\n", "\n") for part, usual in USUAL.items()}
        )
    return steps


def _first_email(steps: Sequence[Mapping[str, str]]) -> int:
    """Where it is; -1: there is none."""
    return next((number for number, step in enumerate(steps) if step["kind"] == "email"), -1)


def _content(step: Mapping[str, str], subject: str) -> Mapping[str, str]:
    match step["kind"]:
        case "invitation":
            return {"note": step["text"]}
        case "message":
            return {"text": step["text"]}
        case "scraping":
            return {}
        case _:
            return {"subject": subject, "text": step["text"], "html": step["html"]}


def _exchange(steps: list[dict[str, str]], number: int) -> None:
    """The step and the one after it; each takes the other's wait."""
    earlier, later = steps[number], steps[number + 1]
    steps[number], steps[number + 1] = {**later, **_wait(earlier)}, {**earlier, **_wait(later)}


def _wait(step: Mapping[str, str]) -> dict[str, str]:
    return {"delay": step["delay"], "unit": step["unit"]}


def _with_steps(values: Mapping[str, str], steps: Sequence[Mapping[str, str]]) -> dict[str, str]:
    numbered = {f"step-{number}-{part}": step[part] for number, step in enumerate(steps) for part in USUAL}
    return {**values, **numbered}


def _shown(hours: int) -> tuple[str, str]:
    days, rest = divmod(hours, HOURS["days"])
    return (str(hours), "hours") if rest else (str(days), "days")


def _wrong(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in error.errors(include_input=False, include_url=False):
        found.setdefault(
            _input([str(part) for part in one["loc"]]), _words(one["type"], one.get("ctx", {}), one["msg"])
        )
    return found


def _input(path: Sequence[str]) -> str:
    match path:
        case ["steps", _, *_, "subject"]:
            return "subject"
        case ["steps", number, *_, "note"]:
            return f"step-{number}-text"
        case ["steps", number, part] | ["steps", number, _, part]:  # the kind of the step stands between them
            return f"step-{number}-{part}"
        case ["steps", *_]:
            return ""
        case [*_, name]:
            return name
        case _:
            return ""


def _words(kind: str, about: Mapping[str, Any], usual: str) -> str:
    match kind:
        case "string_too_short" | "too_short":
            return "Fill this in."
        case "too_long" if about["max_length"] == MOST_STEPS:
            return f"A campaign has at most {MOST_STEPS} steps."
        case "string_too_long" | "too_long":
            return f"At most {about['max_length']:,} characters."
        case "less_than_equal":
            return "Wait at most 90 days."
        case "uuid_parsing" | "uuid_type":
            return "Choose one."
        case _:
            return usual.removeprefix("Value error, ")
