"""`heraldry parked`: the messages that a consumer could not handle, and what becomes of them."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from heraldry.chassis.bus import rights
from heraldry.chassis.bus.operator import ACTOR, NotRunningError, operator
from heraldry.chassis.bus.parking import parked_name
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.commands.answers import Answers, Document, add_folder, folder_of, installation, refused
from heraldry.contracts.base import By, Refused
from heraldry.contracts.operations import DiscardParked, ListParked, ReplayParked, ShowParked

BY: Final = By(organization=None, actor=ACTOR)
PATIENCE: Final = 60.0  # seconds for a replay
Name = tuple[str, int]  # of a parked message: its context and its number there
Ask = Callable[[Caller, Name], Awaitable[Document]]


def main(argv: Sequence[str]) -> int:
    """0: answered; 1: one of them was refused, or Heraldry does not run; 2: a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="heraldry parked",
        description="Look after the messages that a consumer could not handle. Nothing personal is told of them.",
    )
    words = parser.add_subparsers(dest="word", required=True, metavar="list|show|replay|discard")
    every = words.add_parser(
        "list", help="all that is parked", description="List what is parked, oldest first."
    )
    every.add_argument("--context", choices=rights.CONTEXTS, help="of one context (default: of all)")
    add_folder(every)
    for word, told in (
        ("show", "Where a message is, why it is parked, and what its envelope says."),
        ("replay", "Have messages handled again. What fails again stays parked."),
        ("discard", "Forget messages: they will never be handled."),
    ):
        one = words.add_parser(word, help=told, description=told)
        one.add_argument("ids", nargs="+", type=_name, metavar="ID", help="as `list` tells it: <context>:<n>")
        add_folder(one)
    asked = parser.parse_args(argv)
    return asyncio.run(_answer(folder_of(asked), asked))


async def _answer(data: Path, asked: argparse.Namespace) -> int:
    answers = Answers(installation(data))
    try:
        async with operator(data) as nc:
            caller = Caller(nc)
            if asked.word == "list":
                for context in (asked.context,) if asked.context else rights.CONTEXTS:
                    await _list(caller, context, answers)
            else:
                for name in asked.ids:
                    await _each(partial(_ASKED[asked.word], caller), name, answers)
    except NotRunningError as error:
        answers.bad({"code": "not-running", "detail": str(error)})
    return answers.ended


async def _list(caller: Caller, context: str, answers: Answers) -> None:
    try:
        found = await caller.ask(ListParked(), by=BY, to=context)
    except Refused as refusal:
        answers.bad(refused(refusal, context=context))
        return
    for one in found:
        answers.good(one.model_dump(mode="json"))


async def _each(ask: Callable[[Name], Awaitable[Document]], name: Name, answers: Answers) -> None:
    try:
        answers.good(await ask(name))
    except Refused as refusal:
        answers.bad(refused(refusal, id=f"{name[0]}:{name[1]}"))


async def _show(caller: Caller, name: Name) -> Document:
    context, number = name
    return (await caller.ask(ShowParked(number=number), by=BY, to=context)).model_dump(mode="json")


async def _replay(caller: Caller, name: Name) -> Document:
    context, number = name
    await caller.send(ReplayParked(number=number), by=BY, id=uuid4(), to=context, deadline=PATIENCE)
    return {"id": f"{context}:{number}", "replayed": True}


async def _discard(caller: Caller, name: Name) -> Document:
    context, number = name
    await caller.send(DiscardParked(number=number), by=BY, id=uuid4(), to=context)
    return {"id": f"{context}:{number}", "discarded": True}


_ASKED: Final[dict[str, Ask]] = {"show": _show, "replay": _replay, "discard": _discard}


def _name(text: str) -> Name:
    named = parked_name(text)
    if named is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a parked message: <context>:<n>")
    return named
