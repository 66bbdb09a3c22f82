"""`heraldry serve <service>`: one service in this process, in the foreground, as containers run it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from heraldry.chassis.supervisor import process
from heraldry.chassis.supervisor.services import services


def main(argv: Sequence[str]) -> int:
    """The service's exit code. Everything else it is told by HERALDRY_… variables (chassis/settings.py)."""
    known = {service.name: service for service in services()}
    parser = argparse.ArgumentParser(prog="heraldry serve", description="Run one service in the foreground.")
    parser.add_argument("service", choices=sorted(known))
    name = str(parser.parse_args(argv).service)
    os.environ["HERALDRY_SERVICE"] = name
    return process.call(known[name])()
