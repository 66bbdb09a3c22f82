"""The commands and queries of the identity context over NATS request/reply."""

from __future__ import annotations

import base64

from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.clock import Clock
from heraldry.chassis.past import Pasts, before_it_was
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.vault.blobs import BlobReference, Blobs, BlobUnknownError
from heraldry.chassis.vault.keys import Destroyed, KeyRing
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ChangeLikingsOptOut,
    ChangeProfilePicture,
    ChangeWorkingHours,
    CreateIdentity,
    DeleteIdentity,
    GetIdentity,
    GetPicture,
    IdentityView,
    ListIdentities,
    MapCrmUser,
    Picture,
    RenameIdentity,
)
from heraldry.contracts.share_links import (
    IssueShareLink,
    ListShareLinks,
    LookUpShareLink,
    RevokeShareLink,
    ShareLinkView,
    TakeShareLink,
)
from heraldry.identity import projections
from heraldry.identity.application import Identities, media_type
from heraldry.identity.share_links import ShareLinks


class Questions:
    """Answers from the projection; another organization's identity is unknown."""

    def __init__(self, model: ReadModel, keys: KeyRing, blobs: Blobs, clock: Clock, pasts: Pasts) -> None:
        self._model, self._keys, self._blobs, self._clock, self._pasts = model, keys, blobs, clock, pasts

    async def get(self, query: GetIdentity, asking: Asking) -> IdentityView:
        if query.as_of is None:
            return self._one(str(query.identity), asking)
        past, organization, identity = (
            self._pasts.at(query.as_of),
            str(asking.by.organization),
            str(query.identity),
        )
        then = await past.model([projections.identities], await past.events([f"identity-{identity}"]))
        view = then.read(lambda db: projections.one(db, organization, identity))
        if view is None and self._model.read(lambda db: projections.one(db, organization, identity)):
            raise before_it_was()
        return _there(view)

    async def list(self, query: ListIdentities, asking: Asking) -> tuple[IdentityView, ...]:
        organization = str(asking.by.organization)
        return self._model.read(lambda db: projections.active(db, organization, query.search))

    async def picture(self, query: GetPicture, asking: Asking) -> Picture:
        view = self._one(str(query.identity), asking)
        digest, _, size = view.picture.partition(".")
        key = await self._keys.fetch(str(view.identity)) if digest else None
        if key is None or isinstance(key, Destroyed):
            raise _no_picture()
        try:
            content = await self._blobs.get(key, BlobReference(key.subject, digest, int(size)))
        except BlobUnknownError:
            raise _no_picture() from None
        kind = media_type(content) or "application/octet-stream"
        return Picture(picture=view.picture, media_type=kind, content=base64.b64encode(content).decode())

    async def links(self, query: ListShareLinks, asking: Asking) -> tuple[ShareLinkView, ...]:
        organization, now = str(asking.by.organization), self._clock.now()
        return self._model.read(lambda db: projections.links(db, organization, query.identity, now))

    def _one(self, identity: str, asking: Asking) -> IdentityView:
        organization = str(asking.by.organization)
        return _there(self._model.read(lambda db: projections.one(db, organization, identity)))


def _there(view: IdentityView | None) -> IdentityView:
    if view is None or view.deleted:
        raise Refused(
            "identity.unknown",
            "There is no such identity in your organization. It may have been deleted.",
            status=404,
        )
    return view


def register(rpc: Server, identities: Identities, links: ShareLinks, questions: Questions) -> None:
    rpc.command(CreateIdentity, identities.create)
    rpc.command(RenameIdentity, identities.rename)
    rpc.command(ChangeContactDetails, identities.change_details)
    rpc.command(ChangeProfilePicture, identities.change_picture)
    rpc.command(ChangeWorkingHours, identities.change_hours)
    rpc.command(ChangeLikingsOptOut, identities.change_opt_out)
    rpc.command(MapCrmUser, identities.map_crm_user)
    rpc.command(DeleteIdentity, identities.delete)
    rpc.query(GetIdentity, questions.get)
    rpc.query(ListIdentities, questions.list)
    rpc.query(GetPicture, questions.picture)
    rpc.command(IssueShareLink, links.issue)
    rpc.command(RevokeShareLink, links.revoke)
    rpc.command(TakeShareLink, links.take)
    rpc.query(LookUpShareLink, links.look_up)
    rpc.query(ListShareLinks, questions.links)


def _no_picture() -> Refused:
    return Refused("picture.unknown", "This identity has no picture.", status=404)
