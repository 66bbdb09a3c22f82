"""What all contexts kept together until each had its own: pointers to parked messages, and blobs.

Each way is gone at the next start after the last of it was handed out. Cut short, it goes on there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterable
from typing import Final

import structlog
from heraldry.chassis.bus import border, rights
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.stdlib.get_logger(__name__)

POINTERS: Final = "PARKED"
BLOBS: Final = "OBJ_BLOBS"
CHUNKS, NAMES = "$O.BLOBS.C.", "$O.BLOBS.M."


class _Name(BaseModel):
    """What the object store says of a blob, under its name."""

    model_config = ConfigDict(extra="allow")

    name: str
    bucket: str
    nuid: str
    deleted: bool = False


async def set_aside_pointers(js: JetStreamContext) -> int | None:
    """As `set_aside_blobs`."""
    return await _set_aside(js, POINTERS, "heraldry.parked-before")


async def set_aside_blobs(js: JetStreamContext) -> int | None:
    """Have the stream give up its subjects and its budget: how many bytes there are; None if there is no such stream."""
    return await _set_aside(js, BLOBS, "heraldry.blobs-before")


async def hand_out_pointers(js: JetStreamContext) -> None:
    """Each goes to its context's stream, doubled at most once."""
    async for raw in _messages(js, POINTERS, ">"):
        await js.publish(rights.written(raw.subject or ""), raw.data or b"")
        await js.delete_msg(POINTERS, raw.seq or 0)
    await js.delete_stream(POINTERS)
    log.info("parked messages moved to the streams of their contexts")


async def hand_out_blobs(js: JetStreamContext) -> None:
    """Each goes to the store of the context that named it, its pieces first; what nobody named is left behind."""
    moved = 0
    async for raw in _messages(js, BLOBS, f"{NAMES}>"):
        moved += await _hand_out(js, raw)
        await js.delete_msg(BLOBS, raw.seq or 0)
    await js.delete_stream(BLOBS)
    log.info("blobs moved to the stores of their contexts", blobs=moved)


async def put_blobs_before(js: JetStreamContext, blobs: Iterable[tuple[str, bytes]]) -> None:
    """Put what a backup of that time holds, subject and data, where it stood; `ensure` hands it out."""
    config = api.StreamConfig(
        name=BLOBS,
        subjects=[rights.written(f"{CHUNKS}>"), rights.written(f"{NAMES}>")],
        subject_transform=api.SubjectTransform(f"{rights.WRITTEN}.>", ">"),
        allow_direct=True,
        allow_rollup_hdrs=True,
    )
    await border.add_stream(js, config)
    for subject, data in blobs:
        await js.publish(rights.written(subject), data, stream=BLOBS)


async def _hand_out(js: JetStreamContext, raw: api.RawStreamMsg) -> bool:
    try:
        told = _Name.model_validate_json(raw.data or b"")
    except ValidationError:
        log.warning("a blob's name cannot be read", subject=raw.subject)
        return False
    context = told.name.partition(".")[0]
    if told.deleted or context not in rights.KEEPERS:
        return False
    store = f"$O.{rights.blob_store(context)}"
    pieces = f"{store}.C.{told.nuid}"
    await js.purge_stream(rights.blob_stream(context), subject=pieces)  # of a try that was cut short
    async for piece in _messages(js, BLOBS, f"{CHUNKS}{told.nuid}"):
        await js.publish(rights.written(pieces), piece.data or b"")
    await js.publish(
        rights.written(f"{store}.M.{(raw.subject or '').removeprefix(NAMES)}"),
        told.model_copy(update={"bucket": rights.blob_store(context)}).model_dump_json().encode(),
        headers={api.Header.ROLLUP: "sub"},
    )
    return True


async def _messages(js: JetStreamContext, stream: str, subject: str) -> AsyncIterator[api.RawStreamMsg]:
    sequence = 0
    while True:
        try:
            raw = await js.get_msg(stream, seq=sequence + 1, subject=subject, next=True)
        except NotFoundError:
            return
        yield raw
        sequence = raw.seq or 0


async def _set_aside(js: JetStreamContext, stream: str, subject: str) -> int | None:
    try:
        found = await js.stream_info(stream)
    except NotFoundError:
        return None
    kept = found.state.bytes
    budget = max(kept, 1)
    await border.update_stream(js, dataclasses.replace(found.config, subjects=[subject], max_bytes=budget))
    return kept
