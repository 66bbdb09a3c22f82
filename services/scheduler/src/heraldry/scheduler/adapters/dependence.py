"""On what of a lead's values it depends which variables a template lacks: mostly only on which are filled."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from heraldry.scheduler.adapters.environment import Template
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.logical import (
    BooleanExpression,
    ContainsExpression,
    EqExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    FalseLiteral,
    Nil,
    StringLiteral,
    TrueLiteral,
)
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.expression import Expression

Told: TypeAlias = Callable[[str], Hashable]
Use: TypeAlias = tuple[str, str, str]  # the variable; how it is used; what it is compared with
FILLED: Final = "filled"
EQUALS: Final = "equals"
CONTAINS: Final = "contains"
VALUE: Final = "value"
EMPTY: Final = (Blank, Empty, Nil, TrueLiteral, FalseLiteral)  # by which only what is missing is told apart
PERHAPS_NOTHING: Final = frozenset({"first", "last"})
ANY: Final = ""  # a variable whose name is made of values
OF_A_NAME: Final = ("name", "first_name", "last_name")


class Dependence:
    """What a row says to these templates: rows that say the same lack the same."""

    def __init__(self, templates: Iterable[Template]) -> None:
        uses = {use for template in templates for use in _uses(template)}
        whole = {name for name, how, _ in uses if how == VALUE}
        of_name = {how for name, how, _ in uses if name == "name"}  # it may be put together
        if of_name:
            uses |= {(name, FILLED, "") for name in OF_A_NAME}
        if of_name - {FILLED}:
            whole.update(OF_A_NAME)
        self._any = ANY in whole
        self._tests: list[tuple[str, Told]] = [(name, str) for name in sorted(whole)]
        self._tests += [(name, _told(how, by)) for name, how, by in sorted(uses) if name not in whole]

    def of(self, values: Mapping[str, str]) -> Hashable:
        if self._any:
            return tuple(values.values())
        return tuple([told(values.get(name, "").strip()) for name, told in self._tests])


def _told(how: str, by: str) -> Told:
    match how:
        case "equals":
            return by.__eq__
        case "contains":
            return lambda value: by in value
        case _:
            return bool


def _uses(template: Template) -> set[Use]:
    """A variable that a template makes itself and looks into makes all of them count with their values."""
    uses = {use for node in _every(template) for use in _of_node(node)}
    made = made_by(template)
    if any(name in made and how != FILLED for name, how, _ in uses):
        return {(name, VALUE, "") for name, _, _ in uses}
    return uses


def made_by(template: Template) -> set[str]:
    """The variables that a template makes itself."""
    return {str(name) for node in _every(template) for name in node.template_scope()}


def _every(template: Template) -> Iterator[Node]:
    for node in template.nodes:
        yield from _nodes(node, template)


def _nodes(node: Node, template: Template) -> Iterator[Node]:
    yield node
    for child in node.children(template.context_class(template)):
        yield from _nodes(child, template)


def _of_node(node: Node) -> Iterator[Use]:
    for expression in node.expressions():
        if isinstance(node, OutputNode) and isinstance(expression, FilteredExpression):
            yield from _filled(expression)
        elif isinstance(node, AssignNode) and isinstance(expression, FilteredExpression):
            known = PERHAPS_NOTHING.isdisjoint(one.name for one in expression.filters or ())
            yield from _filled(expression) if known else _values(expression)
        elif isinstance(node, CaseNode):
            yield from _values(expression)
        else:
            yield from _of_condition(expression)


def _of_condition(expression: Expression) -> Iterator[Use]:
    match expression:
        case BooleanExpression() | LogicalAndExpression() | LogicalOrExpression() | LogicalNotExpression():
            for child in expression.children():
                yield from _of_condition(child)
        case (
            EqExpression(left=Path(path=[str(name)]), right=right)
            | NeExpression(left=Path(path=[str(name)]), right=right)
        ) if isinstance(right, EMPTY):
            yield (name, FILLED, "")
        case (
            EqExpression(left=Path(path=[str(name)]), right=StringLiteral(value=by))
            | NeExpression(left=Path(path=[str(name)]), right=StringLiteral(value=by))
        ):
            yield from ((name, FILLED, ""), (name, EQUALS, str(by)))
        case ContainsExpression(left=Path(path=[str(name)]), right=StringLiteral(value=by)):
            yield from ((name, FILLED, ""), (name, CONTAINS, str(by)))
        case Path(path=[str()]):
            yield from _filled(expression)
        case _:
            yield from _values(expression)


def _filled(expression: Expression) -> Iterator[Use]:
    """Of what is written: it is missing, or it is not."""
    for path in _paths(expression):
        match path.path:
            case [str(name)]:
                yield (name, FILLED, "")
            case _:
                yield from _values(path)


def _values(expression: Expression) -> Iterator[Use]:
    for path in _paths(expression):
        name = path.path[0]
        if name != "identity":
            yield (name if isinstance(name, str) else ANY, VALUE, "")


def _paths(expression: Expression) -> Iterator[Path]:
    if isinstance(expression, Path):
        yield expression
    for child in expression.children():
        yield from _paths(child)
