"""The sandbox as the process that the supervisor starts."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import pytest
from heraldry.chassis.testing.nats import NatsServer

pytestmark = pytest.mark.parts


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    announced: Mapping[str, object]

    @property
    def url(self) -> str:
        return str(self.announced["url"])


@contextmanager
def sandbox(data: Path, **more: str) -> Generator[Running]:
    reading, writing = os.pipe()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HERALDRY_")}
    told = {"HERALDRY_DATA": str(data), "HERALDRY_READY_FD": str(writing), **more}
    process = subprocess.Popen(
        [sys.executable, "-m", "heraldry.sandbox"],
        env={**inherited, **told},
        pass_fds=(writing,),
        stderr=(data / "log").open("ab"),
    )
    os.close(writing)
    try:
        assert select.select([reading], [], [], 30)[0]
        assert os.read(reading, 10) == b"ready\n", (data / "log").read_text()
        found = cast("dict[str, object]", json.loads((data / "run" / "sandbox-0.json").read_text()))
        yield Running(process, found)
    finally:
        os.close(reading)
        process.kill()
        process.wait()


def test_it_announces_itself_and_ends_cleanly(tmp_path: Path) -> None:
    with sandbox(tmp_path) as running:
        assert running.announced["pid"] == running.process.pid
        assert httpx.get(running.url + "/health/ready").json()["ready"]
        assert httpx.get(running.url + "/health/live").status_code == 200
        accounts = httpx.get(running.url + "/control/v1/accounts").json()
        mail = cast("dict[str, object]", running.announced["mail"])
        assert mail == {**accounts[0]["ports"], "host": "127.0.0.1"}
        assert Path(str(running.announced["ca_file"])) == tmp_path / "sandbox" / "ca.pem"
        linkedin = cast("dict[str, str]", running.announced["linkedin"])["url"]
        assert "Sign in" in httpx.get(linkedin + "/login").text
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=10) == 0
        assert not (tmp_path / "run" / "sandbox-0.json").exists()
    assert "http://" not in (tmp_path / "log").read_text()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = "/control/v1/accounts/ada@northwind.example"
    with sandbox(tmp_path) as running:
        sent = httpx.post(
            running.url + path + "/send", json={"to": "jonas@northwind.example", "subject": "s", "text": "t"}
        )
        accounts = httpx.get(running.url + "/control/v1/accounts").json()
        running.process.kill()
        running.process.wait()
    with sandbox(tmp_path) as again:
        mails = httpx.get(again.url + "/control/v1/accounts/jonas@northwind.example/messages").json()
        assert [one["message_id"] for one in mails] == [sent.json()["message_id"]]
        kept = httpx.get(again.url + "/control/v1/accounts").json()
        assert [one["password"] for one in kept] == [one["password"] for one in accounts]
        assert [one["what"] for one in httpx.get(again.url + "/control/v1/effects").json()] == [
            "written",
            "delivered",
        ]


async def test_its_clock_is_in_nats(tmp_path: Path) -> None:
    async with NatsServer() as nats:
        credential = nats.credentials["sandbox"]
        told = {
            "HERALDRY_NATS_URL": nats.url,
            "HERALDRY_NATS_USER": credential.user,
            "HERALDRY_NATS_PASSWORD": credential.password,
        }
        with sandbox(tmp_path, **told) as running:
            async with httpx.AsyncClient(base_url=running.url) as client:
                await client.post("/control/v1/clock/advance", json={"seconds": 60})
            operator = await nats.client("operator")
            entry = await (await operator.jetstream().key_value("CLOCK")).get("offset")  # pyright: ignore[reportUnknownMemberType]  nats-py leaves it untyped
            assert entry.value == b"60"
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(timeout=10) == 0


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with sandbox(tmp_path) as running:
        port = running.url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "heraldry.sandbox"],
            env={**os.environ, "HERALDRY_DATA": str(tmp_path / "other"), "HERALDRY_PORT": port},
            capture_output=True,
            check=False,
            timeout=30,
        )
    assert second.returncode == 1
    assert b"Address already in use" in second.stderr
    assert b"Traceback" not in second.stderr
