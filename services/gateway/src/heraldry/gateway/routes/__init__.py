"""The pages' routes: they fill view models, and ask the same commands and queries as the API."""

from __future__ import annotations

from typing import Final

from heraldry.gateway.routes.activity import ActivityController, OrganizationPagesController
from heraldry.gateway.routes.campaigns import CampaignPagesController
from heraldry.gateway.routes.configuration import ConfigurationController
from heraldry.gateway.routes.deleting import DeletingController
from heraldry.gateway.routes.entrance import EntranceController
from heraldry.gateway.routes.halting import HaltingController
from heraldry.gateway.routes.home import HomeController
from heraldry.gateway.routes.imports import ImportPagesController, UploadPagesController
from heraldry.gateway.routes.inboxes import InboxPagesController
from heraldry.gateway.routes.leads import LeadPagesController
from heraldry.gateway.routes.linkedin import CredentialsController, LinkedInPagesController
from heraldry.gateway.routes.linkedin_limits import LinkedInLimitPagesController
from heraldry.gateway.routes.share_links import ShareLinkPagesController
from heraldry.gateway.routes.shared import SharedController
from heraldry.gateway.routes.shared_linkedin import SharedLinkedInController
from heraldry.gateway.routes.steps import StepPagesController
from heraldry.gateway.routes.suppressions import SuppressionPagesController
from heraldry.gateway.routes.unsubscribe import UnsubscribeController

PAGES: Final = (
    EntranceController,
    HomeController,
    ConfigurationController,
    DeletingController,
    InboxPagesController,
    CredentialsController,
    LinkedInPagesController,
    LinkedInLimitPagesController,
    CampaignPagesController,
    UploadPagesController,
    ImportPagesController,
    LeadPagesController,
    ActivityController,
    StepPagesController,
    OrganizationPagesController,
    HaltingController,
    SuppressionPagesController,
    UnsubscribeController,
    ShareLinkPagesController,
    SharedController,
    SharedLinkedInController,
)
