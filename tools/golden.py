"""Golden samples of what is stored: one and its schema for each event type and version, published and private, and for
each record beside the events; kept for ever.

    python tools/golden.py            write what is missing
    python tools/golden.py --extend   also write down fields that were added with a default

A sample that exists is never overwritten: it is what lies in somebody's log. Exit code 1: a released type
changed, or no sample could be made up and one has to be written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Document, Upcasters, additive, upcast
from pydantic import BaseModel, ValidationError

ROOT: Final = Path(__file__).resolve().parent.parent
CONTEXTS: Final = ("identity", "mailbox", "linkedin-driver", "scheduler", "gateway")
# what is kept beside the events, by the name of its sample: read by an older and by a newer release
RECORDS: Final[Mapping[str, str]] = {
    "Meta": "heraldry.chassis.codec:Meta",
    "KeyRecord": "heraldry.chassis.vault.keys:Record",
    "Marker": "heraldry.contracts.markers:Marker",
    "Pointer": "heraldry.chassis.bus.parking:Pointer",
    "Checkpoint": "heraldry.chassis.bus.own:_Checkpoint",
    "Lease": "heraldry.chassis.leases:_Lease",
    "HaltFlag": "heraldry.chassis.halt:_Flag",
    "ServerPasswords": "heraldry.chassis.bus.server:_Stored",
    "Request": "heraldry.chassis.bus.rpc:_Request",
    "Reply": "heraldry.chassis.bus.rpc:_Reply",
    "ErasureEntry": "heraldry.chassis.vault.ledger:Entry",
    "Session": "heraldry.gateway.sessions:_Stored",
    "Tries": "heraldry.gateway.throttles:_Tries",
    "ImportReport": "heraldry.scheduler.reading:Report",
}
Json = Mapping[str, object]
SAMPLES: dict[str, str] = {
    "uuid": "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6",
    "date-time": "2026-05-04T09:30:00Z",
    "date": "2026-05-04",
    "time": "09:00:00",
    "binary": "Z29sZGVu",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A type of which samples are kept. `upcasters`: of the log it stands in."""

    name: str
    kind: type[BaseModel]
    folder: Path
    version: int = 1
    upcasters: Upcasters | None = None

    def file(self, version: int) -> Path:
        return self.folder / f"{self.name}.v{version}.json"

    def schema(self, version: int) -> Path:
        return self.folder / f"{self.name}.v{version}.schema.json"

    def read(self, version: int) -> BaseModel:
        """What a sample says today. Raises what reading raises."""
        document = cast("Document", json.loads(self.file(version).read_text(encoding="utf-8")))
        return self.kind.model_validate(
            upcast(self.name, version, self.version, document, self.upcasters or {})
        )

    def says_the_same(self, version: int) -> bool:
        """Whether every step since only admits more."""
        steps = [(self.upcasters or {}).get((self.name, step)) for step in range(version, self.version)]
        return all(step is additive for step in steps)


def kept() -> Sequence[Kept]:
    """Everything, by folder and name."""
    return [*registered(), *(one for context in CONTEXTS for one in private(context)), *records()]


def registered() -> Sequence[Kept]:
    folder = ROOT / "contracts" / "tests" / "golden"
    return [
        Kept(name, entry.kind, folder, entry.kind.version, registry.UPCASTERS)
        for name, entry in sorted(registry.REGISTERED.items())
    ]


def private(context: str) -> Sequence[Kept]:
    log = import_module(f"heraldry.{context.replace('-', '_')}.domain.types")
    types = cast("Mapping[str, type[Event]]", log.PRIVATE)
    upcasters, folder = cast("Upcasters", log.UPCASTERS), ROOT / "services" / context / "tests" / "golden"
    return [Kept(name, kind, folder, kind.version, upcasters) for name, kind in sorted(types.items())]


def records() -> Sequence[Kept]:
    found: list[Kept] = []
    for name, where in RECORDS.items():
        module, _, cls = where.partition(":")
        kind = cast("type[BaseModel]", getattr(import_module(module), cls))
        found.append(Kept(name, kind, ROOT / "chassis" / "tests" / "golden"))
    return found


def schema_of(kind: type[BaseModel]) -> dict[str, object]:
    """The schema that counts: without titles and descriptions, which may be reworded."""
    return cast("dict[str, object]", _bare(kind.model_json_schema(mode="serialization")))


def changes(released: object, now: object, where: str = "") -> list[str]:
    """What a released schema may not do: everything but adding fields that have a default. An older release beside
    this one reads past such a field; another shape or word it could not read at all, so that is a new version.
    """
    if isinstance(released, dict) and isinstance(now, dict):
        old, new = cast("Json", released), cast("Json", now)
        found = [f"{where}/{key} is gone" for key in old if key not in new]
        for key in old.keys() & new.keys():
            found += changes(old[key], new[key], f"{where}/{key}")
        growing = where.endswith(("/properties", "/$defs")) or where == ""
        found += [f"{where}/{key} is new" for key in new if key not in old and not growing]
        return found
    if where.endswith("/required"):
        old_names, new_names = set(cast("list[str]", released)), set(cast("list[str]", now))
        return [] if old_names == new_names else [f"{where} was {sorted(old_names)}, is {sorted(new_names)}"]
    return [] if released == now else [f"{where} was {released!r}, is {now!r}"]


def sample(schema: Json, defs: Json, name: str = "") -> object:
    """A value that fits the schema, every optional field filled."""
    if "$ref" in schema:
        return sample(cast("Json", defs[str(schema["$ref"]).rpartition("/")[2]]), defs, name)
    for choice in ("anyOf", "oneOf", "allOf", "enum"):
        if choice in schema:
            first = cast("list[object]", schema[choice])[0]
            return first if choice == "enum" else sample(cast("Json", first), defs, name)
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = cast("Mapping[str, Json]", schema["properties"])
            return {field: sample(inner, defs, field) for field, inner in fields.items()}
        case "object":
            return {}
        case "array":
            items = cast(
                "list[Json]", schema.get("prefixItems") or [schema.get("items") or {"type": "string"}]
            )
            return [sample(item, defs, name) for item in items]
        case "integer" | "number":
            return schema.get("minimum", 7)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return SAMPLES.get(str(schema.get("format", "")), _text(name))


def _text(name: str) -> str:
    if name in {"start", "end"}:
        return {"start": "09:00", "end": "17:30"}[name]
    if "zone" in name:
        return "Europe/Berlin"
    return "ada@example.com" if name in {"address", "email", "sender", "recipient", "to"} else f"some {name}"


def _bare(value: object) -> object:
    if isinstance(value, dict):
        fields = cast("Json", value)
        return {
            key: {name: _bare(inner) for name, inner in cast("Json", part).items()}
            if key in {"properties", "$defs"} and isinstance(part, dict)
            else _bare(part)
            for key, part in fields.items()
            if key not in {"title", "description"}
        }
    return [_bare(item) for item in cast("list[object]", value)] if isinstance(value, list) else value


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def main(arguments: list[str]) -> int:
    bad = 0
    for one in kept():
        one.folder.mkdir(parents=True, exist_ok=True)
        golden, released, now = one.file(one.version), one.schema(one.version), schema_of(one.kind)
        if released.exists():
            if found := changes(json.loads(released.read_text()), now):
                bad = 1
                print(f"{one.name}: released and may not change: {'; '.join(found)}", file=sys.stderr)
            elif "--extend" in arguments:
                _write(released, now)
            continue
        try:
            made = sample(now, cast("Json", now.get("$defs", {})))
            text = golden.read_text() if golden.exists() else json.dumps(made)
            event = one.kind.model_validate_json(text)
        except ValidationError as error:
            bad = 1
            print(f"{one.name}: write {golden} by hand, then run this again: {error}", file=sys.stderr)
            continue
        if not golden.exists():
            _write(golden, event.model_dump(mode="json"))
        _write(released, now)
        print(f"{one.name}: sample written")
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
