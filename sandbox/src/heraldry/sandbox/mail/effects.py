"""What truly happened at a stand-in: the judge of tests. Append-only, and no password is ever in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

Fact = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that happened. `n` counts from 1 without gaps; `time` is the real time, in UTC."""

    n: int
    time: str
    what: str  # connected, authenticated, refused credentials, mail, recipient, accepted, delivered, bounced,
    # answered or unanswered (a mail whose bytes were all here), appended; fault, then released, dropped, client gone
    session: str  # one connection; empty where there was none
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])

    def as_json(self) -> dict[str, object]:
        return {"n": self.n, "time": self.time, "what": self.what, "session": self.session, **self.facts}


class Effects:
    """The log of effects in a file of JSON lines. Lines of an earlier run are kept and counted on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._entries = _read(path)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", buffering=1)

    def record(self, what: str, *, session: str = "", **facts: Fact) -> Effect:
        effect = Effect(len(self._entries) + 1, datetime.now(UTC).isoformat(), what, session, facts)
        self._entries.append(effect)
        self._file.write(json.dumps(effect.as_json()) + "\n")
        return effect

    def since(self, n: int = 0) -> tuple[Effect, ...]:
        """All effects after the n-th."""
        return tuple(self._entries[max(n, 0) :])

    def close(self) -> None:
        self._file.close()


def _read(path: Path) -> list[Effect]:
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):  # a killed process left half a line
        os.truncate(path, len(whole))
    return [_effect(line) for line in whole.splitlines()]


def _effect(line: bytes) -> Effect:
    found = cast("dict[str, object]", json.loads(line))
    n, time, what, session = (found.pop(name) for name in ("n", "time", "what", "session"))
    facts: dict[str, Fact] = {
        name: tuple(str(one) for one in cast("list[object]", value))
        if isinstance(value, list)
        else value
        if isinstance(value, int)
        else str(value)
        for name, value in found.items()
    }
    return Effect(int(str(n)), str(time), str(what), str(session), facts)
