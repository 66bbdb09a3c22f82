"""What alerts are raised on is measured somewhere, and each says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
NAME: Final = re.compile(r"heraldry_[a-z_]+[a-z]")
PAGE: Final = (ROOT / "docs" / "reference" / "alerts.md").read_text(encoding="utf-8")


def measured() -> set[str]:
    made = re.compile(r"(Gauge|Counter)\(\s*\"(heraldry_[a-z_]+)\"|= \"(heraldry_[a-z_]+)\"")
    sources = [*ROOT.glob("chassis/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]
    found = [match for path in sources for match in made.findall(path.read_text(encoding="utf-8"))]
    return {f"{name}_total" if kind == "Counter" else name or other for kind, name, other in found}


def rules() -> list[dict[str, Any]]:
    document: Any = yaml.safe_load(
        (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
    )
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_every_metric_an_alert_or_the_page_names_is_measured() -> None:
    known = measured()
    assert len(known) > 15
    assert {name for rule in rules() for name in NAME.findall(rule["expr"])} <= known
    assert set(NAME.findall(PAGE)) <= known


def test_every_alert_says_what_to_do_and_no_other_is_told_of() -> None:
    assert re.findall(r"^\| (Heraldry\w+) \|", PAGE, re.MULTILINE) == [rule["alert"] for rule in rules()]
