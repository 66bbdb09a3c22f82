"""One request followed through the services, as whoever collects their traces sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.collector import CLIENT, SERVER, Collector, Told
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import API, EVERY_DAY, Admin, signed_in

pytestmark = pytest.mark.stack
SERVICES = ",".join(f"{name}=heraldry.{name}.service" for name in ("identity", "mailbox", "gateway"))
INGRESS = "0af7651916cd43dd8448eb211c80319c"
UNSUBSCRIBE = f"unsubscribe-{uuid4().hex}"
DETAILS = {
    "first_name": "Quendolina",
    "last_name": "Bergström",
    "job_title": "Head of Purple Elephants",
    "email": "quendolina@bergstroem.example",
    "phone": "+46 70 123 45 67",
    "linkedin_url": "https://www.linkedin.com/in/quendolina-b",
    "meeting_url": "https://meet.example/quendolina",
}


@dataclass(slots=True)
class Scene:
    """What was done, and what was told of it. `secrets`: what must be nowhere in it."""

    collector: Collector
    secrets: Sequence[str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The services that one request needs, and that request; then what may tell of people, and of secrets."""
    with Collector() as collector:
        told = {"HERALDRY_OTLP_ENDPOINT": collector.url, "HERALDRY_SERVICES": SERVICES}
        folder = tmp_path_factory.mktemp("traced") / "data"
        with (
            Stack.running(folder, env=told) as stack,
            signed_in(stack, stack.sign_in.email, stack.sign_in.password) as us,
        ):
            secrets = do(stack, us)
            collector.wait_for("reaction mailbox-imports")
            collector.wait_for("queries.identity.GetIdentity", refused_by_identity)
            collector.wait_for("publish", of_one_event)
            collector.wait_for("_OTHER")
        yield Scene(collector, secrets)


def do(stack: Stack, us: Admin) -> Sequence[str]:
    us.http.headers["traceparent"] = f"00-{INGRESS}-b7ad6b7169203331-01"
    name = "Quendolina Bergström"
    hours = {"zone": "UTC", "week": EVERY_DAY}
    us.call("POST", "/identities", {"name": name, "details": DETAILS, "hours": hours})
    assert us.get("/identities?search=Quendolina")
    assert us.refusal("POST", "/identities", {"name": "", "details": DETAILS, "hours": hours})
    assert us.refusal("GET", f"/identities/{uuid4()}")["code"] == "identity.unknown"
    shared = str(us.call("POST", "/share-links")["url"])
    with httpx.Client(base_url=stack.url, timeout=20) as somebody:
        assert somebody.get(urlsplit(shared).path).is_success
        somebody.get(f"/unsubscribe/{UNSUBSCRIBE}")
        somebody.get("/nowhere/quendolina@bergstroem.example")
        wrong = {"email": us.email, "password": "hunter2-hunter2"}
        assert somebody.post(f"{API}/sessions", json=wrong).is_client_error
        somebody.request("QUENDOLINA", "/")
    token = us.http.headers["Authorization"].split()[1]
    link = urlsplit(shared).path.rpartition("/")[2]
    found = [*DETAILS.values(), *name.split(), "hunter2", us.email, us.password, token, link, UNSUBSCRIBE]
    return [word for word in found if word]


def refused_by_identity(span: Told) -> bool:
    return span.service == "heraldry-identity" and "heraldry.refusal" in span.facts


def of_one_event(span: Told) -> bool:
    return (span.service, span.facts["heraldry.events"]) == ("heraldry-identity", "1")


def created(scene: Scene) -> Told:
    return scene.collector.wait_for(
        f"POST {API}/identities", lambda span: span.facts["http.response.status_code"] == "201"
    )


def under(scene: Scene, span: Told, name: str, service: str) -> Told:
    """What was done within it, by name."""
    found = [
        one
        for one in scene.collector.of(span.trace).values()
        if (one.parent, one.name, one.service) == (span.id, name, f"heraldry-{service}")
    ]
    assert len(found) == 1, scene.collector.of(span.trace)
    return found[0]


@pytest.mark.requirement("R-OPS-3")
def test_a_request_is_followed_to_what_it_stored(scene: Scene) -> None:
    request = created(scene)
    assert (request.parent, request.kind, request.service) == ("", SERVER, "heraldry-gateway")
    asked = under(scene, request, "commands.identity.CreateIdentity", "gateway")
    carried_out = under(scene, asked, "commands.identity.CreateIdentity", "identity")
    assert (asked.kind, carried_out.kind) == (CLIENT, SERVER)
    append = under(scene, carried_out, "append", "identity")
    assert append.facts == {
        "heraldry.context": "identity",
        "heraldry.category": "identity",
        "heraldry.events": "1",
    }


@pytest.mark.requirement("R-OPS-3")
def test_what_another_service_does_about_it_later_is_in_the_same_trace(scene: Scene) -> None:
    of_request = scene.collector.of(created(scene).trace).values()
    (reaction,) = [span for span in of_request if span.name == "reaction mailbox-imports"]
    assert (reaction.parent, reaction.service) == ("", "heraldry-mailbox")
    assert reaction.facts["heraldry.event"] == "IdentityCreated"
    assert under(scene, reaction, "append", "mailbox").facts["heraldry.category"] == "owner"


def test_the_trace_that_a_request_came_with_is_linked(scene: Scene) -> None:
    assert created(scene).links == (INGRESS,)


def test_a_refusal_is_told_where_it_was_made(scene: Scene) -> None:
    refused = scene.collector.wait_for("queries.identity.GetIdentity", refused_by_identity)
    assert refused.facts["heraldry.refusal"] == "identity.unknown"
    assert not refused.failed


def test_the_relay_tells_of_batches(scene: Scene) -> None:
    assert not scene.collector.wait_for("publish", of_one_event).failed


@pytest.mark.requirement("R-OPS-3", "R-ACC-5")
def test_nothing_personal_and_no_secret_is_told(scene: Scene) -> None:
    names = {span.name for span in scene.collector.spans}
    assert {"GET /share/{token}", "GET /unsubscribe/{token}", f"POST {API}/sessions", "_OTHER"} <= names
    told = scene.collector.bytes.lower()
    assert b"createidentity" in told
    assert [word for word in scene.secrets if word.lower().encode() in told] == []
