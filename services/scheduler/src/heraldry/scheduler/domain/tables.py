"""Reading rows out of text: CSV with any delimiter, or JSON Lines. Rows are numbered as a spreadsheet does."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, dropwhile, islice
from typing import Final, TextIO, TypeAlias, cast

from heraldry.contracts.base import Refused
from heraldry.scheduler.domain.columns import known, looks_like_data

MOST_ROWS: Final = 10_000
MOST_LINES: Final = 10 * MOST_ROWS  # rows without content included
MOST_BYTES: Final = 10 * 1024 * 1024
MOST_COLUMNS: Final = 200
LONGEST_LINE: Final = 1_000_000  # characters; longer is no row of a table
SAMPLED: Final = 5
TRIED: Final = 50  # rows by which a delimiter is judged
DELIMITERS: Final = (",", ";", "\t", "|")
SAID_BY_EXCEL: Final = re.compile(r'"?sep=([,;\t|: ])"?\s*', re.IGNORECASE)

Row: TypeAlias = tuple[int, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` reads the rows behind the header anew each time, those without content left out.

    `delimiter`: empty for JSON Lines. `titled`: the file names its columns.
    """

    headers: tuple[str, ...]
    delimiter: str
    titled: bool
    sample: tuple[tuple[str, ...], ...]
    rows: Callable[[], Iterator[Row]]


def too_large(what: str) -> Refused:
    detail = f"{what} One import takes at most 10,000 rows and 10 MB. Split the file into several."
    return Refused("import.too-large", detail, status=422)


def unreadable(detail: str) -> Refused:
    return Refused("import.unreadable", detail, status=422)


def csv_table(opened: Callable[[], TextIO]) -> Table:
    """The table in a CSV file; the file is read only as far as needed. Refused `import.unreadable`."""
    with opened() as text:
        first = text.readline(LONGEST_LINE)
    told = SAID_BY_EXCEL.fullmatch(first)
    delimiter = told.group(1) if told else _delimiter(opened)

    def records() -> Iterator[Row]:
        for row, cells in _records(opened, delimiter, skipped=1 if told else 0):
            if len(cells) > MOST_COLUMNS:
                raise unreadable(f"Row {row} has too many columns: at most {MOST_COLUMNS} are possible.")
            yield row, cells

    head = next(records(), None)
    if head is None:
        raise unreadable("The file is empty: it has no rows.")
    begin, cells = head
    titled = not any(map(looks_like_data, cells))
    headers = _trimmed(cells) if titled else tuple(f"Column {n}" for n in range(1, len(cells) + 1))
    if titled:
        begin += 1

    def rows() -> Iterator[Row]:
        return dropwhile(lambda record: record[0] < begin, records())

    sample = tuple(_cut(cells, len(headers)) for _, cells in islice(rows(), SAMPLED))
    return Table(headers, delimiter, titled, sample, rows)


def json_table(opened: Callable[[], TextIO]) -> Table:
    """The table in JSON Lines: an object a line, its keys are the columns. Refused `import.unreadable`.

    A line that is no object is a row without cells: whoever judges rows says so.
    """
    found: dict[str, None] = {}
    for _, one in _objects(opened):
        found.update(dict.fromkeys(one or ()))
        if len(found) > MOST_COLUMNS:
            raise unreadable(f"The objects have more than {MOST_COLUMNS} different keys.")
    headers = tuple(found)
    if not headers:
        raise unreadable("There is no object with keys in it. Give one object a line.")

    def rows() -> Iterator[Row]:
        for row, one in _objects(opened):
            yield row, () if one is None else [one.get(header, "") for header in headers]

    sample = tuple(tuple(cells) for _, cells in islice(rows(), SAMPLED))
    return Table(headers, "", titled=True, sample=sample, rows=rows)


def _delimiter(opened: Callable[[], TextIO]) -> str:
    """By which the header's cells are known ones, then by which rows are equally wide, then the widest."""

    def fitness(delimiter: str) -> tuple[int, float, int]:
        widths, hits = Counter[int](), 0
        with suppress(Refused):  # what cannot be read is said by whoever reads all of it
            for _, cells in islice(_records(opened, delimiter), TRIED):
                if not widths:
                    hits = sum(known(cell) or looks_like_data(cell) for cell in cells[:MOST_COLUMNS])
                widths[len(cells)] += 1
                if len(cells) > MOST_COLUMNS:
                    break
        if not widths:
            return (0, 0.0, 0)
        width, alike = widths.most_common(1)[0]
        return (hits, alike / widths.total() if width > 1 else 0.0, width)

    return max(DELIMITERS, key=fitness)


def _records(opened: Callable[[], TextIO], delimiter: str, *, skipped: int = 0) -> Iterator[Row]:
    """Every record with content or too many cells, all of them numbered from 1.

    Refused `import.unreadable` where a cell or a line has no end.
    """
    row, cells = 0, list[str]()
    with opened() as text:
        lines = _Lines(islice(_lines(text), skipped, None), delimiter)
        try:
            for row, cells in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
                lines.length = 0
                if len(cells) > MOST_COLUMNS or any(map(str.strip, cells)):
                    yield row, cells
                if row >= MOST_LINES:
                    raise too_large(f"The file has more than {MOST_LINES:,} lines.")
        except csv.Error:
            detail = f"Row {row + 1} has a cell of more than 131,072 characters. Is a quotation mark missing?"
            raise unreadable(detail) from None
    if any("\n" in cell or "\r" in cell for cell in cells) and _is_open(opened, delimiter, skipped):
        raise unreadable(f"In row {row} a quotation mark opens a cell that nothing closes. Close it.")


def _is_open(opened: Callable[[], TextIO], delimiter: str, skipped: int) -> bool:
    """Whether the file ends within a quoted cell."""
    last = begin = 0
    with opened() as text:
        reader = csv.reader(islice(_lines(text), skipped, None), delimiter=delimiter)
        for _ in reader:
            last, begin = begin, reader.line_num
    with opened() as text:
        rest = islice(_lines(text), last + skipped, None)
        try:
            for _ in csv.reader(rest, delimiter=delimiter, strict=True):
                pass
        except csv.Error as error:
            return "unexpected end" in str(error)
    return False


class _Lines:
    """Lines for a reader of records, which makes all the cells of one: a line is cut where they are too many.

    `length`: the characters of the record so far. Refused `import.unreadable` where it has no end.
    """

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self._lines, self._delimiter = lines, delimiter
        self.length = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if not self.length and '"' not in line and line.count(self._delimiter) > MOST_COLUMNS:
            cells = line.split(self._delimiter, MOST_COLUMNS + 1)
            line = self._delimiter.join(cells[: MOST_COLUMNS + 1])
        self.length += len(line)
        if self.length > LONGEST_LINE:
            raise unreadable("A row has more than a million characters: this is no table.")
        return line


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise unreadable("A line has more than a million characters: this is no table.")
        yield line


def _trimmed(cells: Sequence[str]) -> tuple[str, ...]:
    """Without empty columns at the end, as spreadsheets leave them."""
    width = max(n for n, cell in enumerate(cells, start=1) if cell.strip())
    return tuple(" ".join(cell.replace("\0", "").split()) for cell in cells[:width])


def _cut(cells: Sequence[str], width: int) -> tuple[str, ...]:
    return tuple(chain(cells[:width], [""] * (width - len(cells))))


def _objects(opened: Callable[[], TextIO]) -> Iterator[tuple[int, dict[str, str] | None]]:
    """The objects with texts as values and `own` spread out; None: the line holds none."""
    with opened() as text:
        for row, line in enumerate(_lines(text), start=1):
            if row > MOST_LINES:
                raise too_large(f"There are more than {MOST_LINES:,} lines.")
            if line.strip("\0 \t\r\n"):
                yield row, _flat(line)


def _flat(line: str) -> dict[str, str] | None:
    try:
        found = cast("object", json.loads(line))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    given = cast("dict[str, object]", found)
    own = given.pop("own", None)
    if isinstance(own, dict):
        given = {**cast("dict[str, object]", own), **given}
    elif own is not None:
        given["own"] = own
    flat: dict[str, str] = {}
    for key, value in given.items():
        match value:
            case None:
                text = ""
            case bool():
                text = "true" if value else "false"
            case str() | int() | float():
                text = str(value)
            case _:
                return None
        flat[_sound(key)] = _sound(text)
    return flat


def _sound(text: str) -> str:
    """Without half characters, which JSON can say and nobody can store."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
