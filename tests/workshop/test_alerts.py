"""What alerts are raised on is measured somewhere, and each says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from heraldry.chassis.audit.checkpointing import AWAY, CHANGED, MISMATCH, NOT_KEPT
from heraldry.chassis.audit.signing import FORK
from heraldry.chassis.bus import rights

ROOT: Final = Path(__file__).resolve().parents[2]
NAME: Final = re.compile(r"heraldry_[a-z_]+[a-z]")
CAUSES: Final = (AWAY, NOT_KEPT, CHANGED, MISMATCH, FORK)
GONE: Final = re.compile(r'absent\((?P<metric>[a-z_]+)\{context="(?P<context>[a-z-]+)"\}\)')
EVIDENCE: Final = (ROOT / "docs" / "explanation" / "tamper-evidence.md").read_text(encoding="utf-8")
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


def gone(told: frozenset[tuple[str, str]]) -> set[str]:
    """The contexts HeraldryServiceGone is raised for, where these metrics of these contexts are told."""
    (expression,) = [rule["expr"] for rule in rules() if rule["alert"] == "HeraldryServiceGone"]
    parts = [GONE.fullmatch(part) for part in expression.split(" or ")]
    assert all(parts)
    return {one["context"] for one in parts if one and (one["metric"], one["context"]) not in told}


@pytest.mark.parametrize("context", rights.CONTEXTS)
def test_a_context_that_no_replica_serves_raises_an_alert_although_it_tells_nothing(context: str) -> None:
    told = frozenset((metric, one) for metric in measured() for one in rights.CONTEXTS)
    assert gone(told) == set()
    assert gone(frozenset(one for one in told if one[1] != context)) == {context}
    assert gone(frozenset()) == set(rights.CONTEXTS)


def test_what_tells_that_a_log_is_not_as_it_was_is_raised_at_once_and_a_signer_away_after_a_while() -> None:
    waiting = {
        rule["alert"]: (matcher, rule.get("for"))
        for rule in rules()
        for matcher in re.findall(r'heraldry_audit_waiting\{cause(=~|!~)"([^"]+)"\}', rule["expr"])
    }
    (disagrees, at_once), (unsigned, later) = waiting["HeraldryLogDisagrees"], waiting["HeraldryLogUnsigned"]
    assert (at_once, later) == (None, "10m")
    assert (disagrees[0], unsigned[0]) == ("!~", "=~")
    assert disagrees[1] == unsigned[1]
    named = {cause: bool(re.fullmatch(unsigned[1], cause)) for cause in CAUSES}
    assert named == {AWAY: True, NOT_KEPT: True, CHANGED: False, MISMATCH: False, FORK: False}


def test_the_page_on_tamper_evidence_and_the_rules_tell_of_the_same_alerts() -> None:
    told = dict(re.findall(r"^\| (.*) \| (Heraldry\w+) \|$", EVIDENCE, re.MULTILINE))
    assert set(told.values()) == {
        rule["alert"] for rule in rules() if "heraldry_audit" in rule["expr"] or "_signer_" in rule["expr"]
    }
    asked = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    assert {name for row in told for name in NAME.findall(row)} <= asked
