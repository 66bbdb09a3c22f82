"""The CRM's copy converges, in whatever order and however often the events come."""

from __future__ import annotations

import ast
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from heraldry.contracts.base import Envelope, Erased, Event, Published
from heraldry.contracts.checkpoints import Checkpoint
from heraldry.contracts.identity import (
    ContactDetails,
    ContactDetailsChanged,
    CrmUserMapped,
    IdentityCreated,
    IdentityDeleted,
    IdentityRenamed,
    WorkingHours,
)
from heraldry.contracts.mailbox import MailboxConnected, MailboxDisconnected
from heraldry.contracts.markers import Marker
from heraldry.contracts.scheduler import QuotaExhausted
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.crm_sync import Credentials, Crm, decode, main

ADA, INBOX = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
GIVEN = {"url": "nats://x", "user": "sub_1", "password": "hidden", "stream": "S", "consumer": "sub_1"}


def message(stream: str, revision: int, event: Event, *, version: int = 1) -> tuple[str, bytes]:
    name = type(event).__name__
    envelope = Envelope[Event](
        id=f"{stream}@{revision}",
        source="/heraldry/identity",
        type=name,
        time=NOW,
        dataschema=f"heraldry:{name}:{version}",
        identity=str(ADA),
        stream=stream,
        revision=revision,
        position="identity:e1:7",
        data=event,
    )
    return f"heraldry.events.o.identity.{ADA}.{name}", envelope.model_dump_json(
        serialize_as_any=True
    ).encode()


def history() -> list[tuple[str, bytes]]:
    of_ada: list[Event] = [
        IdentityCreated(
            identity=ADA,
            organization=UUID(int=3),
            name="Ada",
            details=ContactDetails(email="a@a.example", phone="1"),
            hours=WorkingHours(zone="UTC"),
            at=NOW,
        ),
        IdentityRenamed(identity=ADA, name="Ada Byron", at=NOW),
        ContactDetailsChanged(identity=ADA, details=ContactDetails(email="b@a.example"), at=NOW),
        CrmUserMapped(identity=ADA, crm_user="42", at=NOW),
        IdentityRenamed(identity=ADA, name="Ada Lovelace", at=NOW),
        IdentityDeleted(identity=ADA, at=NOW),
    ]
    of_inbox: list[Event] = [
        MailboxConnected(inbox=INBOX, identity=ADA, address="a@a.example", at=NOW),
        MailboxDisconnected(inbox=INBOX, identity=ADA, at=NOW),
    ]
    return [
        *(message("identity.identity-1", 2 * revision, event) for revision, event in enumerate(of_ada)),
        *(message("mailbox.inbox-2", revision, event) for revision, event in enumerate(of_inbox)),
    ]


HISTORY = history()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "crm.sqlite3"


def rows(file: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute(sql).fetchall()


def record(file: Path) -> dict[str, object]:
    return {str(field): value for field, value in rows(file, "SELECT field, value FROM record")}


def test_the_newest_values_stand_in_the_crm_and_every_event_in_its_timeline(file: Path) -> None:
    with closing(Crm(file)) as crm:
        lines = crm.take(HISTORY)
    assert [line.split()[:2] for line in lines][-1] == ["stored", "MailboxDisconnected"]
    assert len(lines) == len(rows(file, "SELECT id FROM activity")) == len(HISTORY)
    found = record(file)
    assert {name: found[name] for name in ("name", "email", "phone", "crm_user", "deleted", "inbox")} == {
        "name": "Ada Lovelace",
        "email": "b@a.example",
        "phone": "",
        "crm_user": "42",
        "deleted": "yes",
        "inbox": "disconnected",
    }


@given(more=st.lists(st.sampled_from(HISTORY), max_size=12), size=st.integers(1, 5), random=st.randoms())
@settings(max_examples=25, deadline=None)
def test_order_and_repeats_make_no_difference(
    more: list[tuple[str, bytes]], size: int, random: Random
) -> None:
    delivered = [*HISTORY, *more]
    random.shuffle(delivered)
    assert stored(delivered, size) == stored(HISTORY, len(HISTORY))


def stored(messages: list[tuple[str, bytes]], size: int) -> tuple[list[tuple[object, ...]], int]:
    """What stands in a fresh CRM that took them in batches of `size`, and how many it called new."""
    with TemporaryDirectory() as folder:
        file, new = Path(folder) / "crm.sqlite3", 0
        with closing(Crm(file)) as crm:
            for start in range(0, len(messages), size):
                new += sum(line.startswith("stored") for line in crm.take(messages[start : start + size]))
        return rows(file, "SELECT * FROM record ORDER BY stream, field"), new


def test_a_batch_is_stored_as_a_whole_or_not_at_all(file: Path) -> None:
    with closing(Crm(file)) as crm:
        with pytest.raises(ValueError, match="validation error"):
            crm.take([HISTORY[0], ("heraldry.events.x", b"damaged")])
        assert rows(file, "SELECT * FROM activity") == []
        assert len(crm.take(HISTORY[:1])) == 1


def test_what_only_a_newer_release_knows_is_kept_as_it_came(file: Path) -> None:
    class Invented(Published):
        anything: str

    unknown = message("identity.identity-1", 1, Invented(anything="x", at=NOW))
    newer = message("identity.identity-1", 2, IdentityRenamed(identity=ADA, name="X", at=NOW), version=2)
    assert [decode(body)[1] for _, body in (unknown, newer)] == [None, None]
    with closing(Crm(file)) as crm:
        crm.take([unknown, newer])
    assert record(file) == {}
    kept = [json.loads(str(event)) for (event,) in rows(file, "SELECT event FROM activity ORDER BY revision")]
    assert (kept[0]["data"]["anything"], kept[1]["data"]["name"]) == ("x", "X")


def test_an_event_is_read_in_whatever_earlier_version_it_was_recorded() -> None:
    used_up = QuotaExhausted(sender="email-1", inbox=INBOX, identity=ADA, window="day", until=NOW, at=NOW)
    for version in (1, 2):
        _, body = message("scheduler.sender-1", 1, used_up, version=version)
        assert decode(body)[1] == used_up


def test_what_was_erased_is_nothing(file: Path) -> None:
    erased = IdentityRenamed(identity=ADA, name=Erased(), at=NOW)
    details = ContactDetailsChanged(identity=ADA, details=Erased(), at=NOW)
    with closing(Crm(file)) as crm:
        crm.take(
            [
                *HISTORY[:3],
                message("identity.identity-1", 90, erased),
                message("identity.identity-1", 91, details),
            ]
        )
    assert {record(file)[name] for name in ("name", "email", "phone")} == {None}


def test_markers_only_go_forward(file: Path) -> None:
    def marker(epoch: str, position: int) -> tuple[str, bytes]:
        said = Marker(context="c", epoch=epoch, position=position, event="", hash="h", count=1, time=NOW)
        return "heraldry.relay.c", said.model_dump_json().encode()

    with closing(Crm(file)) as crm:
        assert crm.take([marker("e1", 5), marker("e1", 9), marker("e1", 7)]) == []
        assert rows(file, "SELECT epoch, position FROM complete") == [("e1", 9)]
        crm.take([marker("e2", 3)])
    assert rows(file, "SELECT epoch, position FROM complete") == [("e2", 3)]


def test_every_signed_checkpoint_is_kept_once(tmp_path: Path) -> None:
    file = tmp_path / "crm.sqlite3"
    samples = Path(__file__).parents[1] / "contracts" / "tests" / "samples"
    with closing(Crm(file)) as crm:
        for name in ("marker.before-checkpoints", "marker", "marker"):
            crm.take([("heraldry.relay.identity", (samples / f"{name}.json").read_bytes())])
    (kept,) = rows(file, "SELECT context, number, checkpoint FROM witness")
    checkpoint = Checkpoint.model_validate_json(str(kept[2]))
    assert kept[:2] == ("identity", 1)
    assert checkpoint == Checkpoint.model_validate_json((samples / "checkpoint.events.json").read_bytes())


def test_credentials_are_what_the_api_answers_and_the_password_is_not_shown(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {**GIVEN, "inbox_prefix": "_INBOX_sub_1", "id": "1", "position": "gateway:e:1"}
    assert "hidden" not in repr(Credentials.read(json.dumps(whole)))
    for text in (json.dumps(GIVEN), "[]", "", "hidden"):
        with pytest.raises(ValueError, match="POST /api/v1/subscribers") as error:
            Credentials.read(text)
        assert "hidden" not in str(error.value)
    monkeypatch.setenv("HERALDRY_SUBSCRIBER", json.dumps(GIVEN))
    assert main(["--store", str(file)]) == 2
    assert main(["--credentials", str(file), "--store", str(file)]) == 2
    assert "inbox_prefix" in capsys.readouterr().err
    assert not file.exists()


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_it_needs_the_contracts_and_nats_py_only() -> None:
    foreign = {
        name
        for name in imported(Path(__file__).parent / "crm_sync.py")
        if name.split(".")[0] not in sys.stdlib_module_names
    }
    assert all(name.startswith(("heraldry.contracts", "nats")) for name in foreign), foreign
