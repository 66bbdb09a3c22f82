"""A data folder and its store belong together: what is not ours is neither read nor written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.folder import note_of, wrong_kind
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.opening import open_store
from heraldry.chassis.store.port import NO_STREAM, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from heraldry.chassis.testing.store_conformance import new_event

CONTEXT = "identity"


@pytest.fixture
async def server() -> AsyncIterator[KurrentStandIn]:
    async with KurrentStandIn() as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heraldry.chassis.store.opening.PATIENCE", 0.1)


def told(data: Path, url: str = "", mode: Literal["demo", "live"] = "live") -> Settings:
    return Settings.model_validate({"data": data, "store_url": url, "mode": mode})


async def never(_: str) -> bool:
    return False


async def always(_: str) -> bool:
    return True


async def used(settings: Settings) -> str:
    """Open, write one event, close; the epoch."""
    store = await open_store(settings, CONTEXT, published=never)
    head = await store.head()
    await store.append(f"{CONTEXT}.identity-{head}", [new_event()], expected=NO_STREAM)
    await store.close()
    return store.epoch


async def refused(settings: Settings, code: str) -> None:
    with pytest.raises(StoreUnavailableError) as error:
        await open_store(settings, CONTEXT, published=never)
    assert str(error.value).startswith(f"{code}: ")


async def test_without_an_address_the_log_is_a_file_in_the_folder(tmp_path: Path) -> None:
    store = await open_store(told(tmp_path), CONTEXT)
    assert isinstance(store, SqliteStore)
    assert [path.name for path in (tmp_path / "store").glob("*.sqlite3")] == ["identity.sqlite3"]
    await store.close()


async def test_a_folder_and_its_log_are_found_again(tmp_path: Path, server: KurrentStandIn) -> None:
    epoch = await used(told(tmp_path, server.uri))
    assert await used(told(tmp_path, server.uri)) == epoch
    note = note_of(tmp_path, CONTEXT)
    assert note is not None
    assert (note.epoch, "Tls" in note.address) == (epoch, False)
    assert not list((tmp_path / "store").glob("*.sqlite3"))


async def test_a_folder_is_not_used_with_another_log_than_its_own(
    tmp_path: Path, server: KurrentStandIn
) -> None:
    await used(told(tmp_path / "one", server.uri))
    async with KurrentStandIn() as other:
        await refused(told(tmp_path / "one", other.uri), "store.other-store")
    await refused(told(tmp_path / "one"), "store.address-missing")
    await used(told(tmp_path / "two"))
    await refused(told(tmp_path / "two", server.uri), "store.folder-has-its-own")


async def test_a_new_folder_is_not_used_with_somebody_s_log(tmp_path: Path, server: KurrentStandIn) -> None:
    await used(told(tmp_path / "theirs", server.uri))
    await refused(told(tmp_path / "mine", server.uri), "store.not-ours")
    assert note_of(tmp_path / "mine", CONTEXT) is None


async def test_a_new_replica_is_known_by_its_bus(tmp_path: Path, server: KurrentStandIn) -> None:
    epoch = await used(told(tmp_path / "first", server.uri))
    store = await open_store(told(tmp_path / "second", server.uri), CONTEXT, published=always)
    assert isinstance(store, KurrentStore)
    assert (store.epoch, await store.head() > 0) == (epoch, True)
    await store.close()


async def test_a_log_in_which_nothing_stands_is_anybody_s(tmp_path: Path, server: KurrentStandIn) -> None:
    first = await open_store(told(tmp_path / "first", server.uri), CONTEXT, published=never)
    await first.close()
    second = await open_store(told(tmp_path / "second", server.uri), CONTEXT, published=never)
    assert second.epoch == first.epoch
    await second.close()


async def test_a_demo_and_a_real_installation_never_share_a_log(
    tmp_path: Path, server: KurrentStandIn
) -> None:
    await used(told(tmp_path / "live", server.uri))
    await refused(told(tmp_path / "demo", server.uri, "demo"), "store.other-mode")


async def test_a_damaged_note_is_said(tmp_path: Path, server: KurrentStandIn) -> None:
    await used(told(tmp_path, server.uri))
    (tmp_path / "store" / "identity.kurrentdb.json").write_text("{}")
    await refused(told(tmp_path, server.uri), "store.note-damaged")


async def test_what_the_supervisor_is_told_before_it_starts_anything(
    tmp_path: Path, server: KurrentStandIn
) -> None:
    assert wrong_kind(tmp_path, "") is None
    assert wrong_kind(tmp_path, server.uri) is None
    await used(told(tmp_path, server.uri))
    assert wrong_kind(tmp_path, server.uri) is None
    found = wrong_kind(tmp_path, "")
    assert found is not None
    assert (found[0], "identity" in found[1]) == ("store.address-missing", True)
