"""Commands come in, the decider decides, events are appended."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.blobs import Blobs
from heraldry.chassis.vault.keys import Key, KeyDestroyedError, KeyRing
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ChangeLikingsOptOut,
    ChangeProfilePicture,
    ChangeWorkingHours,
    ContactDetails,
    CreateIdentity,
    DeleteIdentity,
    MapCrmUser,
    RenameIdentity,
)
from heraldry.identity.domain.identity import (
    NOBODY,
    ChangeDetails,
    ChangeHours,
    ChangeOptOut,
    ChangePicture,
    Command,
    Create,
    Delete,
    Event,
    FillDetails,
    Identity,
    MapToCrmUser,
    Rename,
    State,
    decide,
    evolve,
)

LARGEST_PICTURE = 512 * 1024
MEDIA_TYPES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"RIFF", "image/webp"))
decider: Decider[Command, State, Event] = Decider(NOBODY, decide, evolve)


class Identities:
    """The commands of the identity context, each carried out once per command id."""

    def __init__(self, runner: Runner, keys: KeyRing, blobs: Blobs, clock: Clock) -> None:
        self._runner, self._keys, self._blobs, self._clock = runner, keys, blobs, clock

    async def create(self, command: CreateIdentity, asking: Asking) -> Accepted:
        organization = organization_of(asking)
        await self._key(command.identity)
        loaded = await self._runner.load(decider, f"identity-{command.identity}")
        exists = isinstance(loaded.state, Identity)  # refused, or a repeat: there is nothing to keep
        picture = "" if exists else await self.keep(command.identity, command.picture)
        create = Create(
            command.identity,
            organization,
            command.name,
            command.details,
            picture,
            command.hours,
            self._clock.now(),
            command.from_linkedin,
        )
        return await self.run(command.identity, create, asking)

    async def rename(self, command: RenameIdentity, asking: Asking) -> Accepted:
        return await self.run(
            command.identity, Rename(organization_of(asking), self._clock.now(), command.name), asking
        )

    async def change_details(self, command: ChangeContactDetails, asking: Asking) -> Accepted:
        change = ChangeDetails(organization_of(asking), self._clock.now(), command.details)
        return await self.run(command.identity, change, asking)

    async def fill_details(self, identity: UUID, details: ContactDetails, asking: Asking) -> Accepted:
        return await self.run(identity, FillDetails(details, self._clock.now()), asking)

    async def change_picture(self, command: ChangeProfilePicture, asking: Asking) -> Accepted:
        organization = organization_of(asking)
        loaded = await self._runner.load(decider, f"identity-{command.identity}")
        if isinstance(loaded.state, Identity) and loaded.state.organization == organization:
            picture = await self.keep(command.identity, command.picture)
        else:
            picture = ""  # the decider refuses; nothing is stored for a stranger
        change = ChangePicture(organization, self._clock.now(), picture)
        return await self.run(command.identity, change, asking)

    async def change_hours(self, command: ChangeWorkingHours, asking: Asking) -> Accepted:
        change = ChangeHours(organization_of(asking), self._clock.now(), command.hours)
        return await self.run(command.identity, change, asking)

    async def change_opt_out(self, command: ChangeLikingsOptOut, asking: Asking) -> Accepted:
        change = ChangeOptOut(organization_of(asking), self._clock.now(), command.opted_out)
        return await self.run(command.identity, change, asking)

    async def map_crm_user(self, command: MapCrmUser, asking: Asking) -> Accepted:
        change = MapToCrmUser(organization_of(asking), self._clock.now(), command.crm_user.strip())
        return await self.run(command.identity, change, asking)

    async def delete(self, command: DeleteIdentity, asking: Asking) -> Accepted:
        return await self.run(command.identity, Delete(organization_of(asking), self._clock.now()), asking)

    async def run(self, identity: UUID, command: Command, asking: Asking) -> Accepted:
        asked = Asked(asking.id, asking.by, command.at, identity)
        return self._runner.accepted(await self._runner.run(decider, f"identity-{identity}", command, asked))

    async def load(self, identity: UUID) -> State:
        return (await self._runner.load(decider, f"identity-{identity}")).state

    async def maker(self, identity: UUID) -> str:
        """Who made it, as the envelope of its first event says; empty: nobody."""
        decoded = (await self._runner.load(decider, f"identity-{identity}")).decoded
        return decoded[0].meta.actor if decoded else ""

    async def keep(self, identity: UUID, picture: str) -> str:
        """Keep a picture (base64) under its content hash, with the identity's key, which is made with it.

        Killed in between, only an unreferenced blob is left. Refused `picture.unreadable`.
        """
        key = await self._key(identity)
        if not picture:
            return ""
        try:
            content = base64.b64decode(picture, validate=True)
        except binascii.Error:
            content = b""
        if media_type(content) is None or len(content) > LARGEST_PICTURE:
            raise Refused(
                "picture.unreadable",
                "This is no picture we can show. Use a JPEG, PNG or WebP file.",
                status=422,
                field="picture",
            )
        reference = await self._blobs.put(key, content, max_size=LARGEST_PICTURE)
        return f"{reference.digest}.{reference.size}"

    async def _key(self, identity: UUID) -> Key:
        try:
            return await self._keys.create(str(identity))
        except KeyDestroyedError:
            raise Refused("identity.erased", "This identity was erased. Create a new one.") from None


def media_type(content: bytes) -> str | None:
    """The type of a picture by its first bytes; None for anything else."""
    return next((name for first, name in MEDIA_TYPES if content.startswith(first)), None)


def organization_of(asking: Asking) -> UUID:
    if asking.by.organization is None:
        raise Refused(
            "organization.missing", "Identities belong to an organization. Sign in to one.", status=403
        )
    return asking.by.organization
