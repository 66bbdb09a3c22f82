"""`kurrentdbclient` as the store uses it: tries again what may pass, and says in words what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeVar

import grpc
from grpc.aio import UsageError
from heraldry.chassis.store.address import Address, StoreAddressError
from heraldry.chassis.store.port import NO_STREAM, OutcomeUnknownError, StoreUnavailableError
from heraldry.chassis.tasks import check_cancelled
from kurrentdbclient import AsyncKurrentDBClient, NewEvent, RecordedEvent, StreamState
from kurrentdbclient.common import AbstractAsyncCatchupSubscription
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    BadRequestError,
    DiscoveryFailedError,
    InvalidCommitPositionError,
    KurrentDBClientError,
    MaximumAppendSizeExceededError,
    NodeIsNotLeaderError,
    NotFoundError,
    ServiceUnavailableError,
    SSLError,
    StreamIsDeletedError,
    UnauthenticatedError,
)

T = TypeVar("T")
ANSWER: Final = 3.0  # seconds for one append
READ: Final = 20.0  # seconds for one page, or one stream
WINDOW: Final = 1000  # events the server looks through at once
PAUSES: Final = (0.05, 0.2, 0.5, 1.0)  # seconds between two tries
_FOR_GOOD: Final = (
    AccessDeniedError,
    UnauthenticatedError,
    SSLError,
    StreamIsDeletedError,
    MaximumAppendSizeExceededError,
    BadRequestError,
)
_NEVER_CONNECTED: Final = ("failed to connect to all addresses", "name resolution", "DNS")
_NEVER_BEGUN: Final = (
    "Server Is Not Ready",
    "Server Is Busy",
    "Server Is Too Busy",
    "No leader info available",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the store cannot be used now. The text begins with a stable code and names no password."""

    text: str
    nothing_sent: bool

    def unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError(self.text)

    def unknown(self) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"{self.text} Whether the events were stored is not known; the stream will tell."
        )


class Client(AsyncKurrentDBClient):
    """A connection to the server, or to the leader of the cluster, as the user of `address`."""

    def __init__(self, address: Address) -> None:
        self._as, self._left = address, False
        try:
            super().__init__(uri=address.uri)
        except OSError as error:
            raise StoreAddressError(f"names {error.filename}, which cannot be read") from error
        except ValueError as error:
            reason = str(error).replace(address.uri, address.shown)
            raise StoreAddressError(f"is refused by the client: {reason}") from error
        self.grpc_options += (
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.min_reconnect_backoff_ms", 3000),  # how long one try to connect may take
        )

    @property
    def shown(self) -> str:
        return self._as.shown

    def construct_call_credentials(
        self,
        username: str | None,  # noqa: ARG002  the address of the client names nobody
        password: str | None,  # noqa: ARG002  likewise
    ) -> grpc.CallCredentials | None:
        return super().construct_call_credentials(self._as.user, self._as.password)

    async def leave(self) -> None:
        """Let the connection go. Whoever still asks is told that the store is closed."""
        if not self._left:
            self._left = True
            if self._connection is not None:
                await self.close()

    async def append_once(self, stream: str, events: Sequence[NewEvent], expected: int) -> int:
        """Append without trying again: who calls must know whether something was sent."""
        self._require_open()
        await self.connect()
        return await self.connection.streams.batch_append(  # pyright: ignore[reportUnknownMemberType]  grpc has no types
            stream,
            StreamState.NO_STREAM if expected == NO_STREAM else expected,
            events,
            timeout=ANSWER,
            metadata=self._call_metadata,
            credentials=self._call_credentials,
        )

    async def read_log(
        self,
        prefix: str,
        position: int | None,
        *,
        limit: int,
        most: int | None = None,
        backwards: bool = False,
    ) -> Sequence[RecordedEvent]:
        """Events of streams that begin with `prefix`, from `position` on (None: from the end, backwards)."""
        found: list[RecordedEvent] = []
        size = 0
        reading = await self.read_all(
            commit_position=position,
            backwards=backwards,
            filter_include=(prefix,),
            filter_by_stream_name=True,
            filter_by_prefix=True,
            limit=limit,
            timeout=READ,
        )
        async with reading:
            async for one in reading:
                found.append(one)
                size += len(one.data) + len(one.metadata)
                if most is not None and size > most:
                    break
        return found

    async def follow(self, prefix: str, position: int) -> AbstractAsyncCatchupSubscription:
        return await self.subscribe_to_all(
            commit_position=position,
            filter_include=(prefix,),
            filter_by_stream_name=True,
            filter_by_prefix=True,
            include_checkpoints=True,
            window_size=WINDOW,
            checkpoint_interval_multiplier=1,
        )

    async def patiently(self, work: Callable[[], Awaitable[T]], patience: float) -> T:
        """Do what stores nothing, or may be repeated, until it succeeds or `patience` seconds are over.

        Raises StoreUnavailableError, InvalidCommitPositionError, NotFoundError.
        """
        until, tries = monotonic() + patience, 0
        while True:
            self._require_open()
            try:
                return await work()
            except NotFoundError:
                raise
            except (KurrentDBClientError, grpc.RpcError, UsageError, asyncio.CancelledError) as error:
                check_cancelled()
                if _names_no_event(error):
                    raise InvalidCommitPositionError from error
                if not passes(error) or monotonic() > until:
                    raise self.problem(error).unavailable() from error
                await self.again(error, PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1

    async def again(self, error: BaseException, pause: float) -> None:
        """Wait a moment; in a cluster, then look for its leader."""
        await asyncio.sleep(pause)
        lost = isinstance(error, ServiceUnavailableError | NodeIsNotLeaderError | UsageError)
        if self._as.cluster and lost and not self._left and self._connection is not None:
            with suppress(KurrentDBClientError):
                await self.reconnect(connection_id=self.connection_id)

    def _require_open(self) -> None:
        if self._left:
            raise StoreUnavailableError("store.closed: the store was closed. Nothing was stored.")

    def problem(self, error: BaseException) -> Problem:
        """What to say of an error, and whether it is certain that nothing was sent."""
        match error:
            case StoreUnavailableError():
                return Problem(str(error), nothing_sent=True)
            case UnauthenticatedError():
                code, what = "store.wrong-password", "does not know this user with this password"
            case AccessDeniedError():
                code, what = "store.access-denied", "does not let this user read or write these streams"
            case SSLError():
                code, what = "store.tls", "has a certificate that is not trusted; name its CA with TlsCaFile="
            case NodeIsNotLeaderError():
                code = "store.not-leader"
                what = "is not the leader of its cluster; name all its servers, or use kdb+discover://"
            case StreamIsDeletedError():
                code, what = "store.stream-deleted", "has lost a stream of the log: somebody deleted it"
            case MaximumAppendSizeExceededError():
                code, what = (
                    "store.append-too-large",
                    "takes less at once than 1 MiB; raise its MaxAppendSize",
                )
            case DiscoveryFailedError():
                code, what = "store.no-leader", "has no leader, or none of its servers answers"
            case _:
                code, what = "store.unreachable", f"cannot be used now ({type(error).__name__})"
        said = str(error) if isinstance(error, KurrentDBClientError) else ""
        signs = _NEVER_CONNECTED if isinstance(error, ServiceUnavailableError) else ()
        certain = isinstance(error, (*_FOR_GOOD, NodeIsNotLeaderError, DiscoveryFailedError)) or any(
            sign in said for sign in (*signs, *_NEVER_BEGUN)
        )
        return Problem(f"{code}: KurrentDB at {self.shown} {what}.", nothing_sent=certain)


def _names_no_event(error: BaseException) -> bool:
    """A position at which no event begins; the server's answer depends on its release."""
    return isinstance(error, InvalidCommitPositionError) or (
        isinstance(error, KurrentDBClientError) and "invalid position" in str(error)
    )


def passes(error: BaseException) -> bool:
    """Whether it may go over by itself."""
    return not isinstance(error, _FOR_GOOD)
