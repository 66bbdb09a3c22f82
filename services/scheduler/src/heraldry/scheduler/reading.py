"""A file of leads read as a whole: what it is, what is wrong with it, and who is in it. Runs in a thread."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from heraldry.contracts.base import Value
from heraldry.contracts.campaigns import CampaignSettings, Column, LeadData, RowProblem, SendEmail
from heraldry.scheduler.adapters.encodings import Encoded, encoded, no_text
from heraldry.scheduler.domain.columns import checked, guessed, meant
from heraldry.scheduler.domain.importing import Format
from heraldry.scheduler.domain.leadfile import (
    BY_EMAIL,
    EITHER,
    OF_THE_FILE,
    Found,
    Missing,
    Needs,
    Wrong,
    clean,
    judged,
    lead_of,
    nothing_missing,
)
from heraldry.scheduler.domain.tables import Table, csv_table, json_table, unreadable
from heraldry.scheduler.ports import MissingVariableError, Speaker, TemplateError, Templates

MOST_SAID: Final = 200  # problems, and rows left out
LONGEST_CELL: Final = 200  # of the sample
NO_ADDRESSES: Final = RowProblem(
    row=1, code="column.missing", text="No column holds email addresses. Choose the one that does."
)
NO_PROFILES: Final = RowProblem(
    row=1,
    code="column.missing",
    text="No column holds LinkedIn profiles, and the campaign has LinkedIn steps. Choose the one that does.",
)

Hashed = Callable[[str], str]


class Report(Value):
    """What is kept, encrypted, of a file that was checked. A storage format. `wrong`: rows left out for errors."""

    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    problems: tuple[RowProblem, ...]
    skipped: tuple[RowProblem, ...]
    wrong: tuple[int, ...]


class Candidate(NamedTuple):
    """A row that can be a lead. `digest`: the keyed hash of its address, or of its profile without one."""

    row: int
    digest: str
    found: Found

    @property
    def data(self) -> LeadData:
        return self.found.data


@dataclass(slots=True)
class Reading:
    """What a file holds by itself, whatever the organization knows already. `good`: row, digest, what the row calls
    the lead, and the profile as profiles are compared.
    """

    encoding: str
    delimiter: str
    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    rows: int = 0
    wrong: list[int] = field(default_factory=list[int])
    problems: list[RowProblem] = field(default_factory=list[RowProblem])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    skipped_rows: list[RowProblem] = field(default_factory=list[RowProblem])
    good: list[tuple[int, str, str, str]] = field(default_factory=list[tuple[int, str, str, str]])

    def skip(self, row: int, code: str, text: str) -> None:
        self.skipped[code] = self.skipped.get(code, 0) + 1
        if len(self.skipped_rows) < MOST_SAID:
            self.skipped_rows.append(RowProblem(row=row, code=code, text=text))

    def say(self, problems: Sequence[RowProblem]) -> None:
        """What is wrong with the whole file is said once, and first."""
        for one in problems:
            if one.code not in OF_THE_FILE:
                if len(self.problems) < MOST_SAID:
                    self.problems.append(one)
            elif one not in self.problems[:MOST_SAID]:
                self.problems = [one, *self.problems[: MOST_SAID - 1]]

    def report(self) -> Report:
        return Report(
            columns=self.columns,
            sample=self.sample,
            problems=tuple(self.problems),
            skipped=tuple(sorted(self.skipped_rows, key=lambda one: one.row)),
            wrong=tuple(self.wrong),
        )


def read(
    content: bytes,
    form: Format,
    columns: Sequence[Column],
    missing: Missing,
    hashed: Hashed,
    needs: Needs = BY_EMAIL,
) -> Reading:
    """Every row judged. Without columns they are guessed, or what a program's keys say.

    Refused `import.too-large`, `import.unreadable`, `import.columns`.
    """
    if reason := no_text(content):
        raise unreadable(reason)
    file = encoded(content)
    table = _table(file, form)
    if columns:
        known = checked(columns, table.headers)
    else:
        known = meant(table.headers) if form == "jsonl" else guessed(table.headers, table.sample)
    sample = tuple(tuple(clean(cell[:LONGEST_CELL]) for cell in row) for row in table.sample)
    reading = Reading(file.encoding, table.delimiter, known, sample)
    lacking = _columns_missing(known, needs)
    reading.problems.extend(lacking)
    seen = _Seen()
    for one in judged(table, known, missing, needs=needs, lossy=file.lossy):
        reading.rows += 1
        if isinstance(one, Wrong):
            reading.wrong.append(one.row)
            if not lacking:
                reading.say(one.problems)
        elif (before := seen.before(one)) is not None:
            reading.skip(one.row, "duplicate-in-file", f"{one.shown} is in row {before} already.")
        else:
            reading.good.append((one.row, hashed(one.address), one.shown, one.profile))
    return reading


def _columns_missing(known: Sequence[Column], needs: Needs) -> Sequence[RowProblem]:
    """What no row can have. Said once, in place of every row."""
    there = {column.field for column in known}
    if not needs.channels and not there & {"email", "linkedin_url"}:
        return [NO_ADDRESSES]
    lacking = [NO_ADDRESSES] if needs.email and "email" not in there else []
    return [*lacking, NO_PROFILES] if needs.linkedin and "linkedin_url" not in there else lacking


class _Seen:
    """Who came before in the file, by address and by profile."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def before(self, one: Found) -> int | None:
        """The row in which this lead is already; else it is noted."""
        rows, profile = self._rows, one.profile
        before = rows.get(one.address)
        if before is None and profile:
            before = rows.get(profile)
        if before is None:
            rows[one.address] = one.row
            if profile:
                rows[profile] = one.row
        return before


def candidates(
    content: bytes, form: Format, columns: Sequence[Column], left_out: Container[int], hashed: Hashed
) -> Iterator[Candidate]:
    """The rows of a file that was checked, as it was checked: who is in it twice comes once."""
    file, seen = encoded(content), _Seen()
    for one in judged(_table(file, form), columns, nothing_missing, needs=EITHER, lossy=file.lossy):
        if isinstance(one, Found) and one.row not in left_out and seen.before(one) is None:
            yield Candidate(one.row, hashed(one.address), one)


def needs_of(templates: Templates, settings: CampaignSettings, speaker: Speaker) -> Needs:
    """What a campaign needs of a row: what its channels do, and that LinkedIn takes what is written to it."""
    channels = frozenset(settings.channels)
    if "linkedin" not in channels:
        return Needs(channels)

    def unfit(values: Mapping[str, str]) -> Sequence[str]:
        said = list[str]()
        for step in settings.steps:
            if isinstance(step, SendEmail):
                continue
            try:
                templates.words(step, lead_of(values), speaker)
            except MissingVariableError:
                continue  # said by its name
            except TemplateError as error:
                said.append(error.detail)
        return said

    return Needs(channels, unfit)


def missing_in(templates: Templates, settings: CampaignSettings, speaker: Speaker) -> Missing:
    """Says which variables a row lacks. Rows of which the templates are told the same lack the same."""
    steps = settings.steps
    if not steps:
        return nothing_missing
    told: dict[Hashable, Sequence[str]] = {}
    telling = templates.telling(steps)

    def missing(values: Mapping[str, str]) -> Sequence[str]:
        said = telling(values)
        if said not in told:
            told[said] = _missing(values)
        return told[said]

    def _missing(values: Mapping[str, str]) -> Sequence[str]:
        try:
            return templates.missing(steps, lead_of(values), speaker)
        except TemplateError:  # it fails for every lead, and is said where the step is written
            return ()

    return missing


def _table(file: Encoded, form: Format) -> Table:
    return csv_table(file.text) if form == "csv" else json_table(file.text)
