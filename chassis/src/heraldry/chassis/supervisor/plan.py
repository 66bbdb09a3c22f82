"""From what was asked for to the processes that make it: names, environments, programs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from heraldry.chassis.bus import rights
from heraldry.chassis.bus.server import ServerFiles, ServerFilesError, binary, prepare
from heraldry.chassis.store.folder import asked_address, wrong_kind
from heraldry.chassis.supervisor import ports, process
from heraldry.chassis.supervisor.child import Child
from heraldry.chassis.supervisor.folder import Folder, installation
from heraldry.chassis.supervisor.output import LogFile
from heraldry.chassis.supervisor.problems import CannotStart
from heraldry.chassis.supervisor.services import Service

LOOPBACK = "127.0.0.1"
NATS = "nats"
PROVISION = "provision"
SANDBOX_PORT = 8701
LAST_PORT = 65535  # TCP's


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs: NATS and what prepares its streams, then the services in the order of their start."""

    nats: Child
    provision: Child
    services: tuple[Child, ...]
    url: str  # the gateway's
    sandbox_url: str  # empty without one
    master_key: Path

    @property
    def names(self) -> tuple[str, ...]:
        return ("up", NATS, PROVISION, *(child.name for child in self.services))

    @property
    def children(self) -> tuple[Child, ...]:
        return (self.nats, self.provision, *self.services)

    @property
    def waves(self) -> tuple[tuple[Child, ...], ...]:
        """In the order in which they are stopped."""
        front = tuple(child for child in self.services if child.service and child.service.is_gateway)
        rest = tuple(child for child in (*self.services, self.provision) if child not in front)
        return (front, rest, (self.nats,))


def make(
    folder: Folder,
    wanted: Mapping[Service, int],
    *,
    host: str,
    port: int,
    nats_port: int,
    metrics_port: int,
    complain: Callable[[str], None],
) -> Plan:
    """Choose the ports, write NATS' configuration and name every process. Raises CannotStart."""
    environment = dict(os.environ)
    environment["HERALDRY_STORE_URL"] = _store_url(folder)
    master_key = _master_key(folder)
    environment["HERALDRY_MASTER_KEY_FILE"] = str(master_key)
    if installation(folder.path).staging:
        environment["HERALDRY_STAGING"] = "true"
    public = ports.asked_port(host, port, "--port")
    url = environment.get("HERALDRY_PUBLIC_URL") or ports.address(host, public)
    sandbox_port = 0
    if folder.mode == "demo":  # whoever asks for any port gets any: others may be starting at this moment
        sandbox_port = ports.preferred_port(LOOPBACK, SANDBOX_PORT) if port else ports.free_port()
    sandbox_url = ports.address(LOOPBACK, sandbox_port) if sandbox_port else ""
    if nats_port and nats_port in {public, sandbox_port}:
        other = "the sandbox" if nats_port == sandbox_port else "Heraldry itself"
        raise CannotStart(
            "port-taken", f"--nats-port {nats_port} is the port of {other}. Choose another for NATS."
        )
    measured = metrics_ports(wanted, metrics_port, taken={public, sandbox_port, nats_port})
    files = _nats_files(folder, wanted, ports.asked_port(LOOPBACK, nats_port, "--nats-port"))

    def log(name: str) -> LogFile:
        return LogFile(folder.logs / f"{name}.log", complain)

    environment |= {
        "HERALDRY_MODE": folder.mode,
        "HERALDRY_DATA": str(folder.path),
        "HERALDRY_NATS_URL": files.url,
        "HERALDRY_LOG_FORMAT": environment.get("HERALDRY_LOG_FORMAT", "text"),
        "HERALDRY_SANDBOX_URL": sandbox_url,
    }
    if sandbox_url:
        environment["HERALDRY_LINKEDIN_URL"] = ports.address(LOOPBACK, _linkedin_port(folder))
        environment["HERALDRY_LINKEDIN_PAUSE_SECONDS"] = os.environ.get(
            "HERALDRY_LINKEDIN_PAUSE_SECONDS", "1"
        )
        environment["HERALDRY_LINKEDIN_READ_MINUTES"] = os.environ.get("HERALDRY_LINKEDIN_READ_MINUTES", "1")
        environment["HERALDRY_EXTRA_CA_FILE"] = str(folder.path / "sandbox" / "ca.pem")
        environment["HERALDRY_ALLOW_PRIVATE_ADDRESSES"] = "true"

    def of(service: Service, replica: int, count: int) -> Child:
        credential = files.credentials.get(service.name)
        first = replica == 0
        mine = {
            "HERALDRY_SERVICE": service.name,
            "HERALDRY_REPLICA": str(replica),
            "HERALDRY_HOST": host if service.is_gateway else LOOPBACK,
            "HERALDRY_PORT": str(
                public
                if service.is_gateway and first
                else sandbox_port
                if service.is_sandbox and first
                else measured.get((service.name, replica), 0)
            ),
            "HERALDRY_PUBLIC_URL": url,
            "HERALDRY_NATS_USER": credential.user if credential else "",
            "HERALDRY_NATS_PASSWORD": credential.password if credential else "",
        }
        name = service.name if count == 1 else f"{service.name}-{replica}"
        return Child(name, process.call(service), environment | mine, log(name), service)

    return Plan(
        nats=Child(
            NATS,
            process.program((_nats_server(), "--config", files.config)),
            dict(os.environ),
            log(NATS),
            listens=lambda: ports.listening(files.port),
        ),
        provision=Child(PROVISION, lambda: _provision(files), environment, log(PROVISION), once=True),
        services=tuple(
            of(service, replica, count) for service, count in wanted.items() for replica in range(count)
        ),
        url=url,
        sandbox_url=sandbox_url,
        master_key=master_key,
    )


def _linkedin_port(folder: Folder) -> int:
    """That of the first start, so that addresses stay what they were; at the first one a free one."""
    kept = folder.path / "sandbox" / "linkedin" / "port.json"
    try:
        return ports.preferred_port(LOOPBACK, int(kept.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return ports.free_port()


def metrics_ports(
    wanted: Mapping[Service, int], begin: int, *, taken: Collection[int]
) -> Mapping[tuple[str, int], int]:
    """Where each service and replica answers /metrics, if it is asked that this be the same at every start. Raises
    CannotStart.
    """
    if not begin:
        return {}
    asked = [
        (service.name, replica)
        for service, count in wanted.items()
        if not service.is_sandbox
        for replica in range(1 if service.is_gateway else 0, count)
    ]
    found = dict(zip(asked, range(begin, begin + len(asked)), strict=True))
    for port in found.values():
        if port in taken or port > LAST_PORT:
            raise CannotStart(
                "port-taken",
                f"--metrics-port {begin} needs the {len(asked)} ports from there on, and {port} cannot be one of"
                " them. Choose another.",
            )
        ports.asked_port(LOOPBACK, port, "--metrics-port")
    return found


def _store_url(folder: Folder) -> str:
    """The log's address, by either name; empty for SQLite. The folder must be one for it."""
    url = asked_address()
    if wrong := wrong_kind(folder.path, url):
        raise CannotStart(*wrong)
    return url


def _master_key(folder: Folder) -> Path:
    given = os.environ.get("HERALDRY_MASTER_KEY_FILE")
    if not given:
        return folder.master_key()
    path = Path(given).absolute()
    if not path.is_file():
        raise CannotStart("master-key-missing", f"HERALDRY_MASTER_KEY_FILE names {path}, which is not there.")
    return path


def _nats_files(folder: Folder, wanted: Mapping[Service, int], port: int) -> ServerFiles:
    names = tuple(service.name for service in wanted if not (service.is_sandbox or service.is_signer))
    known = all(name in rights.CONTEXTS for name in names)
    try:
        return prepare(
            folder.path,
            host=LOOPBACK,
            port=port,
            services=rights.CONTEXTS if known else (*rights.CONTEXTS, *names),
        )
    except ServerFilesError as error:
        if folder.is_full():
            raise CannotStart("disk-full", f"The disk of {folder.path} is full. {error}") from error
        raise CannotStart("nats-files", str(error)) from error


def _nats_server() -> Path:
    try:
        return binary()
    except ServerFilesError as error:
        raise CannotStart("nats-server-missing", str(error)) from error


def _provision(files: ServerFiles) -> int:
    """In a process of its own: make the streams that are missing."""
    # here, because the supervisor starts NATS before it imports what speaks to it
    from heraldry.chassis.bus.client import BusClient  # noqa: PLC0415
    from heraldry.chassis.bus.provision import ProvisionError, ensure  # noqa: PLC0415
    from nats import errors as nats_errors  # noqa: PLC0415

    async def work() -> None:
        operator = files.credentials[rights.OPERATOR]
        client = BusClient()
        await client.connect(
            files.url,
            user=operator.user,
            password=operator.password,
            inbox_prefix=rights.inbox_prefix(operator.user),
            max_reconnect_attempts=10,
            error_cb=_ignore,
        )
        try:
            await ensure(client.jetstream())  # pyright: ignore[reportUnknownMemberType]  untyped options
        finally:
            await client.close()

    try:
        asyncio.run(work())
    except (ProvisionError, nats_errors.Error, OSError) as error:
        sys.stderr.write(f"the streams cannot be made: {error or type(error).__name__}\n")
        return 1
    return 0


async def _ignore(_: Exception) -> None:
    """What ends the attempt is raised; what does not is none of a person's business."""
