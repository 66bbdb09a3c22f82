"""Files of leads as people's programs write them: encodings, delimiters, columns, and what is wrong with a row."""

from __future__ import annotations

import csv
import io
import json
import time
import tracemalloc
from collections.abc import Mapping, Sequence

import pytest
from heraldry.contracts.addresses import Malformed, normalised, travelling
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import Column
from heraldry.scheduler.adapters.encodings import encoded
from heraldry.scheduler.domain.columns import checked, guessed, meant, safe_name
from heraldry.scheduler.domain.leadfile import Found, Judged, Wrong, judged, nothing_missing
from heraldry.scheduler.domain.tables import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, Table, csv_table, json_table
from hypothesis import given
from hypothesis import strategies as st

WESTERN = "Name;E-Mail;Größe\nJörg Müller;joerg@firma.example;3\nÅsa Öberg;asa@firma.example;€ 5 – 6\n"


def table(content: bytes) -> Table:
    return csv_table(encoded(content).text)


def judge(content: bytes) -> Sequence[Judged]:
    file = encoded(content)
    found = csv_table(file.text)
    columns = guessed(found.headers, found.sample)
    return list(judged(found, columns, nothing_missing, lossy=file.lossy))


def codes(content: bytes) -> list[tuple[int, str]]:
    wrong = [one for one in judge(content) if isinstance(one, Wrong)]
    return [(problem.row, problem.code) for one in wrong for problem in one.problems]


def fields(*headers: str) -> list[str]:
    return [column.field for column in guessed(headers, ())]


# --- encodings


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", WESTERN),
        ("utf-8-sig", WESTERN),
        ("utf-16", WESTERN),
        ("utf-16-le", WESTERN),
        ("utf-16-be", WESTERN),
        ("utf-32", WESTERN),
        ("cp1252", WESTERN),
        ("latin-1", "Name,Email\nJörg Müßig,a@firma.example\nRenée d'Été,b@firma.example\n"),
        ("mac_roman", "Name;Mail\nJörg Müller;a@firma.example\nBjörn Källström;b@firma.example\n"),
        ("cp1250", "Imię;Mail\nŁukasz Wiśniewski;a@firma.example\nŻaneta Gołąb;b@firma.example\n"),
        ("cp1251", "Имя;Mail\nИван Петров;a@firma.example\nОльга Смирнова;b@firma.example\n"),
        ("shift_jis", "名前;Mail\n山田太郎;a@firma.example\n佐藤花子 東京商事;b@firma.example\n"),
    ],
)
def test_whatever_encoding_a_program_wrote_the_text_is_read_as_it_was(encoding: str, text: str) -> None:
    with encoded(text.encode(encoding)).text() as read:
        assert read.read() == text


def test_a_row_with_broken_characters_is_wrong_and_the_others_are_not() -> None:
    good = "".join(f"Jörg {n},joerg{n}@firma.example\n" for n in range(20))
    content = f"Name,Email\n{good}".encode() + b"Bj\xf6rn,bjoern@firma.example\n"
    assert codes(content) == [(22, "row.unreadable")]


# --- tables


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_any_delimiter_line_end_and_encoding_gives_the_same_rows(
    delimiter: str, line_end: str, encoding: str
) -> None:
    rows = [["Name", "Email", "Note"], ["Åsa", "a@x.example", 'says "hej"'], ["Jörg", "j@x.example", "1\n2"]]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    found = table(out.getvalue().encode(encoding))
    assert found.delimiter == delimiter
    assert found.headers == ("Name", "Email", "Note")
    assert [list(cells) for _, cells in found.rows()] == rows[1:]


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=12
)


@given(
    rows=st.lists(st.tuples(TEXT, TEXT), max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_what_a_csv_writer_wrote_is_what_is_read(
    rows: list[tuple[str, str]], delimiter: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["Email", "Company"])
    writer.writerows(rows)
    found = table(out.getvalue().encode(encoding))
    assert found.delimiter == delimiter
    expected = [list(row) for row in rows if any(cell.strip() for cell in row)]
    assert [list(cells) for _, cells in found.rows()] == expected


SYLLABLES = ["ba", "do", "fen", "kört", "mån", "lér", "niñ", "süd", "groß", "träd"]
WORD = st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=4).map(lambda parts: "".join(parts).title())


@given(rows=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=20))
def test_words_of_the_west_survive_its_encodings(rows: list[tuple[str, str]]) -> None:
    lines = [f"{n}@x.example;{first};{second}" for n, (first, second) in enumerate(rows)]
    text = "\n".join(["Email;Name;Town", *lines])
    for encoding in ("cp1252", "latin-1"):
        with encoded(text.encode(encoding)).text() as read:
            assert read.read() == text


def test_rows_are_counted_as_a_spreadsheet_does() -> None:
    content = b'Email,Note\n\na@x.example,"two\r\nlines"\n , \nnobody,\n'
    assert codes(content) == [(5, "address.invalid")]


def test_what_excel_says_of_the_delimiter_is_believed_and_is_no_row() -> None:
    found = table(b"sep=;\r\nEmail;Name, given\r\na@x.example;Ada, A\r\n")
    assert (found.delimiter, found.headers) == (";", ("Email", "Name, given"))
    assert [row for row, _ in found.rows()] == [2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":", " "])
def test_what_excel_says_may_be_any_delimiter_of_tables(delimiter: str) -> None:
    rows = delimiter.join(["Email", "Town"]), delimiter.join(["a@x.example", "Lyon"])
    found = table("\n".join([f"sep={delimiter}", *rows]).encode())
    assert (found.delimiter, found.headers) == (delimiter, ("Email", "Town"))


@pytest.mark.parametrize("said", ["a", '"', "@", ".", "é", "0"])
def test_what_delimits_no_table_is_not_believed(said: str) -> None:
    assert table(f"sep={said}\nEmail;Town\na@x.example;Lyon\n".encode()).delimiter == ";"


def test_without_a_header_the_columns_are_known_by_what_is_in_them() -> None:
    found = table(b"Ada,ada@x.example,https://www.linkedin.com/in/ada\nBob,bob@x.example,\n")
    columns = guessed(found.headers, found.sample)
    assert not found.titled
    assert [(column.header, column.field) for column in columns] == [
        ("Column 1", "own"),
        ("Column 2", "email"),
        ("Column 3", "linkedin_url"),
    ]
    assert [row for row, _ in found.rows()] == [1, 2]


def test_nul_bytes_and_invisible_characters_are_left_out() -> None:
    (found,) = judge('Name,Email,Note\nA\0da\u00a0L,\u200bada@x.example,"a\r\nb\u2028c"\n'.encode())
    assert isinstance(found, Found)
    assert (found.data.name, found.data.email, found.data.own) == (
        "Ada L",
        "ada@x.example",
        {"note": "a\nb c"},
    )


def test_a_quotation_mark_that_is_never_closed_is_said_with_its_row() -> None:
    with pytest.raises(Refused, match="row 3 a quotation mark") as refused:
        list(judge(b'Email,Note\na@x.example,b\nc@x.example,"d\ne@x.example,f\n'))
    assert refused.value.code == "import.unreadable"


def test_ragged_rows_are_filled_up_or_said() -> None:
    assert codes(b"Email,Name,Town\na@x.example\nb@x.example,B,C,\nc@x.example,C,D,E\n") == [
        (4, "row.too-wide")
    ]


def too_wide(text: str) -> bytes:
    return text.encode() * (MOST_BYTES // len(text))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"," * 999_000 + b"\n", "Row 1 has too many columns"),
        (too_wide("," * 999_000 + "\n"), "Row 1 has too many columns"),
        (too_wide("ab," * 300_000 + "\n"), "Row 1 has too many columns"),
        (too_wide("a|" * 400_000 + "\n"), "Row 1 has too many columns"),
        (b'"ab",' * 199_000 + b"\n", "Row 1 has too many columns"),
        (b"Email,Note\n" + b'"x\n",' * 210_000, "a million characters"),
        (b"Email,Name\na@x.example,Ada\n" + b"b," * 201 + b"\n", "Row 3 has too many columns"),
        (b"https://linkedin.com/in/ada" + b",x;y" * 300 + b"\n", "Row 1 has too many columns"),
    ],
    ids=range(8),
)
def test_a_row_of_too_many_columns_is_refused_at_once_in_flat_memory(content: bytes, said: str) -> None:
    file = encoded(content)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match=said) as refused:
            list(csv_table(file.text).rows())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.code == "import.unreadable"
    assert peak < 32 * 1024 * 1024


def test_a_file_of_very_wide_lines_is_refused_within_two_seconds() -> None:
    begun = time.process_time()
    with pytest.raises(Refused, match="too many columns"):
        table((b"," * 999_000 + b"\n") * 10)
    assert time.process_time() - begun < 10


def test_many_delimiters_in_one_cell_make_no_columns() -> None:
    many = ", ".join("abc" * 100)
    found = table(f'Email;Note;Also\na@x.example;{many};"{";" * 300}"\n'.encode())
    assert found.delimiter == ";"
    assert [cells[2] for _, cells in found.rows()] == [";" * 300]
    found = table(f'Email,Note\na@x.example,"{many}"\n'.encode())
    assert [cells[1] for _, cells in found.rows()] == [many]


def test_as_many_columns_as_possible_are_read() -> None:
    headers = ",".join(["Email", *(f"c{n}" for n in range(MOST_COLUMNS - 1))])
    assert len(table(f"{headers}\na@x.example\n".encode()).headers) == MOST_COLUMNS


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"sep=;\n"])
def test_an_empty_file_is_said_to_be_empty(content: bytes) -> None:
    with pytest.raises(Refused, match="empty"):
        table(content)


# --- columns


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ("First Name", "Last name", "E-mail address", "LinkedIn URL"),
            "first_name last_name email linkedin_url",
        ),
        (("Vorname", "Name", "E-Mail-Adresse", "LinkedIn-Profil"), "first_name last_name email linkedin_url"),
        (("Förnamn", "Efternamn", "E-post", "LinkedIn"), "first_name last_name email linkedin_url"),
        (("Prénom", "Nom", "Adresse e-mail", "Profil LinkedIn"), "first_name last_name email linkedin_url"),
        (
            ("Nombre", "Apellidos", "Correo electrónico", "Perfil de LinkedIn"),
            "first_name last_name email linkedin_url",
        ),
        (("Namn", "E-postadress", "Företag"), "name email own"),
        (("NAME", "EMAIL", "Company LinkedIn URL"), "name email own"),
        (("Nom complet", "Courriel", "email"), "name email own"),
    ],
)
def test_headers_of_five_languages_are_understood(headers: tuple[str, ...], expected: str) -> None:
    assert fields(*headers) == expected.split()


def test_own_columns_get_names_that_templates_can_say() -> None:
    headers = (
        "Email",
        "Company Size",
        "Größe (m²)",
        "Größe (m²)",
        "",
        "1st",
        "Имя",
        "e-mail",
        "Size",
        "identity",
    )
    assert [column.name for column in guessed(headers, ())] == [
        "",
        "company_size",
        "grosse_m2",
        "grosse_m2_2",
        "column_5",
        "column_1st",
        "column_7",
        "e_mail",
        "size",
        "column_identity",
    ]


@given(st.text(max_size=80))
def test_every_header_has_a_name_that_is_allowed(header: str) -> None:
    column = Column(header=header, field="own", name=safe_name(header, 1))
    assert checked([column], [header]) == (column,)


@pytest.mark.parametrize(
    "columns",
    [
        (Column(header="A", field="email"),),
        (Column(header="A", field="email"), Column(header="B", field="email")),
        (Column(header="A", field="own", name="x"), Column(header="B", field="own", name="x")),
        (Column(header="A", field="email"), Column(header="B", field="own", name="Company Size")),
        (Column(header="A", field="email"), Column(header="B", field="own", name="email")),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(columns: tuple[Column, ...]) -> None:
    with pytest.raises(Refused) as refused:
        checked(columns, ["A", "B"])
    assert refused.value.code == "import.columns"


# --- rows


def test_what_is_wrong_is_said_row_by_row() -> None:
    long = "x" * 2_001
    content = (
        "Email,LinkedIn,Note\n"
        "ada@x.example,linkedin.com/in/ada,\n"
        ",,nobody\n"
        "ada@nowhere,,\n"
        "two@x.example; more@x.example,,\n"
        "åsa@x.example,,\n"
        "bob@x.example,https://example.com/in/bob,\n"
        f"eve@x.example,,{long}\n"
    )
    assert codes(content.encode()) == [
        (3, "address.missing"),
        (4, "address.invalid"),
        (5, "address.invalid"),
        (6, "address.unsupported"),
        (7, "linkedin-url.malformed"),
        (8, "value.too-long"),
    ]


@pytest.mark.parametrize(
    "given_url",
    [
        "https://www.linkedin.com/in/ada-l",
        "http://linkedin.com/in/ada-l/",
        "se.linkedin.com/in/ada-l?trk=x",
        "LINKEDIN.com/in/ada-l/details/#top",
    ],
)
def test_a_profile_is_known_however_its_url_is_written(given_url: str) -> None:
    (found,) = judge(f"Email,LinkedIn\na@x.example,{given_url}\n".encode())
    assert isinstance(found, Found)
    assert found.data.linkedin_url == "https://www.linkedin.com/in/ada-l"


def test_a_missing_variable_refuses_the_row_and_is_named() -> None:
    def missing(values: Mapping[str, str]) -> Sequence[str]:
        return [] if values.get("company_size") else ["company_size", "town"]

    found = table(b"Email,Company Size\na@x.example,5\nb@x.example,\n")
    _, wrong = judged(found, guessed(found.headers, found.sample), missing)
    assert isinstance(wrong, Wrong)
    assert [(one.row, one.code, one.text) for one in wrong.problems] == [
        (
            3,
            "variable.missing",
            "The steps use {{ company_size }} without a fallback, but 'Company Size' is empty.",
        ),
        (1, "column.missing", "The steps use {{ town }} without a fallback, but no column is town."),
    ]


def test_a_formula_is_text_like_any_other() -> None:
    formula = '=HYPERLINK("http://evil.example","Click")'
    out = io.StringIO()
    csv.writer(out).writerows([["Email", "Name", "Note"], ["a@x.example", formula, formula]])
    (found,) = judge(out.getvalue().encode())
    assert isinstance(found, Found)
    assert (found.data.name, found.data.own) == (formula, {"note": formula})


def test_one_address_is_one_however_it_is_written() -> None:
    found = judge(b"Email\nAda@X.example\nmailto:ada@x.EXAMPLE.\n ada@x.example \n")
    assert [one.address for one in found if isinstance(one, Found)] == ["ada@x.example"] * 3


@given(
    st.from_regex(
        r"[A-Za-z0-9._%+'-]{1,9}(x{60})?@([A-Za-z0-9-]{1,5}\.){1,3}([A-Za-z]{1,70}|[0-9-]{1,5})",
        fullmatch=True,
    )
)
def test_an_address_is_judged_and_compared_as_everywhere_else(address: str) -> None:
    try:
        expected = normalised(address) if travelling(address) else ""
    except Malformed:
        expected = ""
    (one,) = judge(f'Email,Name\n"{address}",Ada\n'.encode())
    assert (one.address if isinstance(one, Found) else "") == expected


def test_json_lines_are_read_by_their_keys() -> None:
    lines = [
        {"email": "a@x.example", "first_name": "Ada", "last_name": "L", "own": {"company_size": 5}},
        {"email": "b@x.example", "name": "Bob \ud800", "Town": None, "company_size": True},
    ]
    content = "\n".join([*map(json.dumps, lines), "", "[1]", '{"email": {"a": 1}}', "nonsense"]).encode()
    found = json_table(encoded(content).text)
    rows = list(judged(found, meant(found.headers), nothing_missing))
    first, second = (one.data for one in rows[:2] if isinstance(one, Found))
    assert (first.name, first.own) == ("Ada L", {"company_size": "5", "town": ""})
    assert (second.name, second.own) == ("Bob ?", {"company_size": "true", "town": ""})
    assert [(one.row, one.problems[0].code) for one in rows if isinstance(one, Wrong)] == [
        (4, "row.malformed"),
        (5, "row.malformed"),
        (6, "row.malformed"),
    ]


def test_a_program_is_taken_at_its_word_where_a_file_would_be_guessed_at() -> None:
    lead = {
        "name": "Léa Fournier",
        "first_name": "Léa",
        "email": "lea@x.example",
        "own": {"nachname": "Nobody"},
    }
    found = json_table(encoded(json.dumps(lead).encode()).text)
    (one,) = judged(found, meant(found.headers), nothing_missing)
    assert isinstance(one, Found)
    assert (one.data.name, one.data.first_name, one.data.last_name) == ("Léa Fournier", "Léa", "")
    assert one.data.own == {"nachname": "Nobody"}


# --- limits


@pytest.mark.parametrize(
    "content",
    [
        b"Email\n" + b"a\n" * (MOST_BYTES // 2 - 3),
        b"\n" * MOST_BYTES,
        b"a@x.example\n" * (MOST_ROWS + 1),
        b"a," * (MOST_BYTES // 2),
        b'"' + b"a" * (MOST_BYTES - 1),
        b'Email\n"' + b"a\n" * (MOST_BYTES // 2 - 5),
    ],
    ids=["one-byte rows", "empty lines", "a row too many", "cells without end", "a cell", "an open quote"],
)
def test_what_is_no_file_of_leads_is_refused_within_two_seconds(content: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(Refused):
        read_and_forget(content)
    assert time.process_time() - begun < 10


def test_a_file_with_far_too_many_rows_is_refused_in_flat_memory() -> None:
    content = b"Email\n" + b"a\n" * (MOST_BYTES // 2 - 3)
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            read_and_forget(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def read_and_forget(content: bytes) -> None:
    found = table(content)
    for _ in judged(found, guessed(found.headers, found.sample), nothing_missing):
        pass


def test_the_largest_file_allowed_is_read() -> None:
    content = b"Email\n" + b"".join(b"a%d@x.example\n" % n for n in range(MOST_ROWS))
    assert sum(isinstance(one, Found) for one in judge(content)) == MOST_ROWS
