"""Whether the master key is the one that this installation's data keys need: asked before any service is started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from heraldry.chassis.supervisor.folder import Folder
from heraldry.chassis.supervisor.problems import CannotStart

WITHIN: Final = 5.0  # seconds; whoever gets no answer leaves it to the services to say


def require_its_own(folder: Folder, path: Path) -> None:
    """NATS runs. `path`: where the key is, unless it is in the environment. Raises CannotStart."""
    # here, because the supervisor starts NATS before it imports what speaks to it
    from heraldry.chassis.bus.operator import NotRunningError, elsewhere, operator  # noqa: PLC0415
    from heraldry.chassis.vault import master  # noqa: PLC0415
    from heraldry.chassis.vault.rotation import needed_instead  # noqa: PLC0415
    from nats.errors import Error as NatsError  # noqa: PLC0415

    if elsewhere() or not any(folder.path.glob("nats/**/streams/KEYS")):
        return

    async def ask() -> frozenset[str]:
        async with asyncio.timeout(WITHIN), operator(folder.path) as nc:
            return await needed_instead(nc, key)

    given = os.environ.get(master.VARIABLE)
    where = f"in {master.VARIABLE}" if given else f"in {path}"
    try:
        key = master.parse(given or path.read_text(encoding="ascii"), where)
    except master.MasterKeyError as error:
        raise CannotStart("master-key-damaged", str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart("master-key-damaged", f"{path} cannot be read as a master key.") from error
    try:
        needed = asyncio.run(ask())
    except (NotRunningError, NatsError, TimeoutError):
        return
    if needed:
        raise CannotStart(
            "master-key-wrong",
            f"The master key {where} is {key.fingerprint}, and this installation needs {', '.join(sorted(needed))}."
            " Start with the master key it has now: after `heraldry keys rotate` that is the one made then, not an"
            " earlier one. From paper it is made again by `heraldry keys recover`.",
        )
