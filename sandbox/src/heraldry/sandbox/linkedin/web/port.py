"""Where the stand-in of LinkedIn listens: at the first start's port again, so that addresses stay what they were."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path

from heraldry.chassis.health import listen
from heraldry.chassis.supervisor.ports import free_port, preferred_port

log = logging.getLogger(__name__)


def listen_again(path: Path, host: str, asked: int = 0) -> socket.socket:
    """A socket at the port that is asked for; else at the one kept in `path`, or a free one where that is taken.

    Raises OSError if the port that is asked for is taken: whoever asked has told others of it.
    """
    kept = _kept(path)
    found = listen(host, asked or (preferred_port(host, kept) if kept else free_port(host)))
    port: int = found.getsockname()[1]
    if not kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(port))
    elif port != kept:
        log.warning(
            "port %d of this sandbox's LinkedIn is taken by another program, so it listens on %d: addresses of its"
            " members that were given before lead nowhere until that program has ended and this sandbox has been"
            " started again",
            kept,
            port,
        )
    return found


def _kept(path: Path) -> int:
    kept: object = json.loads(path.read_text()) if path.exists() else 0
    return kept if isinstance(kept, int) else 0
