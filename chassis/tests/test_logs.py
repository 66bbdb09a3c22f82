"""What a line of the log holds, and what it never does."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from heraldry.chassis.logs import configure, correlated, scrub
from heraldry.chassis.settings import Settings
from pydantic import SecretStr


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    output = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def as_json(said: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_line_is_json_with_service_replica_and_correlation(said: io.StringIO) -> None:
    configure(Settings(service="mailbox", replica="1"), said)
    log = structlog.stdlib.get_logger("heraldry.mailbox")
    with correlated(correlation="c-1"):
        log.info("sent", count=2, addresses=("a", "b"))
    log.warning("later")
    first, second = as_json(said)
    assert first["event"] == "sent"
    assert first["level"] == "info"
    assert (first["service"], first["replica"], first["correlation"]) == ("mailbox", "1", "c-1")
    assert (first["count"], first["addresses"]) == (2, ["a", "b"])
    assert "correlation" not in second


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_hidden_wherever_they_stand(said: io.StringIO, form: str) -> None:
    configure(Settings.model_validate({"log_format": form}), said)
    log = structlog.stdlib.get_logger("heraldry")
    log.info(
        "login password=hunter2",
        password="hunter2",
        api_token="hunter2",
        nested={"Authorization": "Bearer hunter2", "list": [{"cookie": "hunter2"}]},
        wrapped=SecretStr("hunter2"),
        url="imap://me:hunter2@host/",
        raw=b"hunter2",
    )
    logging.getLogger("imaplib").warning("LOGIN token: %s", "hunter2")
    try:
        int("password='hunter2'")
    except ValueError:
        log.exception("failed")
    assert said.getvalue().count("\n") >= 3
    assert "hunter2" not in said.getvalue()
    assert "ValueError" in said.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_line_has_an_address_to_click_on(said: io.StringIO, form: str) -> None:
    configure(Settings.model_validate({"log_format": form}), said)
    logging.getLogger("anything").warning("running on %s", "http://127.0.0.1:1")
    structlog.stdlib.get_logger().info("open HTTP://there", url="http://127.0.0.1:1/x")
    logging.getLogger("uvicorn.error").info("Uvicorn running on http://127.0.0.1:1")
    assert "http://" not in said.getvalue().lower()
    assert "127.0.0.1:1/x" in said.getvalue()
    assert said.getvalue().count("\n") == 2  # uvicorn's chatter is no news


def test_text_is_for_people(said: io.StringIO) -> None:
    configure(Settings(service="mailbox", log_format="text"), said)
    structlog.stdlib.get_logger("heraldry.mailbox").warning(
        "connection lost", host="mail.test", why="too slow"
    )
    line = said.getvalue().rstrip("\n")
    assert line[12:] == " warning  connection lost  host=mail.test why='too slow'"


def test_positional_arguments_and_levels(said: io.StringIO) -> None:
    configure(Settings(log_level="warning"), said)
    log = structlog.stdlib.get_logger("heraldry")
    log.info("not shown")
    log.warning("shown %s", "so")
    assert [line["event"] for line in as_json(said)] == ["shown so"]


def test_scrub_leaves_ordinary_text_alone() -> None:
    text = "the password was changed; token bucket of 5; see https://example.com/a?b=c"
    assert scrub(text) == text
    assert scrub("cookie: a=b") == "cookie: ***"
