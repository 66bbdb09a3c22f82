"""Which events a read of the whole log sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from heraldry.chassis.testing.kurrent.records import LINK, Record, is_system
from heraldry.chassis.testing.kurrent.refusals import invalid_argument
from kurrentdbclient.protos.v1.streams_pb2 import ReadReq

Filter = Callable[[Record], bool]
Options = ReadReq.Options

_INDEX: Final = "$idx-"
_BY_TYPE: Final = _INDEX + "et-"
_BY_CATEGORY: Final = _INDEX + "ce-"


def filter_of(options: Options) -> Filter:
    if options.WhichOneof("filter_option") != "filter":
        return lambda _: True
    wanted = options.filter
    if wanted.WhichOneof("filter") == "event_type":
        matches = _matcher(wanted.event_type)
        return lambda record: matches(record.type)
    if not wanted.stream_identifier.regex and (index := _index(wanted.stream_identifier.prefix)):
        return index
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
        raise invalid_argument(f"Invalid pattern '{expression.regex}': {error}") from None
    return lambda text: pattern.search(text) is not None


def _index(prefixes: Sequence[str]) -> Filter | None:
    """The database's own indexes are read by the names of their streams: of all events, a type, a category."""
    if len(prefixes) != 1 or not prefixes[0].startswith(_INDEX):
        return None
    (name,) = prefixes
    if name.startswith(_BY_TYPE):
        wanted_type = name.removeprefix(_BY_TYPE)
        return lambda record: record.type == wanted_type and not is_system(record.stream)
    if name.startswith(_BY_CATEGORY):
        category = name.removeprefix(_BY_CATEGORY)
        return lambda record: "-" in record.stream and record.stream.partition("-")[0] == category
    return lambda record: not is_system(record.stream) and record.type != LINK
