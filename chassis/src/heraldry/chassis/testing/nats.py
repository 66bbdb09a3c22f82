"""A throw-away NATS server for tests: the real program, configured as in production."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.client import BusClient
from heraldry.chassis.bus.provision import Budgets, ensure
from heraldry.chassis.bus.server import MIB, Credential, ServerFiles, binary, free_port, prepare
from heraldry.chassis.settings import Settings
from heraldry.chassis.tasks import check_cancelled
from nats.aio.client import Client
from nats.errors import Error as NatsError

SMALL = Budgets(events=64 * MIB, keys=8 * MIB, parked=8 * MIB, vault=8 * MIB, small=4 * MIB, blobs=64 * MIB)
START_DEADLINE = 20.0  # seconds


class NatsServer:
    """`async with NatsServer() as server:` starts one with all streams made, and removes it and its files
    after.

    `provision=False` leaves it without streams; `durables` adds consumer names to those a service may use, as
    `{"mailbox": ["mailbox-mine"]}`. `kill()` is a kill -9, `restart()` starts it again on the same port and
    store.
    """

    def __init__(
        self,
        *,
        services: Sequence[str] = rights.CONTEXTS,
        durables: Mapping[str, Sequence[str]] | None = None,
        provision: bool = True,
        data: Path | None = None,
        budgets: Budgets = SMALL,
    ) -> None:
        self._own = data is None
        self.data = data or Path(tempfile.mkdtemp(prefix="heraldry-nats-"))
        self.files: ServerFiles = prepare(self.data, services=services, durables=durables)
        self._provision, self._budgets = provision, budgets
        self._process: asyncio.subprocess.Process | None = None
        self._clients: list[Client] = []

    @property
    def url(self) -> str:
        return self.files.url

    @property
    def credentials(self) -> Mapping[str, Credential]:
        """By user: the services, `operator`, `sandbox`, `system`."""
        return self.files.credentials

    def settings(self, service: str) -> Settings:
        """The settings of a process of this service that uses this server."""
        credential = self.credentials[service]
        return Settings.model_validate(
            {
                "service": service,
                "data": self.data,
                "nats_url": self.url,
                "nats_user": credential.user,
                "nats_password": credential.password,
            }
        )

    async def client(self, user: str) -> Client:
        """A connection of this user with its private inbox; closed with the server.

        Reconnects for ever. A refused right is not raised by nats-py: the request runs into its time-out.
        """
        credential = self.credentials[user]
        return await self.sign_in(credential.user, credential.password)

    async def sign_in(self, user: str, password: str, *, reconnect: bool = True) -> Client:
        """A connection with any user and password; raises what nats-py raises if it is refused."""
        client = BusClient()

        async def trouble(_: Exception) -> None:
            check_cancelled()  # else expected: tests kill the server

        await client.connect(
            self.url,
            user=user,
            password=password,
            inbox_prefix=rights.inbox_prefix(user),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,  # pyright: ignore[reportArgumentType]  seconds; declared int, used as float
            allow_reconnect=reconnect,
            error_cb=trouble,
        )
        self._clients.append(client)
        return client

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises RuntimeError with its last words if it ends."""
        log = self.data / "run" / "nats.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(binary()), "--config", str(self.files.config), stdout=output, stderr=output
            )
        async with asyncio.timeout(START_DEADLINE):
            while True:
                if self._process.returncode is not None:
                    raise RuntimeError(f"nats-server ended: {log.read_text()[-2000:]}")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.files.port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    return

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def freeze(self) -> None:
        """Let it say nothing more, connections open, until it is killed or started again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    async def kill(self) -> None:
        """End it as a power cut would (kill -9) and wait until it is gone."""
        if self._process is not None and self.lives:
            self._process.kill()
            await self._process.wait()

    async def restart(self) -> None:
        """Kill it unless it is dead, and start it again with the same port, store and passwords."""
        await self.kill()
        await self.start()

    async def stop(self) -> None:
        """Close the connections of this helper, end the server, remove its files."""
        for client in self._clients:
            if not client.is_closed:
                await client.close()
        await self.kill()
        if self._own:
            shutil.rmtree(self.data, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        try:
            if self._provision:
                operator = await self.client(rights.OPERATOR)
                await ensure(border.jetstream(operator), self._budgets)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class NatsCluster:
    """`async with NatsCluster() as cluster:` starts three servers with every stream on all of them.

    The servers are ordinary ones: each can be killed and restarted, and gives settings and connections. Who is
    connected to one of them learns of the others.
    """

    def __init__(self, size: int = 3) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="heraldry-nats-"))
        listening = [free_port("127.0.0.1") for _ in range(size)]
        self.servers: list[NatsServer] = []
        for number, port in enumerate(listening):
            data = self.data / str(number)
            if self.servers:  # all know the same users
                (data / "keys").mkdir(parents=True)
                shutil.copy(self.servers[0].data / "keys" / "nats.json", data / "keys" / "nats.json")
            server = NatsServer(data=data, provision=False)
            config = cast("dict[str, object]", json.loads(server.files.config.read_bytes()))
            config["server_name"] = f"heraldry-{number}"
            config["cluster"] = {
                "name": "heraldry",
                "listen": f"127.0.0.1:{port}",
                "routes": [f"nats-route://127.0.0.1:{other}" for other in listening if other != port],
            }
            server.files.config.write_text(json.dumps(config), encoding="utf-8")
            self.servers.append(server)

    async def leader(self, stream: str) -> NatsServer:
        """The server that leads a stream now. Asks the first of them that lives."""
        operator = await next(one for one in self.servers if one.lives).client(rights.OPERATOR)
        async with asyncio.timeout(START_DEADLINE):
            while True:
                try:
                    cluster = (await border.jetstream(operator).stream_info(stream)).cluster
                except (NatsError, TimeoutError):
                    cluster = None
                if cluster is not None and cluster.leader:
                    return self.servers[int(cluster.leader.rpartition("-")[2])]
                await asyncio.sleep(0.05)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(server.start() for server in self.servers))
            operator = await self.servers[0].client(rights.OPERATOR)
            async with asyncio.timeout(3 * START_DEADLINE):
                while True:  # until they have chosen who leads
                    try:
                        await ensure(
                            border.jetstream(operator), dataclasses.replace(SMALL, replicas=len(self.servers))
                        )
                    except (NatsError, TimeoutError):
                        await asyncio.sleep(0.1)
                    else:
                        return self
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers:
            await server.stop()
        shutil.rmtree(self.data, ignore_errors=True)
