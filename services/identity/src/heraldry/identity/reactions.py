"""What the identity context does when something happened. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from uuid import UUID

from heraldry.contracts.base import Command, Envelope, Erased
from heraldry.contracts.identity import ContactDetails
from heraldry.contracts.linkedin import LinkedInLinked
from heraldry.identity.domain.share_link import ShareLinkTaken

LONGEST_NAME: Final = 100
LONGEST_TITLE: Final = 200  # LinkedIn's headlines may be longer


class OwnCommand(Command):
    """A command of this context to itself: it never travels."""

    context: ClassVar[str] = "identity"


class FillDetails(OwnCommand):
    """What LinkedIn says of the identity's member."""

    identity: UUID
    details: ContactDetails


def take_profiles(event: Envelope[LinkedInLinked]) -> Sequence[OwnCommand]:
    """R-ID-5: linking LinkedIn while an identity is created fills its contact details."""
    profile = event.data.profile
    if isinstance(profile, Erased):
        return ()
    details = ContactDetails(
        first_name=profile.first_name[:LONGEST_NAME],
        last_name=profile.last_name[:LONGEST_NAME],
        job_title=profile.headline[:LONGEST_TITLE],
        linkedin_url=profile.url,
    )
    return (FillDetails(identity=event.data.identity, details=details),)


class MakeOfLink(OwnCommand):
    taken: ShareLinkTaken


class NoteLinked(OwnCommand):
    identity: UUID


def make_identities(event: Envelope[ShareLinkTaken]) -> Sequence[OwnCommand]:
    """Whoever stored the filled-in form may have been killed before the identity was made."""
    return (MakeOfLink(taken=event.data),)


def note_linked(event: Envelope[LinkedInLinked]) -> Sequence[OwnCommand]:
    """A create link is used up once the account is linked."""
    return (NoteLinked(identity=event.data.identity),)
