"""The ledger of erasures outlives crashes, and says so if somebody changed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.vault import ledger
from heraldry.chassis.vault.ledger import Entry, LedgerError


def entry(*subjects: UUID) -> Entry:
    return Entry(
        at=datetime(2026, 11, 26, tzinfo=UTC),
        kind="lead",
        erasure=uuid4(),
        organization=uuid4(),
        subjects=subjects or (uuid4(),),
    )


def test_entries_are_read_as_they_were_appended_each_once(tmp_path: Path) -> None:
    assert ledger.read(tmp_path) == ()
    one, other = entry(uuid4(), uuid4()), entry()
    for each in (one, other, one):
        ledger.append(tmp_path, each)
    assert ledger.read(tmp_path) == (one, other)
    assert ledger.path(tmp_path).stat().st_mode & 0o077 == 0


def test_an_erasure_asked_for_again_is_one_line_unless_more_of_the_person_is_known(tmp_path: Path) -> None:
    one = entry(uuid4(), uuid4())
    later = one.model_copy(update={"at": one.at + timedelta(seconds=1)})
    less = one.model_copy(update={"subjects": one.subjects[:1]})
    more = one.model_copy(update={"subjects": (*one.subjects, uuid4())})
    for each in (one, later, less):
        ledger.append(tmp_path, each)
    assert ledger.read(tmp_path) == (one,)
    for each in (more, one):
        ledger.append(tmp_path, each)
    assert ledger.read(tmp_path) == (one, more)


def test_a_line_that_a_crash_cut_off_is_no_entry_and_spoils_no_other(tmp_path: Path) -> None:
    one, other = entry(), entry()
    ledger.append(tmp_path, one)
    whole = ledger.path(tmp_path).read_bytes()
    for cut in range(1, len(whole)):
        ledger.path(tmp_path).write_bytes(whole + whole[:cut])
        assert ledger.read(tmp_path) == (one,)
        ledger.append(tmp_path, other)
        found = [each for each in ledger.read(tmp_path) if each != one]
        assert found == [other]


def test_a_changed_line_is_not_passed_over(tmp_path: Path) -> None:
    ledger.append(tmp_path, entry())
    ledger.append(tmp_path, entry())
    text = ledger.path(tmp_path).read_text()
    ledger.path(tmp_path).write_text(text.replace('"lead"', '"cat"', 1))
    with pytest.raises(LedgerError, match="Line 1"):
        ledger.read(tmp_path)
