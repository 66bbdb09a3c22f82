"""FastStream drops a message whose handler raises, unless every single subscriber says otherwise."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from heraldry.chassis.bus import reactions, rights
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Reaction, Reactions
from heraldry.chassis.settings import Settings
from heraldry.chassis.testing.deliveries import Hands
from nats.aio.client import Client

SERVICES: Final = Path(__file__).parents[2] / "services"


def declared() -> Iterator[tuple[str, str, Reaction]]:
    """Every reaction of every service, once: context, the name it is declared under, reaction."""
    seen: set[int] = set()
    for file in sorted(SERVICES.glob("*/src/heraldry/*/*subscriptions.py")):
        module = importlib.import_module(f"heraldry.{file.parent.name}.{file.stem}")
        for name, value in cast("dict[str, object]", vars(module)).items():
            for one in cast("tuple[object, ...]", value) if isinstance(value, tuple) else ():
                if isinstance(one, Reaction) and id(one) not in seen:  # one module may list another's
                    seen.add(id(one))
                    yield file.parts[-5], name, one


def policies(broker: NatsBroker) -> list[AckPolicy]:
    return [subscriber.ack_policy for subscriber in broker.subscribers]


def test_no_subscriber_of_any_service_loses_a_message_whose_handler_raises() -> None:
    by_context: dict[str, list[Reaction]] = {}
    for context, name, one in declared():
        if name != "OWN":  # from the context's own log: no subscriber
            by_context.setdefault(context, []).append(one)
    assert {"mailbox", "scheduler"} <= by_context.keys()
    for context, found in by_context.items():
        settings = Settings(service=context)
        nc = Client()
        built = Reactions(nc, settings, found, Hands(), Parking(nc, context))
        assert policies(built.broker) == [AckPolicy.NACK_ON_ERROR] * len(found), context


def test_a_router_without_the_policy_is_noticed() -> None:
    router = NatsRouter()
    subscriber = router.subscriber("x", stream=JStream("X", declare=False), pull_sub=PullSub())
    subscriber(Hands())
    found = reactions.broker(Settings(service="mailbox"))
    found.include_router(router)
    assert policies(found) != [AckPolicy.NACK_ON_ERROR]


def test_only_the_chassis_makes_subscribers_of_faststream() -> None:
    files = [file for file in SERVICES.glob("*/src/**/*.py") if "faststream" in file.read_text("utf-8")]
    assert files == []


def test_what_services_bind_is_what_is_declared_and_nothing_else() -> None:
    bound: dict[str, list[str]] = {context: [] for context in rights.CONTEXTS}
    for context, name, one in declared():
        if name == "OWN":
            continue  # to the context's own log: it has a checkpoint, and no consumer
        many = range(rights.PARTITIONS) if name == "CONTROL" else ("",)
        bound[context] += [f"{one.name}-{partition}" if name == "CONTROL" else one.name for partition in many]
    assert {context: sorted(names) for context, names in bound.items()} == {
        context: sorted(names) for context, names in rights.DURABLES.items()
    }
