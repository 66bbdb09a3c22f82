"""The streams, buckets and the object store: made once by the operator, looked for by every service."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import structlog
from heraldry.chassis.bus import border, rights, shared
from heraldry.contracts.subjects import parked_stream
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
    SubjectTransform,
)
from nats.js.errors import APIError, NotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.stdlib.get_logger(__name__)

MIB = 1024 * 1024
GIB = 1024 * MIB
DAY = 86_400.0
NAME_IN_USE = 10058  # the server's code: a stream of this name has another configuration


class ProvisionError(Exception):
    """The server is not as the product needs it; the text says what differs and what to do."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Bytes each stream may take. At its budget a stream refuses what is new, and loses nothing it has."""

    events: int = 16 * GIB
    keys: int = 256 * MIB
    parked: int = 64 * MIB  # of each context
    vault: int = 256 * MIB
    small: int = 64 * MIB  # each of CLOCK, SESSIONS, THROTTLES, REQUESTS, HALT, LEASES, CHECKPOINTS
    blobs: int = 4 * GIB  # of each context that keeps any
    replicas: int = 1


class _JetStreamState(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sync_always: bool = False


class _JetStream(BaseModel):
    model_config = ConfigDict(extra="ignore")

    config: _JetStreamState | None = None


class _ServerData(BaseModel):
    model_config = ConfigDict(extra="ignore")

    server_name: str = ""
    jetstream: _JetStream | None = None


class _ServerState(BaseModel):
    """The part of the server's answer to $SYS.REQ.SERVER.PING.VARZ that is needed."""

    model_config = ConfigDict(extra="ignore")

    data: _ServerData


def streams(budgets: Budgets) -> tuple[StreamConfig, ...]:
    """Every stream as it must be. Their names and subjects are storage formats."""
    small = budgets.small
    return (
        _stream(
            rights.EVENTS,
            ("heraldry.events.>", "heraldry.internal.>", "heraldry.relay.>"),
            budgets.events,
            budgets,
            allow_atomic=True,
        ),
        _stream(rights.KEYS, ("heraldry.keys.>",), budgets.keys, budgets),
        *(
            _stream(parked_stream(context), (f"heraldry.parked.{context}.>",), budgets.parked, budgets)
            for context in rights.CONTEXTS
        ),
        _bucket("VAULT", budgets.vault, budgets),
        _bucket("CLOCK", small, budgets),
        _bucket("SESSIONS", small, budgets, lifetime=31 * DAY),
        _bucket("THROTTLES", small, budgets, lifetime=DAY),
        _bucket("REQUESTS", small, budgets, lifetime=DAY),
        _bucket("HALT", small, budgets, history=16),
        _bucket("LEASES", small, budgets, lifetime=600.0),
        *(_blobs(context, budgets) for context in rights.KEEPERS),
        _bucket("CHECKPOINTS", small, budgets),  # the last one: every service may ask for it
    )


async def ensure(js: JetStreamContext, budgets: Budgets | None = None) -> None:
    """Make what is missing and grow what has become larger; nothing is ever shrunk or changed otherwise.

    Idempotent, and safe when several processes do it at once. Needs the operator's rights. Raises
    ProvisionError if a stream there differs in something else, with the name of the difference.
    """
    budgets = budgets or Budgets()
    pointers, blobs = await shared.set_aside_pointers(js), await shared.set_aside_blobs(js)
    for wanted in streams(dataclasses.replace(budgets, blobs=max(budgets.blobs, 2 * (blobs or 0)))):
        await _ensure(js, wanted)
    if pointers is not None:
        await shared.hand_out_pointers(js)
    if blobs is not None:
        await shared.hand_out_blobs(js)


async def wait_until_ready(nc: Client, deadline: float = 30.0) -> None:
    """For a service: return when the streams are there and the server writes what it acknowledges to disk.

    Waits at most `deadline` seconds. Raises ProvisionError with what is still wrong then.
    """
    js = border.jetstream(nc)
    problem = "the server does not answer"
    try:
        async with asyncio.timeout(deadline):
            while True:
                try:
                    await js.stream_info(rights.EVENTS)
                    await js.stream_info("KV_CHECKPOINTS")  # the last one `ensure` makes
                    await assert_synchronous(nc)
                except NotFoundError:
                    problem = "the streams have not been made: is the supervisor running?"
                except NatsError as error:
                    problem = f"the server does not answer as expected ({type(error).__name__})"
                else:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise ProvisionError(f"NATS is not ready after {deadline:g} s: {problem}") from error


async def assert_synchronous(nc: Client) -> None:
    """Raise ProvisionError unless the server says that it syncs every write (`sync_interval: always`).

    The server is asked itself (its VARZ through an import of the system account), not its configuration
    file. In a cluster the first server to answer speaks for all: the chart gives all of them the same
    configuration.
    """
    answer = await nc.request(rights.SERVER_STATE, b"", timeout=2)
    try:
        state = _ServerState.model_validate_json(answer.data).data
    except ValidationError as error:
        raise ProvisionError(
            "The NATS server describes itself in a way this release does not know."
        ) from error
    config = state.jetstream.config if state.jetstream else None
    if config is None or not config.sync_always:
        raise ProvisionError(
            f"The NATS server {state.server_name} may lose acknowledged writes. Set"
            " `sync_interval: always` in the `jetstream` section of its configuration and start it again."
        )


async def _ensure(js: JetStreamContext, wanted: StreamConfig) -> None:
    name = str(wanted.name)
    found = await _info(js, name)
    if found is None:
        try:
            await border.add_stream(js, wanted)
        except APIError as error:
            if error.err_code != NAME_IN_USE:
                raise ProvisionError(f"The stream {name} cannot be made: {error.description}") from error
            found = await js.stream_info(name)  # another process made it meanwhile, with a budget of its own
        else:
            log.info("stream made", stream=name, max_bytes=wanted.max_bytes)
            return
    config = found.config
    if not _differences(config, _before(wanted)):
        config = (await border.update_stream(js, _listening(config, wanted))).config
        log.info("stream listens where no answer is written", stream=name)
    if differing := _differences(config, wanted):
        raise ProvisionError(
            f"The stream {name} differs from what this release needs in {', '.join(differing)}."
            " It was changed by hand or belongs to another product: nothing was touched."
        )
    larger = max(config.max_bytes or 0, wanted.max_bytes or 0)
    if larger != config.max_bytes:
        await border.update_stream(js, dataclasses.replace(config, max_bytes=larger))
        log.info("stream grown", stream=name, before=config.max_bytes, max_bytes=larger)


async def _info(js: JetStreamContext, name: str) -> StreamInfo | None:
    try:
        return await js.stream_info(name)
    except NotFoundError:
        return None


def _before(wanted: StreamConfig) -> StreamConfig:
    """The stream as it was when whoever asked JetStream for something could have the answer written into it."""
    rollups = str(wanted.name).startswith(("KV_", "OBJ_"))
    return dataclasses.replace(
        wanted, subjects=_kept(wanted), subject_transform=None, allow_rollup_hdrs=rollups
    )


def _listening(found: StreamConfig, wanted: StreamConfig) -> StreamConfig:
    return dataclasses.replace(
        found,
        subjects=wanted.subjects,
        subject_transform=wanted.subject_transform,
        allow_rollup_hdrs=wanted.allow_rollup_hdrs,
    )


def _kept(config: StreamConfig) -> list[str]:
    """The subjects under which a stream keeps what it hears."""
    return [subject.removeprefix(f"{rights.WRITTEN}.") for subject in config.subjects or ()]


def _differences(found: StreamConfig, wanted: StreamConfig) -> list[str]:
    def told(config: StreamConfig) -> Mapping[str, object]:
        document = cast("dict[str, object]", json.loads(json.dumps(config.as_dict())))
        return {name: document.get(name) or None for name in COMPARED}

    have, want = told(found), told(wanted)
    return [name for name in COMPARED if have[name] != want[name]]


COMPARED = (
    "subjects",
    "subject_transform",
    "retention",
    "storage",
    "discard",
    "max_age",
    "max_msgs_per_subject",
    "allow_atomic",
    "allow_direct",
    "allow_rollup_hdrs",
)


def _stream(  # noqa: PLR0913  each names one property of a stream
    name: str,
    subjects: tuple[str, ...],
    max_bytes: int,
    budgets: Budgets,
    *,
    allow_atomic: bool = False,
    allow_rollup_hdrs: bool = False,
    history: int = -1,
    lifetime: float = 0,
) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[rights.written(subject) for subject in subjects],
        subject_transform=SubjectTransform(f"{rights.WRITTEN}.>", ">"),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=max_bytes,
        max_age=lifetime,
        max_msgs_per_subject=history,
        num_replicas=budgets.replicas,
        allow_direct=True,
        allow_atomic=allow_atomic,
        allow_rollup_hdrs=allow_rollup_hdrs,
    )


def _blobs(context: str, budgets: Budgets) -> StreamConfig:
    store = f"$O.{rights.blob_store(context)}"
    subjects = (f"{store}.C.>", f"{store}.M.>")
    return _stream(rights.blob_stream(context), subjects, budgets.blobs, budgets, allow_rollup_hdrs=True)


def _bucket(
    name: str, max_bytes: int, budgets: Budgets, *, history: int = 1, lifetime: float = 0
) -> StreamConfig:
    """A key-value bucket. Unlike those nats-py makes, single messages may be deleted: erasing needs that.

    Nor may a message say that it takes the place of all the others: contexts share buckets.
    """
    return _stream(
        f"KV_{name}",
        (f"$KV.{name}.>",),
        max_bytes,
        budgets,
        history=history,
        lifetime=lifetime,
    )
