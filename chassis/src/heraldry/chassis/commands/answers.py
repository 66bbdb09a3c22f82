"""What these commands have in common: where the installation is, and one JSON document a line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from heraldry.chassis.bus.operator import elsewhere
from heraldry.chassis.supervisor import folder as folders
from heraldry.contracts.base import Refused

ANSWERED: Final = 0
BAD_NEWS: Final = 1
Document = Mapping[str, object]


def add_folder(parser: argparse.ArgumentParser) -> None:
    """The arguments that name the installation."""
    parser.add_argument("--no-sandbox", action="store_true", help="the installation in ./data/live")
    parser.add_argument("--data", type=Path, help="the data folder (default: ./data/demo or ./data/live)")


def folder_of(asked: argparse.Namespace) -> Path:
    return folders.default("live" if asked.no_sandbox else "demo", asked.data)


def installation(data: Path) -> Document:
    """Which one is asked: its folder, and whether that is a demo or a real one; or where its bus is."""
    if elsewhere():
        return {"nats": elsewhere()}
    return {"data": str(data), "mode": folders.mode_of(data)}


def refused(refusal: Refused, **about: object) -> Document:
    told: dict[str, object] = {**about, "code": refusal.code, "detail": refusal.detail}
    return {**told, **({"extra": refusal.extra} if refusal.extra else {})}


class Answers:
    """Documents as they are told, each with what `about` says; `ended` is the exit code: bad news if one of them
    was.
    """

    def __init__(self, about: Document | None = None) -> None:
        self.ended, self._about = ANSWERED, about or {}
        structlog.configure(logger_factory=_beside)

    def good(self, document: Document) -> None:
        _tell({**document, **self._about})

    def bad(self, document: Document) -> None:
        self.ended = BAD_NEWS
        _tell({**document, **self._about})


class _Beside(structlog.PrintLogger):
    """What is logged meanwhile is no answer, and only what is wrong may stand beside it."""

    @staticmethod
    def info(message: str) -> None:
        """Nothing: the answer would drown."""

    debug = info


def _beside(*_: object) -> structlog.PrintLogger:
    return _Beside(sys.stderr)


def _tell(document: Document) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
