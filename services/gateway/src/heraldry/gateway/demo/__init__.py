"""`heraldry demo`: plays what Heraldry does, through its HTTP API and as an event subscriber, and checks it.

It starts the system unless it runs, and makes an organization of its own, so it can be run again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
from heraldry.gateway.demo.report import SignIn, Step, as_json, table
from heraldry.gateway.demo.running import NotStartedError, running
from heraldry.gateway.demo.story import NOT_PLAYED, play
from nats.errors import Error as NatsError

GOOD, BAD = 0, 1
LONGEST = 500  # characters of an answer


def main(argv: Sequence[str]) -> int:
    """0 when every expectation held, 1 when one did not, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="heraldry demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--data", type=Path, default=Path("data") / "demo", help="default: ./data/demo")
    asked = parser.parse_args(argv)
    steps: list[Step] = []
    made: SignIn | None = None
    not_played: list[str] = [*NOT_PLAYED]
    try:
        with running(asked.data.absolute()) as installation:
            played = asyncio.run(play(installation, steps, not_played))
            made = played if installation.stays else None
    except NotStartedError as error:
        steps.append(Step("The system runs", ok=False, found=str(error)))
    except httpx.HTTPStatusError as error:
        found = f"{error.request.method} {error.request.url.path}: {error.response.text[:LONGEST]}"
        steps.append(Step("The system does what it is asked", ok=False, found=found))
    except (httpx.HTTPError, NatsError, TimeoutError) as error:
        steps.append(Step("The system answers", ok=False, found=f"{type(error).__name__}: {error}"))
    sys.stdout.write(as_json(steps, not_played) if asked.json else table(steps, not_played, made))
    return GOOD if steps and all(step.ok for step in steps) else BAD
