"""The history over HTTP: by page, and as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.registry import PUBLISHED
from heraldry.gateway.api.answers import Body
from heraldry.gateway.entries import HistoryEntry
from heraldry.gateway.history import LONGEST_PAGE, HistoryFilter
from heraldry.gateway.sentences import KINDS, Tone
from heraldry.gateway.state import Call, Gateway
from heraldry.gateway.views import Views
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

COLUMNS: Final = (
    "time_utc",
    "actor",
    "actor_name",
    "type",
    "what",
    "outcome",
    "cause",
    "identity",
    "identity_name",
    "inbox",
    "attempt",
)
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""A cell that begins so would be run by a spreadsheet."""

KNOWN: Final = frozenset(KINDS).union(*PUBLISHED.values())
Kinds = Annotated[str, QueryParameter(description="kinds or event types, comma separated; empty: all")]


class Entry(Body):
    """One thing that happened. `cursor` is its place; `cause` what it followed from, in words."""

    cursor: str
    time: datetime
    actor: str
    actor_name: str
    type: str
    kind: str
    what: str
    outcome: str
    tone: Tone
    cause: str
    identity: str
    identity_name: str
    inbox: str
    attempt: str


class Page(Body):
    """Newest first. `older`: pass it as `after` to go on; empty: that was all."""

    entries: tuple[Entry, ...]
    older: str


class HistoryController(Controller):
    path = "/api/v1"
    tags = ("History",)

    @get("/history", summary="Everything that was done in the organization's name, newest first")
    async def organization(
        self,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        kind: Kinds = "",
        first: Annotated[date | None, QueryParameter(name="from")] = None,
        last: Annotated[date | None, QueryParameter(name="to")] = None,
        after: FromQuery[str] = "",
        limit: FromQuery[int] = 100,
    ) -> Page:
        await gateway.views.seen(call.seen)
        wanted = filter_of(gateway.views, call.organization, None, kind, first, last)
        return page(gateway.views, call.organization, wanted, after, limit)

    @get("/identities/{identity:uuid}/history", summary="An identity's history, newest first")
    async def of_identity(  # noqa: PLR0913, PLR0917  a route's parameters
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        kind: Kinds = "",
        first: Annotated[date | None, QueryParameter(name="from")] = None,
        last: Annotated[date | None, QueryParameter(name="to")] = None,
        after: FromQuery[str] = "",
        limit: FromQuery[int] = 100,
    ) -> Page:
        await gateway.views.seen(call.seen)
        await known(gateway, call, identity)
        wanted = filter_of(gateway.views, call.organization, identity, kind, first, last)
        return page(gateway.views, call.organization, wanted, after, limit)

    @get(
        "/identities/{identity:uuid}/history/export",
        summary="An identity's history as a file, CSV or JSON Lines",
    )
    async def export(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        kind: Kinds = "",
        first: Annotated[date | None, QueryParameter(name="from")] = None,
        last: Annotated[date | None, QueryParameter(name="to")] = None,
        format: FromQuery[Literal["csv", "jsonl"]] = "csv",  # noqa: A002  the parameter's name
    ) -> Stream:
        """Newest first. In CSV, times stand in the column `time_utc` as `2026-05-04 09:30:00`, in UTC, so that
        spreadsheets know them for times; a JSON line has them as the page does, such as `2026-05-04T09:30:00Z`.
        Days of `from` and `to` are the organization's. The page's **Export** buttons write the same files.
        """
        await gateway.views.seen(call.seen)
        await known(gateway, call, identity)
        wanted = filter_of(gateway.views, call.organization, identity, kind, first, last)
        return file(gateway.views, call.organization, wanted, format)


async def known(gateway: Gateway, call: Call, identity: UUID) -> None:
    """Refused `identity.unknown` (404) unless it is, or was, one of the organization's."""
    if not gateway.views.has_identity(call.organization, identity):
        await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)


def filter_of(
    views: Views, organization: UUID, identity: UUID | None, kind: str, first: date | None, last: date | None
) -> HistoryFilter:
    """Days are the organization's. Refused `input.invalid` for a kind there is none of."""
    zone = ZoneInfo(views.organization(organization).zone)
    begin = datetime(first.year, first.month, first.day, tzinfo=zone) if first else None
    after = last + timedelta(days=1) if last else None
    end = datetime(after.year, after.month, after.day, tzinfo=zone) if after else None
    kinds = tuple(part.strip() for part in kind.split(",") if part.strip())
    if not KNOWN.issuperset(kinds):
        raise Refused(
            "input.invalid",
            f"kind: Use one of these, or types of events: {', '.join(KINDS)}.",
            status=422,
            field="kind",
        )
    return HistoryFilter(identity=identity, kinds=kinds, first=begin, last=end)


def page(views: Views, organization: UUID, wanted: HistoryFilter, after: str, limit: int) -> Page:
    found = views.history(organization, wanted, before=after, limit=limit)
    return Page(entries=tuple(map(entry, found.entries)), older=found.older)


def entry(one: HistoryEntry) -> Entry:
    return Entry(
        cursor=one.cursor,
        time=one.at,
        actor=one.actor,
        actor_name=one.actor_name,
        type=one.type,
        kind=one.kind,
        what=one.what,
        outcome=one.outcome,
        tone=one.tone,
        cause=one.cause,
        identity=one.identity,
        identity_name=one.identity_name,
        inbox=one.inbox,
        attempt=one.attempt,
    )


def file(views: Views, organization: UUID, wanted: HistoryFilter, form: Literal["csv", "jsonl"]) -> Stream:
    """All that the filter lets through, read page by page while it is sent."""
    media = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}[form]
    lines = _csv if form == "csv" else _json_lines
    headers = {
        "Content-Disposition": f'attachment; filename="history.{form}"',
        "Cache-Control": "no-store",
    }
    return Stream(lines(_pages(views, organization, wanted)), media_type=media, headers=headers)


async def _pages(views: Views, organization: UUID, wanted: HistoryFilter) -> AsyncGenerator[Sequence[Entry]]:
    before = ""
    while True:
        found = views.history(organization, wanted, before=before, limit=LONGEST_PAGE)
        yield [entry(one) for one in found.entries]
        if not found.older:
            return
        before = found.older


async def _csv(pages: AsyncGenerator[Sequence[Entry]]) -> AsyncGenerator[bytes]:
    yield _row(COLUMNS)
    async for entries in pages:
        for one in entries:
            told = one.model_dump() | {"time_utc": written(one.time)}
            yield _row([safe(str(told[column])) for column in COLUMNS])


def written(at: datetime) -> str:
    """A time as every spreadsheet takes it for one, whatever its language: UTC, as the column's name says."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _row(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def safe(cell: str) -> str:
    """The cell, so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULAS) else cell


async def _json_lines(pages: AsyncGenerator[Sequence[Entry]]) -> AsyncGenerator[bytes]:
    async for entries in pages:
        for one in entries:
            yield orjson.dumps(one.model_dump(mode="json")) + b"\n"
