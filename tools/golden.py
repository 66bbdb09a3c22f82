"""Golden samples of what the registry lists: one and its schema for each type and version, kept for ever.

    python tools/golden.py            write what is missing
    python tools/golden.py --extend   also write down fields that were added with a default

A sample that exists is never overwritten: it is what lies in somebody's log. Exit code 1: a released type
changed, or no sample could be made up and one has to be written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from heraldry.contracts.base import Event
from heraldry.contracts.registry import REGISTERED
from pydantic import ValidationError

FOLDER = Path(__file__).resolve().parent.parent / "contracts" / "tests" / "golden"
Json = Mapping[str, object]
SAMPLES: dict[str, str] = {
    "uuid": "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6",
    "date-time": "2026-05-04T09:30:00Z",
    "date": "2026-05-04",
    "time": "09:00:00",
    "binary": "Z29sZGVu",
}


def schema_of(kind: type[Event]) -> dict[str, object]:
    """The schema that counts: without titles and descriptions, which may be reworded."""
    return cast("dict[str, object]", _bare(kind.model_json_schema(mode="serialization")))


def changes(released: object, now: object, where: str = "") -> list[str]:
    """What a released schema may not do: everything but adding fields that have a default, and admitting other shapes
    or words beside the released ones.
    """
    if isinstance(released, dict) and isinstance(now, dict):
        old, new = cast("Json", released), cast("Json", now)
        if old in cast("list[object]", new.get("oneOf") or new.get("anyOf") or []):
            return []
        found = [f"{where}/{key} is gone" for key in old if key not in new]
        for key in old.keys() & new.keys():
            found += changes(old[key], new[key], f"{where}/{key}")
        growing = where.endswith(("/properties", "/$defs", "/discriminator/mapping")) or where == ""
        found += [f"{where}/{key} is new" for key in new if key not in old and not growing]
        return found
    if where.endswith(("/oneOf", "/anyOf", "/enum")):
        admitted = cast("list[object]", now)
        was = cast("list[object]", released)
        gone = [one for one in was if all(changes(one, new, f"{where}/*") for new in admitted)]
        return [f"{where} admits {one!r} no more" for one in gone]
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
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, entry in REGISTERED.items():
        golden = FOLDER / f"{name}.v{entry.kind.version}.json"
        released = golden.with_suffix(".schema.json")
        now = schema_of(entry.kind)
        if released.exists():
            if found := changes(json.loads(released.read_text()), now):
                bad = 1
                print(f"{name}: released and may not change: {'; '.join(found)}", file=sys.stderr)
            elif "--extend" in arguments:
                _write(released, now)
            continue
        try:
            made = sample(now, cast("Json", now.get("$defs", {})))
            text = golden.read_text() if golden.exists() else json.dumps(made)
            event = entry.kind.model_validate_json(text)
        except ValidationError as error:
            bad = 1
            print(f"{name}: write {golden} by hand, then run this again: {error}", file=sys.stderr)
            continue
        if not golden.exists():
            _write(golden, event.model_dump(mode="json"))
        _write(released, now)
        print(f"{name}: sample written")
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
