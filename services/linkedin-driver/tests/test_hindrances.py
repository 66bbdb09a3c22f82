from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from heraldry.linkedin_driver.adapters.pages.conversations import heard_in
from heraldry.linkedin_driver.adapters.pages.inviting import told_by
from heraldry.linkedin_driver.domain.hindrances import (
    EMAIL_ASKED,
    LATER,
    NOT_SENT,
    NOTES_USED_UP,
    TOO_MUCH,
    WEEKLY_LIMIT,
    slowed_until,
)

NOW = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
ME, KIM = "urn:li:fsd_profile:ACoAAme", "urn:li:fsd_profile:ACoAAkim"


def test_linkedins_own_limits_pause_what_they_are_about() -> None:
    assert slowed_until(WEEKLY_LIMIT, NOW) == ("invitation", NOW + timedelta(days=7))
    assert slowed_until(LATER, NOW) == ("invitation", NOW + timedelta(days=1))
    assert slowed_until(TOO_MUCH, NOW) == ("everything", NOW + timedelta(hours=4))
    assert slowed_until(NOTES_USED_UP, NOW) == ("note", datetime(2027, 1, 1, tzinfo=UTC))
    assert slowed_until(NOTES_USED_UP, datetime(2027, 2, 1, tzinfo=UTC)) == (
        "note",
        datetime(2027, 3, 1, tzinfo=UTC),
    )
    assert slowed_until(EMAIL_ASKED, NOW) is None


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("Your invitation to Kim Larsen was sent.", None),
        ("Your invitation to Kim Larsen was not sent.", NOT_SENT),
        ("Invitation not sent. Try again later.", LATER),
        ("Your invitation to Kim was not sent because you have reached the weekly limit.", WEEKLY_LIMIT),
        ("Unable to connect. Try again.", NOT_SENT),
        ("", None),
    ],
)
def test_what_a_page_says_after_the_press(said: str, means: object) -> None:
    assert told_by(said) == means


def conversation(*messages: tuple[str, str], **more: object) -> dict[str, Any]:
    def who(urn: str, distance: str) -> dict[str, Any]:
        return {"hostIdentityUrn": urn, "participantType": {"member": {"distance": distance}}}

    elements = [
        {
            "entityUrn": f"urn:{at}",
            "deliveredAt": 1_000 * at,
            "body": {"text": text},
            "sender": {"hostIdentityUrn": by},
        }
        for at, (by, text) in enumerate(messages)
    ]
    people = [who(ME, "SELF"), who(KIM, "DISTANCE_1")]
    return {"conversationParticipants": people, "messages": {"elements": elements}, **more}


def test_only_what_the_other_of_two_wrote_is_heard() -> None:
    group = conversation((KIM, "To all"), groupChat=True)
    advertisement = conversation((KIM, "Buy"), contentMetadata={"conversationAdContent": {"id": 1}})
    two = conversation((ME, "Hello"), (KIM, "Gladly!"))
    answer = {"data": {"named today": {"elements": [group, advertisement, two, "damaged"]}}}
    (heard,) = heard_in(answer)
    assert (heard.id, heard.by, heard.text) == ("urn:1", "ACoAAkim", "Gladly!")
    assert heard.at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert list(heard_in({"data": None})) == []
    assert list(heard_in({})) == []
