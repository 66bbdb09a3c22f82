"""The AsyncAPI document says what the registry says, in the form AsyncAPI 3 wants."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
from heraldry.contracts import registry, subjects
from heraldry.contracts.base import Envelope, Event
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "reference" / "asyncapi.json"
GOLDEN = Path(__file__).parent / "golden"
TOOL = runpy.run_path(str(ROOT / "tools" / "asyncapi.py"))
DOCUMENT = cast("dict[str, Any]", json.loads(FILE.read_text("utf-8")))
PUBLISHED = [entry for entry in registry.REGISTERED.values() if not entry.internal]
KEY = re.compile(r"[a-zA-Z0-9.\-_]+")
ROOT_FIELDS = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
FIELDS = {  # of those AsyncAPI 3.0 allows, the ones used here
    "channels": {"address", "messages", "parameters"},
    "operations": {"action", "channel", "messages"},
    "messages": {"name", "title", "summary", "contentType", "correlationId", "payload"},
    "parameters": {"description", "enum"},
    "securitySchemes": {"type", "description"},
    "servers": {"host", "protocol", "description", "variables", "security"},
}


class Validator(Protocol):
    def is_valid(self, instance: object) -> bool: ...


def refs(value: object) -> Iterator[str]:
    match value:
        case {"$ref": str(ref)}:
            yield ref
        case dict():
            for inner in cast("dict[str, object]", value).values():
                yield from refs(inner)
        case list():
            for inner in cast("list[object]", value):
                yield from refs(inner)
        case _:
            return


def target(ref: str) -> object:
    found: object = DOCUMENT
    for part in ref.removeprefix("#/").split("/"):
        found = cast("dict[str, object]", found)[part]
    return found


def test_the_committed_document_is_as_it_would_be_written() -> None:
    assert FILE.read_text("utf-8") == TOOL["text"](), "run: python tools/asyncapi.py"


def test_it_has_the_form_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT.keys() <= ROOT_FIELDS
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for kind in DOCUMENT["components"].values():
        assert all(KEY.fullmatch(name) for name in kind)
    for kind, allowed in FIELDS.items():
        for one in (DOCUMENT.get(kind) or DOCUMENT["components"][kind]).values():
            assert one.keys() <= allowed
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()
    for ref in refs(DOCUMENT):
        assert ref.startswith("#/")
        assert target(ref)
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] == "send"
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])
    for channel in DOCUMENT["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])


def test_every_published_event_has_its_channel_and_no_internal_one_is_in_it() -> None:
    channels = dict(DOCUMENT["channels"])
    assert channels.pop("Marker")["address"] == "heraldry.relay.{context}"
    assert channels.keys() == {f"{entry.context}.{entry.name}" for entry in PUBLISHED}
    for entry in PUBLISHED:
        channel = channels[f"{entry.context}.{entry.name}"]
        address = channel["address"].format(organization="o", identity="i")
        assert address == subjects.event("o", entry.context, "i", entry.name)
        assert list(channel["messages"]) == [entry.name]
    assert not any(
        entry.name in FILE.read_text("utf-8") for entry in registry.REGISTERED.values() if entry.internal
    )


@pytest.mark.requirement("R-AUD-3")
@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_an_event_as_it_is_published_is_what_its_payload_says(entry: registry.Registered) -> None:
    data = json.loads((GOLDEN / f"{entry.name}.v{entry.kind.version}.json").read_text("utf-8"))
    event = entry.kind.model_validate(data)
    envelope = Envelope[Event](
        id="1",
        source=f"/heraldry/{entry.context}",
        type=entry.name,
        time=event.at,
        dataschema=f"heraldry:{entry.name}:{entry.kind.version}",
        stream="s",
        revision=0,
        position=f"{entry.context}:e:1",
        data=event,
    )
    published = cast("dict[str, Any]", json.loads(envelope.model_dump_json(serialize_as_any=True)))
    message = cast("dict[str, Any]", target(f"#/components/messages/{entry.name}"))
    schema = {**message["payload"], "components": DOCUMENT["components"]}
    Draft202012Validator.check_schema(schema)
    payload = cast("Validator", cast("object", Draft202012Validator(schema)))
    assert payload.is_valid(published)
    assert not payload.is_valid({**published, "type": "Another"})
    assert not payload.is_valid({**published, "data": {}})
