"""Writes the generated pages of docs/reference/, and checks that every link between documents leads somewhere.

    python tools/docs.py            write the pages, then check the links
    python tools/docs.py --check    write nothing: exit code 1 if a page is not as it would be written

The pages say what the code says: the registry of events, the parsers of the commands, the settings, the API's own
description, and the refusals as they stand in the source.
"""

from __future__ import annotations

import argparse
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from docs_pages import ROOT, code, page, table
from docs_problems import codes_without_words, problems, refusals, trees
from heraldry.chassis.cli import GROUP
from heraldry.chassis.cli_words import example_of
from heraldry.chassis.codec import personal_fields
from heraldry.chassis.settings import Settings
from heraldry.contracts import registry
from heraldry.contracts.base import Envelope
from heraldry.gateway.app import API, description
from litestar import Litestar
from litestar.di import Provide
from pydantic import BaseModel, SecretStr

FOLDER: Final = ROOT / "docs" / "reference"
Json = Mapping[str, Any]

# Read by the workshop's programs or by one part only, so Settings does not list them.
OTHER_VARIABLES: Final = {
    "HERALDRY_MASTER_KEY": "The master key itself (base64), instead of a file. Never written anywhere.",
    "HERALDRY_ASSETS": "The folder with the pages' third-party files, instead of `node_modules`.",
    "HERALDRY_INSTALL": "`yes` or `no`: whether `justw` may install system packages without asking.",
    "HERALDRY_CHROMIUM": "The browser that is driven, also by the tests: a path or a name.",
    "STORE_URL": "For the `heraldry` command, as `up`, `demo`, `audit` and `backup`: the short name of `HERALDRY_STORE_URL`, which comes first.",
    "HERALDRY_SERVICES": "Tests only: other processes than the product's.",
}


# --- what pages share


def prose(documented: object) -> str:
    """A docstring as a paragraph, with the names in it left as they are."""
    return inspect.cleandoc(inspect.getdoc(documented) or "")


def comments(model: type[BaseModel]) -> dict[str, str]:
    """The remark behind each field of a model, from its source."""
    lines = inspect.getsource(model).splitlines()
    found = (re.match(r"    (\w+): .*?  # (.*)$", line) for line in lines)
    return {match[1]: match[2].replace("<", "\\<") for match in found if match}


def kind_of(schema: Json) -> str:
    """The type of a JSON schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return code(f'"{schema["const"]}"')
    if "enum" in schema:
        return " or ".join(code(f'"{value}"') for value in schema["enum"])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(kind_of(one) for one in schema[choice])
    match schema.get("type"):
        case "array":
            return f"list of {kind_of(schema.get('items', {}))}"
        case "string" if form := schema.get("format"):
            return {"uuid": "UUID", "date-time": "time (UTC)", "date": "date"}.get(str(form), str(form))
        case "string":
            return "text"
        case "integer":
            return "whole number"
        case "boolean":
            return "yes or no"
        case None:
            return "any"
        case other:
            return str(other)


# --- events


def events() -> str:
    shapes: dict[str, Json] = {}
    parts: list[str] = []
    for context in registry.PUBLISHED:
        for name, kind in registry.types_of(context).items():
            schema = kind.model_json_schema(mode="serialization")
            shapes |= schema.get("$defs", {})
            personal = personal_fields(kind)
            rows = [
                (code(field), kind_of(shape), _whose(personal.get(field)))
                for field, shape in schema["properties"].items()
            ]
            reach = "internal" if registry.is_internal(name) else "published"
            parts += [
                f"## {name}",
                f"Context *{context}*, {reach}, version {kind.version}.",
                _told(kind),
                table(("field", "type", "personal data of"), rows),
            ]
    parts.append("## Values in them")
    for name, shape in sorted(shapes.items()):
        rows = [(code(field), kind_of(inner)) for field, inner in shape.get("properties", {}).items()]
        parts += [f"### {name}", str(shape.get("description", "")), table(("field", "type"), rows)]
    remarks = comments(Envelope)
    envelope = Envelope.model_json_schema(mode="serialization")["properties"]
    attributes = [
        (code(name), kind_of(inner) if name != "data" else "the event", remarks.get(name, ""))
        for name, inner in envelope.items()
    ]
    return page(
        "Events",
        "Everything that leaves a context. *Published* events go to subscribers, on"
        " `heraldry.events.<organization>.<context>.<identity>.<type>`; *internal* ones only to other services. What is"
        " not listed here is private to its context. A field with personal data is stored encrypted with that person's"
        ' key; once the person is erased, `{"erased": true}` stands there.',
        "## The envelope",
        "Every event travels in a CloudEvents 1.0 envelope (structured JSON):",
        table(("attribute", "type", "meaning"), attributes),
        *filter(None, parts),
    )


def _whose(subject: str | None) -> str:
    return f"`{subject}`" if subject else ""


def _told(kind: type[object]) -> str:
    """The class's own docstring; an inherited one says nothing about it."""
    return prose(kind) if kind.__doc__ else ""


# --- commands


class _Asked(BaseException):
    """A command has made its parser and would read the command line now."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def parser_of(command: Callable[[Sequence[str]], int]) -> argparse.ArgumentParser:
    """The parser a command makes, caught before it is used."""

    def caught(self: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        raise _Asked(self)

    original = argparse.ArgumentParser.parse_args
    argparse.ArgumentParser.parse_args = caught  # pyright: ignore[reportAttributeAccessIssue]  put back below
    try:
        command(())
    except _Asked as asked:
        return asked.parser
    finally:
        argparse.ArgumentParser.parse_args = original
    raise TypeError(f"{command} reads no command line")


def commands() -> str:
    found = sorted(entry_points(group=GROUP), key=lambda one: one.name)
    parts: list[str] = []
    for one in found:
        parts += [*_command(parser_of(one.load()), "##"), f"For example: `{example_of(one.name)}`"]
    return page(
        "The `heraldry` command",
        "`.venv/bin/heraldry <command>`; `./justw up`, `demo` and `rebuild` hand over to it. Answers are JSON on standard"
        " output, all else goes to standard error; `up` answers nothing: why it does not start is a line there, with the code"
        " in brackets. Exit code 0: answered; 1: the answer is bad news; 2: misuse.",
        *parts,
    )


def _command(parser: argparse.ArgumentParser, heading: str) -> Iterator[str]:
    actions = cast("list[argparse.Action]", vars(parser)["_actions"])
    yield f"{heading} {parser.prog}"
    yield (parser.description or "").strip()
    rows = [
        (code(_spelled(action)), _help(parser, action))
        for action in actions
        if action.help != argparse.SUPPRESS and action.dest != "help" and not isinstance(action.choices, dict)
    ]
    yield table(("argument", "meaning"), rows) if rows else "It takes no arguments."
    for action in actions:
        if isinstance(action.choices, dict):
            for child in cast("dict[str, argparse.ArgumentParser]", action.choices).values():
                yield from _command(child, f"{heading}#")


def _spelled(action: argparse.Action) -> str:
    takes = action.nargs != 0
    choices = cast("Iterable[object] | None", action.choices)
    value = action.metavar or ("{" + ",".join(map(str, choices)) + "}" if choices else "")
    if not action.option_strings:
        return str(value or action.dest)
    names = ", ".join(action.option_strings)
    return f"{names} {value or action.dest.upper()}" if takes else names


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


# --- settings


def settings() -> str:
    rows: list[Sequence[str]] = []
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = (
            ""
            if default in ("", None)
            else code(str(default).lower() if isinstance(default, bool) else default)
        )
        rows.append((code(f"HERALDRY_{name.upper()}"), shown, (field.description or "").replace("<", "\\<")))
    others = [(code(name), meaning) for name, meaning in OTHER_VARIABLES.items()]
    return page(
        "Settings",
        "A process is told everything by environment variables. `heraldry up` sets most of them for the processes it"
        " starts; a wrong value ends the process at start with the variable's name.",
        table(("variable", "default", "meaning"), rows),
        "## Read elsewhere",
        table(("variable", "meaning"), others),
    )


def settings_without_a_meaning() -> Iterator[str]:
    return (f"HERALDRY_{name.upper()}" for name, one in Settings.model_fields.items() if not one.description)


def unlisted_variables() -> Iterator[str]:
    """Variables the sources name and the page does not."""
    listed = {f"HERALDRY_{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES.keys()
    for file, text, _ in trees():
        named = set(re.findall(r"\bHERALDRY_[A-Z_]*[A-Z]\b", text))
        yield from (f"{file.relative_to(ROOT)}: {name} is on no page" for name in sorted(named - listed))


# --- the HTTP API


def http_api() -> str:
    provided = {name: Provide(_absent(name), sync_to_thread=False) for name in ("gateway", "call")}
    app = Litestar(
        route_handlers=list(API), dependencies=provided, openapi_config=description(), logging_config=None
    )
    schema = app.openapi_schema.to_schema()
    groups: dict[str, list[str]] = {}
    for path in sorted(schema["paths"]):
        for method, operation in schema["paths"][path].items():
            groups.setdefault(operation["tags"][0], []).extend(_operation(path, method, operation))
    parts = [part for tag, group in groups.items() for part in (f"## {tag}", *group)]
    shapes: Mapping[str, Json] = schema["components"]["schemas"]
    for name, shape in sorted(shapes.items()):
        needed = shape.get("required", ())
        rows = [
            (code(field), kind_of(inner), "yes" if field in needed else "", _bounds(inner))
            for field, inner in shape.get("properties", {}).items()
        ]
        told = [str(shape["description"])] if "description" in shape else []
        body = table(("field", "type", "needed", "bounds"), rows) if rows else kind_of(shape)
        parts += [f"### {name}", *told, body]
    return page(
        "The HTTP API",
        f"{schema['info']['description']} Sign in with `POST /api/v1/sessions` and send the `token` as"
        " `Authorization: Bearer …`. The same in OpenAPI: `/api/v1/openapi.json` of a running gateway. Refusals are"
        " listed in [problems.md](problems.md).",
        *parts,
    )


def _absent(name: str) -> Callable[[], object]:
    """Stands where the running gateway would give something by this name."""

    def absent() -> object:
        raise LookupError(name)

    return absent


def _operation(path: str, method: str, operation: Json) -> Iterator[str]:
    yield f"### {method.upper()} {path}"
    more = str(operation.get("description", ""))
    yield f"{operation['summary']}. {more}".strip()
    parameters = [
        (
            code(one["name"]),
            kind_of(one["schema"]),
            str(one.get("description") or one["schema"].get("description", "")),
        )
        for one in operation.get("parameters", ())
        if one["in"] != "path"
    ]
    if parameters:
        yield table(("parameter", "type", "meaning"), parameters)
    lines: list[str] = []
    if body := operation.get("requestBody"):
        lines.append(f"Body: {' or '.join(kind_of(one['schema']) for one in body['content'].values())}.")
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            kinds = [kind_of(one["schema"]) for one in answer.get("content", {}).values() if "schema" in one]
            lines.append(f"Answer: {status}{', ' if kinds else ''}{' or '.join(kinds)}.")
    yield "  \n".join(lines)


def _bounds(schema: Json) -> str:
    names = {"minLength": "length ≥", "maxLength": "length ≤", "minimum": "≥", "maximum": "≤"}
    found = [f"{text} {schema[key]:g}" for key, text in names.items() if key in schema]
    default = schema.get("default")
    simple = isinstance(default, int) or (isinstance(default, str) and default)
    return ", ".join((*found, *((f"default `{default}`",) if simple else ())))


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "events.md": events,
    "commands.md": commands,
    "settings.md": settings,
    "http-api.md": http_api,
    "problems.md": problems,
}


# --- links

LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE: Final = re.compile(r"`[^`\n]*`")


def documents() -> Sequence[Path]:
    """Every Markdown file git does not ignore; of an unpacked archive, which has no git, every one of ours."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        made = {".venv", ".tools", "node_modules", "data"}
        return [path for path in sorted(ROOT.rglob("*.md")) if not made & set(path.relative_to(ROOT).parts)]
    names = sorted(set(listed.stdout.decode().split("\0")))
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def broken_links(document: Path) -> Iterator[str]:
    """Links of a document to files or headings that are not there. Other sites are not asked."""
    text = document.read_text(encoding="utf-8")
    for target in LINK.findall(INLINE.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        where = (document.parent / path).resolve() if path else document
        if not where.exists() or not where.is_relative_to(ROOT):
            yield f"{shown(document)}: {target} leads nowhere"
        elif anchor and anchor not in anchors(where):
            yield f"{shown(document)}: {target} names a heading that is not there"


def shown(document: Path) -> str:
    return str(document.relative_to(ROOT)) if document.is_relative_to(ROOT) else str(document)


def anchors(document: Path) -> set[str]:
    """How the headings of a document are named in links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="docs.py", description="Write and check the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = bool(parser.parse_args(arguments).check)
    complaints = [*refusals()[1], *unlisted_variables()]
    complaints += [f"{name} is without a meaning" for name in settings_without_a_meaning()]
    complaints += [f"tools/command_codes.py: {name}: say what to do" for name in codes_without_words()]
    for name, write in PAGES.items():
        path, text = FOLDER / name, write()
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there == text:
            continue
        if check:
            complaints.append(f"{shown(path)} is not what the code says now: run `./justw docs`")
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"{shown(path)} written")
    complaints += [complaint for document in documents() for complaint in broken_links(document)]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
