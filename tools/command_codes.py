"""The codes of commands, of readiness and of the services' logs, as they stand in the source: for docs/reference/problems.md.

A refusal says itself what to do, and so does what keeps `heraldry up` from starting. For the other codes `TOLD` says it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

SAYING: Final = frozenset({"CannotStart", "BackupError", "RefusedError"})
"""What is raised with a code and the words for it."""

SHAPE: Final = re.compile(r"(?:audit|signer|relay|nats|store|keys|file|browser|traces)\.[a-z]+(?:-[a-z]+)*")
BARE: Final = re.compile(r"[a-z]+(?:[.-][a-z]+)*")
LEADING: Final = re.compile(rf"({SHAPE.pattern}): ")
NO_CODES: Final = frozenset({"nats.conf", "nats.json", "nats.log", "signer.log"})  # names of files

Source = tuple[Path, ast.Module]


def found(sources: Iterable[Source]) -> dict[str, dict[str, None]]:
    """Every code with the words said of it, of which there may be none."""
    codes: dict[str, dict[str, None]] = {}
    for file, tree in sources:
        for name, words in _said(file, tree):
            told = codes.setdefault(name, {})
            if words:
                told[words] = None
    return codes


def _said(file: Path, tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(code)), words, *_]) if (
                name in SAYING
            ):
                yield code, _text(words)
            case ast.Dict(keys=keys, values=values) if (
                file.name == "commands.py" or file.parent.name == "commands"
            ):
                given = {
                    key.value: one
                    for key, one in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                code = given.get("code")
                if isinstance(code, ast.Constant) and BARE.fullmatch(str(code.value)):
                    yield str(code.value), _text(given["detail"]) if "detail" in given else ""
            case ast.Constant(value=str(text)) if SHAPE.fullmatch(text) and text not in NO_CODES:
                yield text, ""
            case ast.Constant(value=str(text)) if leading := LEADING.match(text):
                yield leading[1], ""
            case _:
                pass


def _text(node: ast.expr) -> str:
    """The words as the source has them, with `…` where something is put in; empty where all of it is put in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(one) or "…" for one in values)
        case _:
            return ""


TOLD: Final[Mapping[str, str]] = {
    "archive-unreadable": "Take another copy of the backup, or an older backup.",
    "audit.cannot-be-kept": "A checkpoint was signed and cannot be written beside the log. Make room and see that the data"
    " folder can be written to: it is tried again by itself.",
    "audit.chain-broken": "A checkpoint does not contain the one before it: somebody exchanged one. Compare with what"
    " subscribers kept (`--witness`).",
    "audit.checkpoints-missing": "Some of the signed checkpoints are gone. Give what subscribers or the signer kept with"
    " `--witness`; what they cover is verified all the same.",
    "audit.line-damaged": "A line of the checkpoints cannot be read. A crash leaves at most the last one so; any other was changed.",
    "audit.log-changed": "What is stored is not what was published, so it is not signed. Find out who wrote to the store, and"
    " verify the log before anything else.",
    "audit.log-damaged": "The log's file, a row in it or its index is no log any more, and the detail says what. Stop,"
    " keep a copy of the folder, and restore a backup; if only the index is damaged, see"
    " [Verify the log](../how-to/verify-the-log.md#if-events-are-hidden). The other logs are still verified.",
    "audit.no-checkpoint": "Nothing was signed yet, or all checkpoints were removed. Wait a minute on a new installation;"
    " else give `--witness`.",
    "audit.no-key": "The public key is not there yet. Start the installation once, so that the signer makes it.",
    "audit.no-log": "The log is not there. Name the folder with `--data`.",
    "audit.not-as-published": "Stored and published events differ where nobody has signed yet. Find out who wrote to the"
    " store or to JetStream.",
    "audit.not-as-signed": "The identity's events are not those that were signed, so no proof was written. Run"
    " `heraldry audit verify`: it names the first event that was changed.",
    "audit.not-signed": "A checkpoint bears no signature of the key that was given. Check the key; if it is right, the"
    " checkpoint was forged.",
    "audit.no-such-identity": "The logs say nothing of that identity. Compare its id with the address of its page, and the"
    " folder with the installation it is of.",
    "audit.not-signed-yet": "Ask again in a minute. If it stays so, see whether the signer runs; it may also be that another"
    " key was given than the one the checkpoints are signed with.",
    "audit.other-epoch": "The store names another epoch than was signed, and no restore explains it. Somebody exchanged the store.",
    "audit.other-key": "Give the public key you wrote down at the start, and after a restore both.",
    "audit.signer-away": "The signer does not run. Nothing is lost: it signs what has come meanwhile as soon as it is started.",
    "audit.signer-memory-damaged": "What the signer remembers was removed, changed or is damaged. Verify with the checkpoints"
    " beside the log, then restore `keys/signer` from the copy of the keys.",
    "audit.store-mismatch": "The store ends before what is signed: it was restored to an older state. Restore with"
    " `heraldry restore`, which begins a new epoch.",
    "audit.two-stories": "Two checkpoints have one number: the log was told in two ways. Keep both, and compare with subscribers.",
    "bad-host": "Name an address of this machine with `--host`.",
    "browser.without-sandbox": "Chromium runs as root without its sandbox. Run Heraldry as a user of its own.",
    "failed": "The detail says what. What was begun can be asked for again.",
    "file.unreadable": "Check the file's name and that you may read it.",
    "file.unusable": "The file is none of those the command reads; `error` says why.",
    "folder-unusable": "Choose another folder with `--data`.",
    "inside-data": "Name a place outside of the data folder.",
    "keys.unusable": "The detail says which key cannot be used or why nothing answers. Start Heraldry where it does not run.",
    "ledger-damaged": "A line of the ledger of erasures cannot be read. Take a copy of it that is whole: without it, who was"
    " erased would come back.",
    "master-key-damaged": "Restore the file from where you keep its copy, or run `heraldry keys recover`.",
    "master-key-wrong": "Put back the master key that the newest `heraldry keys rotate` made, or run `heraldry keys recover`.",
    "nats-failed": "Read `run/log/nats.log` in the data folder.",
    "nats-files": "The files for the NATS server in the data folder cannot be written or read; the text says which. Make room, or"
    " put them right.",
    "nats-server-missing": "Install it with `./justw setup`.",
    "nats.refuses-writes": "After a full disk NATS writes nothing more to some streams. Make room; `heraldry up` then starts it"
    " again by itself, elsewhere restart it.",
    "no-port": "End some of the programs that listen on this machine.",
    "no-stores": "Name the folder of an installation that has run, with `--data`.",
    "not-running": "Start Heraldry with `heraldry up`, or name the folder of the one that runs with `--data`.",
    "other-keys": "Name the archive of keys that was written with this archive of data, or a later one of the same installation.",
    "port-forbidden": "Choose a port above 1023, and let a reverse proxy take the other.",
    "relay.key-unknown": "An event's key is not there. See that NATS runs with the stream of the keys that belongs to this log.",
    "relay.nats-unavailable": "Nothing is lost: publishing goes on by itself when NATS answers.",
    "relay.newer-release": "An event of a newer release is next. Start that release again.",
    "relay.refused": "JetStream takes nothing; the detail says why.",
    "relay.store-mismatch": "What is published and what is stored do not belong together. See"
    " [Publish a log anew](../how-to/publish-a-log-anew.md).",
    "relay.store-unavailable": "Nothing is lost: publishing goes on by itself when the store answers.",
    "same-archive": "Name another file with `--keys-to`, in another folder.",
    "same-folder": "Name another folder with `--keys-to`.",
    "signer-away": "See the signer's own log, `run/log/signer.log`.",
    "signer-refused": "Restore data and keys of the same backup.",
    "signer.behind": "Another replica was first. It is asked again by itself.",
    "signer.fork": "The same place of the log has another hash than was signed: it was changed. Run `heraldry audit verify`.",
    "signer.no-growth": "There is nothing new to sign. Nothing needs to be done.",
    "signer.not-ours": "What is to be continued was signed by another key. Restore the signer's key from the copy of the keys.",
    "signer.other-epoch": "A new epoch is begun by `heraldry restore` or `heraldry replay` only. Use them.",
    "store-elsewhere": "The logs are in KurrentDB: copy them with the server's own tools.",
    "store-unreadable": "Another program may hold the store open, or its file is damaged. Stop that program; else restore a backup.",
    "store.access-denied": "Give the user the rights of [Use KurrentDB](../how-to/use-kurrentdb.md).",
    "store.address": "Write the address as the text says.",
    "store.address-missing": "Set `HERALDRY_STORE_URL` (or `STORE_URL`) to the server's address, or choose another folder with `--data`.",
    "store.append-too-large": "Raise the server's `MaxAppendSize` to 1 MiB.",
    "store.closed": "The process was ending. Nothing was stored; ask again.",
    "store.folder-has-its-own": "Leave the address away, or choose a new folder with `--data`.",
    "store.foreign-event": "Something else than Heraldry wrote to its streams. Take the right to do so away, and remove the event.",
    "store.no-leader": "See that the cluster's servers run and reach each other; it goes on by itself.",
    "store.not-leader": "Name all servers of the cluster in the address, or use `kdb+discover://`.",
    "store.not-ours": "Name the server of this installation, or an empty one.",
    "store.note-damaged": "If it is the right server, remove the note that the text names: it is written anew.",
    "store.other-mode": "Name another server, or start the other kind of installation.",
    "store.other-store": "Start it with the address it had, or choose another folder with `--data`.",
    "store.position-unknown": "Name the server of this installation. If it was restored to an older state:"
    " [Publish a log anew](../how-to/publish-a-log-anew.md).",
    "store.restored": "If the server was restored to an older state, restart the services and"
    " [publish the log anew](../how-to/publish-a-log-anew.md).",
    "store.stream-deleted": "Somebody deleted a stream of the log. Restore the server's backup.",
    "store.tls": "Name the certificate's authority with `TlsCaFile=` in the address.",
    "store.unreachable": "See that KurrentDB runs and is in reach; it goes on by itself.",
    "store.wrong-password": "Correct user and password in the address, or in `HERALDRY_STORE_USER` and `HERALDRY_STORE_PASSWORD`.",
    "streams": "The streams cannot be made; the detail says why. See that NATS runs and has room.",
    "traces.not-taken": "The collector that HERALDRY_OTLP_ENDPOINT names is away or refuses; the line says why. All else goes on."
    " 2,048 spans of each process wait for it, further ones are dropped and counted.",
}
