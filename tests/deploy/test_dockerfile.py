"""The image's recipe is clean, and copies only what the build may see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from heraldry.chassis.settings import Settings
from heraldry.gateway import assets

ROOT: Final = Path(__file__).resolve().parents[2]
DOCKERFILE: Final = ROOT / "deploy" / "docker" / "Dockerfile"
TEXT: Final = DOCKERFILE.read_text(encoding="utf-8")


@pytest.mark.parts
def test_hadolint_finds_nothing_to_complain_of() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    ended = subprocess.run(
        [hadolint, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_all_that_is_copied_is_there_and_let_in() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"  # nothing but what is named: no data folder, no key
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE)]
    names = {name for names in copied for name in names}
    assert names == let_in
    assert all((ROOT / name).exists() for name in names)


def test_nothing_is_installed_that_no_lock_names() -> None:
    installs = re.findall(r"(?:pip (?:install|sync)|npm (?:ci|install|i)\b).*", TEXT)
    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes" in line or "--offline --no-deps" in line or line.startswith("npm ci")


def test_every_member_that_serves_is_installed() -> None:
    members = {path.parent.relative_to(ROOT) for path in ROOT.glob("services/*/pyproject.toml")}
    assert {path.parent.name for path in members} == {"services"}
    assert "./contracts ./chassis ./services/*" in TEXT


def test_its_variables_are_ones_that_somebody_reads() -> None:
    known = {f"HERALDRY_{name.upper()}" for name in Settings.model_fields} | {assets.VARIABLE}
    named = set(re.findall(r"\b(HERALDRY_\w+)=", TEXT))
    assert named
    assert named <= known


def test_its_base_images_can_be_others() -> None:
    froms = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    assert set(froms) == {"${NODE_IMAGE}", "${PYTHON_IMAGE}"}
    assert all(f"ARG {base[2:-1]}=" in TEXT for base in froms)
