"""How the `heraldry` command reaches a running installation: over NATS, as the platform's operator."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from heraldry.chassis.bus import rights
from heraldry.chassis.bus.client import BusClient
from heraldry.chassis.settings import Settings
from nats.aio.client import Client
from nats.errors import Error as NatsError

CONNECT_WITHIN: Final = 5  # seconds
ACTOR: Final = "system:operator"
OTHERS: Final = "the real installation in ./data/live is named by --no-sandbox, any other by --data"


class NotRunningError(Exception):
    """The installation cannot be reached; the text says what to do."""


@asynccontextmanager
async def operator(data: Path) -> AsyncGenerator[Client]:
    """A connection to the installation in this folder, or to the one HERALDRY_NATS_URL names. Raises
    NotRunningError.
    """
    settings = _settings(data)
    nc = BusClient()
    try:
        await nc.connect(
            settings.nats_url,
            user=settings.nats_user or None,
            password=settings.nats_password.get_secret_value() or None,
            inbox_prefix=rights.inbox_prefix(settings.nats_user or rights.OPERATOR),
            allow_reconnect=False,
            max_reconnect_attempts=1,  # so often a first connection is tried again
            reconnect_time_wait=0,
            connect_timeout=CONNECT_WITHIN,
            error_cb=_ignore,
        )
    except (NatsError, OSError, TimeoutError) as error:
        where = f"at {elsewhere()}" if elsewhere() else f"in {data}"
        raise NotRunningError(
            f"Heraldry does not answer {where}. Start it with `heraldry up`, then try again; {OTHERS}."
        ) from error
    try:
        yield nc
    finally:
        await nc.close()


def elsewhere() -> str:
    """Host and port that HERALDRY_NATS_URL names, in whose place no folder is looked at; empty without it."""
    named = urlsplit(os.environ.get("HERALDRY_NATS_URL", ""))
    return named.netloc.rpartition("@")[2] or named.path


def _settings(data: Path) -> Settings:
    if elsewhere():
        return Settings()
    try:
        config = cast(
            "dict[str, object]", json.loads((data / "run" / "nats.conf").read_text(encoding="utf-8"))
        )
        keys = cast(
            "dict[str, dict[str, str]]", json.loads((data / "keys" / "nats.json").read_text(encoding="utf-8"))
        )
        told = {
            "service": rights.OPERATOR,
            "nats_url": f"nats://{config['host']}:{config['port']}",
            "nats_user": rights.OPERATOR,
            "nats_password": keys["passwords"][rights.OPERATOR],
        }
    except (OSError, ValueError, KeyError) as error:
        raise NotRunningError(f"{data} is no data folder of a Heraldry that runs; {OTHERS}.") from error
    return Settings.model_validate(told)


async def _ignore(_: Exception) -> None:
    """What ends the attempt is raised; what does not is none of a person's business."""
