"""The leads of a campaign as a person sees them: what waits, why, and through which inboxes. One query each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

_SELECT: Final = """SELECT
  l.enrollment, l.campaign, l.identity, l.person, l.data, l.state, l.step, l.inbox, l.due_at, l.offer,
  l.attempt, l.valid_until, l.attempts, l.skipped, l.read, l.held, l.tries, l.code, l.reason, l.resolution, l.since,
  l.ordinal,
  c.state AS running, c.pause_reason, c.pace, c.started_at,
  CASE l.offer WHEN 'first' THEN coalesce(json_extract(c.settings, '$.steps[0].kind'), 'email')
    ELSE l.next_kind END AS kind,
  EXISTS (SELECT 1 FROM acquaintance q WHERE q.identity = l.identity AND q.person = l.person) AS connected,
  CASE l.offer
    WHEN 'next' THEN EXISTS (SELECT 1 FROM lead o WHERE o.via = l.via AND o.next_kind = l.next_kind
      AND o.offer = 'next' AND o.ready = 1 AND o.due_at < l.due_at)
    WHEN 'join' THEN EXISTS (SELECT 1 FROM lead o WHERE o.campaign = l.campaign AND o.next_kind = l.next_kind
      AND o.offer = 'join' AND o.ready = 1 AND o.due_at < l.due_at)
    WHEN 'first' THEN EXISTS (SELECT 1 FROM lead o WHERE o.campaign = l.campaign AND o.offer = 'first'
      AND o.ready = 1 AND o.ordinal < l.ordinal)
    ELSE 0 END AS ahead,
  (SELECT json_group_array(json_object('sender', a.sender, 'closed', a.closed, 'hours', a.hours,
      'per_day', a.per_day, 'used_today', a.used_today, 'last_at', a.last_at,
      'exhausted_until', a.exhausted_until, 'exhausted_window', a.exhausted_window))
    FROM account a WHERE a.sender = l.sender
      OR (l.sender = '' AND a.identity = l.identity AND c.inbox IN ('', a.inbox))) AS accounts,
  (SELECT json_group_array(json_object('sender', s.sender, 'kind', n.kind, 'closed', s.closed, 'hours', s.hours,
      'per_day', n.per_day, 'used_today', n.used_today, 'last_at', n.last_at,
      'exhausted_window', 'day', 'exhausted_until', coalesce((SELECT w.until FROM linkedin_wait w
        WHERE w.sender = s.sender AND w.kind = n.kind AND w.why = 'quota'), ''),
      'slowed_until', coalesce((SELECT max(w.until) FROM linkedin_wait w
        WHERE w.sender = s.sender AND w.kind IN (n.kind, 'everything') AND w.why = 'slowed-down'), '')))
    FROM linkedin_sender s JOIN linkedin_lane n ON n.sender = s.sender WHERE s.sender = l.linkedin
      OR (l.linkedin = '' AND s.identity = l.identity)) AS lanes"""
_FROM: Final = "FROM lead l JOIN campaign c ON c.id = l.campaign"


@dataclass(frozen=True, slots=True)
class Row:
    enrollment: str
    campaign: str
    identity: str
    person: str
    data: str
    state: str
    step: int
    inbox: str
    due_at: str
    offer: str
    attempt: str
    valid_until: str
    attempts: str
    skipped: str
    read: str
    held: str
    tries: int
    code: str
    reason: str
    resolution: str
    since: str
    ordinal: int
    running: str
    pause_reason: str
    pace: str
    started_at: str
    kind: str
    connected: int
    ahead: int
    accounts: str
    lanes: str


@dataclass(frozen=True, slots=True)
class Filter:
    """`state` and `search` empty: all. `after`: the ordinal and the enrollment of the last one seen."""

    campaign: str
    state: str
    search: str
    after: tuple[int, str]
    limit: int


def one(db: Connection, organization: str, enrollment: str) -> Row | None:
    found = db.execute(
        f"{_SELECT} {_FROM} WHERE l.enrollment = ? AND l.organization = ? AND l.ready = 1",
        (enrollment, organization),
    ).fetchone()
    return None if found is None else _row(cast("tuple[object, ...]", found))


def page(db: Connection, wanted: Filter) -> tuple[Sequence[Row], int]:
    """In the order they were imported, and how many the filter finds in all."""
    matches, values = "l.campaign = ? AND l.ready = 1", [wanted.campaign]
    if wanted.state:
        matches, values = f"{matches} AND l.state = ?", [*values, wanted.state]
    if wanted.search:
        matches = f"{matches} AND (l.name LIKE ? ESCAPE '\\' OR l.email LIKE ? ESCAPE '\\')"
        values += 2 * [f"%{_literal(wanted.search)}%"]
    found = db.execute(
        f"{_SELECT}, (SELECT count(*) FROM lead l WHERE {matches}) {_FROM} WHERE {matches}"
        " AND (l.ordinal, l.enrollment) > (?, ?) ORDER BY l.ordinal, l.enrollment LIMIT ?",
        (*values, *values, *wanted.after, wanted.limit),
    ).fetchall()
    rows = cast("list[tuple[object, ...]]", found)
    return [_row(row[:-1]) for row in rows], cast("int", rows[0][-1]) if rows else 0


def _row(row: tuple[object, ...]) -> Row:
    return Row(*row)  # pyright: ignore[reportArgumentType]  as the tables' STRICT columns are


def _literal(search: str) -> str:
    return search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
