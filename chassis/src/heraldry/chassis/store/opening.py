"""The store of a context, as the settings name it: SQLite in the data folder, or KurrentDB at an address."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from heraldry.chassis.settings import Settings
from heraldry.chassis.store import folder
from heraldry.chassis.store.address import Address, parse
from heraldry.chassis.store.port import START, EventStore, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from heraldry.chassis.store.kurrent import KurrentStore

PATIENCE: Final = 10.0  # seconds for the first events of another replica to be published
Published = Callable[[str], Awaitable[bool]]


class StoreNotOursError(StoreUnavailableError):
    """The store is there, and it is another installation's. The text begins with a stable code."""


async def open_store(settings: Settings, context: str, *, published: Published | None = None) -> EventStore:
    """Open the log of a context; `close` it in the end.

    `published`: whether this installation's bus has seen anything of an epoch. A folder without a note about its
    store (a new replica's, say) is used with a log that holds events only if it has. Raises StoreUnavailableError,
    StoreNotOursError, StoreAddressError.
    """
    where = address_of(settings, context)
    if where is None:
        file = folder.file_of(settings.data, context)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteStore(file)
    os.environ.setdefault(
        "GRPC_VERBOSITY", "ERROR"
    )  # it would write beside the log; read when it is imported
    from heraldry.chassis.store.kurrent import KurrentStore  # noqa: PLC0415  a third of a second, and threads

    store = await KurrentStore.open(where, context, mode=settings.mode)
    try:
        await _require_ours(settings, context, store, where.shown, published)
    except BaseException:
        await store.close()
        raise
    return store


def address_of(settings: Settings, context: str) -> Address | None:
    """Where the log is; None for the SQLite file in the data folder.

    Raises StoreAddressError for what is no address, StoreNotOursError where the folder is of the other kind.
    """
    url = settings.store_url.get_secret_value()
    if wrong := folder.wrong_kind(settings.data, url, (context,)):
        raise StoreNotOursError(": ".join(wrong))
    if not url:
        return None
    return parse(url, context, user=settings.store_user, password=settings.store_password.get_secret_value())


async def _require_ours(
    settings: Settings, context: str, store: KurrentStore, shown: str, published: Published | None
) -> None:
    if store.opened.mode != settings.mode:
        raise StoreNotOursError(
            f"store.other-mode: the log of {context} at {shown} is of a {store.opened.mode} installation, and this is"
            f" a {settings.mode} one. Name another server, or start the other kind."
        )
    try:
        note = folder.note_of(settings.data, context)
    except ValueError as error:
        raise StoreNotOursError(
            f"store.note-damaged: the note of {settings.data} about the store of {context} cannot be read."
            " If this is the right server, remove it: it is written anew."
        ) from error
    if note is not None and note.epoch not in store.opened.epochs:
        raise StoreNotOursError(
            f"store.other-store: {settings.data} belongs to another log of {context} than the one at {shown} (it was"
            f" made with {note.address}). Start it with the address it had, or choose another folder with --data."
        )
    if note is None and published is not None and not await _known(store, published):
        raise StoreNotOursError(
            f"store.not-ours: {shown} already holds a log of {context}, and the bus of this installation knows nothing"
            " of it: its keys open nothing there. Name the server of this installation, or an empty one."
        )
    if note is None or note.epoch != store.epoch:
        folder.write(settings.data, context, folder.Note(store.epoch, shown))


async def _known(store: KurrentStore, published: Published) -> bool:
    until = monotonic() + PATIENCE
    while not store.opened.made and await store.head() != START:
        if await published(store.epoch):
            return True
        if monotonic() > until:
            return False
        await asyncio.sleep(0.5)
    return True
