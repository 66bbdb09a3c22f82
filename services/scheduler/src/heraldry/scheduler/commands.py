"""`heraldry rate`: what support, the platform's operators, decide of the rates of inboxes."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from heraldry.chassis.bus.operator import ACTOR, NotRunningError, operator
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.commands.answers import installation
from heraldry.chassis.supervisor import folder as folders
from heraldry.contracts.base import By, Refused
from heraldry.contracts.scheduler import EmailRate, RaiseRateCeiling
from pydantic import ValidationError

ANSWERED, BAD_NEWS, MISUSE = 0, 1, 2


def main(argv: Sequence[str]) -> int:
    """0: done; 1: refused, or Heraldry does not run; 2: a wrong command line."""
    parser = argparse.ArgumentParser(prog="heraldry rate", description="Decide on the rates of inboxes.")
    words = parser.add_subparsers(dest="word", required=True, metavar="raise")
    grant = words.add_parser(
        "raise",
        help="let an inbox send more for a time",
        description="Raise the ceiling of an inbox until an end. Its people choose the rate below it.",
    )
    grant.add_argument("--inbox", type=UUID, required=True, help="the inbox's id")
    grant.add_argument("--per-day", type=int, required=True, help="emails a day, at least 80")
    grant.add_argument("--per-hour", type=int, required=True, help="emails in 60 minutes, at least 10")
    grant.add_argument(
        "--until", type=_instant, required=True, help="a day (its end in UTC) or an instant, in ISO 8601"
    )
    grant.add_argument("--reason", required=True, help="your words; they stand in the history")
    grant.add_argument("--no-sandbox", action="store_true", help="the installation in ./data/live")
    grant.add_argument("--data", type=Path, help="the data folder (default: ./data/demo or ./data/live)")
    asked = parser.parse_args(argv)
    try:
        command = RaiseRateCeiling(
            inbox=asked.inbox,
            ceiling=EmailRate(per_day=asked.per_day, per_hour=asked.per_hour),
            reason=asked.reason,
            until=asked.until,
        )
    except ValidationError as error:
        grant.error(str(error.errors(include_url=False)[0]["msg"]))
    path = folders.default("live" if asked.no_sandbox else "demo", asked.data)
    answer, ended = asyncio.run(_raise(path, command))
    sys.stdout.write(json.dumps({**answer, **installation(path)}) + "\n")
    return ended


async def _raise(data: Path, command: RaiseRateCeiling) -> tuple[dict[str, object], int]:
    by = By(organization=None, actor=ACTOR)
    try:
        async with operator(data) as nc:
            accepted = await Caller(nc).send(command, by=by, id=uuid4())
    except NotRunningError as error:
        return {"code": "not-running", "detail": str(error)}, BAD_NEWS
    except Refused as refusal:
        return {"code": refusal.code, "detail": refusal.detail, "field": refusal.field}, BAD_NEWS
    return {"position": accepted.position, **command.model_dump(mode="json")}, ANSWERED


def _instant(text: str) -> datetime:
    """A day means its end. What names no zone is UTC."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return found + timedelta(days=1) if len(text) == len("2026-01-01") else found
