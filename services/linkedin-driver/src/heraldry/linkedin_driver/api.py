"""The commands and queries of the LinkedIn driver over NATS request/reply."""

from __future__ import annotations

from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.linkedin import (
    AccountView,
    EnterCode,
    LinkLinkedIn,
    ListLinkedInAccounts,
    ResendCode,
    TryLinkingAgain,
    UnlinkLinkedIn,
)
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.application import Application, organization_of


class Questions:
    """Answers from the projections; what another organization has is unknown."""

    def __init__(self, model: ReadModel) -> None:
        self._model = model

    async def accounts(self, query: ListLinkedInAccounts, asking: Asking) -> tuple[AccountView, ...]:
        organization = str(organization_of(asking))
        identity = "" if query.identity is None else str(query.identity)
        return self._model.read(lambda db: projections.accounts_of(db, organization, identity))


def register(rpc: Server, application: Application, questions: Questions) -> None:
    rpc.command(LinkLinkedIn, application.link)
    rpc.command(EnterCode, application.enter_code)
    rpc.command(ResendCode, application.resend_code)
    rpc.command(TryLinkingAgain, application.try_again)
    rpc.command(UnlinkLinkedIn, application.unlink)
    rpc.query(ListLinkedInAccounts, questions.accounts)
