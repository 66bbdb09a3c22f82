"""What a column of a file of leads is, guessed from its header in five languages or from what is in it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from heraldry.contracts.addresses import Malformed, travelling
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import Column, Target

LONGEST_NAME: Final = 50
LONGEST_HEADER: Final = 200
STANDARD: Final[tuple[Target, ...]] = ("name", "first_name", "last_name", "email", "linkedin_url")
# names a template gives another meaning
TAKEN: Final = frozenset(STANDARD) | {
    *("identity", "own", "true", "false", "nil", "null", "none"),
    *("empty", "blank", "and", "or", "not", "contains"),
}
SAFE: Final = re.compile(r"[a-z][a-z0-9_]*")
NO_ACCENT: Final = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ß": "ss"})

_HEADERS: Final[dict[Target, str]] = {
    "email": """email mail emailaddress mailaddress emailid workemail businessemail contactemail emailwork
        companyemail professionalemail primaryemail leademail
        emailadresse mailadresse epost geschaftlicheemail firmenemail kontaktemail
        emailadress epostadress mailadress mejl mejladress jobbmejl
        adresseemail adressemail adressedemail adressedecourriel courriel adresseelectronique emailprofessionnel
        mailprofessionnel
        correo correoelectronico direcciondecorreo direcciondecorreoelectronico direcciondeemail emaildetrabajo
        correodetrabajo""",
    "first_name": """firstname givenname forename first fname christianname
        vorname rufname
        fornamn tilltalsnamn
        prenom
        nombredepila primernombre""",
    "last_name": """lastname surname familyname last lname
        nachname familienname zuname
        efternamn
        nomdefamille
        apellido apellidos primerapellido""",
    "name": """name fullname contact contactname contactperson person personname lead leadname displayname
        vollername vollstandigername kontakt kontaktperson ansprechpartner kontaktname
        namn fullstandigtnamn helanamnet kontaktnamn
        nom nomcomplet nometprenom prenometnom nomprenom prenomnom contactnom
        nombre nombrecompleto nombreyapellido nombreyapellidos nombredelcontacto contacto""",
    "linkedin_url": """linkedin linkedinurl linkedinprofile linkedinprofileurl linkedinlink profileurl
        personlinkedinurl linkedinprofilelink contactlinkedinprofileurl linkedinpublicprofileurl
        linkedinprofil linkedinprofilurl linkedinprofillink linkedinadresse linkedinkonto
        linkedinlank linkedinprofillank linkedinadress lanktilllinkedin
        profillinkedin urllinkedin lienlinkedin urlduprofillinkedin
        perfillinkedin perfildelinkedin enlacelinkedin enlacedelinkedin urldelinkedin urldeperfildelinkedin""",
}
KNOWN: Final[dict[str, Target]] = {
    header: target for target, headers in _HEADERS.items() for header in headers.split()
}
ONE_OF_TWO: Final[dict[str, tuple[Target, Target]]] = {  # beside the one it is the other, alone a whole name
    "name": ("first_name", "last_name"),
    "namn": ("first_name", "last_name"),
    "nom": ("first_name", "last_name"),
    "nombre": ("last_name", "first_name"),
}


def known(header: str) -> bool:
    return _plain(header) in KNOWN


def looks_like_data(cell: str) -> bool:
    """An address or the URL of a profile: no title of a column."""
    return _is_address(cell) or "linkedin.com/" in cell.casefold()


def guessed(headers: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    """What each column most likely is. Nothing but own columns is guessed twice."""
    plain = [_plain(header) for header in headers]
    targets: list[Target] = [KNOWN.get(header, "own") for header in plain]
    present = set(targets)
    for n, header in enumerate(plain):
        beside, meant = ONE_OF_TWO.get(header, ("own", "own"))
        if beside in present and meant not in present and targets[n] == "name":
            targets[n] = meant
    seen: set[Target] = set()
    for n, target in enumerate(targets):
        if target in seen:
            targets[n] = "own"
        elif target != "own":
            seen.add(target)
    _guess_from_cells(targets, "email", [_most(column, _is_address) for column in _columns(headers, sample)])
    profiles = [_most(column, _is_profile) for column in _columns(headers, sample)]
    _guess_from_cells(targets, "linkedin_url", profiles)
    return _named(headers, targets)


def meant(keys: Sequence[str]) -> tuple[Column, ...]:
    """What a program's keys are: a lead's fields by their own names, and own columns. Nothing is guessed."""
    fields: dict[str, Target] = {target: target for target in STANDARD}
    return _named(keys, [fields.get(key, "own") for key in keys])


def checked(columns: Sequence[Column], headers: Sequence[str]) -> tuple[Column, ...]:
    """The columns a person chose, in the file's order. Refused `import.columns` for what cannot be meant."""
    if [column.header for column in columns] != [_shown(header) for header in headers]:
        raise _refused("These are not the columns of the file. Check the file anew.")
    twice = [target for target, many in Counter(column.field for column in columns).items() if many > 1]
    for target in twice:
        if target in STANDARD:
            raise _refused(f"Two columns are meant to be {target}. Choose one.")
    names = Counter(column.name for column in columns if column.field == "own")
    for name, many in names.items():
        if not SAFE.fullmatch(name) or len(name) > LONGEST_NAME or name in TAKEN:
            raise _refused(
                f"A column cannot be called {name[:LONGEST_NAME]!r} in templates."
                " Use small letters, digits and _, such as company_size."
            )
        if many > 1:
            raise _refused(f"Two columns are called {name} in templates. Rename one.")
    return tuple(columns)


def safe_name(header: str, position: int) -> str:
    """The header as templates can say it: `Company Size` is company_size. `position` counts from 1."""
    name = re.sub(r"[^a-z0-9]+", "_", _folded(header)).strip("_")[:LONGEST_NAME].rstrip("_")
    if not name:
        return f"column_{position}"
    if name in TAKEN or not SAFE.fullmatch(name):
        return f"column_{name}"[:LONGEST_NAME]
    return name


def _guess_from_cells(targets: list[Target], wanted: Target, likely: Sequence[bool]) -> None:
    if wanted in targets:
        return
    for n, target in enumerate(targets):
        if target == "own" and likely[n]:
            targets[n] = wanted
            return


def _columns(headers: Sequence[str], sample: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    return [[row[n] for row in sample if n < len(row) and row[n].strip()] for n in range(len(headers))]


def _most(cells: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return bool(cells) and sum(map(holds, cells)) * 2 > len(cells)


def _named(headers: Sequence[str], targets: Sequence[Target]) -> tuple[Column, ...]:
    taken: set[str] = set()
    columns: list[Column] = []
    for position, (header, target) in enumerate(zip(headers, targets, strict=True), start=1):
        name = ""
        if target == "own":
            base = name = safe_name(header, position)
            again = 2
            while name in taken:
                name = f"{base[: LONGEST_NAME - 4]}_{again}"
                again += 1
            taken.add(name)
        columns.append(Column(header=_shown(header), field=target, name=name))
    return tuple(columns)


def _shown(header: str) -> str:
    return header[:LONGEST_HEADER]


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _folded(header))


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(NO_ACCENT))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _is_address(cell: str) -> bool:
    if "@" not in cell:
        return False
    try:
        return "." in travelling(cell).rpartition("@")[2]
    except Malformed:
        return False


def _is_profile(cell: str) -> bool:
    return "linkedin.com/" in cell.casefold()


def _refused(detail: str) -> Refused:
    return Refused("import.columns", detail, status=422, field="columns")
