"""What a line of the log holds, and what it never does."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator

import pytest
import structlog
from heraldry.chassis.logs import HIDDEN, configure, correlated, scrub
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


@pytest.mark.parametrize(
    "text",
    [
        "refresh_token=SECRET",
        "access_token: SECRET",
        "id_token=SECRET",
        "accessToken=SECRET",
        "client_secret=SECRET",
        "secret_key=SECRET",
        "HERALDRY_PASSWORD=SECRET",
        "smtp_password = SECRET",
        "x-api-key: SECRET",
        "seed=SECRET",
        "passphrase => 'two SECRET words'",
        "password=ab,cdSECRET",
        "password=ab;cdSECRET",
        "password=ab&cdSECRET",
        'password=ab"cdSECRET',
        "password=b'two SECRET'",
        'password="two SECRET',
        '{"password": "a\\"b SECRET"}',
        "{'password': 'a\\'b SECRET'}",
        json.dumps(json.dumps({"password": 'a "b SECRET'})),
        json.dumps(json.dumps(json.dumps({"password": 'a "b SECRET'}))),
        "token: Bearer SECRET",
        "Authorization: Digest user, response=SECRET",
        "Cookie: JSESSIONID=1; li_at=SECRET",
        "Set-Cookie: first=1; Path=/; li_at=SECRET",
        "{'cookie': 'first=1; li_at=SECRET'}",
        "<Cookie li_at=SECRET for .linkedin.com/>",
        "nats://u:p@SECRET@host",
        "nats://u:p@SECRET@one,nats://u:SECRET@two",
    ],
)
def test_scrub_hides_the_whole_of_a_secret(text: str) -> None:
    assert "SECRET" not in scrub(text)
    assert HIDDEN in scrub(text)


def test_scrub_leaves_what_stands_beside_a_secret() -> None:
    assert scrub('{"password": "a\\"b", "code": "refused"}') == '{"password": ***, "code": "refused"}'
    assert scrub("token=abc, tried 3 times") == "token=*** tried 3 times"
    assert scrub("Cookie: a=1; b=2\r\nHost: here") == "Cookie: ***\r\nHost: here"
    assert scrub("nats://u:p@SECRET@host:4222/x") == "nats://***@host:4222/x"


@pytest.mark.parametrize(
    "text",
    [
        "password=" * 22_000,
        "password" + " " * 200_000,
        "password: " * 20_000,
        "password=" + "\\" * 200_000,
        'password=\\"' + "\\\\x" * 66_000,
        "password=" + '"\\' * 100_000,
        "a_-1" * 50_000,
        "cookie:\n" * 25_000,
        "://a" * 50_000,
        "://" + "a@" * 100_000,
        "h" * 30_000 + "ttp://" * 30_000,
    ],
    ids=lambda text: text[:11],
)
def test_scrub_takes_no_longer_for_a_hostile_text(text: str) -> None:
    begun = time.process_time()
    assert "http://" not in scrub(text)
    assert time.process_time() - begun < 5


def test_scrub_leaves_ordinary_text_alone() -> None:
    for text in (
        "the password was changed; token bucket of 5; see https://example.com/a?b=c",
        "the password was wrong",
        "token bucket is empty",
        "ada@northwind.example asked https://example.com/ada for her secrets",
        "the secretary: Ada; it is broken: no seeding",
    ):
        assert scrub(text) == text
    assert scrub("cookie: a=b") == "cookie: ***"
