"""The commands and queries of the LinkedIn driver over NATS request/reply."""

from __future__ import annotations

import sys
from typing import Final

from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.past import Pasts
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin import (
    AccountView,
    ActionView,
    DecideActionOutcome,
    EnterCode,
    GetLinkedInAction,
    LinkLinkedIn,
    ListLinkedInAccounts,
    ListPendingInvitations,
    ListUndecidedActions,
    ListWithdrawals,
    PendingPage,
    ResendCode,
    TryLinkingAgain,
    UndecidedPage,
    UnlinkLinkedIn,
    WithdrawalPage,
)
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.actions import Actions, no_action
from heraldry.linkedin_driver.application import Application, organization_of
from heraldry.linkedin_driver.streams import account_stream

LONGEST_CURSOR: Final = 18  # digits
BEGINNING: Final = -1
END: Final = sys.maxsize


class Questions:
    """Answers from the projections; what another organization has is unknown."""

    def __init__(self, model: ReadModel, pasts: Pasts) -> None:
        self._model, self._pasts = model, pasts

    async def accounts(self, query: ListLinkedInAccounts, asking: Asking) -> tuple[AccountView, ...]:
        organization = str(organization_of(asking))
        identity = "" if query.identity is None else str(query.identity)
        if query.as_of is None:
            return self._model.read(lambda db: projections.accounts_of(db, organization, identity))
        every = self._model.read(lambda db: projections.accounts_of(db, organization, ""))
        past = self._pasts.at(query.as_of)
        events = await past.events(account_stream(one.account) for one in every)
        then = await past.model([projections.accounts], events)
        found = then.read(lambda db: projections.accounts_of(db, organization, identity))
        return tuple(one.model_copy(update={"as_of": then.moment}) for one in found)

    async def action(self, query: GetLinkedInAction, asking: Asking) -> ActionView:
        organization = str(organization_of(asking))
        view = self._model.read(lambda db: projections.action_of(db, organization, str(query.attempt)))
        if view is None:
            raise no_action()
        return view

    async def undecided(self, query: ListUndecidedActions, asking: Asking) -> UndecidedPage:
        organization, after = str(organization_of(asking)), _place(query.after, BEGINNING)
        identity = "" if query.identity is None else str(query.identity)
        return self._model.read(
            lambda db: projections.undecided(db, organization, identity, after, query.limit)
        )

    async def pending(self, query: ListPendingInvitations, asking: Asking) -> PendingPage:
        organization, after = str(organization_of(asking)), _place(query.after, BEGINNING)
        return self._model.read(
            lambda db: projections.pending_of(db, organization, str(query.identity), after, query.limit)
        )

    async def withdrawals(self, query: ListWithdrawals, asking: Asking) -> WithdrawalPage:
        organization, before = str(organization_of(asking)), _place(query.after, END)
        return self._model.read(
            lambda db: projections.withdrawals_of(db, organization, str(query.identity), before, query.limit)
        )


def _place(cursor: str, first: int) -> int:
    """Refused `cursor.malformed`."""
    if not cursor:
        return first
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= LONGEST_CURSOR):
        raise Refused("cursor.malformed", "Start again from the first page.", status=422, field="after")
    return int(cursor)


def register(rpc: Server, application: Application, actions: Actions, questions: Questions) -> None:
    rpc.command(LinkLinkedIn, application.link)
    rpc.command(EnterCode, application.enter_code)
    rpc.command(ResendCode, application.resend_code)
    rpc.command(TryLinkingAgain, application.try_again)
    rpc.command(UnlinkLinkedIn, application.unlink)
    rpc.query(ListLinkedInAccounts, questions.accounts)
    rpc.command(DecideActionOutcome, actions.decide_outcome)
    rpc.query(GetLinkedInAction, questions.action)
    rpc.query(ListUndecidedActions, questions.undecided)
    rpc.query(ListPendingInvitations, questions.pending)
    rpc.query(ListWithdrawals, questions.withdrawals)
