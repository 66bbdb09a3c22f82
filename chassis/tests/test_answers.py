"""What operators' commands say: the answer, and beside it only what is wrong."""

from __future__ import annotations

import json

import pytest
import structlog
from heraldry.chassis.commands.answers import Answers


def test_what_is_logged_meanwhile_stands_beside_the_answer_only_if_something_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = structlog.get_config()
    try:
        answers = Answers()
        log = structlog.get_logger()
        log.debug("a detail")
        log.info("stream made")
        log.warning("no room")
        answers.good({"done": True})
    finally:
        structlog.configure(**before)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"done": True}
    assert "no room" in said.err
    assert "stream made" not in said.err
    assert "a detail" not in said.err
