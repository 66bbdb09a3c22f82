"""Following a stream live, in order and without gaps, with the few rights a service has."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.tasks import check_cancelled, end
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

log = structlog.stdlib.get_logger(__name__)

HEARTBEAT = 1.0  # seconds: the server says that it is there
SILENCE = 2.5  # seconds without a word: the consumer is made anew
PAUSE = 0.2  # seconds between two tries
HELD = 30.0  # seconds the server keeps a consumer nobody listens to


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a stream."""

    subject: str
    sequence: int
    data: bytes
    headers: Mapping[str, str]
    time: datetime  # when the server stored it


class Follower:
    """Hands every message that matches `subject` to `handle`, oldest first, each once, as they come.

    nats-py's ordered consumer is made on an API subject without the filter in it, which would have to be
    granted for the whole stream; this one names its filter where the server compares it with the rights.
    `newest_only` begins with the last message of each subject. `handle` is called in the event loop and must
    not raise.
    """

    def __init__(
        self,
        nc: Client,
        stream: str,
        subject: str | tuple[str, ...],
        handle: Callable[[Entry], None],
        *,
        newest_only: bool = False,
        after: int = 0,
    ) -> None:
        self._nc, self._stream, self._subject, self._handle = nc, stream, subject, handle
        self._newest_only = newest_only
        self._last = after
        self._heard = time.monotonic()
        self._caught_up = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, deadline: float = 30.0) -> None:
        """Begin; return when all there is now was handled. Raises TimeoutError after `deadline` seconds."""
        self._task = asyncio.create_task(self._run(), name=f"follow {self._subject}")
        try:
            async with asyncio.timeout(deadline):
                await self._caught_up.wait()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        self._stopping = True
        await end(self._task)

    @property
    def silent_for(self) -> float:
        """Seconds since the server was last heard: how old what we know may be (a live one is below 2.5)."""
        return time.monotonic() - self._heard

    async def _run(self) -> None:
        while not self._stopping:
            check_cancelled()
            if self._nc.is_connected:
                try:
                    await self._session()
                except (NatsError, TimeoutError) as error:
                    log.info("following again", stream=self._stream, because=type(error).__name__)
            await asyncio.sleep(PAUSE)

    async def _session(self) -> None:
        inbox = self._nc.new_inbox()
        subscription = await border.subscribe(self._nc, inbox)
        try:
            info = await border.add_consumer(border.jetstream(self._nc), self._stream, self._config(inbox))
            if not info.num_pending:
                self._caught_up.set()
            self._heard = time.monotonic()
            await self._receive(subscription)
        finally:
            if not self._nc.is_closed:
                with contextlib.suppress(NatsError):
                    await subscription.unsubscribe()

    async def _receive(self, subscription: Subscription) -> None:
        """Until a gap shows: then the caller begins again behind the last message handled."""
        delivered = 0
        while True:
            message = await subscription.next_msg(timeout=SILENCE)
            headers: Mapping[str, str] = message.headers or {}
            self._heard = time.monotonic()
            if "Status" in headers:
                if int(headers.get("Nats-Last-Consumer", delivered)) != delivered:
                    return
                continue
            metadata = message.metadata
            delivered += 1
            if metadata.sequence.consumer != delivered:
                return
            self._take(message, headers)
            if metadata.num_pending == 0:
                self._caught_up.set()

    def _take(self, message: Msg, headers: Mapping[str, str]) -> None:
        metadata = message.metadata
        self._last = metadata.sequence.stream
        try:
            self._handle(
                Entry(message.subject, metadata.sequence.stream, message.data, headers, metadata.timestamp)
            )
        except Exception as error:  # noqa: BLE001  one entry nobody can read must not keep the others from us
            # without its traceback: the values in it may be keys
            log.error("entry not understood", stream=self._stream, sequence=self._last, detail=str(error))  # noqa: TRY400

    def _config(self, inbox: str) -> ConsumerConfig:
        config = ConsumerConfig(
            name=f"follow_{secrets.token_hex(12)}",
            filter_subject=self._subject if isinstance(self._subject, str) else None,
            filter_subjects=None if isinstance(self._subject, str) else list(self._subject),
            deliver_subject=inbox,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=HEARTBEAT,
            inactive_threshold=HELD,
            mem_storage=True,
            num_replicas=1,
        )
        if self._last:
            return dataclasses.replace(
                config, deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._last + 1
            )
        policy = DeliverPolicy.LAST_PER_SUBJECT if self._newest_only else DeliverPolicy.ALL
        return dataclasses.replace(config, deliver_policy=policy)
