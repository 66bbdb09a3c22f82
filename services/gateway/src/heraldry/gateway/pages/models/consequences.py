"""What deleting an identity or disconnecting an inbox will do, before somebody confirms it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """Campaigns that use it (id and name), leads in mid-sequence, leads that have not begun.

    `mark`: what the person saw, so that a campaign which began to use it since is noticed; empty: no campaign.
    """

    campaigns: tuple[tuple[UUID, str], ...] = ()
    begun: int = 0
    waiting: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteIdentityPage:
    """delete_identity.html at GET /identities/<id>/delete; posts there. Opens as a dialog where scripts run.

    `changed`: other campaigns use it than when the person was asked.
    """

    identity: UUID
    identity_name: str
    concerned: Concerned
    inboxes: int = 0
    changed: bool = False

    @property
    def url(self) -> str:
        return f"/identities/{self.identity}/delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectInboxPage:
    """disconnect_inbox.html at GET /identities/<id>/inboxes/<inbox>/disconnect; posts there. Opens as a dialog
    where scripts run.
    """

    identity: UUID
    identity_name: str
    inbox: UUID
    address: str
    concerned: Concerned
    changed: bool = False

    @property
    def url(self) -> str:
        return f"/identities/{self.identity}/inboxes/{self.inbox}/disconnect"
