"""What a monitor is told by the running processes."""

from __future__ import annotations

import httpx
import pytest
from heraldry.chassis.bus import rights
from heraldry.chassis.bus.provision import Budgets, streams
from heraldry.chassis.testing.stack import Stack

pytestmark = pytest.mark.stack
SERVICES = ("identity", "mailbox", "linkedin-driver", "scheduler", "gateway")


@pytest.mark.requirement("R-OPS-3")
@pytest.mark.parametrize("service", SERVICES)
def test_every_service_tells_how_far_behind_it_is_and_since_when(stack: Stack, service: str) -> None:
    reactions = rights.DURABLES[service]
    wanted = [f'heraldry_relay_{what}{{context="{service}"}}' for what in ("lag_positions", "oldest_seconds")]
    wanted += [
        f'heraldry_consumer_{what}{{consumer="{name}",context="{service}"}}'
        for name in reactions
        for what in ("lag_messages", "oldest_seconds")
    ]
    if service == "gateway":
        wanted += [
            f'heraldry_views_{what}{{context="{context}"}}'
            for context in ("gateway",)
            for what in ("lag_positions", "oldest_seconds")
        ]

    def told() -> bool:
        text = httpx.get(f"{stack.url_of(service)}/metrics").text
        return all(f"{metric} 0.0" in text for metric in wanted)

    stack.wait(told, otherwise=f"{service} did not come to its log's end")


@pytest.mark.parametrize("service", SERVICES[:-1])
def test_every_projection_has_a_lag_and_an_age(stack: Stack, service: str) -> None:
    text = httpx.get(f"{stack.url_of(service)}/metrics").text
    for what in ("lag_positions", "oldest_seconds"):
        assert f'heraldry_projections_{what}{{context="{service}",projection="' in text


def test_the_gateway_tells_the_budget_of_every_stream(stack: Stack) -> None:
    text = httpx.get(f"{stack.url_of('gateway')}/metrics").text
    for stream in (one.name for one in streams(Budgets())):
        for what in ("bytes", "budget_bytes"):
            assert f'heraldry_stream_{what}{{stream="{stream}"}}' in text


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
