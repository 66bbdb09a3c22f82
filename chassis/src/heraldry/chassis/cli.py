"""The `heraldry` command: finds its sub-commands by entry points, imports only the one asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

from heraldry.chassis.cli_words import example_of, usage

GROUP = "heraldry.commands"  # name → module:function(argv) -> exit code
MISUSE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command: 0 answered, 1 the answer is bad news, 2 misuse."""
    words = list(sys.argv[1:] if argv is None else argv)
    commands = {found.name: found for found in entry_points(group=GROUP)}
    if not words or words[0] in {"-h", "--help"}:
        (sys.stdout if words else sys.stderr).write(usage(commands))
        return 0 if words else MISUSE
    command = commands.get(words[0])
    if command is None:
        sys.stderr.write(f"heraldry: there is no command {words[0]!r}.\n{usage(commands)}")
        return MISUSE
    try:
        return _function(command)(words[1:])
    except SystemExit as leaving:  # argparse has said what is wrong, or helped
        if leaving.code == 0 and (example := example_of(words[0])):
            sys.stdout.write(f"\nfor example: {example}\n")
        return leaving.code if isinstance(leaving.code, int) else MISUSE if leaving.code else 0
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _function(command: EntryPoint) -> Callable[[Sequence[str]], int]:
    loaded: Callable[[Sequence[str]], int] = command.load()
    return loaded


if __name__ == "__main__":
    sys.exit(main())
