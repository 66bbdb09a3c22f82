"""The locks pin everything by hash, name no address, and agree with each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "tools/bootstrap.lock",
    "tools/node.lock",
    "tools/helm.lock",
)
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+?)(?: |$)")


def entries(lock: str) -> Iterator[str]:
    """Each requirement with its hashes, on one line."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    yield from (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def versions(lock: str) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in entries(lock):
        pinned = PINNED.match(entry)
        assert pinned, f"{lock}: {entry[:80]} is not pinned to one version"
        found.setdefault(pinned[1].lower().replace("_", "-"), set()).add(pinned[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_a_version_and_hashes(lock: str) -> None:
    assert versions(lock)
    assert [entry for entry in entries(lock) if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_an_address(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")


def test_the_pages_lock_names_no_address_to_fetch_from() -> None:
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    without_thanks = re.sub(r'"funding": \{[^}]*\}', "", text)
    assert "://" not in without_thanks
    assert '"resolved"' not in text


def test_what_runs_is_what_is_tested() -> None:
    runs, tested = versions("requirements.lock"), versions("requirements-dev.lock")
    assert {name: tested.get(name) for name in runs} == runs


def test_the_pages_files_are_pinned_by_hash_and_named_in_package_json() -> None:
    lock = cast("dict[str, Any]", json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8")))
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
