"""R-CAMP-2: the texts of a step, as Liquid templates of a lead and an identity."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from heraldry.contracts.campaigns import (
    OF_PROFILE,
    LeadData,
    ReadProfile,
    SendEmail,
    SendInvitation,
    SendMessage,
    Step,
)
from heraldry.contracts.identity import ContactDetails
from heraldry.contracts.linkedin_steps import LONGEST_MESSAGE, LONGEST_NOTE
from heraldry.scheduler.adapters.dependence import Dependence, made_by
from heraldry.scheduler.adapters.environment import TOO_MUCH, Context, MailEnvironment, Template
from heraldry.scheduler.adapters.markup import clean
from heraldry.scheduler.adapters.tags import HOW_TO, tidied
from heraldry.scheduler.ports import Mail, MissingVariableError, Part, Speaker, TemplateError
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.arguments import KeywordArgument, PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import Literal, RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.expression import Expression

LONGEST_SUBJECT: Final = 500
LONGEST_MAIL: Final = 150_000  # bytes of text and HTML together: what a step on its way may hold
PARTS: Final[tuple[Part, ...]] = ("subject", "text", "html", "note")
NAMES: Final[Mapping[Part, str]] = {"subject": "subject", "text": "text", "html": "HTML", "note": "note"}
TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
KEPT: Final = 512  # templates ready to be rendered
OF_IDENTITY: Final = ("name", *ContactDetails.model_fields)
OF_LEAD: Final = ("name", "first_name", "last_name", "email", "linkedin_url")
READ: Final = ("name", "first_name", "last_name", *OF_PROFILE)
WRITTEN_BY_EDITORS: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\xa0": " "})


@dataclass(frozen=True, slots=True)
class Compiled:
    """`required`: what it writes in any case, without a fallback. `exact`: there is nothing else it may miss."""

    source: str
    environment: MailEnvironment
    template: Template
    required: tuple[str, ...]
    exact: bool


class LiquidTemplates:
    """`Templates` by python-liquid. What it compiled it keeps for the next lead."""

    def __init__(self) -> None:
        environments = {part: MailEnvironment(autoescape=part == "html") for part in PARTS}

        @lru_cache(maxsize=KEPT)
        def compiled(part: Part, source: str) -> Compiled:
            return _compiled(environments[part], source, within_html=part == "html")

        self._compiled: Callable[[Part, str], Compiled] = compiled

    def check(self, step: Step) -> None:
        for part, source in _parts(step):
            with _in(part), suppress(MissingVariableError):  # a part of a value: known only of a real one
                _rendered(self._compiled(part, source), ANYTHING)

    def missing(self, steps: Sequence[Step], lead: LeadData, speaker: Speaker) -> tuple[str, ...]:
        values = variables(lead, speaker)
        lacking: dict[str, None] = {}
        for step in steps:
            if isinstance(step, ReadProfile) and step.only_if == "always":
                values = {**dict.fromkeys(READ, "read"), **values}  # it is known by the time of what follows
            for part, source in _parts(step):
                with _in(part):
                    lacking.update(dict.fromkeys(_missing(self._compiled(part, source), values)))
        return tuple(lacking)

    def telling(self, steps: Sequence[Step]) -> Callable[[Mapping[str, str]], Hashable]:
        try:
            every = [self._compiled(part, source).template for step in steps for part, source in _parts(step)]
        except TemplateError:  # nothing is missing in what cannot be used
            every = []
        return Dependence(every).of

    def render(self, step: SendEmail, lead: LeadData, speaker: Speaker) -> Mail:
        values = variables(lead, speaker)
        written: dict[Part, str] = {}
        for part, source in _parts(step):
            with _in(part):
                written[part] = _rendered(self._compiled(part, source), values)
                _check(part, written[part])
        mail = Mail(_one_line(written.get("subject", "")), written["text"], clean(written.get("html", "")))
        if len(json.dumps(mail.text + mail.html, ensure_ascii=False).encode()) > LONGEST_MAIL:
            raise TemplateError("This is too long for one mail. Shorten it.", part="text")
        return mail

    def words(
        self, step: SendInvitation | SendMessage | ReadProfile, lead: LeadData, speaker: Speaker
    ) -> str:
        values = variables(lead, speaker)
        for part, source in _parts(step):
            with _in(part):
                written = _rendered(self._compiled(part, source), values).strip()
                _check_words(part, written)
            return written
        return ""


def variables(lead: LeadData, speaker: Speaker) -> Mapping[str, object]:
    """What a template may name. What is empty is left out: it counts as missing."""
    known = {name: str(getattr(lead, name)) for name in OF_LEAD}
    known["name"] = known["name"].strip() or f"{lead.first_name} {lead.last_name}"
    details = {"name": speaker.name, **speaker.details.model_dump()}
    return {**_filled(lead.own), **_filled(known), "identity": _filled(details)}


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in values.items() if value.strip()}


class _Anything(Mapping[str, object]):
    """Has every variable there may be: a number, so that it can be calculated with, too."""

    def __getitem__(self, name: str) -> object:
        return dict.fromkeys(OF_IDENTITY, "1") if name == "identity" else "1"

    def __iter__(self) -> Iterator[str]:
        return iter(("identity", *OF_LEAD))

    def __len__(self) -> int:
        return 1 + len(OF_LEAD)


ANYTHING: Final = _Anything()


def _parts(step: Step) -> Iterator[tuple[Part, str]]:
    """What the step has, each with its template."""
    sources: Mapping[Part, str]
    match step:
        case SendEmail():
            sources = {"subject": step.subject, "text": step.text, "html": step.html}
        case SendInvitation():
            sources = {"note": step.note}
        case SendMessage():
            sources = {"text": step.text}
        case ReadProfile():
            sources = {}
    for part, source in sources.items():
        if source:
            yield part, source


@contextmanager
def _in(part: Part) -> Generator[None]:
    try:
        yield
    except TemplateError as error:
        error.part = part
        raise


def _compiled(environment: MailEnvironment, source: str, *, within_html: bool) -> Compiled:
    def typed(tag: str) -> str:
        """What was meant by what an editor made of a tag: curly quotes, and entities in HTML."""
        return (html.unescape(tag) if within_html else tag).translate(WRITTEN_BY_EDITORS)

    source = tidied(source, typed)
    try:
        template = environment.read(source)
        for node in template.nodes:
            _examine(node, environment, template)
    except LiquidError as error:
        raise _cannot_be_read(error, environment, source) from None
    except RecursionError:
        raise TemplateError(f"This is too deeply nested. {HOW_TO}") from None
    needs = [_needs(node) for node in template.nodes]
    made = made_by(template)
    required = dict.fromkeys(name for names in needs for name in names or () if name not in made)
    return Compiled(source, environment, template, tuple(required), exact=None not in needs)


def _examine(node: Node, environment: MailEnvironment, template: Template) -> None:
    """Find what a rendering might stumble on, also in the branches that no example reaches."""
    for expression in node.expressions():
        _examine_expression(expression, environment)
    for child in node.children(template.context_class(template)):
        _examine(child, environment, template)


def _examine_expression(expression: Expression, environment: MailEnvironment) -> None:
    match expression:
        case RangeLiteral():
            raise TemplateError(f"{expression} is not available: there are no loops. {HOW_TO}")
        case Path(path=["identity", *rest]):
            if len(rest) != 1 or rest[0] not in OF_IDENTITY:
                there = ", ".join(f"identity.{name}" for name in OF_IDENTITY)
                raise TemplateError(f"There is no {expression}. There are {there}.")
        case Path(path=[str(name), attribute, *_]) if name in OF_LEAD and attribute != "size":
            raise TemplateError(f"There is no {expression}: {name} is one text. {HOW_TO}")
        case FilteredExpression(filters=filters):
            for one in filters or ():
                _examine_filter(one, environment)
        case _:
            pass
    for child in expression.children():
        _examine_expression(child, environment)


def _examine_filter(one: Filter, environment: MailEnvironment) -> None:
    positional = [arg.value for arg in one.args if isinstance(arg, PositionalArgument)]
    named = {arg.name: arg.value for arg in one.args if isinstance(arg, KeywordArgument)}
    if one.name not in environment.filters:
        there = ", ".join(sorted(environment.filters))
        raise TemplateError(f"There is no “{one.name}” after a |. There are {there}. {HOW_TO}")
    if not environment.takes(one.name, positional, named):
        raise TemplateError(f"“{one}” is given too much or too little. {HOW_TO}")


def _needs(node: Node) -> tuple[str, ...] | None:
    """The variables without which this node is an error; None: only rendering tells."""
    if isinstance(node, ContentNode):
        return ()
    if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
        return None
    left, filters = node.expression.left, node.expression.filters or []
    if any(not isinstance(arg.value, Literal) for one in filters for arg in one.args):
        return None
    if isinstance(left, Literal):
        return ()
    if not isinstance(left, Path) or not (len(left.path) == 1 or left.path[0] == "identity"):
        return None
    if any(one.name == "default" for one in filters):
        return ()
    return (".".join(str(one) for one in left.path),)


def _missing(compiled: Compiled, values: Mapping[str, object]) -> Sequence[str]:
    lacking = [name for name in compiled.required if not _has(values, name)]
    if lacking or compiled.exact:
        return lacking
    try:
        _rendered(compiled, values)
    except MissingVariableError as missing:
        return (missing.variable,)
    return ()


def _has(values: Mapping[str, object], path: str) -> bool:
    identity = values["identity"]
    if path.startswith("identity.") and isinstance(identity, dict):
        return path.removeprefix("identity.") in identity
    return path in values


def _rendered(compiled: Compiled, values: Mapping[str, object]) -> str:
    try:
        context = Context(compiled.template, globals=values)
        written = context.get_buffer()
        compiled.template.render_with_context(context, written)
        return written.getvalue()
    except ResourceLimitError:
        raise TemplateError(TOO_MUCH) from None
    except LiquidError as error:
        raise _cannot_be_read(error, compiled.environment, compiled.source) from None
    except (ArithmeticError, ValueError, TypeError):
        raise TemplateError("A calculation in this text is not possible.") from None
    except RecursionError:
        raise TemplateError(f"This is too deeply nested. {HOW_TO}") from None


def _check(part: Part, written: str) -> None:
    if not written.strip():
        raise TemplateError(f"The {NAMES[part]} is empty for this lead.")
    if part == "subject" and len(written) > LONGEST_SUBJECT:
        raise TemplateError(f"The subject is longer than {LONGEST_SUBJECT} characters for this lead.")


def _check_words(part: Part, written: str) -> None:
    most, what = (LONGEST_NOTE, "note") if part == "note" else (LONGEST_MESSAGE, "message")
    if not written and part != "note":
        raise TemplateError("The message is empty for this lead.")
    if len(written) > most:
        raise TemplateError(
            f"The {what} has {len(written):,} characters for this lead; LinkedIn takes {most:,}. Shorten it."
        )


def _one_line(subject: str) -> str:
    return "".join(char for char in " ".join(subject.split()) if char.isprintable())


def _cannot_be_read(error: LiquidError, environment: MailEnvironment, source: str) -> TemplateError:
    """Where it is, and what the text may look like: the library's own words are for programmers."""
    at = -1 if error.token is None else error.token.start_index
    for tag in TAG.finditer(source):
        if tag.start() <= at < tag.end() or (at < 0 and not _is_read(environment, tag.group())):
            line = source.count("\n", 0, tag.start()) + 1
            return TemplateError(f"Line {line}: {tag.group()} cannot be read. {HOW_TO}")
    return TemplateError(f"This cannot be read. {HOW_TO}")


def _is_read(environment: MailEnvironment, tag: str) -> bool:
    if tag.startswith("{%"):
        return True  # half of a block
    try:
        environment.read(tag)
    except LiquidError:
        return False
    return True
