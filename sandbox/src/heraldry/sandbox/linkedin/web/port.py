"""Where the stand-in of LinkedIn listens: at the last start's port again, so that addresses stay what they were."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from heraldry.chassis.health import listen


def listen_again(path: Path, host: str, asked: int = 0) -> socket.socket:
    """A socket at the port that is asked for; else at the one kept in `path`, or a free one where that is taken.

    Raises OSError if the port that is asked for is taken: whoever asked has told others of it.
    """
    found = listen(host, asked) if asked else _kept(path, host)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found.getsockname()[1]))
    return found


def _kept(path: Path, host: str) -> socket.socket:
    kept: object = json.loads(path.read_text()) if path.exists() else 0
    try:
        return listen(host, kept if isinstance(kept, int) else 0)
    except OSError:
        return listen(host, 0)
