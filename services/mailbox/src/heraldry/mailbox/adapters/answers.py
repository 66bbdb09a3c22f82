"""What a server's answers to our commands say."""

from __future__ import annotations

import base64
from collections.abc import Container, Sequence

from heraldry.mailbox.adapters.hardened import Reply
from heraldry.mailbox.adapters.wire import Malformed, Token, tokens

_AT_ONCE = 4 << 20  # bytes of messages asked for in one command


def header_of(raw: bytes, name: str) -> str:
    """The value of a header in a mail that we composed."""
    wanted = name.lower().encode() + b":"
    for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        if line[: len(wanted)].lower() == wanted:
            return line[len(wanted) :].strip().decode("ascii", "replace")
    return ""


def challenge_text(encoded: str) -> str:
    """What a server says in base64 when it refuses a token."""
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except ValueError:
        return encoded


def uid_set(uids: Sequence[int]) -> bytes:
    """UIDs, ascending, as a set of IMAP's."""
    runs: list[tuple[int, int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], uid)
        else:
            runs.append((uid, uid))
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs).encode()


def groups(
    sizes: Sequence[tuple[int, int]], alone: Container[int] = ()
) -> Sequence[Sequence[tuple[int, int]]]:
    """Messages in turn, together as long as they are small; `alone`, or too large to be read: by itself."""
    groups: list[list[tuple[int, int]]] = []
    room = 0
    for uid, size in sizes:
        if not groups or size > room or uid in alone:
            groups.append([])
            room = 0 if uid in alone else _AT_ONCE
        groups[-1].append((uid, size))
        room -= size
    return groups


def heads(reply: Reply) -> Sequence[tuple[str, str]]:
    """The first two words of each untagged answer, upper case."""
    return [(first, second) for first, second, _ in (response.words() for response in reply.responses)]


def codes(reply: Reply) -> Sequence[tuple[str, int]]:
    """The numbers in response codes such as `OK [UIDVALIDITY 7]`."""
    found: list[tuple[str, int]] = []
    for response in reply.responses:
        first, _, rest = response.line.partition(" ")
        if first.upper() == "OK" and rest.startswith("["):
            name, _, value = rest[1:].partition("]")[0].partition(" ")
            if value.isdigit():
                found.append((name.upper(), int(value)))
    return found


def data(reply: Reply, name: str) -> Sequence[tuple[Token, ...]]:
    """The data of all answers of a name, without the name itself."""
    found: list[tuple[Token, ...]] = []
    for response in reply.responses:
        if response.words()[0] != name:
            continue
        try:
            found.append(tokens(response.segments)[1:])
        except Malformed:
            continue  # one answer nobody can read is no reason to lose the others
    return found


def fetched(reply: Reply) -> Sequence[dict[str, Token]]:
    """What each FETCH answer says, by item."""
    found: list[dict[str, Token]] = []
    for response in reply.responses:
        if response.words()[1] != "FETCH":
            continue
        try:
            found.append(pairs(tokens(response.segments)[-1]))
        except Malformed:
            continue
    return found


def pairs(items: Token) -> dict[str, Token]:
    """A list of names and values in turn, by name in upper case."""
    if not isinstance(items, tuple):
        return {}
    keys = [key.upper() if isinstance(key, str) else "" for key in items[::2]]
    return dict(zip(keys, items[1::2], strict=False))
