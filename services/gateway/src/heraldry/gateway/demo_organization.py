"""The demo's organization, made at the first start of a demo folder with the supervisor's sign-in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

from heraldry.gateway.application import Admin, Application

NAMESPACE: Final = UUID("7a0c6b5e-5a0b-5b52-9f3a-6d6f72746877")
NORTHWIND: Final = uuid5(NAMESPACE, "Northwind")
NAME: Final = "Northwind"
ADMIN: Final = "Mina Okafor"
ZONE: Final = "UTC"


async def make(application: Application, data: Path) -> None:
    """Make it unless it is there; what a killed start had begun is finished.

    Raises OSError or ValueError if `<data>/keys/demo-sign-in.json` is missing or damaged.
    """
    path = data / "keys" / "demo-sign-in.json"
    found: object = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not {"email", "password"} <= found.keys():
        raise ValueError(f"{path} is damaged. Remove it and start again: a new one is made.")
    email, password = str(found["email"]), str(found["password"])  # pyright: ignore[reportUnknownArgumentType]  JSON
    await application.found(
        uuid5(NORTHWIND, "found"),
        organization_id=NORTHWIND,
        name=NAME,
        zone=ZONE,
        admin=Admin(ADMIN, email, password),
    )
