"""Identities over HTTP."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any
from uuid import UUID, uuid5

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ChangeLikingsOptOut,
    ChangeProfilePicture,
    ChangeWorkingHours,
    ContactDetails,
    CreateIdentity,
    GetIdentity,
    GetPicture,
    IdentityCommand,
    IdentityView,
    ListIdentities,
    MapCrmUser,
    RenameIdentity,
    WorkingHours,
)
from heraldry.gateway.api.answers import Body, Written, written
from heraldry.gateway.api.consequences import delete_identity
from heraldry.gateway.pictures import re_encoded
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, delete, get, post, put
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import Field


class NewIdentity(Body):
    """`picture`: a JPEG, PNG, WebP or GIF in base64, at most 5 MB; empty: none.

    `from_linkedin`: linking LinkedIn fills the contact details, unless somebody changes them before.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    details: ContactDetails = ContactDetails()
    hours: WorkingHours
    picture: str = ""
    from_linkedin: bool = False


class NewName(Body):
    name: Annotated[str, Field(min_length=1, max_length=200)]


class LikingsOptOut(Body):
    opted_out: bool


class CrmUser(Body):
    crm_user: Annotated[str, Field(max_length=200)]


class IdentitiesController(Controller):
    path = "/api/v1/identities"
    tags = ("Identities",)

    @post(summary="Create an identity")
    async def create(
        self,
        data: JSONBody[NewIdentity],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        identity = identity_of(call.command)
        picture = await re_encoded(decoded(data.picture)) if data.picture else ""
        create = CreateIdentity(
            identity=identity,
            name=data.name,
            details=data.details,
            hours=data.hours,
            picture=picture,
            from_linkedin=data.from_linkedin,
        )
        accepted = await gateway.contexts.send(create, by=call.by, id=call.command)
        return written(accepted.position, identity, status=201)

    @get(summary="The organization's identities by name")
    async def every(
        self,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        search: Annotated[str, QueryParameter(description="found anywhere in the name")] = "",
    ) -> tuple[IdentityView, ...]:
        return await gateway.contexts.ask(ListIdentities(search=search), by=call.by, seen=call.seen)

    @get("/{identity:uuid}", summary="One identity")
    async def read(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> IdentityView:
        return await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)

    @put("/{identity:uuid}/name", summary="Rename it")
    async def rename(
        self,
        identity: FromPath[UUID],
        data: JSONBody[NewName],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return await change(gateway, call, RenameIdentity(identity=identity, name=data.name))

    @put("/{identity:uuid}/contact-details", summary="Replace its contact details")
    async def change_details(
        self,
        identity: FromPath[UUID],
        data: JSONBody[ContactDetails],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return await change(gateway, call, ChangeContactDetails(identity=identity, details=data))

    @put("/{identity:uuid}/working-hours", summary="Replace its working hours")
    async def change_hours(
        self,
        identity: FromPath[UUID],
        data: JSONBody[WorkingHours],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return await change(gateway, call, ChangeWorkingHours(identity=identity, hours=data))

    @put(
        "/{identity:uuid}/picture",
        summary="Replace its picture",
        description="The body is the picture itself, or multipart/form-data with a part `picture`.",
    )
    async def change_picture(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        picture = await re_encoded(await uploaded(request))
        return await change(gateway, call, ChangeProfilePicture(identity=identity, picture=picture))

    @get("/{identity:uuid}/picture", summary="Its picture")
    async def picture(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[bytes]:
        return await picture_of(gateway, call, identity)

    @delete("/{identity:uuid}/picture", status_code=200, summary="Remove its picture")
    async def remove_picture(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        return await change(gateway, call, ChangeProfilePicture(identity=identity, picture=""))

    @put("/{identity:uuid}/likings-opt-out", summary="Opt out of automated likes, or in")
    async def change_likings(
        self,
        identity: FromPath[UUID],
        data: JSONBody[LikingsOptOut],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return await change(gateway, call, ChangeLikingsOptOut(identity=identity, opted_out=data.opted_out))

    @put("/{identity:uuid}/crm-user", summary="Map it to a user of the CRM")
    async def map_crm_user(
        self,
        identity: FromPath[UUID],
        data: JSONBody[CrmUser],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return await change(gateway, call, MapCrmUser(identity=identity, crm_user=data.crm_user))

    @delete(
        "/{identity:uuid}",
        status_code=200,
        summary="Delete it",
        description="Refused `identity.in-use` (409) where campaigns use it, with their names and how many leads"
        " would fail, unless `confirm=true`. When it is answered, no step of theirs begins any more.",
    )
    async def remove(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        confirm: Annotated[bool, QueryParameter(description="also where campaigns use it")] = False,  # noqa: FBT002  a query parameter
    ) -> Response[Written]:
        positions = await delete_identity(gateway, call, identity, confirmed=confirm)
        return written(", ".join(positions), identity)


def identity_of(command: UUID) -> UUID:
    """The identity a command makes: a repeat makes no other."""
    return uuid5(command, "identity")


async def change(gateway: Gateway, call: Call, command: IdentityCommand) -> Response[Written]:
    accepted = await gateway.contexts.send(command, by=call.by, id=call.command)
    return written(accepted.position, command.identity)


async def picture_of(gateway: Gateway, call: Call, identity: UUID) -> Response[bytes]:
    """The picture as it was re-encoded; nothing in it can run."""
    found = await gateway.contexts.ask(GetPicture(identity=identity), by=call.by, seen=call.seen)
    media_type = found.media_type if found.media_type in {"image/webp", "image/jpeg"} else "image/webp"
    headers: dict[str, Any] = {"Cache-Control": "private, max-age=86400", "ETag": f'"{found.picture}"'}
    return Response(base64.b64decode(found.content), media_type=media_type, headers=headers)


async def uploaded(request: AnyRequest) -> bytes:
    """The file in the part `picture`, or the body itself. Refused `picture.missing`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = b""
    if kind == "multipart/form-data":
        found: object = (await request.form()).get("picture")
        content = await found.read() if isinstance(found, UploadFile) else b""
    elif kind.startswith("image/") or kind == "application/octet-stream":
        content = await request.body()
    if not content:
        raise Refused("picture.missing", "Choose a picture first.", status=422, field="picture")
    return content


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(
            "picture.unreadable", "The picture is not written in base64.", status=422, field="picture"
        ) from None
