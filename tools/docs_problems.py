"""The page of refusals and diagnoses, as they stand in the source."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, cast

import command_codes
from docs_pages import ROOT, code, page, table
from heraldry.contracts.linkedin import Obstacle
from heraldry.gateway.problems import USUAL
from heraldry.linkedin_driver import domain as linkedin
from heraldry.linkedin_driver.adapters import problems as probing
from heraldry.mailbox.domain.findings import FINDINGS

MEMBERS: Final = ("chassis", "contracts", "services", "sandbox")
Named = Mapping[str, ast.expr]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the source says of one refusal."""

    code: str
    status: int
    detail: str


def sources() -> Iterator[Path]:
    """Our own Python files, without tests."""
    for member in MEMBERS:
        for file in sorted((ROOT / member).rglob("src/**/*.py")):
            if "testing" not in file.relative_to(ROOT).parts:
                yield file


@cache
def trees() -> Sequence[tuple[Path, str, ast.Module]]:
    """Every source with its text and its syntax tree."""
    texts = ((file, file.read_text(encoding="utf-8")) for file in sources())
    return [(file, text, ast.parse(text)) for file, text in texts]


def refusals() -> tuple[Sequence[Refusal], Sequence[str]]:
    """Every refusal that leaves a context, and complaints about those whose code cannot be read off the source."""
    found: list[Refusal] = []
    complaints: list[str] = []
    for file, node, named in sayings():
        if called(node) in {"Refused", "_refused", "Problem"} and file in refusing():
            refusal = _refusal(node, named)
            if refusal is not None:
                found.append(refusal)
            elif called(node) != "_refused" and not _passes_on(node):
                complaints.append(
                    f"{file.relative_to(ROOT)}:{node.lineno}: a refusal's code cannot be read here"
                )
    found += [Refusal(name, status, detail) for status, (name, detail) in USUAL.items()]
    return found, complaints


def _refusal(node: ast.Call, named: Named) -> Refusal | None:
    told = {one.arg: one.value for one in node.keywords}
    said = [*node.args, *(told[key] for key in ("code", "detail") if key in told)]
    if len(said) < 2 or not isinstance(said[0], ast.Constant):  # noqa: PLR2004  code and detail
        return None
    status = told.get("status") or (node.args[2] if len(node.args) > 2 else None)  # noqa: PLR2004  likewise
    number = status.value if isinstance(status, ast.Constant) else 409
    return Refusal(str(said[0].value), int(cast("int", number)), _text(said[1], named))


def _passes_on(node: ast.Call) -> bool:
    """A function that is given the code by its caller, whose call is read instead."""
    return bool(node.args) and isinstance(node.args[0], ast.Name) and node.args[0].id == "code"


SAYING: Final = frozenset(
    {"Refused", "_refused", "Problem", "Diagnosed", "UnwritableError", "_lead_failed"}
    | {"Malformed", "_said", "RowProblem"}
)


@cache
def sayings() -> Sequence[tuple[Path, ast.Call, Named]]:
    """Every call that gives a code and words, with what the names around it were given last."""
    found: list[tuple[Path, ast.Call, Named]] = []

    def look(file: Path, node: ast.AST, named: dict[str, ast.expr]) -> None:
        if isinstance(node, ast.Call) and called(node) in SAYING:
            found.append((file, node, dict(named)))
        inner = dict(named) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else named
        for child in ast.iter_child_nodes(node):
            look(file, child, inner)
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                named[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                named[name] = value
            case _:
                pass

    for file, _, tree in trees():
        look(file, tree, {})
    return found


@cache
def refusing() -> frozenset[Path]:
    """The sources whose refusals leave a context."""
    return frozenset(
        file
        for file, text, _ in trees()
        if "Refused" in text and "class Refused(" not in text and "refused import Refused" not in text
    )


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _text(node: ast.expr, named: Named) -> str:
    """A message as the source has it, with `…` where something is put in."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(_text(part, {}) for part in node.values)
        case ast.Name(id=name) if name in named:
            return _text(named[name], {key: value for key, value in named.items() if key != name})
        case _:
            return "…"


def _codes(functions: AbstractSet[str], before: int, count: int) -> dict[str, list[str]]:
    """By code, what is said of it: `count` arguments of these functions, after `before` others and the code."""
    found: dict[str, list[str]] = {}
    for _, node, named in sayings():
        said = [*node.args[before:], *(one.value for one in node.keywords if one.arg in {"code", "text"})]
        if called(node) not in functions or len(said) <= count:
            continue
        name, *words = (_text(one, named) for one in said[: count + 1])
        if "…" not in name:
            found.setdefault(name, words)
    return found


def problems() -> str:
    found, _ = refusals()
    rows: dict[str, tuple[set[int], dict[str, None]]] = {}
    for one in found:
        statuses, details = rows.setdefault(one.code, (set(), {}))
        statuses.add(one.status)
        details[one.detail] = None
    listed = [
        (code(name), ", ".join(map(str, sorted(statuses))), " / ".join(details))
        for name, (statuses, details) in sorted(rows.items())
    ]
    failed = {**_codes({"UnwritableError"}, 0, 2), **_codes({"_lead_failed"}, 1, 2)}
    rows_of_files = {
        **_codes({"Malformed"}, 0, 1),
        **_codes({"_said"}, 1, 1),
        **_codes({"RowProblem"}, 0, 1),
    }
    told = {name: (finding.kind, finding.cause, finding.resolution) for name, finding in FINDINGS.items()}
    diagnoses = [(code(name), *rest) for name, rest in sorted({**own_diagnoses(), **told}.items())]
    return page(
        "Refusals and diagnoses",
        "Codes are stable: programs may rely on them. Texts are for people and may be reworded.",
        "## Refusals",
        "Over HTTP a refusal is a problem document (RFC 9457, `application/problem+json`) with `code`, `detail`,"
        " `status`, sometimes `field` (the form field it belongs to) and `extra` (such as `until`). Over NATS it is the"
        " `problem` of a reply. `…` stands where the text names something.",
        table(("code", "status", "text"), listed),
        "## What commands, readiness and logs say",
        "The `code` of a command's answer, in brackets behind what keeps `heraldry up` from starting, and at the notes of"
        " `/health/ready`, in metrics and log lines of the services. Commands that ask a running Heraldry also answer with"
        " the refusals above. The sandbox's control API has codes of its own, and says with each what is wrong.",
        table(("code", "text", "what to do"), command_answers()),
        "## Why a lead fails",
        "The `code` of a LeadFailed, and the first word of a lead's `failure`. Beside these, every diagnosis below of a"
        " mail that did not leave and will not by itself.",
        table(
            ("code", "reason", "resolution"), [(code(name), *said) for name, said in sorted(failed.items())]
        ),
        "## What is wrong with a row",
        "In the `problems` of an import, and for leads that come as a list. The same codes wherever an address is typed.",
        table(("code", "text"), [(code(name), *said) for name, said in sorted(rows_of_files.items())]),
        "## Diagnoses of mail servers",
        "What an inbox' `diagnosis` says, and the `diagnosis` of a mail that failed. *Who* can mend it: the person, an"
        " administrator of the mail server, the operator of this installation, or nobody needs to (*transient*).",
        table(("code", "who", "cause", "resolution"), diagnoses),
        "## Obstacles on LinkedIn",
        "What the `diagnosis` of a LinkedIn account says, and of an action on LinkedIn that failed.",
        table(("code", "who", "cause", "resolution"), sorted(set(obstacles()))),
    )


def codes_of_commands() -> Mapping[str, Mapping[str, None]]:
    """With the words said of each; without those that are told elsewhere on the page."""
    known = {one.code for one in refusals()[0]} | own_diagnoses().keys() | FINDINGS.keys()
    known |= {name.strip("`") for name, *_ in obstacles()} | {one.code for one in probed()}
    found = command_codes.found((file, tree) for file, _, tree in trees() if "sandbox" not in file.parts)
    return {name: words for name, words in found.items() if name not in known}


def codes_without_words() -> Iterator[str]:
    """Codes of which nothing is said, and what is said of codes there are none of."""
    found = codes_of_commands()
    yield from (name for name, words in found.items() if not words and name not in command_codes.TOLD)
    yield from (f"{name} is no code" for name in command_codes.TOLD if name not in found)


def command_answers() -> Sequence[tuple[str, str, str]]:
    rows = {
        name: (" / ".join(said), command_codes.TOLD.get(name, ""))
        for name, said in codes_of_commands().items()
    }
    rows |= {one.code: (one.cause, one.resolution) for one in probed()}
    return [(code(name), *rest) for name, rest in sorted(rows.items())]


def probed() -> Sequence[type[probing.Problem]]:
    """What `heraldry linkedin probe` finds in its way."""
    return probing.Problem.__subclasses__()


def obstacles() -> Iterator[tuple[str, str, str, str]]:
    for found in pkgutil.iter_modules(linkedin.__path__):
        for one in vars(importlib.import_module(f"{linkedin.__name__}.{found.name}")).values():
            if isinstance(one, Obstacle):
                yield code(one.code), one.kind, one.cause, one.resolution


def own_diagnoses() -> Mapping[str, tuple[str, str, str]]:
    """What is not a mail server's answer, as the source says it: who can mend it, cause, resolution."""
    found: dict[str, tuple[str, str, str]] = {}
    for _, node, named in sayings():
        told = {one.arg: one.value for one in node.keywords}
        if called(node) == "Diagnosed" and isinstance(told.get("code"), ast.Constant):
            kind = _text(told["kind"], {}) if "kind" in told else "person"
            cause, resolution = (_text(told[key], named) for key in ("cause", "resolution"))
            found[_text(told["code"], {})] = (kind, cause, resolution)
    return found
