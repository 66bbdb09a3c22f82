"""The server's files: private, stable over restarts, accepted by the real server; the connection to it."""

from __future__ import annotations

import asyncio
import stat
from contextlib import suppress
from pathlib import Path

import pytest
import structlog.testing
from heraldry.chassis.bus import border
from heraldry.chassis.bus.connect import close, connect
from heraldry.chassis.bus.server import ServerFilesError, callout_seed, prepare
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until


def test_passwords_are_made_once_and_kept(tmp_path: Path) -> None:
    first = prepare(tmp_path, port=4242)
    again = prepare(tmp_path, port=4243)
    assert again.credentials == first.credentials
    assert again.callout_seed == first.callout_seed == callout_seed(tmp_path)
    assert (first.url, again.url) == ("nats://127.0.0.1:4242", "nats://127.0.0.1:4243")
    passwords = {credential.password for credential in first.credentials.values()}
    assert len(passwords) == len(first.credentials) >= 8


def test_files_are_their_owners_only_and_secrets_do_not_show(tmp_path: Path) -> None:
    files = prepare(tmp_path)
    for path in (files.config, tmp_path / "keys" / "nats.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for secret in (files.callout_seed, *(found.password for found in files.credentials.values())):
        assert secret not in repr(files)
    assert '"http' not in files.config.read_text()
    assert '"sync_interval": "always"' in files.config.read_text()


def test_damaged_keys_are_not_silently_replaced(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "keys" / "nats.json").write_text("{")
    with pytest.raises(ServerFilesError, match="damaged"):
        prepare(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ServerFilesError, match="cannot be written"):
        prepare(tmp_path / "data")


@pytest.mark.parts
async def test_a_connection_outlives_the_server_and_closes_when_told() -> None:
    async with NatsServer() as server:
        lost: list[bool] = []
        nc = await connect(server.settings("mailbox"), lost=lambda: lost.append(True))
        assert nc.new_inbox().startswith("_INBOX_mailbox.")
        await server.kill()
        await until(lambda: not nc.is_connected)
        await server.start()
        await until(lambda: nc.is_connected)
        await border.jetstream(nc).publish("heraldry.relay.mailbox", b"again")
        await close(nc)
        assert nc.is_closed
        assert lost == []


@pytest.mark.parts
async def test_a_process_whose_password_is_no_longer_valid_ends_and_says_no_password() -> None:
    async with NatsServer() as server:
        ended = asyncio.Event()
        password = server.credentials["mailbox"].password
        with structlog.testing.capture_logs() as logs:
            await connect(server.settings("mailbox"), lost=ended.set)
            await server.kill()
            changed = server.files.config.read_text().replace(password, "another")
            server.files.config.write_text(changed)
            await server.start()
            async with asyncio.timeout(40):
                await ended.wait()
        assert password not in str(logs)
        assert logs[-1]["log_level"] == "critical"


@pytest.mark.parts
async def test_a_closed_connection_stops_looking_for_a_server_though_its_cancellation_was_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with NatsServer(provision=False) as server:
        nc = await connect(server.settings("mailbox"), lost=lambda: None)
        tried = asyncio.Event()

        async def refused(_: object) -> None:  # as `asyncio.wait_for` before Python 3.12 at the wrong moment
            tried.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
            raise ConnectionRefusedError

        monkeypatch.setattr(nc, "_connect_to_server", refused)
        await server.kill()
        await tried.wait()
        await nc.close()
        await until(lambda: not any("_attempt_reconnect" in repr(task) for task in asyncio.all_tasks()))
