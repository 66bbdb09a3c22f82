"""Which events a read of the whole log sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from heraldry.chassis.testing.kurrent.records import Record, is_system
from heraldry.chassis.testing.kurrent.refusals import Thrown, index_not_found, invalid_argument
from kurrentdbclient.protos.v1.streams_pb2 import ReadReq

Filter = Callable[[Record], bool]
Options = ReadReq.Options

_INDEX: Final = "$idx-"
_EVERYTHING: Final = _INDEX + "all"
_BY_TYPE: Final = _INDEX + "et-"
_BY_CATEGORY: Final = _INDEX + "ce-"


def filter_of(options: Options) -> Filter:
    if options.WhichOneof("filter_option") != "filter":
        return lambda _: True
    wanted = options.filter
    if wanted.WhichOneof("filter") == "event_type":
        matches = _matcher(wanted.event_type)
        return lambda record: matches(record.type)
    if index := index_of(options):
        return _index(index)
    matches = _matcher(wanted.stream_identifier)
    return lambda record: matches(record.stream)


def _matcher(expression: Options.FilterOptions.Expression) -> Callable[[str], bool]:
    """A regular expression may match anywhere; without one, the prefixes count."""
    if not expression.regex:
        prefixes = tuple(expression.prefix)
        return lambda text: text.startswith(prefixes)
    try:
        pattern = re.compile(expression.regex)
    except re.error as error:
        raise Thrown(f"Invalid pattern '{expression.regex}': {error}") from None
    return lambda text: pattern.search(text) is not None


def index_of(options: Options) -> str | None:
    """The name of the database's own index that this reads: it is said as if it were the prefix of streams."""
    wanted = options.filter.stream_identifier
    names = [prefix for prefix in wanted.prefix if prefix.startswith(_INDEX)]
    if options.WhichOneof("filter_option") != "filter" or wanted.regex or not names:
        return None
    if len(wanted.prefix) > 1:
        raise invalid_argument(
            "Index reads only work with one index name and cannot be combined with stream prefixes or other "
            "indexes"
        )
    return names[0]


def _index(name: str) -> Filter:
    """All events but the database's own, those of a type, or those of a category."""
    if name == _EVERYTHING:
        return lambda record: not is_system(record.stream)
    if name.startswith(_BY_TYPE):
        wanted_type = name.removeprefix(_BY_TYPE)
        return lambda record: record.type == wanted_type and not is_system(record.stream)
    if name.startswith(_BY_CATEGORY):
        category = name.removeprefix(_BY_CATEGORY)
        return lambda record: record.stream.partition("-")[0] == category and not is_system(record.stream)
    raise index_not_found(name)
