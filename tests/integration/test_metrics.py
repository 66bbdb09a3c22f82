"""What a monitor is told by the running processes."""

from __future__ import annotations

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

pytestmark = pytest.mark.stack
SERVICES = ("identity", "mailbox", "linkedin-driver", "scheduler", "gateway")


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_tells_how_far_behind_it_is(stack: Stack, service: str) -> None:
    def told(metric: str) -> bool:
        return f'{metric}{{context="{service}"}} 0.0' in httpx.get(f"{stack.url_of(service)}/metrics").text

    for metric in ("heraldry_relay_lag_positions", "heraldry_projections_lag_positions"):
        stack.wait(lambda metric=metric: told(metric), otherwise=f"{service} did not come to its log's end")


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_tells_of_its_process_and_its_event_loop(stack: Stack, service: str) -> None:
    answer = httpx.get(f"{stack.url_of(service)}/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    for metric in (
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "heraldry_event_loop_lag_seconds",
    ):
        assert f"\n{metric} " in answer.text
