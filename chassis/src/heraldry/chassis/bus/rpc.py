"""Commands and queries over NATS request/reply, on plain nats-py.

A request is JSON: `{"id": …, "by": {…}, "seen": […], "data": {…}}`; a reply has `accepted`, `answer` or
`problem`. Replicas of a context share a queue group. A command's id makes a repeat harmless, so the caller
repeats it by itself while its deadline lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, TypeVar, cast
from uuid import UUID

import orjson
import structlog
from heraldry.chassis import tracing
from heraldry.chassis.bus import border, rights
from heraldry.chassis.store import away
from heraldry.chassis.store.port import OutcomeUnknownError, StoreUnavailableError
from heraldry.contracts import subjects
from heraldry.contracts.base import NEWER_RELEASE, Accepted, By, Command, Problem, Query, Refused
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

log = structlog.stdlib.get_logger(__name__)

A = TypeVar("A")
C = TypeVar("C", bound=Command)
Q = TypeVar("Q", bound=BaseModel)  # a Query; Python cannot say "of any answer"
AT_ONCE: Final = 64  # requests one process works on at the same time
COMMAND_DEADLINE: Final = 10.0  # seconds a caller goes on repeating a command
QUERY_DEADLINE: Final = 5.0
ONE_TRY: Final = 4.0  # seconds one request waits for its reply
VIEW_DEADLINE: Final = 2.0  # seconds a query waits for what its caller has seen
NEWER_DEADLINE: Final = 1.0  # seconds a caller looks for a process of the newer release beside older ones
BETWEEN_TRIES: Final = 0.1
SERVER_ERROR: Final = 500
PARENT: Final = "traceparent"  # the header by which whoever answers knows the caller's span


class _Request(BaseModel):
    """What travels. A format between releases: fields are only added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    by: By
    seen: tuple[str, ...] = ()
    data: dict[str, object]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    accepted: Accepted | None = None
    answer: object = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as its handler sees it: the command's id, on whose behalf, and what the caller has seen."""

    id: UUID
    by: By
    seen: tuple[str, ...] = ()


class Reached(Protocol):
    """Says when the views a query is answered from have seen a position."""

    async def __call__(self, position: str, timeout: float) -> bool:  # noqa: ASYNC109  answers, never raises
        """Wait at most `timeout` seconds; False: not there yet. True for a log that is not followed here."""
        ...


@dataclass(frozen=True, slots=True)
class _Route:
    subject: str
    handle: Callable[[_Request], Awaitable[dict[str, object]]]


class Server:
    """Answers the commands and queries of one context. Register, `start`; `stop` finishes what it began."""

    def __init__(
        self, nc: Client, context: str, *, reached: Reached | None = None, at_once: int = AT_ONCE
    ) -> None:
        self._nc, self._context, self._reached = nc, context, reached
        self._free = asyncio.Semaphore(at_once)
        self._routes: list[_Route] = []
        self._subscriptions: list[Subscription] = []
        self._working: set[asyncio.Task[None]] = set()

    def command(self, kind: type[C], handler: Callable[[C, Asking], Awaitable[Accepted]]) -> None:
        """Have `handler` carry out commands of this type. It raises Refused to say no."""

        async def handle(request: _Request) -> dict[str, object]:
            command = _parsed(kind, orjson.dumps(request.data))
            accepted = await handler(command, Asking(request.id, request.by, request.seen))
            return {"accepted": accepted.model_dump(mode="json")}

        self._routes.append(_Route(subjects.command(self._context, kind.__name__), handle))

    def query(self, kind: type[Q], handler: Callable[[Q, Asking], Awaitable[object]]) -> None:
        """Have `handler` answer queries of this type, once the views have seen what the caller has seen."""
        adapter = _adapter(cast("type[Query[object]]", kind))  # pyright: ignore[reportGeneralTypeIssues]  Q is bound by the call

        async def handle(request: _Request) -> dict[str, object]:
            query = _parsed(kind, orjson.dumps(request.data))
            await self._wait_for(request.seen)
            answer = await handler(query, Asking(request.id, request.by, request.seen))
            return {"answer": adapter.dump_python(answer, mode="json")}

        self._routes.append(_Route(subjects.query(self._context, kind.__name__), handle))

    async def start(self) -> None:
        for route in self._routes:
            self._subscriptions.append(
                await border.subscribe(self._nc, route.subject, queue=self._context, cb=self._receiver(route))
            )

    async def stop(self, deadline: float = 4.0) -> None:
        """Take nothing new; let what was begun finish and be answered, for at most `deadline` seconds."""
        for subscription in self._subscriptions:
            if not self._nc.is_closed:
                await subscription.drain()
        self._subscriptions.clear()
        if self._working:
            await asyncio.wait(self._working, timeout=deadline)

    def _receiver(self, route: _Route) -> Callable[[Msg], Awaitable[None]]:
        async def receive(message: Msg) -> None:
            await self._free.acquire()
            task = asyncio.create_task(self._serve(route, message))
            self._working.add(task)
            task.add_done_callback(self._done)

        return receive

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._free.release()

    async def _serve(self, route: _Route, message: Msg) -> None:
        if not rights.is_asked_by_a_user(message.reply):
            log.error("a request that nobody waits for was left alone", subject=route.subject)
            return
        reply = await self._answer(route, message)
        try:
            await message.respond(orjson.dumps(reply))
        except NatsError as error:  # the caller repeats; the command's id makes that harmless
            log.warning("a reply could not be sent", subject=route.subject, error=type(error).__name__)

    async def _answer(self, route: _Route, message: Msg) -> dict[str, object]:
        try:
            request = _parsed(_Request, message.data)
        except Refused as refusal:
            return _refused(refusal.problem())
        parent = (message.headers or {}).get(PARENT, "")
        correlation = request.by.correlation
        with tracing.span(_told(route.subject), "server", correlation=correlation, parent=parent) as told:
            try:
                return await route.handle(request)
            except Exception as error:  # noqa: BLE001  whatever it is, the caller is answered
                problem = _problem(error, route.subject, correlation)
            told.tell({"heraldry.refusal": problem.code})
            if problem.status >= SERVER_ERROR:
                told.fail(problem.code)
        return _refused(problem)

    async def _wait_for(self, seen: Sequence[str]) -> None:
        if self._reached is None:
            return
        until = asyncio.get_running_loop().time() + VIEW_DEADLINE
        for position in seen:
            left = max(until - asyncio.get_running_loop().time(), 0.0)
            if not await self._reached(position, left):
                raise Refused(
                    "view.behind",
                    "What you changed last is stored but not shown yet. Try again in a moment.",
                    status=503,
                    extra={"position": position},
                )


class Caller:
    """Sends commands and asks queries; any context, as far as the process's rights allow."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def send(
        self,
        command: Command,
        *,
        by: By,
        id: UUID,  # noqa: A002  the command's id
        to: str = "",
        deadline: float = COMMAND_DEADLINE,
    ) -> Accepted:
        """Have a command carried out, repeating it under the same id for at most `deadline` seconds.

        `to` names the context where the command itself names none.

        Raises Refused: what the context says no to; `service.unavailable` (503) if nobody took it; and
        `command.unconfirmed` (503) if it may or may not have been carried out: repeating it with the same
        id is safe.
        """
        subject = subjects.command(to or command.context, type(command).__name__)
        payload = _payload(command, by, id, ())
        with tracing.span(_told(subject), "client", correlation=by.correlation):
            reply = await self._request(subject, payload, deadline, command=True)
        if reply.accepted is None:
            raise ValueError(f"the reply to {subject} holds neither an acceptance nor a problem")
        return reply.accepted

    async def ask(
        self,
        query: Query[A],
        *,
        by: By,
        to: str = "",
        seen: Sequence[str] = (),
        deadline: float = QUERY_DEADLINE,
    ) -> A:
        """Ask a context. `seen`: positions the answer must not be older than; `to` as in `send`.

        Raises Refused: what the context says no to, `view.behind` and `service.unavailable` (503).
        """
        subject = subjects.query(to or query.context, type(query).__name__)
        payload = _payload(query, by, _NO_COMMAND, seen)
        with tracing.span(_told(subject), "client", correlation=by.correlation):
            reply = await self._request(subject, payload, deadline, command=False)
        return cast("A", _adapter(type(query)).validate_python(reply.answer, strict=False))

    async def _request(self, subject: str, payload: bytes, deadline: float, *, command: bool) -> _Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline
        one_try = ONE_TRY if command else max(ONE_TRY, deadline / 2)
        newer_until, perhaps_done = loop.time() + NEWER_DEADLINE, False
        headers = tracing.headers()
        while (left := until - loop.time()) > 0:
            try:
                message = await self._nc.request(
                    subject, payload, timeout=min(left, one_try), headers=headers
                )
            except NoRespondersError:
                await asyncio.sleep(min(BETWEEN_TRIES, left))
            except (NatsTimeoutError, NatsError):
                perhaps_done = True
                await asyncio.sleep(min(BETWEEN_TRIES, max(until - loop.time(), 0.0)))
            else:
                reply = _Reply.model_validate_json(message.data)
                if reply.problem is None:
                    return reply
                if reply.problem.code != NEWER_RELEASE or loop.time() > newer_until:
                    raise Refused.of(reply.problem)
                await asyncio.sleep(
                    BETWEEN_TRIES
                )  # a process of the newer release may be the next to take it
        if command and perhaps_done:
            raise Refused(
                "command.unconfirmed",
                "No answer came in time, so this may or may not have been done. With the same Idempotency-Key, or"
                " from the same form of a page, it can be sent again and is done once. Otherwise look first"
                " whether it was done.",
                status=503,
            )
        raise Refused(
            "service.unavailable",
            f"The part of the system that does this ({subject.split('.')[2]}) does not answer."
            " Try again in a minute.",
            status=503,
        )


def _refused(problem: Problem) -> dict[str, object]:
    return {"problem": problem.model_dump(mode="json")}


def _problem(error: Exception, subject: str, correlation: str) -> Problem:
    """What to tell about an error; it is logged if it is ours."""
    match error:
        case Refused():
            return error.problem()
        case OutcomeUnknownError():
            log.warning("store did not answer", subject=subject, correlation=correlation, detail=str(error))
            return away.refusal(error).problem()
        case StoreUnavailableError():
            log.warning("store unavailable", subject=subject, correlation=correlation, detail=str(error))
            return away.refusal(error).problem()
        case _:
            log.error("a request failed", subject=subject, correlation=correlation, exc_info=error)
            return Problem(
                code="internal.error",
                detail="Something went wrong on our side. Try again; if it stays, tell your operator.",
                status=500,
                extra={"correlation": correlation},
            )


def _told(subject: str) -> str:
    """A request's name in traces: `commands.<context>.<name>`."""
    return subject.removeprefix("heraldry.")


_NO_COMMAND: Final = UUID(int=0)  # queries have no id of their own


def _payload(asked: BaseModel, by: By, id_: UUID, seen: Sequence[str]) -> bytes:
    return orjson.dumps(
        {
            "id": str(id_),
            "by": by.model_dump(mode="json"),
            "seen": list(seen),
            "data": asked.model_dump(mode="json"),
        }
    )


@cache
def _adapter(kind: type[Query[A]]) -> TypeAdapter[A]:
    return TypeAdapter(cast("type[A]", kind.answer))


B = TypeVar("B", bound=BaseModel)


def _parsed(kind: type[B], data: bytes) -> B:
    """Raises Refused with the first thing wrong, without the value: it may be a password."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    raise Refused("input.invalid", f"{field or 'The request'}: {first['msg']}.", status=422, field=field)
