"""The sandbox as a process: mail host, LinkedIn, pages and control API under one supervisor with Heraldry, or alone."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heraldry.chassis.settings import Settings
from pydantic import ValidationError

if TYPE_CHECKING:
    from heraldry.sandbox.clock import SandboxClock
    from heraldry.sandbox.linkedin.site import LinkedIn
    from heraldry.sandbox.mailhost import MailHost

log = logging.getLogger(__name__)
MISUSE = 2
GRACE = 1  # seconds for all to end when the process is told to


def main() -> int:
    """Run until SIGTERM or SIGINT. 0 after a clean end, 1 when it could not start, 2 for wrong settings."""
    os.environ.setdefault("HERALDRY_SERVICE", "sandbox")
    try:
        settings = Settings()
    except ValidationError as wrong:
        names = ", ".join(f"HERALDRY_{error['loc'][0]}".upper() for error in wrong.errors() if error["loc"])
        sys.stderr.write(f"The sandbox cannot start: these settings are wrong: {names}.\n")
        return MISUSE
    from heraldry.chassis import logs  # noqa: PLC0415  wrong settings are told before anything slow is imported
    from nats.errors import Error as NatsError  # noqa: PLC0415  likewise

    logs.configure(settings)
    try:
        asyncio.run(_run(settings))
    except NatsError as error:
        log.error("the sandbox cannot start: NATS has no clock for it (%s)", type(error).__name__)  # noqa: TRY400  one line says it
        return 1
    except OSError as error:
        log.error("the sandbox cannot start: %s (%s)", error.strerror, error.filename or settings.port)  # noqa: TRY400  one line says it
        return 1
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(_serve(settings, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not stop.is_set() or serving.done():
        await serving
        return
    try:
        async with asyncio.timeout(GRACE):
            await serving
    except TimeoutError:  # it hung in its start: waiting for NATS, for example
        serving.cancel()


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    from heraldry.chassis.health import Health, Watch, listen, tell_ready  # noqa: PLC0415  slow
    from heraldry.sandbox.linkedin.site import LinkedIn  # noqa: PLC0415  slow
    from heraldry.sandbox.linkedin.web.application import site_application  # noqa: PLC0415  slow
    from heraldry.sandbox.linkedin.web.port import listen_again  # noqa: PLC0415  slow
    from heraldry.sandbox.mailhost import MailHost  # noqa: PLC0415  slow
    from heraldry.sandbox.web.application import application  # noqa: PLC0415  slow
    from heraldry.sandbox.web.serving import serving  # noqa: PLC0415  slow

    folder = settings.data / "sandbox"
    listener = listen(settings.host, settings.port)
    port: int = listener.getsockname()[1]
    asked = urlsplit(settings.linkedin_url).port if settings.sandbox else None
    linkedin_listener = listen_again(folder / "linkedin" / "port.json", settings.host, asked or 0)
    linkedin_url = f"http://{settings.host}:{linkedin_listener.getsockname()[1]}"
    health = Health()
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        stack.callback(linkedin_listener.close)
        clock = await stack.enter_async_context(_clock(settings))
        host = await stack.enter_async_context(
            MailHost.start(
                folder,
                now=clock.now if clock else lambda: datetime.now(UTC),
            )
        )
        linkedin = LinkedIn(
            folder / "linkedin", linkedin_url, now=clock.now if clock else lambda: datetime.now(UTC)
        )
        stack.callback(linkedin.close)
        watch = Watch(health)
        watch.start()
        stack.callback(watch.stop)
        web = (application(host, linkedin, clock, health), listener)
        await stack.enter_async_context(serving(web, (site_application(linkedin), linkedin_listener)))
        _announce(settings, port, host, linkedin)
        stack.callback((settings.data / "run" / f"{settings.process}.json").unlink, missing_ok=True)
        tell_ready(settings)
        log.info("the sandbox is ready on port %d", port)
        await stop.wait()


@asynccontextmanager
async def _clock(settings: Settings) -> AsyncGenerator[SandboxClock | None]:
    """The clock of this installation; none where the sandbox runs without NATS."""
    if not settings.nats_user:
        yield None
        return
    from heraldry.chassis.bus.border import jetstream  # noqa: PLC0415  slow
    from heraldry.chassis.bus.connect import close, connect  # noqa: PLC0415  slow
    from heraldry.sandbox.clock import BUCKET, SandboxClock  # noqa: PLC0415  slow

    nats = await connect(settings)
    try:
        clock = SandboxClock(await jetstream(nats).key_value(BUCKET))
        await clock.refresh()
        yield clock
    finally:
        await close(nats)


def _announce(settings: Settings, port: int, host: MailHost, linkedin: LinkedIn) -> None:
    """Say in <data>/run where everything answers."""
    folder = settings.data / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ports = host.ports
    found: dict[str, object] = {
        "pid": os.getpid(),
        "url": f"http://{settings.host}:{port}",
        "mail": {
            "imap": ports.imap,
            "imaps": ports.imaps,
            "smtp": ports.smtp,
            "smtps": ports.smtps,
            "host": host.host,
        },
        "linkedin": {"url": linkedin.url},
        "ca_file": str(host.ca_file.resolve()),
    }
    draft = folder / f".{settings.process}.new"
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(folder / f"{settings.process}.json")
