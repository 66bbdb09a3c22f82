"""The steps of a campaign: told apart by their kind, and an email where an older release said none."""

from __future__ import annotations

from uuid import UUID

import pytest
from heraldry.contracts.campaigns import CampaignSettings, SendEmail, SendInvitation, SendMessage
from pydantic import ValidationError

ADA = UUID(int=1)


def settings(*steps: object) -> CampaignSettings:
    return CampaignSettings.model_validate({"name": "Spring", "identity": ADA, "steps": steps})


def test_a_step_without_a_kind_is_an_email() -> None:
    (step,) = settings({"subject": "Hello", "text": "Good morning"}).steps
    assert step == SendEmail(subject="Hello", text="Good morning")
    assert step.only_if == "always"


def test_steps_survive_being_written_down() -> None:
    steps = (
        SendEmail(subject="Hello", text="Good morning"),
        SendInvitation(delay=1, note="Shall we connect?"),
        SendMessage(delay=24, only_if="connected", text="Thanks"),
        SendEmail(delay=24, only_if="not connected", text="Still there?"),
    )
    found = settings(*steps)
    assert found.steps == steps
    assert found.channels == ("email", "linkedin")
    assert CampaignSettings.model_validate_json(found.model_dump_json()) == found


def test_only_the_first_email_has_a_subject_whatever_comes_before_it() -> None:
    first = SendEmail(delay=1, subject="Hello", text="Good morning")
    assert settings(SendInvitation(), first).first_email == first
    with pytest.raises(ValidationError, match="Only the first email has a subject"):
        settings(SendInvitation(), first, first)


def test_a_message_needs_words_and_an_invitation_none() -> None:
    assert settings({"kind": "invitation"}).channels == ("linkedin",)
    with pytest.raises(ValidationError):
        settings({"kind": "message"})
    with pytest.raises(ValidationError):
        settings({"kind": "like"})
