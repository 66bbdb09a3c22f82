"""What becomes of a profile that LinkedIn shows when an account is linked."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from heraldry.contracts.base import Envelope, Erased
from heraldry.contracts.identity import ContactDetails
from heraldry.contracts.linkedin import LinkedInLinked, LinkedInProfile
from heraldry.identity.reactions import FillDetails, take_profiles

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADA = UUID(int=1)
URL = "https://www.linkedin.com/in/ada"


def linked(profile: LinkedInProfile | Erased) -> Envelope[LinkedInLinked]:
    event = LinkedInLinked(
        account=UUID(int=2), identity=ADA, linking=UUID(int=3), sender="hash", profile=profile, at=NOW
    )
    return Envelope[LinkedInLinked](
        id=str(UUID(int=4)),
        source="/heraldry/linkedin-driver",
        type="LinkedInLinked",
        time=NOW,
        dataschema="heraldry:LinkedInLinked:1",
        organization=str(UUID(int=5)),
        stream="linkedin-driver.account-2",
        revision=1,
        position="linkedin-driver:1:1",
        data=event,
    )


def test_a_headline_longer_than_a_job_title_is_cut() -> None:
    profile = LinkedInProfile(first_name="Ada", last_name="Bergström", headline="x" * 220, url=URL)
    details = ContactDetails(first_name="Ada", last_name="Bergström", job_title="x" * 200, linkedin_url=URL)
    assert take_profiles(linked(profile)) == (FillDetails(identity=ADA, details=details),)


def test_a_profile_that_was_erased_fills_nothing() -> None:
    assert take_profiles(linked(Erased())) == ()
