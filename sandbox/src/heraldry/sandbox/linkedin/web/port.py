"""Where the stand-in of LinkedIn listens: at the last start's port again, so that addresses stay what they were."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from heraldry.chassis.health import listen

DEMO_PORT = 18443


def listen_again(path: Path, host: str, preferred: int = 0) -> socket.socket:
    """A socket at the port kept in `path`, at first the preferred one; a free one where that is taken."""
    kept: object = json.loads(path.read_text()) if path.exists() else preferred
    try:
        found = listen(host, kept if isinstance(kept, int) else preferred)
    except OSError:
        found = listen(host, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found.getsockname()[1]))
    return found
