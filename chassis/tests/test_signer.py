"""The signer as a process of its own, with the rights of its user, asked by a real relay over NATS."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from heraldry.chassis.audit import checkpointing
from heraldry.chassis.audit.asking import SignerRefusedError, ask
from heraldry.chassis.audit.checkpointing import Checkpointing, begin_epoch
from heraldry.chassis.audit.keys import public_key
from heraldry.chassis.audit.signer import EXIT_CANNOT_START, folder_of
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.audit.verify import verify
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.markers import last_marker
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import TYPES, PlainCodec, append, eventually, messages, noted
from heraldry.chassis.testing.nats import NatsServer
from heraldry.contracts.checkpoints import Checkpoint

pytestmark = [pytest.mark.parts, pytest.mark.timeout(90)]
RUN = "from heraldry.chassis.audit.signer import main; raise SystemExit(main())"
Process = asyncio.subprocess.Process


async def started(server: NatsServer, **told: str) -> Process:
    """A signer; it is ready when it says so."""
    mine = server.credentials[rights.SIGNER]
    ready, say = os.pipe()
    environment = {
        "HERALDRY_SERVICE": rights.SIGNER,
        "HERALDRY_DATA": str(server.data),
        "HERALDRY_NATS_URL": server.url,
        "HERALDRY_NATS_USER": mine.user,
        "HERALDRY_NATS_PASSWORD": mine.password,
        "HERALDRY_READY_FD": str(say),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN), env={**os.environ, **environment, **told}, pass_fds=[say], stderr=-1
    )
    os.close(say)
    await asyncio.to_thread(os.read, ready, 16)  # or the end, if it cannot start
    os.close(ready)
    return process


async def ended(process: Process, number: signal.Signals) -> int:
    process.send_signal(number)
    return await process.wait()


@asynccontextmanager
async def publishing(server: NatsServer, store: SqliteStore, *, every: float = 0) -> AsyncGenerator[Relay]:
    nc = await server.client("identity")
    relay = Relay(nc, "identity", store, PlainCodec(), TYPES)
    trail = Trail.beside(server.data, "identity")
    signing = Checkpointing(nc, "identity", store, relay, trail, every=every, look=0.01)
    tasks = [asyncio.create_task(relay.run()), asyncio.create_task(signing.run())]
    try:
        yield relay
    finally:
        await end(*tasks)


async def told(server: NatsServer, count: int) -> Checkpoint:
    """The checkpoint in the newest marker, when it covers so many events."""
    js = border.jetstream(await server.client("operator"))
    found: list[Checkpoint] = []

    async def there() -> bool:
        marker, _ = await last_marker(js, "identity")
        found[:] = [marker.checkpoint] if marker is not None and marker.checkpoint is not None else []
        return bool(found) and found[0].count == count

    await eventually(there, f"a marker with a checkpoint of {count} events", deadline=40)
    return found[0]


@pytest.mark.requirement("R-AUD-5")
async def test_a_log_is_published_signed_and_verified_over_kills_of_the_signer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "AGAIN", 0.1)
    async with NatsServer() as server:
        store = SqliteStore(tmp_path / "identity.sqlite3")
        signer = await started(server)
        second = await started(server)
        assert await second.wait() == EXIT_CANNOT_START  # there is one, or there would be two stories
        await append(store, "identity.note-1", *(noted() for _ in range(30)))
        async with publishing(server, store):
            first = await told(server, 30)  # also though nothing else is to be published
            await ended(signer, signal.SIGKILL)
            await append(store, "identity.note-1", *(noted() for _ in range(30)))
            signer = await started(server)
            newest = await told(server, 60)
        assert newest.number > first.number
        marker, _ = await last_marker(border.jetstream(await server.client("operator")), "identity")
        key = public_key((folder_of(server.data) / "public.key").read_text())
        finding = await verify("identity", store, Trail.beside(server.data, "identity"), [key], marker=marker)
        assert finding.ok
        assert (finding.proven, finding.published) == (60, 60)
        with pytest.raises(SignerRefusedError, match=r"signer\.behind"):
            await ask(await server.client("identity"), "identity", newest, first)
        begun = await begin_epoch(
            await server.client("operator"), "identity", store, Trail.beside(server.data, "identity")
        )
        assert (begun.kind, begun.count, begun.number) == ("epoch", 60, newest.number + 1)
        markers = [seen.body for seen in await messages(border.jetstream(await server.client("operator")))]
        assert [body for body in markers if "checkpoint" in body]
        assert await ended(signer, signal.SIGTERM) == 0
        await store.close()


async def test_the_signer_keeps_its_key_for_itself_and_as_root_becomes_a_user_of_its_own() -> None:
    async with NatsServer(provision=False) as server:
        root = os.geteuid() == 0
        signer = await started(server, **({"HERALDRY_SIGNER_USER": "nobody"} if root else {}))
        key = folder_of(server.data) / "signing.key"
        private, public = key.read_text().strip(), key.with_name("public.key").read_text().strip()
        if root:
            assert key.stat().st_uid == pwd.getpwnam("nobody").pw_uid
            with Path(f"/proc/{signer.pid}/status").open() as status:  # noqa: ASYNC230  of the kernel's memory
                assert f"Uid:\t{key.stat().st_uid}\t{key.stat().st_uid}\t" in status.read()
        assert await ask(await server.client("identity"), "identity", None, None) is None
        assert await ended(signer, signal.SIGTERM) == 0
        assert signer.stderr is not None
        said = (await signer.stderr.read()).decode()
        assert private not in said
        assert public in said
        assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        if root:
            wrong = await started(server, HERALDRY_SIGNER_USER="nobody-of-this-name")
            assert await wrong.wait() == EXIT_CANNOT_START
