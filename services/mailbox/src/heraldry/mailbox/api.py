"""The commands and queries of the mailbox context over NATS request/reply."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.past import PastModel, Pasts, before_it_was
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Refused
from heraldry.contracts.mailbox import (
    ConnectInbox,
    DecideOutcome,
    DisconnectInbox,
    EmailView,
    FindInbox,
    GetEmail,
    GetPublicKey,
    InboxView,
    ListInboxes,
    ListSuppressions,
    PublicKey,
    ResumeInbox,
    SuppressionPage,
    SuppressRecipient,
    UnsuppressRecipient,
)
from heraldry.mailbox import projections
from heraldry.mailbox.application import Application, no_mail
from heraldry.mailbox.domain.inbox import unknown
from heraldry.mailbox.stopping import organization_of
from heraldry.mailbox.streams import inbox_stream
from nacl.public import PrivateKey

LONGEST_CURSOR: Final = 18  # digits


class Questions:
    """Answers from the projections; what another organization has is unknown."""

    def __init__(
        self, application: Application, model: ReadModel, private_key: PrivateKey, pasts: Pasts
    ) -> None:
        self._application, self._model, self._pasts = application, model, pasts
        self._public_key = base64.b64encode(private_key.public_key.encode()).decode()

    async def list(self, query: ListInboxes, asking: Asking) -> tuple[InboxView, ...]:
        organization = str(organization_of(asking))
        identity = "" if query.identity is None else str(query.identity)
        if query.as_of is None:
            return self._model.read(lambda db: projections.inboxes_of(db, organization, identity))
        every = self._model.read(lambda db: projections.ids_of(db, organization))
        then = await self._then(query.as_of, every)
        found = then.read(lambda db: projections.inboxes_of(db, organization, identity))
        return tuple(one.model_copy(update={"as_of": then.moment}) for one in found)

    async def find(self, query: FindInbox, asking: Asking) -> InboxView:
        organization = organization_of(asking)
        inbox = query.inbox
        if inbox is None:
            if not query.address:
                raise unknown()
            inbox = await self._application.inbox_id(organization, query.address)
        view = self._model.read(lambda db: projections.inbox_of(db, str(organization), str(inbox)))
        if view is None:
            raise unknown()
        if query.as_of is None:
            return view
        then = await self._then(query.as_of, [inbox])
        past = then.read(lambda db: projections.inbox_of(db, str(organization), str(inbox)))
        if past is None:
            raise before_it_was()
        return past.model_copy(update={"as_of": then.moment})

    async def email(self, query: GetEmail, asking: Asking) -> EmailView:
        organization = str(organization_of(asking))
        view = self._model.read(lambda db: projections.email_of(db, organization, str(query.attempt)))
        if view is None:
            raise no_mail()
        return view

    async def suppressions(self, query: ListSuppressions, asking: Asking) -> SuppressionPage:
        organization, after = str(organization_of(asking)), query.after
        if after and not (after.isascii() and after.isdigit() and len(after) <= LONGEST_CURSOR):
            raise Refused("cursor.malformed", "Start again from the first page.", status=422, field="after")
        before = int(after) if after else None
        return self._model.read(
            lambda db: projections.suppressed_by(db, organization, query.search.strip(), before, query.limit)
        )

    async def _then(self, as_of: datetime, found: Sequence[UUID]) -> PastModel:
        past = self._pasts.at(as_of)
        return await past.model([projections.inboxes], await past.events(map(inbox_stream, found)))

    async def public_key(self, _: GetPublicKey, __: Asking) -> PublicKey:
        return PublicKey(key=self._public_key)


def register(rpc: Server, application: Application, questions: Questions) -> None:
    rpc.command(ConnectInbox, application.connect)
    rpc.command(DisconnectInbox, application.disconnect)
    rpc.command(DecideOutcome, application.decide_outcome)
    rpc.command(ResumeInbox, application.pausing.resume)
    rpc.command(SuppressRecipient, application.stopping.suppress)
    rpc.command(UnsuppressRecipient, application.stopping.unsuppress)
    rpc.query(ListInboxes, questions.list)
    rpc.query(FindInbox, questions.find)
    rpc.query(GetEmail, questions.email)
    rpc.query(ListSuppressions, questions.suppressions)
    rpc.query(GetPublicKey, questions.public_key)
