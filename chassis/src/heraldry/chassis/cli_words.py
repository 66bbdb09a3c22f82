"""What `heraldry --help` says of each command, and an example of it. Not asked of the commands: importing all takes seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    line: str
    example: str


ID: Final = "018f4e9a-7c1d-7000-8000-000000000001"
GROUPS: Final[dict[str, dict[str, Command]]] = {
    "Run it": {
        "up": Command(
            "start NATS, the services and the sandbox; Ctrl-C stops them", "heraldry up --no-sandbox"
        ),
        "demo": Command("play what Heraldry does, in the sandbox, and check it", "heraldry demo --json"),
        "status": Command("say what runs", "heraldry status --no-sandbox"),
        "serve": Command("run one service in the foreground", "heraldry serve mailbox"),
    },
    "Look after it": {
        "halt": Command(
            "let nothing leave any more, or let things leave again",
            'heraldry halt set --system --reason "Moving house"',
        ),
        "parked": Command(
            "see, replay or discard messages that could not be handled", "heraldry parked list"
        ),
        "rate": Command(
            "raise an inbox's ceiling for a time",
            f'heraldry rate raise --inbox {ID} --per-day 120 --per-hour 15 --until 2026-12-31 --reason "known domain"',
        ),
        "erase": Command(
            "erase what is known of a person, for good",
            f'heraldry erase --lead {ID} --reason "asked for by letter"',
        ),
    },
    "Keep it safe": {
        "backup": Command(
            "copy an installation: its data and, apart from them, its keys",
            "heraldry backup --no-sandbox --to /mnt/copies --keys-to /mnt/keys",
        ),
        "restore": Command(
            "make an installation of a backup, halted, in a new folder",
            "heraldry restore --from data.tar.gz --keys-from keys.tar.gz --data data/restored --staging --no-ledger",
        ),
        "keys": Command("print, put back or replace the master key", "heraldry keys recovery --no-sandbox"),
        "audit": Command(
            "prove that no stored event was changed, or name the first that was",
            "heraldry audit verify --no-sandbox --public-key heraldry.pub",
        ),
        "replay": Command("publish a context's log anew, from its beginning", "heraldry replay mailbox"),
        "rebuild": Command(
            "delete the read models; they are made anew at the next start", "heraldry rebuild"
        ),
    },
    "Look closer": {
        "mail": Command(
            "explain a mail, or what a mail server's answer means",
            'heraldry mail diagnose --protocol smtp "535 5.7.8 Authentication failed"',
        ),
        "linkedin": Command(
            "look at a page of LinkedIn as Heraldry reads it; nothing is changed there",
            "heraldry linkedin probe --base-url https://www.linkedin.com --page login",
        ),
        "kurrent-stand-in": Command(
            "a server that speaks KurrentDB's protocol, for trials",
            "heraldry kurrent-stand-in --data data/kurrent",
        ),
    },
}


def usage(names: Iterable[str]) -> str:
    """The commands there are, by what they are for."""
    return "\n".join(
        ("usage: heraldry <command> …", *_lines(set(names)), "", "heraldry <command> --help says more.", "")
    )


def example_of(name: str) -> str:
    """Empty for a command that nothing is known of."""
    return next((group[name].example for group in GROUPS.values() if name in group), "")


def _lines(names: set[str]) -> Iterator[str]:
    width = max(map(len, names), default=0)
    for title, group in GROUPS.items():
        there = [name for name in group if name in names]
        if there:
            yield f"\n{title}"
            yield from (f"  {name:{width}}  {group[name].line}" for name in there)
        names = names.difference(group)
    if names:
        yield "\nOthers"
        yield from (f"  {name}" for name in sorted(names))
