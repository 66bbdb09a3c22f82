"""What somebody sees who opens a share link."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from heraldry.gateway.pages.forms import AddIdentityForm, ConnectInboxForm, CredentialsForm
from heraldry.gateway.pages.models.configuration import INBOX_STATES, Diagnosis, InboxState
from heraldry.gateway.pages.models.linkedin import LINKEDIN_STATES, LinkedInState, Linking
from heraldry.gateway.pages.models.shell import Chip, Flash

SharedStage = Literal["asking", "storing", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPage:
    """shared_create.html at GET and POST /share/<token>: adding an identity without an account.

    `storing`: what was typed is kept, the identity is made in a moment.
    """

    stage: SharedStage
    organization: str
    action: str
    valid_until: datetime
    way: Literal["manually", "credentials"] = "manually"
    form: AddIdentityForm = field(default_factory=AddIdentityForm)
    credentials: CredentialsForm = field(default_factory=CredentialsForm)
    picture_limit_mb: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedInbox:
    """One inbox, as its owner sees it through a refresh link."""

    id: UUID
    address: str
    state: InboxState
    detail: str = ""

    @property
    def chip(self) -> Chip:
        return INBOX_STATES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRefreshPage:
    """shared_refresh.html at GET /share/<token>: the connections of one identity. `told`: what was just done."""

    organization: str
    identity_name: str
    action: str
    valid_until: datetime
    inboxes: tuple[SharedInbox, ...] = ()
    linkedin: LinkedInState = "new"
    told: Flash | None = None

    @property
    def chip(self) -> Chip:
        return LINKEDIN_STATES[self.linkedin]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedInboxPage:
    """shared_inbox.html at GET /share/<token>/inbox?inbox=; posts to /share/<token>/inbox.

    `reconnect`: the inbox that is connected again. Its address is given and cannot be changed.
    """

    organization: str
    identity_name: str
    action: str
    form: ConnectInboxForm = field(default_factory=ConnectInboxForm)
    diagnosis: Diagnosis | None = None
    reconnect: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLinkingPage:
    """shared_linkedin.html at GET /share/<token>/linkedin: linking as it goes on.

    `by_hand`: where the details can be typed instead; empty: the identity is there already.
    """

    organization: str
    identity_name: str
    action: str
    linking: Linking
    by_hand: str = ""
    tries_left: int | None = None


SharedGone = Literal["unknown", "taken", "used", "expired", "revoked", "exhausted"]


@dataclass(frozen=True, slots=True)
class SharedGonePage:
    """shared_gone.html: a share link that does not work, and which of these it is. It tells nothing else.

    `until`: when one that is taken may work again.
    """

    reason: SharedGone
    until: datetime | None = None
