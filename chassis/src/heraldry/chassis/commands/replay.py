"""`heraldry replay`: publishes what a context's store holds, from its beginning, under a new marker."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.operator import ACTOR, NotRunningError
from heraldry.chassis.bus.provision import ProvisionError, ensure
from heraldry.chassis.bus.replay import leave_word
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.commands.answers import Answers, Document, add_folder, folder_of, installation, refused
from heraldry.chassis.supervisor.alone import bus
from heraldry.chassis.supervisor.problems import CannotStart
from heraldry.contracts.base import By, Refused
from heraldry.contracts.operations import ReplayLog
from nats.aio.client import Client

NOBODY: Final = "service.unavailable"


def main(argv: Sequence[str]) -> int:
    """0: answered; 1: refused; 2: a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="heraldry replay",
        description="Publish what a context's store holds, from its beginning, under a new marker: after the store was"
        " restored, or the stream of the events was lost. A missing stream is made. Whether it runs or not, twice or"
        " cut short: it does no harm.",
    )
    parser.add_argument(
        "contexts", nargs="+", choices=rights.CONTEXTS, metavar="CONTEXT", help=", ".join(rights.CONTEXTS)
    )
    add_folder(parser)
    asked = parser.parse_args(argv)
    return asyncio.run(_answer(folder_of(asked), asked.contexts))


async def _answer(data: Path, contexts: Sequence[str]) -> int:
    answers = Answers(installation(data))
    try:
        async with bus(data) as (nc, runs):
            await ensure(border.jetstream(nc))
            for context in contexts:
                try:
                    answers.good(await _replay(nc, context, runs=runs))
                except Refused as refusal:
                    answers.bad(refused(refusal, context=context))
    except NotRunningError as error:
        answers.bad({"code": "not-running", "detail": str(error)})
    except CannotStart as problem:
        answers.bad({"code": problem.code, "detail": str(problem)})
    except ProvisionError as error:
        answers.bad({"code": "streams", "detail": str(error)})
    return answers.ended


async def _replay(nc: Client, context: str, *, runs: bool) -> Document:
    """By the context itself; where it does not run, as soon as it does."""
    if runs:
        try:
            by = By(organization=None, actor=ACTOR)
            accepted = await Caller(nc).send(ReplayLog(), by=by, id=uuid4(), to=context)
        except Refused as refusal:
            if refusal.code != NOBODY:
                raise
        else:
            return {"context": context, "replays": True, "until": accepted.position}
    await leave_word(border.jetstream(nc), context)
    return {
        "context": context,
        "replays": False,
        "detail": f"{context} does not run: it replays when it starts.",
    }
