"""Alive, ready, counted: over HTTP, as a cluster asks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from pathlib import Path

import httpx
import pytest
from heraldry.chassis.health import LATE, Health, Watch, announce, listen, serve
from heraldry.chassis.settings import Settings
from prometheus_client import CollectorRegistry, Counter, Gauge


@pytest.fixture
def health() -> Health:
    return Health(CollectorRegistry())


async def test_is_ready_when_every_check_passes_and_says_why_not(health: Health) -> None:
    reasons: dict[str, str | None] = {"store": "not open", "bus": None}

    async def bus() -> str | None:
        await asyncio.sleep(0)
        return reasons["bus"]

    health.check("store", lambda: reasons["store"])
    health.check("bus", bus)
    answer = await health.answer("/health/ready")
    assert (answer.status, answer.ok) == (503, False)
    assert json.loads(answer.body) == {"ready": False, "reasons": {"store": "not open"}}
    reasons["store"] = None
    answer = await health.answer("/health/ready")
    assert (answer.status, json.loads(answer.body)) == (200, {"ready": True, "reasons": {}})


async def test_what_is_missing_for_a_part_of_the_work_is_told_and_keeps_nobody_from_being_ready(
    health: Health,
) -> None:
    missing: list[str | None] = ["no browser"]
    health.note("browser", lambda: missing[0])
    answer = await health.answer("/health/ready")
    told = {"ready": True, "reasons": {}, "notes": {"browser": "no browser"}}
    assert (answer.status, json.loads(answer.body)) == (200, told)
    missing[0] = None
    assert json.loads((await health.answer("/health/ready")).body) == {"ready": True, "reasons": {}}


async def test_a_check_that_fails_is_a_reason_without_its_words(health: Health) -> None:
    def check() -> str | None:
        raise ConnectionError("user:password@host")

    health.check("bus", check)
    answer = await health.answer("/health/ready")
    assert json.loads(answer.body)["reasons"] == {"bus": "the check failed: ConnectionError"}
    assert b"password" not in answer.body


async def test_a_check_that_hangs_does_not_hang_the_answer(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heraldry.chassis.health.CHECK_PATIENCE", 0.01)

    async def check() -> str | None:
        await asyncio.Event().wait()
        return None

    health.check("bus", check)
    assert (await health.answer("/health/ready")).status == 503


async def test_is_not_alive_when_the_event_loop_is_late() -> None:
    now = 100.0
    health = Health(CollectorRegistry(), clock=lambda: now)
    assert (await health.answer("/health/live")).ok
    health.beat()
    now += LATE - 1
    assert (await health.answer("/health/live")).ok
    now += 2
    answer = await health.answer("/health/live")
    assert answer.status == 503
    assert json.loads(answer.body)["seconds_since_beat"] == LATE + 1


async def test_a_starved_event_loop_ends_the_process(health: Health) -> None:
    ended = threading.Event()
    watch = Watch(health, limit=0.2, end=ended.set)
    watch.start()
    ended.wait(5)  # what starves the loop: code that does not await
    watch.stop()
    assert ended.is_set()


async def test_a_busy_but_breathing_event_loop_does_not(health: Health) -> None:
    ended = threading.Event()
    watch = Watch(health, limit=0.8, end=ended.set)
    watch.start()
    for _ in range(4):
        threading.Event().wait(0.1)  # code that does not await
        await asyncio.sleep(0.1)
    watch.stop()
    assert not ended.is_set()


async def test_answers_over_http_and_leaves_the_signals_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = CollectorRegistry()
    Counter("heraldry_things", "Things.", registry=registry).inc()
    served = await serve(Health(registry), Settings(data=tmp_path))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
        assert (await client.get("/health/live")).json()["alive"] is True
        assert (await client.get("/health/ready")).status_code == 200
        metrics = await client.get("/metrics")
        assert "heraldry_things_total 1.0" in metrics.text
        assert (await client.get("/elsewhere")).status_code == 404
        assert (await client.post("/health/live")).status_code == 405
        head = await client.head("/health/live")
        assert (head.status_code, head.content) == (200, b"")
    await served.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port), timeout=1)
    assert "http://" not in "".join(capfd.readouterr())


async def test_what_is_known_only_by_looking_is_looked_at_when_somebody_asks() -> None:
    registry = CollectorRegistry()
    health, lag = Health(registry), Gauge("heraldry_lag", "Lag.", registry=registry)
    behind = 3.0

    async def measure() -> None:
        if behind < 0:
            raise ConnectionError("the store is away")
        lag.set(behind)

    health.measure(measure)
    assert b"heraldry_lag 3.0" in (await health.answer("/metrics")).body
    behind = 0.0
    assert b"heraldry_lag 0.0" in (await health.answer("/metrics")).body
    behind = -1.0
    assert b"heraldry_lag 0.0" in (await health.answer("/metrics")).body


def test_an_answer_in_two_parts_waits_for_no_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_taken_port_is_an_error(tmp_path: Path, health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings(data=tmp_path, port=other.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await serve(health, settings)


def test_announces_where_it_answers_and_that_it_is_ready(tmp_path: Path) -> None:
    read, write = os.pipe()
    announce(Settings(service="identity", replica="1", data=tmp_path, ready_fd=write), "http://127.0.0.1:5")
    found = json.loads((tmp_path / "run" / "identity-1.json").read_text())
    assert found == {"pid": os.getpid(), "url": "http://127.0.0.1:5"}
    assert os.read(read, 100) == b"ready\n"
    os.close(read)
    announce(Settings(service="identity", data=tmp_path, ready_fd=write), "")  # the supervisor has gone
    os.close(write)
