"""Composition root of the linkedin-driver service.

It owns no aggregate yet: it is there, healthy and idle.
"""

from __future__ import annotations

from heraldry.chassis.host import House, run

CONTEXT = "linkedin-driver"


async def build(house: House) -> None:
    house.health.check("browser", lambda: None)  # nothing is driven yet, so no browser is needed


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types={}, projections=[])
