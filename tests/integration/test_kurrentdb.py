"""The five services with their log in KurrentDB, for which our stand-in stands, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket

import pytest
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Answer, Office

pytestmark = pytest.mark.stack
HERALDRY = (sys.executable, "-m", "heraldry.chassis.cli")


@contextmanager
def database(folder: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    """The server, until the block ends; killed there unless it has ended."""
    words = [*HERALDRY, "kurrent-stand-in", "--data", str(folder), "--port", str(port)]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert b"listens" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with closing(socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def shown(office: Office, identities: Sequence[str]) -> Sequence[Answer]:
    return [office.call("GET", f"/identities/{one}") for one in identities]


def test_the_log_in_kurrentdb_outlives_its_server_the_services_and_the_read_models(tmp_path: Path) -> None:
    folder, port = tmp_path / "data", free_port()
    env = {"HERALDRY_STORE_URL": "", "STORE_URL": f"kdb://127.0.0.1:{port}?Tls=false"}
    with database(tmp_path / "kurrent", port) as server:
        stack = Stack.start(folder, env=env, replicas={"identity": 2})
        try:
            with Office.of_the_demo(stack) as office:
                made = [office.identity("Ada Lovelace")]
                server.kill()
                server.wait()
                with database(tmp_path / "kurrent", port):
                    made.append(office.identity("Grace Hopper"))
                    before = shown(office, made)
                    stack.stop()
                    subprocess.run([*HERALDRY, "rebuild", "--data", folder], check=True, capture_output=True)
                    with Stack.running(folder, env=env) as again, Office.of_the_demo(again) as returned:
                        assert shown(returned, made) == before
        finally:
            stack.stop()
    assert not list((folder / "store").glob("*.sqlite3"))
    refused = subprocess.run(
        [*HERALDRY, "up", "--data", folder, "--port", "0"], check=False, capture_output=True, timeout=30
    )
    assert refused.returncode == 1
    assert b"store.address-missing" in refused.stderr
