"""An import, from the announced file to leads that count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import LeadsImported
from heraldry.scheduler.domain import importing
from heraldry.scheduler.domain.importing import (
    UNCONFIRMED_FOR,
    AddPart,
    Check,
    Clear,
    Command,
    Confirm,
    Event,
    Expire,
    Finish,
    GiveUp,
    ImportChecked,
    ImportCleared,
    ImportConfirmed,
    ImportOpened,
    ImportPartAdded,
    ImportRefused,
    ImportUndone,
    Open,
    Part,
    Refuse,
    State,
    Undo,
    Verdict,
)
from heraldry.scheduler.domain.tables import MOST_BYTES
from hypothesis import given
from hypothesis import strategies as st

IMPORT, CAMPAIGN, NORTHWIND, OTHERS, ADA = (UUID(int=n) for n in range(1, 6))
NOW: Final = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LATER: Final = NOW + timedelta(hours=1)
FIRST, SECOND, REPORT = Part("a", 60), Part("b", 40), Part("r", 9)
FOUND: Final = Verdict("utf-8", ";", rows=10, good=7, wrong=0, skipped={"suppressed": 3}, report=REPORT)
DECIDER: Final[Decider[Command, State, Event]] = Decider(
    importing.UNOPENED, importing.decide, importing.evolve
)
SCENARIO: Final = Scenario(DECIDER)

OPEN: Final = Open(IMPORT, CAMPAIGN, NORTHWIND, ADA, "leads.csv", 100, "csv", NOW)
OPENED: Final = ImportOpened(
    import_id=IMPORT,
    campaign=CAMPAIGN,
    organization=NORTHWIND,
    identity=ADA,
    key=f"import-{IMPORT}",
    filename="leads.csv",
    size=100,
    format="csv",
    at=NOW,
)
PARTS: Final = (
    ImportPartAdded(import_id=IMPORT, number=1, digest="b", size=40, at=NOW),
    ImportPartAdded(import_id=IMPORT, number=0, digest="a", size=60, at=NOW),
)
CHECKED: Final = ImportChecked(
    import_id=IMPORT,
    encoding="utf-8",
    delimiter=";",
    rows=10,
    good=7,
    wrong=0,
    skipped={"suppressed": 3},
    report="r",
    report_size=9,
    at=NOW,
)
CONFIRMED: Final = ImportConfirmed(import_id=IMPORT, campaign=CAMPAIGN, first=5, at=LATER)
DONE: Final = LeadsImported(import_id=IMPORT, campaign=CAMPAIGN, identity=ADA, leads=7, at=LATER)
UNDONE: Final = ImportUndone(import_id=IMPORT, reason="by hand", at=LATER)
REFUSED: Final = ImportRefused(
    import_id=IMPORT, code="import.unreadable", reason="The file is empty.", at=LATER
)
RECEIVED: Final = SCENARIO.given(OPENED, *PARTS)


def test_an_announced_file_is_waited_for() -> None:
    SCENARIO.when(OPEN).then(OPENED)
    SCENARIO.given(OPENED).when(replace(OPEN, at=LATER)).then_nothing()
    SCENARIO.given(OPENED).when(replace(OPEN, size=99)).then_refused("import.exists")
    SCENARIO.given(OPENED).when(replace(OPEN, organization=OTHERS)).then_refused("import.unknown")


@pytest.mark.parametrize("size", [MOST_BYTES + 1, 2 * 1024**3])
def test_a_file_announced_too_large_is_refused_before_a_byte_has_come(size: int) -> None:
    SCENARIO.when(replace(OPEN, size=size)).then_refused("import.too-large")


def test_parts_come_in_any_order_and_each_once() -> None:
    SCENARIO.given(OPENED).when(AddPart(NORTHWIND, NOW, 1, SECOND)).then(PARTS[0])
    SCENARIO.given(OPENED, PARTS[0]).when(AddPart(NORTHWIND, NOW, 1, SECOND)).then_nothing()
    SCENARIO.given(OPENED, PARTS[0]).when(AddPart(NORTHWIND, NOW, 1, FIRST)).then_refused("import.part-taken")
    SCENARIO.given(OPENED, PARTS[0]).when(AddPart(NORTHWIND, NOW, 0, FIRST)).then(PARTS[1])
    RECEIVED.when(AddPart(NORTHWIND, NOW, 0, FIRST)).then_nothing()
    state = RECEIVED.state
    assert isinstance(state, importing.Import)
    assert (state.progress, state.file) == ("received", (FIRST, SECOND))


def test_more_than_was_announced_is_refused() -> None:
    SCENARIO.given(OPENED, PARTS[0]).when(AddPart(NORTHWIND, NOW, 0, Part("c", 61))).then_refused(
        "import.too-large"
    )
    SCENARIO.given(OPENED).when(AddPart(NORTHWIND, NOW, 256, Part("c", 1))).then_refused("import.too-large")


def test_a_file_is_checked_once_it_is_whole_and_as_often_as_one_likes() -> None:
    SCENARIO.given(OPENED, PARTS[0]).when(Check(NORTHWIND, NOW, FOUND)).then_refused("import.incomplete")
    RECEIVED.when(Check(NORTHWIND, NOW, FOUND)).then(CHECKED)
    RECEIVED.given(CHECKED).when(Check(NORTHWIND, NOW, FOUND)).then(CHECKED)
    RECEIVED.given(CHECKED, CONFIRMED).when(Check(NORTHWIND, NOW, FOUND)).then_refused("import.done")
    RECEIVED.given(UNDONE).when(Check(NORTHWIND, NOW, FOUND)).then_refused("import.closed")


def test_a_file_that_cannot_be_read_is_refused_for_good() -> None:
    refuse = Refuse(NORTHWIND, LATER, "import.unreadable", "The file is empty.")
    RECEIVED.when(refuse).then(REFUSED)
    RECEIVED.given(REFUSED).when(refuse).then_nothing()
    RECEIVED.given(REFUSED).when(Check(NORTHWIND, NOW, FOUND)).then_refused("import.unreadable")
    RECEIVED.given(REFUSED).when(Confirm(NORTHWIND, NOW, skip_errors=True, first=0)).then_refused(
        "import.unreadable"
    )


def test_what_was_checked_is_confirmed_once() -> None:
    confirm = Confirm(NORTHWIND, LATER, skip_errors=False, first=5)
    RECEIVED.when(confirm).then_refused("import.not-checked")
    RECEIVED.given(CHECKED).when(confirm).then(CONFIRMED)
    RECEIVED.given(CHECKED, CONFIRMED).when(confirm).then_nothing()
    RECEIVED.given(CHECKED, CONFIRMED, DONE).when(confirm).then_nothing()
    RECEIVED.given(CHECKED, UNDONE).when(confirm).then_refused("import.closed")


def test_errors_are_left_out_only_by_who_says_so() -> None:
    wrong = CHECKED.model_copy(update={"wrong": 2, "good": 5})
    refusal = (
        RECEIVED.given(wrong)
        .when(Confirm(NORTHWIND, LATER, skip_errors=False, first=5))
        .then_refused("import.has-errors")
    )
    assert refusal.extra == {"wrong": "2"}
    RECEIVED.given(wrong).when(Confirm(NORTHWIND, LATER, skip_errors=True, first=5)).then(CONFIRMED)
    nothing = CHECKED.model_copy(update={"wrong": 7, "good": 0})
    RECEIVED.given(nothing).when(Confirm(NORTHWIND, LATER, skip_errors=True, first=5)).then_refused(
        "import.nothing"
    )


def test_leads_count_once_all_are_enrolled() -> None:
    finish = Finish(ADA, 7, LATER)
    RECEIVED.given(CHECKED, CONFIRMED).when(finish).then(DONE)
    RECEIVED.given(CHECKED).when(finish).then_nothing()
    RECEIVED.given(CHECKED, CONFIRMED, DONE).when(finish).then_nothing()
    RECEIVED.given(CHECKED, CONFIRMED, UNDONE).when(finish).then_nothing()


def test_an_import_is_undone_until_its_leads_count() -> None:
    undo = Undo(NORTHWIND, LATER)
    for past in ((), (CHECKED,), (CHECKED, CONFIRMED)):
        RECEIVED.given(*past).when(undo).then(UNDONE)
    RECEIVED.given(CHECKED, CONFIRMED, DONE).when(undo).then_refused("import.done")
    RECEIVED.given(UNDONE).when(undo).then_nothing()
    RECEIVED.given(REFUSED).when(undo).then_nothing()


def test_an_import_nobody_confirms_within_seven_days_is_undone() -> None:
    end = NOW + UNCONFIRMED_FOR
    forgotten = ImportUndone(import_id=IMPORT, reason="nobody confirmed it", at=end)
    RECEIVED.given(CHECKED).when(Expire(end)).then(forgotten)
    SCENARIO.given(OPENED).when(Expire(end)).then(forgotten)
    RECEIVED.given(CHECKED).when(Expire(end - timedelta(seconds=1))).then_nothing()
    RECEIVED.given(CHECKED, CONFIRMED).when(Expire(end)).then_nothing()


def test_what_was_stored_is_cleared_once_it_has_ended() -> None:
    cleared = ImportCleared(import_id=IMPORT, at=LATER)
    for end in ((CHECKED, CONFIRMED, DONE), (UNDONE,), (REFUSED,)):
        RECEIVED.given(*end).when(Clear(LATER)).then(cleared)
        RECEIVED.given(*end, cleared).when(Clear(LATER)).then_nothing()
    RECEIVED.given(CHECKED, CONFIRMED).when(Clear(LATER)).then_nothing()


def test_an_import_of_another_organization_is_unknown() -> None:
    for command in (
        AddPart(OTHERS, NOW, 0, FIRST),
        Check(OTHERS, NOW, FOUND),
        Refuse(OTHERS, NOW, "a", "b"),
        Confirm(OTHERS, NOW, skip_errors=True, first=0),
        Undo(OTHERS, NOW),
    ):
        assert RECEIVED.when(command).then_refused("import.unknown").status == 404
        SCENARIO.when(command).then_refused("import.unknown")


COMMANDS: Final = st.sampled_from(
    [
        OPEN,
        AddPart(NORTHWIND, NOW, 0, FIRST),
        AddPart(NORTHWIND, NOW, 1, SECOND),
        Check(NORTHWIND, NOW, FOUND),
        Check(NORTHWIND, NOW, replace(FOUND, wrong=1, good=6)),
        Refuse(NORTHWIND, NOW, "import.unreadable", "It is empty."),
        Confirm(NORTHWIND, NOW, skip_errors=False, first=0),
        Confirm(NORTHWIND, NOW, skip_errors=True, first=0),
        Finish(ADA, 7, NOW),
        Undo(NORTHWIND, NOW),
        GiveUp("the campaign was ended", NOW),
        Expire(NOW + UNCONFIRMED_FOR),
        Clear(NOW),
    ]
)


@given(st.lists(COMMANDS, max_size=25))
def test_whatever_is_asked_leads_count_at_most_once_never_after_undoing_and_repeats_change_nothing(
    commands: list[Command],
) -> None:
    scenario = SCENARIO
    for command in commands:
        try:
            events = tuple(DECIDER.decide(command, scenario.state))
        except Refused:
            continue
        scenario = scenario.given(*events)
        if not isinstance(command, Check):  # a file may be checked anew, and the newest counts
            assert not DECIDER.decide(command, scenario.state)
    kinds = [type(event) for event in scenario.past]
    ends = [kind for kind in kinds if kind in {LeadsImported, ImportUndone, ImportRefused}]
    assert len(ends) <= 1
    if LeadsImported in kinds:
        assert ImportConfirmed in kinds[: kinds.index(LeadsImported)]
    if ImportCleared in kinds:
        assert kinds[-1] is ImportCleared
