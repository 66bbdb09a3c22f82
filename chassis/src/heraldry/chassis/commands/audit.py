"""`heraldry audit`: proves that no stored event was changed, or names the first that was."""

from __future__ import annotations

import argparse
import asyncio
import re
import struct
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.audit.history import UNSIGNED, Problem, witnessed
from heraldry.chassis.audit.keys import PUBLIC, AuditKeyError, public_key
from heraldry.chassis.audit.proof import FORMAT, NotAsSignedError, prove
from heraldry.chassis.audit.signer import folder_of as signer_folder
from heraldry.chassis.audit.signing import memory_of
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.audit.verify import NO_CHECKPOINT, verify
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.markers import StoreMismatchError, last_marker
from heraldry.chassis.bus.operator import NotRunningError, operator
from heraldry.chassis.commands.answers import Answers, add_folder, folder_of
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.folder import asked_address, file_of
from heraldry.chassis.store.opening import address_of, open_store
from heraldry.chassis.store.port import Log, StoreUnavailableError
from heraldry.chassis.store.reading import LogDamagedError, SqliteReading
from heraldry.chassis.supervisor import folder as folders
from heraldry.contracts.checkpoints import Checkpoint
from heraldry.contracts.markers import Marker
from nacl.signing import VerifyKey
from nats.errors import Error as NatsError

NO_KEY: Final = "audit.no-key"
NO_LOG: Final = "audit.no-log"
OTHER_KEY: Final = "audit.other-key"
DAMAGED: Final = LogDamagedError.code
NO_SUCH_IDENTITY: Final = "audit.no-such-identity"
NOT_SIGNED_YET: Final = "audit.not-signed-yet"
OF_A_SERVER: Final = re.compile(r"(store\.[a-z-]+): (.*)", re.DOTALL)
NO_ANSWER: Final = ("store.unreachable", "store.no-leader")
OF_ANOTHER_KEY: Final = (UNSIGNED, NO_CHECKPOINT)
_UNREADABLE: Final = (  # the last two: KurrentDB gave what no service ever wrote
    *(StoreUnavailableError, StoreMismatchError, OSError),
    *(ValueError, struct.error),
)
NOT_AS_SIGNED: Final = "audit.not-as-signed"


def main(argv: Sequence[str]) -> int:
    """0: proved; 1: something is wrong or cannot be told; 2: a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="heraldry audit",
        description="Prove that no stored event was changed, or name the first that was.",
    )
    words = parser.add_subparsers(dest="word", required=True, metavar="verify|proof|public-key")
    told = "Compare the logs with their signed checkpoints, one document for each."
    one = words.add_parser("verify", help=told, description=told)
    _add_keys(one, required=True)
    one.add_argument("--context", action="append", choices=rights.CONTEXTS, help="only this log")
    _add_witness(one)
    add_folder(one)
    told = "Write what proves an identity's events to somebody who has only the public key."
    one = words.add_parser("proof", help=told, description=told)
    one.add_argument("--identity", type=UUID, required=True, metavar="UUID")
    _add_keys(one, required=False)
    _add_witness(one)
    add_folder(one)
    told = "Tell the public key; keep it elsewhere, with whoever is to verify."
    one = words.add_parser("public-key", help=told, description=told)
    add_folder(one)
    asked = parser.parse_args(argv)
    answers, data = Answers(), folder_of(asked)
    if asked.word == "public-key":
        _tell_key(data, answers)
        return answers.ended
    try:
        keys, witnesses = _keys(asked, data), _witnesses(asked.witness)
    except (AuditKeyError, ValueError) as error:
        parser.error(str(error))
    if asked.word == "proof":
        asyncio.run(_proof(data, asked.identity, keys, witnesses, answers))
    else:
        asyncio.run(_verify(data, asked.context or rights.CONTEXTS, keys, witnesses, answers))
    return answers.ended


def _add_keys(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--public-key",
        action="append",
        required=required,
        metavar="KEY",
        help="as base64 or a file; several, if the signer was given a new one",
    )


def _add_witness(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--witness",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="checkpoints or markers that a subscriber or the signer kept, a JSON document a line",
    )


def _tell_key(data: Path, answers: Answers) -> None:
    path = signer_folder(data) / PUBLIC
    try:
        answers.good({"public_key": path.read_text(encoding="ascii").strip(), "file": str(path)})
    except (OSError, UnicodeDecodeError):
        answers.bad(
            {"code": NO_KEY, "detail": f"{path} cannot be read. The signer makes it at its first start."}
        )


def _witnesses(files: Sequence[Path]) -> Sequence[Checkpoint]:
    """Raises ValueError."""
    found: list[Checkpoint] = []
    for file in files:
        try:
            found += witnessed(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{file} cannot be read as a witness: {error}") from error
    return found


async def _verify(
    data: Path,
    contexts: Sequence[str],
    keys: Sequence[VerifyKey],
    witnesses: Sequence[Checkpoint],
    answers: Answers,
) -> None:
    other, path = _other_key(data, keys), signer_folder(data) / PUBLIC
    detail = f"{path} holds another key than was given: if yours is right, the signer's was changed"
    told = [Problem(OTHER_KEY, detail)] if other else []
    away: dict[str, StoreUnavailableError] = {}
    for context in contexts:
        try:
            async with _opened(data, context, away) as store:
                marker, trail = await _marker(data, context), Trail.beside(data, context)
                signed = trail.newest() is not None or (marker is not None and marker.checkpoint is not None)
                known = [*keys, other] if other else keys
                memory = memory_of(signer_folder(data), context, known, signed=signed)
                finding = await verify(
                    context,
                    store,
                    trail,
                    keys,
                    witnesses=[*witnesses, *memory.checkpoints],
                    marker=marker,
                    problems=partial(_wrong, store, [*told, *memory.problems]),
                )
        except _UNREADABLE as error:
            code, detail = _coded(error)
            answers.bad({"context": context, "ok": False, "code": code, "detail": detail})
        else:
            finding.signer_memory = "compared" if memory.checkpoints else "not there"
            if other and not finding.checkpoints:  # nothing bears the key that was given: this says it
                finding.problems = [one for one in finding.problems if one.code not in OF_ANOTHER_KEY]
            (answers.good if finding.ok else answers.bad)(finding.document())


async def _proof(
    data: Path, identity: UUID, keys: Sequence[VerifyKey], witnesses: Sequence[Checkpoint], answers: Answers
) -> None:
    proofs: list[dict[str, object]] = []
    unsigned, away = 0, dict[str, StoreUnavailableError]()
    try:
        for context in rights.CONTEXTS:
            async with _opened(data, context, away) as store:
                trail = Trail.beside(data, context)
                found = await prove(identity, context, store, trail, keys, witnesses)
                if flaws := _flaws(store):
                    raise LogDamagedError(f"{flaws[0].detail}. `heraldry audit verify` says more.")
            unsigned += found.unsigned
            if found.events:
                proofs.append(found.document())
    except NotAsSignedError as error:
        _unproved(answers, NOT_AS_SIGNED, str(error))
        return
    except _UNREADABLE as error:
        _unproved(answers, *_coded(error))
        return
    if not proofs and not unsigned:
        _unproved(answers, NO_SUCH_IDENTITY, f"No log of {data} says anything of an identity {identity}.")
        return
    if not proofs:
        detail = (
            f"No checkpoint signed with that key covers any of the {unsigned} events of {identity} yet."
            " Ask again in a minute."
        )
        _unproved(answers, NOT_SIGNED_YET, detail)
        return
    document = {"format": FORMAT, "identity": str(identity), "contexts": proofs, "unsigned": unsigned}
    answers.good(document)


def _unproved(answers: Answers, code: str, detail: str) -> None:
    """Also beside the answer, which mostly goes to a file."""
    answers.bad({"code": code, "detail": detail})
    sys.stderr.write(f"{code}: {detail}\n")


def _keys(asked: argparse.Namespace, data: Path) -> Sequence[VerifyKey]:
    """Raises AuditKeyError."""
    given = cast("Sequence[str] | None", asked.public_key) or [str(signer_folder(data) / PUBLIC)]
    return [public_key(one) for one in given]


def _coded(error: Exception) -> tuple[str, str]:
    """The code, and the words; those of a KurrentDB that cannot be read begin with their own."""
    if isinstance(error, StoreMismatchError):
        return error.code, str(error)
    if isinstance(error, LogDamagedError | ValueError | struct.error):
        return DAMAGED, str(error)
    own = OF_A_SERVER.match(str(error)) if isinstance(error, StoreUnavailableError) else None
    return (own[1], own[2]) if own else (NO_LOG, str(error))


def _other_key(data: Path, keys: Sequence[VerifyKey]) -> VerifyKey | None:
    """That of the signer here, if it is none of those given: perhaps only the wrong one was given."""
    path = signer_folder(data) / PUBLIC
    try:
        own = public_key(str(path))
    except AuditKeyError:
        return None  # kept elsewhere
    return None if own in keys else own


def _wrong(store: Log, known: Sequence[Problem]) -> Sequence[Problem]:
    return [*known, *_flaws(store)]


def _flaws(store: Log) -> Sequence[Problem]:
    return [Problem(DAMAGED, flaw) for flaw in store.flaws()] if isinstance(store, SqliteReading) else []


@asynccontextmanager
async def _opened(data: Path, context: str, away: dict[str, StoreUnavailableError]) -> AsyncGenerator[Log]:
    """Only to be read. `away`: servers that did not answer, which are not waited for again.

    Raises StoreUnavailableError, also where there is no log: none is made.
    """
    settings = Settings.model_validate(
        {
            "service": context,
            "data": data,
            "mode": folders.mode_of(data) or "live",
            "store_url": asked_address(),
        }
    )
    path = file_of(data, context)
    where = address_of(settings, context)
    if where is None:
        if not path.is_file():
            raise StoreUnavailableError(f"There is no log {path}. Name the data folder with --data.")
        with closing(SqliteReading(path)) as reading:
            yield reading
        return
    if error := away.get(where.uri):
        raise error
    try:
        store = await open_store(settings, context)
    except StoreUnavailableError as error:
        if _coded(error)[0] in NO_ANSWER:
            away[where.uri] = error
        raise
    try:
        yield store
    finally:
        await store.close()


async def _marker(data: Path, context: str) -> Marker | None:
    """The newest one in JetStream; None if NATS is not running."""
    try:
        async with operator(data) as nc:
            return (await last_marker(border.jetstream(nc), context))[0]
    except (NotRunningError, NatsError, TimeoutError):
        return None
