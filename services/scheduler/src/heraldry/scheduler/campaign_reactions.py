"""What follows for campaigns from what happened, here and elsewhere. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from heraldry.contracts.base import Envelope, Erased
from heraldry.contracts.campaigns import CampaignFinished, CampaignPaused, CampaignResumed, CampaignStarted
from heraldry.contracts.identity import (
    ContactDetails,
    ContactDetailsChanged,
    IdentityCreated,
    IdentityRenamed,
)
from heraldry.scheduler.reactions import OwnCommand


class ImportPerson(OwnCommand):
    """What is None was not said in this revision of the identity's stream."""

    organization: UUID
    identity: UUID
    name: str | None
    details: ContactDetails | None
    revision: int


def import_people(
    event: Envelope[IdentityCreated | IdentityRenamed | ContactDetailsChanged],
) -> Sequence[OwnCommand]:
    said = event.data
    name = None if isinstance(said, ContactDetailsChanged) else said.name
    details = None if isinstance(said, IdentityRenamed) else said.details
    if isinstance(name, Erased) or isinstance(details, Erased):
        return ()  # the person was erased meanwhile: nobody writes in that name
    known = ImportPerson(
        organization=UUID(event.organization),
        identity=said.identity,
        name=name,
        details=details,
        revision=event.revision,
    )
    return (known,)


class StopCampaign(OwnCommand):
    campaign: UUID
    revision: int  # of the campaign's stream


class CheckIdentity(OwnCommand):
    campaign: UUID


def stop_everywhere(event: Envelope[CampaignPaused | CampaignFinished]) -> Sequence[OwnCommand]:
    """Again, or for the first time where the process ended before it could."""
    return (StopCampaign(campaign=event.data.campaign, revision=event.revision),)


def check_identity(event: Envelope[CampaignStarted | CampaignResumed]) -> Sequence[OwnCommand]:
    return (CheckIdentity(campaign=event.data.campaign),)
