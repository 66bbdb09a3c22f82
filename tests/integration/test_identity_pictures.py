"""Pictures as the identity context takes them: a few kinds, of one size at most, kept once under their hash."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from uuid import uuid4

import pytest
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack
from heraldry.contracts.base import By, Refused
from heraldry.contracts.identity import (
    ChangeProfilePicture,
    CreateIdentity,
    DeleteIdentity,
    GetIdentity,
    GetPicture,
    WorkingHours,
)

pytestmark = pytest.mark.parts
IDENTITY_ONLY = {
    "HERALDRY_SERVICES": "identity=heraldry.identity.service:main,"
    "linkedin-driver=heraldry.linkedin_driver.service:main"
}
BY = By(organization=uuid4(), actor="user:ada")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1500


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("pictures") / "data"
    with Stack.running(folder, sandbox=False, env=IDENTITY_ONLY) as stack:
        yield stack


async def test_a_picture_is_kept_and_given_back_until_it_is_removed(house: Stack) -> None:
    who, id_ = uuid4(), uuid4()
    create = CreateIdentity(identity=who, name="Ada", hours=WorkingHours(zone="UTC"), picture=text(PNG))
    async with calling(house.folder) as calls:
        made = await calls.caller.send(create, by=BY, id=id_)
        again = await calls.caller.send(create, by=BY, id=id_)
        assert (again.position, again.fresh) == (made.position, False)
        shown = await calls.caller.ask(GetPicture(identity=who), by=BY, seen=[made.position])
        assert (base64.b64decode(shown.content), shown.media_type) == (PNG, "image/png")
        same = await calls.caller.send(
            ChangeProfilePicture(identity=who, picture=text(PNG)), by=BY, id=uuid4()
        )
        assert not same.fresh, "the same picture is no change"
        removed = await calls.caller.send(ChangeProfilePicture(identity=who, picture=""), by=BY, id=uuid4())
        with pytest.raises(Refused) as refusal:
            await calls.caller.ask(GetPicture(identity=who), by=BY, seen=[removed.position])
        assert (refusal.value.code, refusal.value.status) == ("picture.unknown", 404)


@pytest.mark.parametrize(
    "picture",
    [
        "no base64 at all",
        text(b"GIF89a" + b"x" * 100),
        text(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        text(b"%PDF-1.7 \x89PNG\r\n\x1a\n"),
        text(b"\x89PNG\r\n\x1a\n" + b"x" * 512 * 1024),
    ],
    ids=["not base64", "gif", "svg", "a PDF with a PNG in it", "too large"],
)
async def test_what_is_no_picture_is_refused_and_no_identity_is_made(house: Stack, picture: str) -> None:
    who = uuid4()
    create = CreateIdentity(identity=who, name="Ada", hours=WorkingHours(zone="UTC"), picture=picture)
    async with calling(house.folder) as calls:
        with pytest.raises(Refused) as refusal:
            await calls.caller.send(create, by=BY, id=uuid4())
        assert (refusal.value.status, refusal.value.field) == (422, "picture")
        with pytest.raises(Refused) as unknown:
            await calls.caller.ask(GetIdentity(identity=who), by=BY)
        assert unknown.value.code == "identity.unknown"


async def test_a_deleted_identity_is_unknown_with_its_picture(house: Stack) -> None:
    who = uuid4()
    create = CreateIdentity(identity=who, name="Ada", hours=WorkingHours(zone="UTC"), picture=text(PNG))
    async with calling(house.folder) as calls:
        await calls.caller.send(create, by=BY, id=uuid4())
        gone = await calls.caller.send(DeleteIdentity(identity=who), by=BY, id=uuid4())
        with pytest.raises(Refused) as of_view:
            await calls.caller.ask(GetIdentity(identity=who), by=BY, seen=[gone.position])
        with pytest.raises(Refused) as of_picture:
            await calls.caller.ask(GetPicture(identity=who), by=BY, seen=[gone.position])
        for told in (of_view, of_picture):
            assert (told.value.code, told.value.status) == ("identity.unknown", 404)
