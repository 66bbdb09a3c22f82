"""What the identity context keeps from strangers: on the bus, on the disk, in the logs."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from heraldry.chassis.testing.bus import eventually, messages
from heraldry.chassis.testing.callers import calling, rows_of
from heraldry.chassis.testing.stack import Stack
from heraldry.contracts import identity as contract
from heraldry.contracts.base import By, Query, Refused
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ChangeLikingsOptOut,
    ChangeProfilePicture,
    ChangeWorkingHours,
    ContactDetails,
    CreateIdentity,
    DeleteIdentity,
    GetIdentity,
    GetPicture,
    IdentityCommand,
    ListIdentities,
    MapCrmUser,
    RenameIdentity,
    WorkingHours,
)

pytestmark = pytest.mark.parts
IDENTITY_ONLY = {
    "HERALDRY_SERVICES": "identity=heraldry.identity.service:main,"
    "linkedin-driver=heraldry.linkedin_driver.service:main"
}
OURS, THEIRS = By(organization=uuid4(), actor="user:ada"), By(organization=uuid4(), actor="user:eve")
NOBODYS = By(organization=None, actor="system:gateway")
UTC_HOURS = WorkingHours(zone="UTC")
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"PixelsOfAdasFace").decode()
NAME, RENAMED = "Quendolina Firstname", "Quendolina Renamed"
DETAILS = ContactDetails(
    first_name="Quendolinafirst",
    last_name="Quendolinalast",
    job_title="Quendolinajob",
    email="quendolina@private.example",
    linkedin_url="https://www.linkedin.com/in/quendolinaprofile",
    meeting_url="https://meet.example/quendolinaroom",
    phone="+46700424242",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("secrets") / "data"
    with Stack.running(folder, sandbox=False, env=IDENTITY_ONLY) as stack:
        yield stack


def commands(who: UUID) -> Mapping[type[IdentityCommand], IdentityCommand]:
    return {
        type(one): one
        for one in (
            CreateIdentity(identity=who, name="Mine", hours=UTC_HOURS, picture=PICTURE),
            RenameIdentity(identity=who, name="Mine"),
            ChangeContactDetails(identity=who, details=ContactDetails(first_name="Mine")),
            ChangeProfilePicture(identity=who, picture=PICTURE),
            ChangeWorkingHours(identity=who, hours=WorkingHours(zone="Europe/Stockholm")),
            ChangeLikingsOptOut(identity=who, opted_out=True),
            MapCrmUser(identity=who, crm_user="mine"),
            DeleteIdentity(identity=who),
        )
    }


def every(base: type[Any]) -> set[type[Any]]:
    """What the contract has of this kind, so that nothing new is forgotten here."""
    found = {kind for _, kind in inspect.getmembers(contract, inspect.isclass) if issubclass(kind, base)}
    return {kind for kind in found if kind not in {IdentityCommand, Query} and "[" not in kind.__name__}


async def test_another_organization_s_identity_does_not_exist_for_any_command_or_query(house: Stack) -> None:
    who = uuid4()
    asked = commands(who)
    assert set(asked) == every(IdentityCommand)
    assert {GetIdentity, GetPicture, ListIdentities} == every(Query)
    async with calling(house.folder) as calls:
        create = CreateIdentity(identity=who, name="Ours", hours=UTC_HOURS)
        made = await calls.caller.send(create, by=OURS, id=uuid4())
        stored = rows_of(house.folder, "identity")
        blobs = (await calls.js.stream_info("OBJ_BLOBS_identity")).state.messages
        for command in asked.values():
            with pytest.raises(Refused) as refusal:
                await calls.caller.send(command, by=THEIRS, id=uuid4())
            assert (refusal.value.code, refusal.value.status) == ("identity.unknown", 404), command
            with pytest.raises(Refused) as refusal:
                await calls.caller.send(command, by=NOBODYS, id=uuid4())
            assert refusal.value.status == 403
        for by in (THEIRS, NOBODYS):
            with pytest.raises(Refused) as of_view:
                await calls.caller.ask(GetIdentity(identity=who), by=by, seen=[made.position])
            with pytest.raises(Refused) as of_picture:
                await calls.caller.ask(GetPicture(identity=who), by=by, seen=[made.position])
            for told in (of_view, of_picture):
                assert (told.value.code, told.value.status) == ("identity.unknown", 404)
            assert await calls.caller.ask(ListIdentities(), by=by, seen=[made.position]) == ()
        assert rows_of(house.folder, "identity") == stored
        assert (await calls.js.stream_info("OBJ_BLOBS_identity")).state.messages == blobs, (
            "a stranger left a picture"
        )
        assert (await calls.caller.ask(GetIdentity(identity=who), by=OURS)).name == "Ours"


async def test_a_stranger_and_a_typing_error_get_the_same_answer(house: Stack) -> None:
    async with calling(house.folder) as calls:
        told: list[tuple[str, str]] = []
        ours = uuid4()
        await calls.caller.send(
            CreateIdentity(identity=ours, name="Ours", hours=UTC_HOURS), by=OURS, id=uuid4()
        )
        for who in (ours, uuid4()):
            with pytest.raises(Refused) as refusal:
                await calls.caller.send(RenameIdentity(identity=who, name="Mine"), by=THEIRS, id=uuid4())
            told.append((refusal.value.code, refusal.value.detail))
        assert told[0] == told[1]


async def test_a_position_that_is_none_is_refused_politely(house: Stack) -> None:
    async with calling(house.folder) as calls:
        with pytest.raises(Refused) as refusal:
            await calls.caller.ask(ListIdentities(), by=OURS, seen=["not a position"])
        assert (refusal.value.code, refusal.value.status) == ("position.malformed", 422)


async def test_no_name_no_detail_and_no_picture_is_in_a_byte_of_store_or_log(house: Stack) -> None:
    who = uuid4()
    async with calling(house.folder) as calls:
        for command in (
            CreateIdentity(identity=who, name=NAME, details=DETAILS, hours=UTC_HOURS, picture=PICTURE),
            RenameIdentity(identity=who, name=RENAMED),
            ChangeContactDetails(identity=who, details=DETAILS.model_copy(update={"phone": "+46700434343"})),
        ):
            last = await calls.caller.send(command, by=OURS, id=uuid4())
        bad = DETAILS.model_copy(update={"email": "quendolina at private.example"})
        with pytest.raises(Refused):  # a refusal's input must not be logged either
            await calls.caller.send(ChangeContactDetails(identity=who, details=bad), by=OURS, id=uuid4())
        view = await calls.caller.ask(GetIdentity(identity=who), by=OURS, seen=[last.position])
        assert (view.name, view.details.job_title) == (RENAMED, "Quendolinajob")

        async def published() -> bool:
            found = await messages(calls.js, f"heraldry.events.*.identity.{who}.>")
            return len(found) == 3 and b"Quendolina Firstname" in orjson.dumps(found[0].body)

        await eventually(published, "subscribers are told what the store keeps to itself")
    files = [
        *(house.folder / "store").rglob("*"),
        *(house.folder / "logs").rglob("*"),
        *(house.folder / "run").rglob("*"),
        house.log,
        house.output,
    ]
    kept = {path: path.read_bytes() for path in files if path.is_file()}
    assert str(who).encode() in kept[house.folder / "store" / "identity.sqlite3-wal"]
    assert [str(path) for path, content in kept.items() if b"quendolina" in content.lower()] == []
    assert [str(path) for path, content in kept.items() if b"+467004" in content] == []
    every_file = {path: path.read_bytes() for path in _files(house.folder)}
    faces = [str(path) for path, content in every_file.items() if b"PixelsOfAdasFace" in content]
    assert faces == [], "a picture is encrypted wherever it is kept"


async def test_no_password_of_the_bus_is_in_a_log(house: Stack) -> None:
    passwords: Mapping[str, str] = orjson.loads((house.folder / "keys" / "nats.json").read_bytes())[
        "passwords"
    ]
    logs = [*(house.folder / "logs").rglob("*"), house.log, house.output]
    text = b"".join(path.read_bytes() for path in logs if path.is_file())
    assert [user for user, password in passwords.items() if password.encode() in text] == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
