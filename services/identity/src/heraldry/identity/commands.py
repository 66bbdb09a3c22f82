"""`heraldry erase`: the platform's operators have a person's data erased, and see how far that is."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.bus.operator import ACTOR, NotRunningError, operator
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.commands.answers import installation
from heraldry.chassis.supervisor import folder as folders
from heraldry.contracts.base import By, Refused
from heraldry.contracts.erasure import ErasureView, GetErasure, Kind, RequestErasure
from pydantic import ValidationError

ANSWERED, BAD_NEWS, MISUSE = 0, 1, 2
KINDS: Final[tuple[Kind, ...]] = ("lead", "identity", "user")
PAUSE: Final = 0.5  # seconds between two looks
LOOK: Final = 10.0  # seconds one look may take: it asks every context
AWAY: Final = 503  # nobody is there to say yes or no at the moment
BY: Final = By(organization=None, actor=ACTOR)


def main(argv: Sequence[str]) -> int:
    """0: erased, or asked how far it is; 1: refused, not ended in time, or Heraldry does not run; 2: a wrong command
    line.
    """
    parser = argparse.ArgumentParser(
        prog="heraldry erase",
        description="Erase what is known of a person: the key of all that is encrypted is destroyed. There is no way"
        " back. Asked again it goes on with the same erasure.",
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--lead",
        type=UUID,
        help="the id of a lead, of its enrollment in a campaign, or of a mail or action for them",
    )
    who.add_argument("--identity", type=UUID, help="the identity whose owner is erased; it is deleted, too")
    who.add_argument("--user", type=UUID, help="a user's id")
    who.add_argument("--status", type=UUID, help="only show how far the erasure of this id is")
    parser.add_argument(
        "--reason", help="your words; they stand in the organization's history for good: no names in it"
    )
    parser.add_argument(
        "--anyway", action="store_true", help="also the only admin of an organization: it has none then"
    )
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for its end (default: 60)")
    parser.add_argument("--no-sandbox", action="store_true", help="the installation in ./data/live")
    parser.add_argument("--data", type=Path, help="the data folder (default: ./data/demo or ./data/live)")
    asked = parser.parse_args(argv)
    path = folders.default("live" if asked.no_sandbox else "demo", asked.data)
    if asked.status is not None:
        answer, ended = asyncio.run(_answered(path, asked.status, None, 0.0))
    else:
        kind: Kind = next(one for one in KINDS if getattr(asked, one) is not None)
        try:
            request = RequestErasure(
                kind=kind, subject=getattr(asked, kind), reason=asked.reason or "", anyway=asked.anyway
            )
        except ValidationError:
            parser.error("--reason is needed: say in a line why, without a name")
        answer, ended = asyncio.run(_answered(path, request.subject, request, asked.wait))
    sys.stdout.write(json.dumps({**answer, **installation(path)}) + "\n")
    return ended


async def _answered(
    data: Path, subject: UUID, request: RequestErasure | None, patience: float
) -> tuple[dict[str, object], int]:
    """The erasure as it is at its end, or when patience ends. A part of the system that is away meanwhile ends nothing."""
    until, command, seen = time.monotonic() + patience, uuid4(), list[str]()
    try:
        async with operator(data) as nc:
            caller = Caller(nc)
            while True:
                try:
                    if request is not None and not seen:
                        seen.append((await caller.send(request, by=BY, id=command, deadline=30.0)).position)
                    view = await caller.ask(GetErasure(erasure=subject), by=BY, seen=seen, deadline=LOOK)
                except Refused as refusal:
                    if refusal.status != AWAY or time.monotonic() >= until:
                        raise
                else:
                    if request is None or view.step == "completed":
                        return _told(subject, view), ANSWERED
                    if time.monotonic() >= until:
                        return _told(subject, view), BAD_NEWS
                await asyncio.sleep(PAUSE)
    except NotRunningError as error:
        return {"code": "not-running", "detail": str(error)}, BAD_NEWS
    except Refused as refusal:
        return {"code": refusal.code, "detail": refusal.detail}, BAD_NEWS


def _told(subject: UUID, view: ErasureView) -> dict[str, object]:
    """With the id that was asked by, which may be none of the person's own: a mail's, an enrollment's."""
    return {"asked": str(subject), **view.model_dump(mode="json")}
