"""What the routes work with: the gateway as a whole, and one call to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

from heraldry.chassis import tracing
from heraldry.chassis.bus.rights import SubscriberRights
from heraldry.chassis.halt import HaltFlags
from heraldry.contracts.base import By, Refused
from heraldry.gateway.application import Application, random_id
from heraldry.gateway.halting import Halting
from heraldry.gateway.live import Live
from heraldry.gateway.parked import ParkedMessages
from heraldry.gateway.ports import Contexts
from heraldry.gateway.sessions import Session, Sessions
from heraldry.gateway.share_tokens import ShareTokens
from heraldry.gateway.throttles import Throttles
from heraldry.gateway.unsubscribing import Unsubscribing
from heraldry.gateway.views import Views
from litestar import Request

SESSION_COOKIE: Final = "heraldry_session"
VISITOR_COOKIE: Final = "heraldry_visitor"
LINK_COOKIE: Final = "heraldry_link"  # whoever opened a share link; only at that link's own address
SEEN_COOKIE: Final = "heraldry_seen"
BEARER: Final = "bearer "
IDEMPOTENCY_KEY: Final = "idempotency-key"
TAKES_FILE: Final = "takes_file"  # of a route: it reads its body itself
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that is open while the process runs. `now` is business time."""

    application: Application
    unsubscribing: Unsubscribing
    share_tokens: ShareTokens
    contexts: Contexts
    sessions: Sessions
    throttles: Throttles
    check_repeat: Callable[[UUID, bytes], Awaitable[None]]  # a command's id made of a key, and its body
    views: Views
    live: Live
    halt: HaltFlags
    halting: Halting
    parked: ParkedMessages
    now: Callable[[], datetime]
    seal: Callable[[str, str], Awaitable[str]]  # for a context: a password or code that only it can read
    admit: Callable[[UUID, UUID], Awaitable[SubscriberRights]]  # make a subscriber's consumer
    expel: Callable[[UUID], Awaitable[None]]  # and remove it
    first_link_used: Callable[[], None]  # the file that tells of it is removed
    mode: str  # demo or live
    public_url: str
    nats_url: str

    @property
    def secure(self) -> bool:
        """Browsers come by https: cookies must too."""
        return self.public_url.startswith("https://")


class Asker(Protocol):
    """On whose behalf something is asked, under which command id, and what they have seen already."""

    @property
    def by(self) -> By: ...
    @property
    def command(self) -> UUID: ...
    @property
    def seen(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, under which command id, and what they have seen already.

    `scope` is what a key of the caller's counts in: this organization and this route. `heard`: the newest change
    before anything is read for them.
    """

    session: Session
    scope: UUID
    command: UUID
    seen: tuple[str, ...]
    heard: int = 0
    correlation: str = field(default_factory=tracing.correlation)

    @property
    def by(self) -> By:
        return By(
            organization=self.session.organization,
            actor=f"user:{self.session.user}",
            correlation=self.correlation,
        )

    @property
    def organization(self) -> UUID:
        return self.session.organization

    def require_admin(self) -> None:
        """Refused `role.admin-needed` (403) for a member."""
        if self.session.role != "admin":
            raise Refused("role.admin-needed", "Only an admin of your organization may do this.", status=403)


def token_of(request: AnyRequest) -> str:
    """The session's token: from the Authorization header, else from the cookie."""
    given = request.headers.get("authorization", "")
    if given.lower().startswith(BEARER):
        return given[len(BEARER) :].strip()
    return request.cookies.get(SESSION_COOKIE, "")


async def session_of(request: AnyRequest, gateway: Gateway) -> Session | None:
    token = token_of(request)
    return await gateway.sessions.find(token) if token else None


async def call_of(request: AnyRequest, gateway: Gateway) -> Call:
    """Refused `session.needed` (401)."""
    heard = gateway.live.newest
    session = await session_of(request, gateway)
    if session is None:
        raise Refused("session.needed", "Sign in first: this session is unknown or has ended.", status=401)
    scope = uuid5(session.organization, f"{request.method} {request.url.path}")
    call = Call(session, scope, command_of(request, scope), seen_of(request), heard)
    takes_file = request.route_handler.opt.get(TAKES_FILE, False)  # compared when it has been received
    # a form with files is read by few routes; all else is read as JSON, whatever it is called
    if not takes_file and media_type_of(request) != "multipart/form-data":
        await same_request(request, gateway, call.command, await request.body())
    return call


async def same_request(request: AnyRequest, gateway: Gateway, command: UUID, body: bytes) -> None:
    """Refused `idempotency-key.other-request` where its key came with another body before."""
    if request.headers.get(IDEMPOTENCY_KEY) and request.method not in SAFE:
        await gateway.check_repeat(command, body)


def media_type_of(request: AnyRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def command_of(request: AnyRequest, scope: UUID) -> UUID:
    """Made of the Idempotency-Key, or a fresh id. Refused `idempotency-key.malformed`."""
    given = request.headers.get(IDEMPOTENCY_KEY)
    if not given:
        return random_id()
    try:
        return uuid5(scope, str(UUID(given)))
    except ValueError:
        raise Refused(
            "idempotency-key.malformed",
            "Idempotency-Key must be a UUID.",
            status=422,
            field="Idempotency-Key",
        ) from None


def seen_of(request: AnyRequest) -> tuple[str, ...]:
    """What the caller has written: from the X-Position header or, for pages, from the cookie."""
    given = request.headers.get("x-position") or request.cookies.get(SEEN_COOKIE, "")
    return tuple(part.strip() for part in given.split(",") if part.strip())[:16]
