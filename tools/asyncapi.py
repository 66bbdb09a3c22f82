"""Writes docs/reference/asyncapi.json: every published event as AsyncAPI 3 describes it, from the registry.

python tools/asyncapi.py            write the document
python tools/asyncapi.py --check    write nothing: exit code 1 if it is not as it would be written
"""

from __future__ import annotations

import inspect
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from heraldry.contracts import registry, subjects
from heraldry.contracts.base import Envelope
from heraldry.contracts.markers import Marker
from heraldry.contracts.registry import Registered
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "reference" / "asyncapi.json"
Json = dict[str, Any]

DESCRIPTION: Final = (
    "What an organization's subscribers receive, at least once and in order per stream. `id` is the same on every"
    " delivery; `stream` and `revision` tell the order. Credentials, the stream's name and the consumer's are the"
    ' answer of POST /api/v1/subscribers. Where a person was erased, a personal field holds {"erased": true}.'
)
MARKER: Final = "Marker"


def document() -> Json:
    """The whole document."""
    published = [entry for entry in registry.REGISTERED.values() if not entry.internal]
    schemas = _schemas(published)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Heraldry: published events",
            "version": _version(),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {"nats": _server()},
        "channels": {
            **{_channel(entry): _event_channel(entry) for entry in published},
            MARKER: _marker_channel(),
        },
        "operations": {
            **{f"publish.{_channel(entry)}": _operation(_channel(entry), entry.name) for entry in published},
            f"publish.{MARKER}": _operation(MARKER, MARKER),
        },
        "components": {
            "messages": {
                **{entry.name: _message(entry) for entry in published},
                MARKER: {
                    "name": MARKER,
                    "title": MARKER,
                    "summary": _summary(Marker),
                    "contentType": "application/json",
                    "payload": _ref("schemas", MARKER),
                },
            },
            "schemas": schemas,
            "parameters": {
                "organization": {"description": "The organization's id; `_` where there is none."},
                "identity": {"description": "The identity's id; `_` where there is none."},
                "context": {"description": "Whose log it is.", "enum": sorted(registry.PUBLISHED)},
            },
            "securitySchemes": {
                "subscriber": {"type": "userPassword", "description": "A subscriber's user and password."}
            },
        },
    }


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _schemas(published: Sequence[Registered]) -> Json:
    """The schemas of all envelopes and of what is in them, each named once."""
    envelopes = {entry.name: _envelope(entry) for entry in published}
    models = (*envelopes.values(), Marker)
    found, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas = cast("dict[str, Json]", definitions["$defs"])
    for entry in published:
        name = _named(found[envelopes[entry.name], "serialization"])
        whole = schemas.pop(name)
        fixed = {
            "source": f"/heraldry/{entry.context}",
            "type": entry.name,
            "dataschema": f"heraldry:{entry.name}:{entry.kind.version}",
        }
        for attribute, value in fixed.items():
            whole["properties"][attribute] = {"type": "string", "const": value}
        whole["title"] = f"{entry.name} in its envelope"
        schemas[f"{entry.name}Envelope"] = whole
    return dict(sorted(schemas.items()))


def _envelope(entry: Registered) -> type[BaseModel]:
    return cast("type[BaseModel]", Envelope.__class_getitem__(entry.kind))


def _named(reference: Mapping[str, object]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _message(entry: Registered) -> Json:
    return {
        "name": entry.name,
        "title": entry.name,
        "summary": _summary(entry.kind),
        "contentType": "application/cloudevents+json",
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": _ref("schemas", f"{entry.name}Envelope"),
    }


def _summary(kind: type[BaseModel]) -> str:
    own = vars(kind).get("__doc__")
    return " ".join(inspect.cleandoc(own).split()) if own else f"{kind.__name__}."


def _channel(entry: Registered) -> str:
    return f"{entry.context}.{entry.name}"


def _event_channel(entry: Registered) -> Json:
    return {
        "address": subjects.event("*", entry.context, "*", entry.name)
        .replace("*", "{organization}", 1)
        .replace("*", "{identity}", 1),
        "messages": {entry.name: _ref("messages", entry.name)},
        "parameters": {name: _ref("parameters", name) for name in ("organization", "identity")},
    }


def _marker_channel() -> Json:
    return {
        "address": "heraldry.relay.{context}",
        "messages": {MARKER: _ref("messages", MARKER)},
        "parameters": {"context": _ref("parameters", "context")},
    }


def _operation(channel: str, message: str) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _server() -> Json:
    return {
        "host": "{host}",
        "protocol": "nats",
        "description": f"JetStream, stream {subjects.STREAM}: pull from the consumer made for the subscriber.",
        "variables": {"host": {"description": "Host and port, as in `url` of the credentials."}},
        "security": [_ref("securitySchemes", "subscriber")],
    }


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _version() -> str:
    project = tomllib.loads((ROOT / "contracts" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def main(arguments: Sequence[str]) -> int:
    wanted = text()
    if "--check" in arguments:
        if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{DOCUMENT.relative_to(ROOT)} is stale: run python tools/asyncapi.py", file=sys.stderr)
        return 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
