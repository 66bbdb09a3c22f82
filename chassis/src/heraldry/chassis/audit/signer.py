"""The signer: a small process that alone holds the key of the checkpoints, and knows nothing else."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import structlog
from heraldry.chassis import logs
from heraldry.chassis.audit.asking import Answer, Ask
from heraldry.chassis.audit.keys import AuditKeyError, signing_key, written
from heraldry.chassis.audit.signing import BEHIND, FORK, Signing
from heraldry.chassis.bus import border, connect
from heraldry.chassis.bus.rights import BEGIN, SIGN, is_asked_by_a_user
from heraldry.chassis.health import Health, announce, serve, tell_ready
from heraldry.chassis.settings import Settings
from nacl.signing import SigningKey
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from prometheus_client import Counter
from pydantic import ValidationError

log = structlog.stdlib.get_logger(__name__)
EXIT_CANNOT_START: Final = 74

_SIGNED = Counter("heraldry_signer_signatures", "Checkpoints signed", ["context"])
_REFUSED = Counter("heraldry_signer_refusals", "Wishes that were not signed", ["context", "code"])


class SignerTakenError(Exception):
    """Another signer works in this folder."""


def folder_of(data: Path) -> Path:
    """Where the signer of this installation keeps its key and its memory."""
    return data / "keys" / "signer"


def main() -> int:
    """Sign until SIGTERM or SIGINT; the exit code."""
    settings = Settings()
    logs.configure(settings)
    folder = folder_of(settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock(folder)
        try:
            return asyncio.run(_live(settings, signing_key(folder), folder))
        finally:
            os.close(lock)
    except (AuditKeyError, SignerTakenError, OSError) as error:
        log.critical("cannot start", because=str(error))
        return EXIT_CANNOT_START


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SignerTakenError(
            "Another signer runs on this folder. There is one in an installation."
        ) from None
    return descriptor


class Answering:
    """Answers what relays ask. One question at a time: each is answered when its signature is on disk."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing

    async def receive(self, message: Msg) -> None:
        if not is_asked_by_a_user(message.reply):
            log.error("a question that nobody waits for was left alone", subject=message.subject)
            return
        begin = message.subject.startswith(f"{BEGIN}.")
        context = message.subject.rpartition(".")[2]
        try:
            asked = Ask.model_validate_json(message.data)
            answer = self._signing.answer(context, asked, begin=begin)
        except ValidationError:
            log.warning("a question was not understood", context=context)
            return
        except (OSError, ValueError) as error:  # unanswered, so that it is asked again
            log.error("nothing can be signed", context=context, because=str(error))  # noqa: TRY400  the reason is all
            return
        self._note(context, asked, answer)
        with suppress(NatsError):  # whoever asked asks again
            await message.respond(answer.model_dump_json().encode())

    def _note(self, context: str, asked: Ask, answer: Answer) -> None:
        if answer.refused:
            _REFUSED.labels(context, answer.refused).inc()
            say = (
                log.info
                if answer.refused == BEHIND
                else log.critical
                if answer.refused == FORK
                else log.error
            )
            say("refused to sign", context=context, code=answer.refused, detail=answer.detail)
        elif asked.wish is not None:
            _SIGNED.labels(context).inc()


def _become(user: str, folder: Path) -> Path:
    """Go on as this user, to whom the folder then belongs. It is reached as the working directory: its parents
    stay closed to that user. Raises AuditKeyError.
    """
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise AuditKeyError(
            f"HERALDRY_SIGNER_USER names {user}, whom this machine does not know. Make that user, or leave the"
            " setting away."
        ) from None
    for path in (folder, *folder.rglob("*")):
        os.chown(path, found.pw_uid, found.pw_gid)
    os.chdir(folder)
    os.setgroups([])
    os.setgid(found.pw_gid)
    os.setuid(found.pw_uid)
    return Path()


async def _live(settings: Settings, key: SigningKey, folder: Path) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        health = Health()
        served = await serve(health, settings)
        stack.push_async_callback(served.stop)
        nc = await connect.connect(settings)
        stack.push_async_callback(connect.close, nc)
        health.check("nats", lambda: None if nc.is_connected else "the message bus cannot be reached")
        log.info("signs", public_key=written(key.verify_key))
        if settings.signer_user and os.geteuid() == 0:  # last: what is imported may be closed to that user
            folder = _become(settings.signer_user, folder)
        answering = Answering(Signing(key, folder))
        for subject in (SIGN, BEGIN):
            await border.subscribe(nc, f"{subject}.*", cb=answering.receive)
        with suppress(PermissionError):  # as a user of its own it has no place to say where it answers
            announce(settings, f"http://{settings.host}:{served.port}")
        tell_ready(settings)
        await stop.wait()
    return 0
