"""The application is made without anything Litestar is about to give up, and answers no question but the one asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

import pytest
from heraldry.chassis.halt import HaltUnknownError
from heraldry.chassis.health import Health
from heraldry.chassis.store.port import OutcomeUnknownError, StoreUnavailableError
from heraldry.gateway.api import queries
from heraldry.gateway.app import API, application
from heraldry.gateway.assets import Files
from heraldry.gateway.state import Gateway
from litestar import Litestar
from litestar.di import Provide
from litestar.routes import HTTPRoute
from litestar.testing import TestClient


def absence_of(name: str) -> Callable[[], object]:
    return lambda: name


def made() -> Any:
    return application(cast("Gateway", None), cast("Health", None), cast("Files", None))


def test_no_route_leaves_it_to_be_guessed_where_a_parameter_comes_from() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        made()
    assert [str(one.message) for one in found] == []


@pytest.mark.parametrize(
    "asked", ["campaigns?as_of=2026-05-04T09:30:00Z", "campaigns?identity=&as_off=x", "organization?q"]
)
def test_a_query_parameter_that_an_address_does_not_take_is_refused(asked: str) -> None:
    with TestClient(made()) as client:
        answer = client.get(f"/api/v1/{asked}")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "query.unknown"
    assert problem["field"] in {"as_of", "as_off", "q"}
    assert problem["detail"].endswith(("It takes identity.", "It takes none."))


def test_what_is_asked_by_head_is_answered_as_by_get_without_a_body() -> None:
    with TestClient(made()) as client:
        got, head = (client.request(method, "/api/v1/openapi.json") for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content))
        assert head.headers["content-type"] == got.headers["content-type"]
        assert client.head("/api/v1/nothing").status_code == 404
        assert (
            client.head("/api/v1/sessions").status_code == client.get("/api/v1/sessions").status_code == 405
        )


def test_an_address_that_is_not_there_is_told_as_such_whatever_is_asked_of_it() -> None:
    with TestClient(made()) as client:
        for asked in ("nothing?as_of=2026-05-04T09:30:00Z", "nothing", "campaigns/nothing/at/all"):
            answer = client.get(f"/api/v1/{asked}")
            assert answer.status_code == 404
            assert answer.json()["code"] == "route.unknown"
        assert client.get("/api/v1/openapi.json").json()["info"]["title"] == "Heraldry"


class Away:
    """The parts of a gateway that signing in asks; whether a password is right cannot be said."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def check(self, *_: object) -> None: ...

    async def count(self, *_: object) -> None: ...

    async def signed_in(self, *_: object) -> None:
        raise self.error


def without_store(error: Exception) -> Gateway:
    away = Away(error)
    there: dict[str, Any] = dict.fromkeys(one.name for one in fields(Gateway))
    there |= {"throttles": away, "application": away, "public_url": "http://here.example"}
    return Gateway(**there)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailableError("away"), "store.unavailable"),
        (OutcomeUnknownError("silent"), "store.outcome-unknown"),
        (HaltUnknownError("away"), "service.unavailable"),
    ],
)
def test_whoever_signs_in_while_the_store_is_away_is_told_that(error: Exception, code: str) -> None:
    app = application(without_store(error), cast("Health", None), cast("Files", None))
    with TestClient(app) as client:
        answer = client.post(
            "/api/v1/sessions", json={"email": "ada@northwind.example", "password": "secret"}
        )
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"]


def test_the_query_parameters_an_address_takes_are_those_its_description_names() -> None:
    absent = {name: Provide(absence_of(name), sync_to_thread=False) for name in ("gateway", "call")}
    app = Litestar(list(API), dependencies=absent, logging_config=None)
    described = app.openapi_schema.to_schema()["paths"]
    handlers = {
        (route.path_format, method.lower()): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    assert {
        (path, method): {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        for path, item in described.items()
        for method, operation in item.items()
    } == {
        (path, method): set(queries.parameters(handler))
        for (path, method), handler in handlers.items()
        if method in described.get(path, {})
    }
