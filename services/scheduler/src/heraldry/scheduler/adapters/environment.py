"""Liquid as far as a mail needs it: an environment of python-liquid in which nothing else is possible.

No loops, files, dates or ranges. Filters are a list of harmless ones, and all of them together work on so many
characters a mail. What is missing is an error where it would be written, and only there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Signature, signature
from typing import Any, ClassVar, Final, cast

from heraldry.scheduler.ports import MissingVariableError, TemplateError
from liquid import BoundTemplate, Environment, Mode, RenderContext, Token
from liquid.builtin import content, illegal, output
from liquid.builtin.tags import assign_tag, capture_tag, case_tag, comment_tag, if_tag, unless_tag
from liquid.undefined import UNDEFINED, Undefined
from liquid.utils import ReadOnlyChainMap

LONGEST_OUTPUT: Final = 150_000  # bytes of one rendered part
MOST_WORK: Final = 2_000_000  # characters that all filters of one part read and write
LARGEST_NUMBER: Final = 10**15
ALLOWED: Final = frozenset(
    [
        "default",
        "append",
        "prepend",
        "capitalize",
        "upcase",
        "downcase",
        "strip",
        "lstrip",
        "rstrip",
        "squish",
        "replace",
        "replace_first",
        "remove",
        "remove_first",
        "truncate",
        "truncatewords",
        "split",
        "join",
        "first",
        "last",
        "size",
        "slice",
        "strip_newlines",
        "newline_to_br",
        "escape",
        "url_encode",
        "plus",
        "minus",
        "times",
        "divided_by",
        "modulo",
        "round",
        "ceil",
        "floor",
        "abs",
        "at_least",
        "at_most",
    ]
)
GROWING: Final = ("replace", "join")  # their result may be as long as the product of what they are given
TOO_MUCH: Final = "This becomes too long. Shorten it."
_NOWHERE: Final = object()


class Missing(Undefined):
    """A value that is not there: false in a condition, replaced by a fallback, and an error when written."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Undefined)

    __hash__ = Undefined.__hash__

    def __str__(self) -> str:
        raise MissingVariableError(self.name)


class Context(RenderContext):
    """Knows what a template may name, and how much its filters have worked."""

    __slots__ = ("work",)

    def __init__(self, template: BoundTemplate, **more: Any) -> None:
        super().__init__(template, **more)
        self.scope = ReadOnlyChainMap(self.locals, self.globals)  # without the clock: `now` and `today`
        self.work = 0

    def get(
        self,
        path: list[object],
        *,
        token: Token | None,
        default: object = UNDEFINED,
    ) -> object:
        found = super().get(path, token=token, default=_NOWHERE)
        if found is not _NOWHERE:
            return found
        return Missing(".".join(str(one) for one in path), token=token) if default is UNDEFINED else default

    def spend(self, characters: int) -> None:
        self.work += characters
        if self.work > MOST_WORK:
            raise TemplateError(TOO_MUCH)


class Template(BoundTemplate):
    context_class = Context

    def make_partial_namespace(
        self,
        partial: bool,  # noqa: ARG002, FBT001  as the library's
        render_args: Mapping[str, object],  # noqa: ARG002
    ) -> Mapping[str, object]:
        return {}  # the library's holds a variable of its own, `partial`


class MailEnvironment(Environment):
    """`autoescape`: values are text, and written as text into HTML."""

    template_class = Template
    block_nesting_limit: ClassVar[int] = 10
    output_stream_limit: ClassVar[int | None] = LONGEST_OUTPUT
    local_namespace_limit: ClassVar[int | None] = MOST_WORK
    loop_iteration_limit: ClassVar[int | None] = 1

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(tolerance=Mode.STRICT, undefined=Missing, autoescape=autoescape)
        self.signatures: dict[str, Signature] = {
            name: signature(function) for name, function in self.filters.items() if name in ALLOWED
        }
        self.filters = {name: _bounded(name, self.filters[name]) for name in self.signatures}

    def read(self, source: str) -> Template:
        """Raises liquid's errors."""
        return cast("Template", super().from_string(source))

    def takes(self, name: str, positional: Sequence[object], named: Mapping[str, object]) -> bool:
        """Whether a filter can be given these arguments."""
        own = {"environment": self} if "environment" in self.signatures[name].parameters else {}
        try:
            self.signatures[name].bind(None, *positional, **named, **own)
        except TypeError:
            return False
        return True

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags.clear()
        for tag in (
            content.Literal,
            output.Output,
            illegal.Illegal,
            if_tag.IfTag,
            unless_tag.UnlessTag,
            case_tag.CaseTag,
            assign_tag.AssignTag,
            capture_tag.CaptureTag,
            comment_tag.CommentTag,
        ):
            self.add_tag(tag)


def _bounded(name: str, function: Callable[..., object]) -> Callable[..., object]:
    needs_environment = bool(getattr(function, "with_environment", False))

    @wraps(function)
    def bounded(left: object, *args: object, context: Context, **kwargs: object) -> object:
        if isinstance(left, Missing) and name != "default":
            return left
        if name in GROWING:
            context.spend(_product(name, left, args))
        if needs_environment:
            kwargs["environment"] = context.env
        result = function(left, *args, **kwargs)
        if isinstance(result, int | float) and not abs(result) < LARGEST_NUMBER:
            raise TemplateError("A number becomes too large.")
        context.spend(_size(left) + _size(result))
        return result

    marked = cast("Any", bounded)
    marked.with_context, marked.with_environment = True, False
    return bounded


def _size(value: object) -> int:
    return len(cast("str | list[object]", value)) if isinstance(value, str | list) else 1


def _product(name: str, left: object, args: tuple[object, ...]) -> int:
    if name == "join":
        return _size(left) * _size(args[0]) if args else _size(left)
    text, sought, put = [str(one) for one in (left, *args, "", "")][:3]
    return text.count(sought) * len(put)
