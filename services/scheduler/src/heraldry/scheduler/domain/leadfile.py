"""What the rows of a file say of leads, and what is wrong with a row, precisely."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from heraldry.contracts.addresses import Malformed, normalised, travelling
from heraldry.contracts.campaigns import Channel, Column, LeadData, RowProblem, Target
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.scheduler.domain.people import profile_of
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
IGNORED: Final = ""  # the name under which a row's ignored columns are lost
NOT_OWN: Final = ONE_LINE | {IGNORED}
LONGEST_QUOTE: Final = 60
LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
USUAL: Final = re.compile(  # an address that is compared in small letters, and needs no closer look
    rf"(?=[^@]{{1,64}}@)[A-Za-z0-9_%+'-]+(?:\.[A-Za-z0-9_%+'-]+)*@(?:{LABEL}\.)+(?![0-9]+\Z){LABEL}"
).fullmatch
WRITTEN: Final = "https://www."  # what a usual profile's address begins with and is compared without
USUAL_PROFILE: Final = re.compile(
    rf"(?:{re.escape(WRITTEN)}linkedin\.com/in/[a-z0-9_-]{{2,200}})?"
).fullmatch  # or none
OF_THE_FILE: Final = frozenset({"column.missing", "identity.incomplete"})  # the same for every row
DIRECTIONS: Final = frozenset("\u200b\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e")


class Found(NamedTuple):
    """A row that can be a lead. `address`: as addresses are compared, or profiles where there is none; `values`: by
    the names templates use; `profile`: as profiles are compared, empty where there is none.
    """

    row: int
    address: str
    values: Mapping[str, str]
    profile: str

    @property
    def data(self) -> LeadData:
        return lead_of(self.values)

    @property
    def shown(self) -> str:
        """What the row calls the lead."""
        return self.values.get("email") or self.values.get("linkedin_url", "")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row that cannot."""

    row: int
    problems: tuple[RowProblem, ...]


Judged: TypeAlias = Found | Wrong
Missing: TypeAlias = Callable[[Mapping[str, str]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a campaign needs of its leads. Without channels: an address or a profile, one is enough. `unfit`: what
    LinkedIn would not take of the texts such a lead gets.
    """

    channels: frozenset[Channel]
    unfit: Callable[[Mapping[str, str]], Sequence[str]] | None = None

    @property
    def email(self) -> bool:
        return "email" in self.channels

    @property
    def linkedin(self) -> bool:
        return "linkedin" in self.channels


EITHER: Final = Needs(frozenset())
BY_EMAIL: Final = Needs(frozenset({"email"}))


def nothing_missing(values: Mapping[str, str]) -> Sequence[str]:
    """For a campaign without steps, and rows that were checked before."""
    del values
    return ()


def lead_of(values: Mapping[str, str]) -> LeadData:
    """What a row says of a lead. A name that it has only in parts is put together."""
    name = values.get("name") or f"{values.get('first_name', '')} {values.get('last_name', '')}".strip()
    return LeadData(
        name=name,
        first_name=values.get("first_name", ""),
        last_name=values.get("last_name", ""),
        email=values.get("email", ""),
        linkedin_url=values.get("linkedin_url", ""),
        own={own: value for own, value in values.items() if own not in NOT_OWN},
    )


def judged(
    table: Table,
    columns: Sequence[Column],
    missing: Missing,
    *,
    needs: Needs = BY_EMAIL,
    lossy: bool = False,
) -> Iterator[Judged]:
    """Every row, in order. `missing`: the variables of the templates that such a lead lacks.

    Refused `import.too-large` at the first row too many, `import.unreadable`.
    """
    judge = _Judge(columns, missing, needs, lossy=lossy)
    for many, (row, cells) in enumerate(table.rows(), start=1):
        if many > MOST_ROWS:
            raise too_large(f"The file has more than {MOST_ROWS:,} rows.")
        yield judge.of(row, cells)


class _Judge:
    """Says what a row is. What is the same for every row is worked out once."""

    def __init__(self, columns: Sequence[Column], missing: Missing, needs: Needs, *, lossy: bool) -> None:
        self._needs, self._profiled = needs, needs.linkedin
        self._columns, self._width, self._missing, self._lossy = columns, len(columns), missing, lossy
        self._longest = [LONGEST.get(column.field, 0) for column in columns]
        self._names = [
            IGNORED if column.field == "ignored" else column.name or column.field for column in columns
        ]
        self._headers = {name: column.header for name, column in zip(self._names, columns, strict=True)}

    def of(self, row: int, cells: Sequence[str]) -> Judged:
        text = "".join(cells)
        if len(cells) == self._width and text.isprintable() and not self._lossy:
            cells = list(map(str.strip, cells))
            values = dict(zip(self._names, cells, strict=True))
            address, profile = values.get("email", ""), values.get("linkedin_url", "")
            if (
                USUAL(address)
                and (not self._profiled or profile)
                and (len(text) <= SHORT or max(map(len, cells)) <= SHORT)
                and USUAL_PROFILE(profile)
                and not self._missing(values)
                and (self._needs.unfit is None or not self._needs.unfit(values))
            ):
                return Found(row, address.lower(), values, profile.removeprefix(WRITTEN))
        return self._of_closely(row, cells, text)

    def _of_closely(self, row: int, cells: Sequence[str], text: str) -> Judged:
        """The same, for rows in which something may be wrong."""
        if not cells:
            return Wrong(row, (_said(row, "row.malformed", "This line is no object of texts and numbers."),))
        if len(cells) > self._width and any(map(str.strip, cells[self._width :])):
            problem = f"This row has {len(cells)} cells, the table has {self._width} columns."
            return Wrong(
                row, (_said(row, "row.too-wide", f"{problem} Put cells with a delimiter in quotes."),)
            )
        if self._lossy and "\ufffd" in text:
            return Wrong(row, (_said(row, "row.unreadable", "Some characters of this row cannot be read."),))
        cells = [*map(clean, cells[: self._width]), *[""] * (self._width - len(cells))]
        values = {
            name: " ".join(cell.split()) if name in ONE_LINE else cell
            for name, cell in zip(self._names, cells, strict=True)
        }
        problems = self._lengths(row, cells)
        profile = values.get("linkedin_url", "")
        if profile:
            values["linkedin_url"] = _profile(row, profile, problems)
        elif self._needs.linkedin:
            problems.append(_said(row, "linkedin-url.missing", "This row has no LinkedIn profile."))
        address = self._address(row, values, problems)
        problems += [self._lacks(row, variable) for variable in self._missing(values)]
        if not problems and self._needs.unfit is not None:
            problems += [_said(row, "text.too-long", detail) for detail in self._needs.unfit(values)]
        if problems:
            return Wrong(row, tuple(problems))
        url = values.get("linkedin_url", "")
        return Found(row, address, values, profile_of(url) if url else "")

    def _address(self, row: int, values: dict[str, str], problems: list[RowProblem]) -> str:
        """The address as addresses are compared, or the profile; empty where it is a problem."""
        given = values.get("email", "")
        if not given and self._needs.email:
            problems.append(_said(row, "address.missing", "This row has no email address."))
            return ""
        if not given:
            profile = values.get("linkedin_url", "")
            if not profile and not problems:
                detail = "This row has neither an email address nor a LinkedIn profile."
                problems.append(_said(row, "address.missing", detail))
            return profile_of(profile) if profile else ""
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
        return normalised(given)

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
        used = f"The steps use {{{{ {variable} }}}} without a fallback, but"
        if variable.startswith("identity."):
            return _said(1, "identity.incomplete", f"{used} the identity has none.")
        if header is None:
            return _said(1, "column.missing", f"{used} no column is {variable}.")
        return _said(row, "variable.missing", f"{used} {header!r} is empty.")


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
    try:
        return profile_address(given)
    except NoProfile as problem:
        detail = f"{_quoted(given)} is no LinkedIn profile. It looks like https://www.linkedin.com/in/name."
        problems.append(_said(row, problem.code, detail))
        return ""


def _quoted(cell: str) -> str:
    return cell if len(cell) <= LONGEST_QUOTE else f"{cell[: LONGEST_QUOTE - 1]}…"


def _said(row: int, code: str, text: str) -> RowProblem:
    return RowProblem(row=row, code=code, text=text)
