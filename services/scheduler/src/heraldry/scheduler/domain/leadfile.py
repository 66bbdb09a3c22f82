"""What the rows of a file say of leads, and what is wrong with a row, precisely."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from heraldry.contracts.addresses import Malformed, normalised, travelling
from heraldry.contracts.campaigns import Column, LeadData, RowProblem, Target
from heraldry.scheduler.domain.tables import MOST_ROWS, Table, too_large

LONGEST: Final[dict[Target, int]] = {
    "name": 200,
    "first_name": 100,
    "last_name": 100,
    "email": 254,
    "linkedin_url": 500,
    "own": 2_000,
}
LARGEST_LEAD: Final = 20_000  # characters of all its columns: it stands in events, encrypted
SHORT: Final = min(LONGEST.values())  # nothing is too long in a row that is not longer than this
ONE_LINE: Final = frozenset({"name", "first_name", "last_name", "email", "linkedin_url"})
LONGEST_QUOTE: Final = 60
LINKEDIN: Final = re.compile(
    r"(?:https?://)?(?:[a-z0-9-]+\.)?linkedin\.com/(in|pub)/([^/?#\s]{2,200})(?:[/?#]\S*)?", re.IGNORECASE
)
USUAL: Final = re.compile(r"([A-Za-z0-9._%+'-]+)@([A-Za-z0-9.-]+)")  # nothing in it needs a closer look
USUAL_PROFILE: Final = "https://www.linkedin.com/in/"
DIRECTIONS: Final = frozenset("\u200b\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e")


class Found(NamedTuple):
    """A row that can be a lead. `address`: as addresses are compared."""

    row: int
    address: str
    values: Mapping[str, str]
    own: Mapping[str, str]

    @property
    def data(self) -> LeadData:
        return LeadData(**self.values, own=dict(self.own))


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row that cannot."""

    row: int
    problems: tuple[RowProblem, ...]


Judged: TypeAlias = Found | Wrong
Missing: TypeAlias = Callable[[Mapping[str, str], Mapping[str, str]], Sequence[str]]


def nothing_missing(values: Mapping[str, str], own: Mapping[str, str]) -> Sequence[str]:
    """For a campaign without steps, and rows that were checked before."""
    del values, own
    return ()


def judged(
    table: Table, columns: Sequence[Column], missing: Missing, *, lossy: bool = False
) -> Iterator[Judged]:
    """Every row, in order. `missing`: the variables of the templates that such a lead lacks.

    Refused `import.too-large` at the first row too many, `import.unreadable`.
    """
    judge = _Judge(columns, missing, lossy=lossy)
    for many, (row, cells) in enumerate(table.rows(), start=1):
        if many > MOST_ROWS:
            raise too_large(f"The file has more than {MOST_ROWS:,} rows.")
        yield judge.of(row, cells)


class _Judge:
    """Says what a row is. What is the same for every row is worked out once."""

    def __init__(self, columns: Sequence[Column], missing: Missing, *, lossy: bool) -> None:
        self._columns, self._width, self._missing, self._lossy = columns, len(columns), missing, lossy
        self._longest = [LONGEST.get(column.field, 0) for column in columns]
        standard = [(n, column.field) for n, column in enumerate(columns) if column.field in ONE_LINE]
        self._fields, self._standard = [field for _, field in standard], _picker([n for n, _ in standard])
        own = [(n, column.name) for n, column in enumerate(columns) if column.field == "own"]
        self._names, self._own = [name for _, name in own], _picker([n for n, _ in own])
        self._headers: dict[str, str] = {
            column.name or column.field: column.header for column in columns if column.field != "ignored"
        }
        self._domains: dict[str, str] = {}  # of usual addresses, as they are compared

    def of(self, row: int, cells: Sequence[str]) -> Judged:
        if not cells:
            return Wrong(row, (_said(row, "row.malformed", "This line is no object of texts and numbers."),))
        text = "".join(cells)
        if len(cells) > self._width and any(map(str.strip, cells[self._width :])):
            problem = f"This row has {len(cells)} cells, the table has {self._width} columns."
            return Wrong(
                row, (_said(row, "row.too-wide", f"{problem} Put cells with a delimiter in quotes."),)
            )
        if self._lossy and "\ufffd" in text:
            return Wrong(row, (_said(row, "row.unreadable", "Some characters of this row cannot be read."),))
        if len(cells) < self._width:
            cells = [*cells, *[""] * (self._width - len(cells))]
        if text.isprintable():
            cells = list(map(str.strip, cells))
            values = dict(zip(self._fields, self._standard(cells), strict=True))
        else:
            cells = list(map(clean, cells))
            lines = [" ".join(cell.split()) for cell in self._standard(cells)]
            values = dict(zip(self._fields, lines, strict=True))
        own = dict(zip(self._names, self._own(cells), strict=True))
        problems: list[RowProblem] = []
        if len(text) > SHORT:
            problems += self._lengths(row, cells)
        if not values.get("name"):
            values["name"] = f"{values.get('first_name', '')} {values.get('last_name', '')}".strip()
        address = self._address(row, values, problems)
        if profile := values.get("linkedin_url"):
            values["linkedin_url"] = _profile(row, profile, problems)
        problems += [self._lacks(row, variable) for variable in self._missing(values, own)]
        if problems:
            return Wrong(row, tuple(problems))
        return Found(row, address, values, own)

    def _address(self, row: int, values: dict[str, str], problems: list[RowProblem]) -> str:
        """The address as addresses are compared; empty where it is a problem."""
        given = values.get("email", "")
        usual = USUAL.fullmatch(given)
        if usual is not None and (domain := self._domains.get(usual.group(2))):
            return f"{usual.group(1).casefold()}@{domain}"
        if not given:
            problems.append(_said(row, "address.missing", "This row has no email address."))
            return ""
        if given[:7].casefold() == "mailto:":
            given = given[7:]
        try:
            travels = travelling(given)
        except Malformed as malformed:
            problems.append(_said(row, malformed.code, f"{_quoted(given)}: {malformed}"))
            return ""
        if "." not in travels.rpartition("@")[2]:
            problems.append(_said(row, "address.invalid", f"{_quoted(given)}: the domain has no ending."))
            return ""
        values["email"] = given
        address = normalised(given)
        if usual is not None:
            self._domains[usual.group(2)] = address.rpartition("@")[2]
        return address

    def _lengths(self, row: int, cells: Sequence[str]) -> list[RowProblem]:
        problems = [
            _said(row, "value.too-long", f"{column.header}: {len(cell):,} characters, at most {most:,}.")
            for column, cell, most in zip(self._columns, cells, self._longest, strict=False)
            if most and len(cell) > most
        ]
        whole = sum(len(cell) for cell, most in zip(cells, self._longest, strict=False) if most)
        if not problems and whole > LARGEST_LEAD:
            detail = f"All columns together: {whole:,} characters, at most {LARGEST_LEAD:,}."
            problems.append(_said(row, "value.too-long", detail))
        return problems

    def _lacks(self, row: int, variable: str) -> RowProblem:
        header = self._headers.get(variable)
        if variable.startswith("identity."):
            told = "the identity has none"
        else:
            told = f"no column is {variable}" if header is None else f"{header!r} is empty"
        detail = f"The emails use {{{{ {variable} }}}} without a fallback, but {told}."
        return _said(row, "variable.missing", detail)


def _picker(positions: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Gives the cells at these positions."""
    match positions:
        case []:
            return lambda _: ()
        case [only]:
            return lambda cells: (cells[only],)
        case _:
            return itemgetter(*positions)


def clean(cell: str) -> str:
    """The cell as text: any space is a space, line ends are newlines, what is not to be seen is left out."""
    lines = cell.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(map(_char, lines)).strip()


def _char(char: str) -> str:
    if char == "\n" or char.isprintable():
        return char
    category = unicodedata.category(char)
    if category == "Zs" or char in "\t\u2028\u2029":
        return " "
    return "" if category in {"Cc", "Cs", "Co", "Cn"} or char in DIRECTIONS else char


def _profile(row: int, given: str, problems: list[RowProblem]) -> str:
    """One way to write it: `https://www.linkedin.com/in/<name>`."""
    if given.startswith(USUAL_PROFILE) and given[len(USUAL_PROFILE) :].replace("-", "").isalnum():
        return given
    found = LINKEDIN.fullmatch(given)
    if found is None:
        detail = f"{_quoted(given)} is no LinkedIn profile. It looks like https://www.linkedin.com/in/name."
        problems.append(_said(row, "linkedin-url.malformed", detail))
        return ""
    return f"https://www.linkedin.com/{found.group(1).casefold()}/{found.group(2)}"


def _quoted(cell: str) -> str:
    return cell if len(cell) <= LONGEST_QUOTE else f"{cell[: LONGEST_QUOTE - 1]}…"


def _said(row: int, code: str, text: str) -> RowProblem:
    return RowProblem(row=row, code=code, text=text)
