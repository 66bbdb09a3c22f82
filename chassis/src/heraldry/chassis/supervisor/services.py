"""What an installation consists of: the one list of services, and what is imported before they are forked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heraldry.chassis.supervisor.problems import CannotStart

GATEWAY = "gateway"
SANDBOX = "sandbox"
SIGNER = "signer"
SERVICES_VARIABLE = "HERALDRY_SERVICES"  # for tests: `name=module:function,…` instead of the list below


@dataclass(frozen=True, slots=True)
class Service:
    """A process to run: `function` of `module` is called without arguments and returns the exit code."""

    name: str
    module: str
    function: str = "main"
    warm: bool = True  # imported by the supervisor before it forks

    @property
    def is_gateway(self) -> bool:
        return self.name == GATEWAY

    @property
    def is_sandbox(self) -> bool:
        return self.name == SANDBOX

    @property
    def is_signer(self) -> bool:
        return self.name == SIGNER


SERVICES = (
    Service(SIGNER, "heraldry.chassis.audit.signer"),
    Service("identity", "heraldry.identity.service"),
    Service("mailbox", "heraldry.mailbox.service"),
    Service("linkedin-driver", "heraldry.linkedin_driver.service"),
    Service("scheduler", "heraldry.scheduler.service"),
    Service(GATEWAY, "heraldry.gateway.service"),
    Service(SANDBOX, "heraldry.sandbox.service", warm=False),  # a real installation never imports it
)

WARM = (  # what takes long to import and several services need
    "pydantic",
    "pydantic_settings",
    "structlog",
    "nats",
    "faststream.nats",
    "uvicorn",
    "litestar",
    "nacl.public",
    "nacl.signing",
    "prometheus_client",
    "sqlite3",
    "orjson",
)


def services(environment: Mapping[str, str] = os.environ) -> tuple[Service, ...]:
    """The services of this installation. Raises CannotStart if the variable for tests cannot be read."""
    given = environment.get(SERVICES_VARIABLE, "")
    return tuple(_parse(item) for item in given.split(",")) if given else SERVICES


def replicas(wanted: Sequence[str], known: Sequence[Service]) -> dict[str, int]:
    """From `identity=2` to how many processes each service has (1 if nothing is said)."""
    found = {service.name: 1 for service in known}
    for item in wanted:
        name, _, count = item.partition("=")
        least = 0 if name == SIGNER else 1  # it may run elsewhere, as another user
        if name not in found or not count.isdecimal() or not least <= int(count) <= 16:  # noqa: PLR2004  a machine
            names = ", ".join(found)
            raise CannotStart(
                "bad-replicas",
                f"--replicas wants <service>=<1 to 16>, not {item!r}; the services are {names}.",
            )
        if name == SIGNER and int(count) > 1:
            raise CannotStart("bad-replicas", "There is one signer: two would sign two stories of one log.")
        found[name] = int(count)
    return found


def _parse(item: str) -> Service:
    name, _, target = item.strip().partition("=")
    module, _, function = target.partition(":")
    if not name or not module:
        raise CannotStart("bad-services", f"{SERVICES_VARIABLE} wants name=module:function, not {item!r}.")
    return Service(name, module, function or "main", warm=name != SANDBOX)
