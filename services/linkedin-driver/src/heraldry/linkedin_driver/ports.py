"""The outside world as this context sees it: LinkedIn, as somebody who is signed in there."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from heraldry.contracts.linkedin import ActionKind, CodeBy, Obstacle, ProfileData
from pydantic import SecretStr

Cause: TypeAlias = Literal["signed out", "restricted", "too much", "unreachable", "not found", "layout"]


class Hindered(Exception):  # noqa: N818  what happened, not that it is an error
    """Something stands in the way of everything on this page, or of all of LinkedIn."""

    def __init__(self, obstacle: Obstacle, cause: Cause) -> None:
        super().__init__(obstacle.cause)
        self.obstacle, self.cause = obstacle, cause


class DrivenElsewhere(Exception):  # noqa: N818
    """Another replica, or a linking, has the account in hand."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done to whom: `slug` is what the address of the person's profile ends in."""

    attempt: UUID
    kind: ActionKind
    slug: str
    name: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A fresh load of the page shows it. `proof` says what; `data`: what a scraping read."""

    proof: str
    data: ProfileData | None = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """Proven not to be done. `passes`: for a reason that passes, so the step may be tried again."""

    diagnosis: Obstacle
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Unsure:
    """The page shows neither. `still`: it shows what there was before."""

    still: Obstacle | None = None


Outcome: TypeAlias = Done | NotDone | Unsure


class Click(Protocol):
    """Whoever wants it done is told of the irrevocable click, immediately before and after it. Of a scraping: of the
    person's profile being opened.
    """

    async def before(self, member: str, alike: int) -> None:
        """It comes next, on the page of this member. Raises what keeps it from being made.

        `alike`: how many messages of ours with the same text stand there.
        """
        ...

    async def after(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """Members on a list, by slug. `whole`: the list was read to its end."""

    slugs: frozenset[str]
    whole: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """A message somebody wrote to the account. `by`: the member's own id."""

    id: str
    by: str
    text: str
    at: datetime


Standing: TypeAlias = Literal["pending", "connected", "nothing", "unknown"]


class Member(Protocol):
    """LinkedIn in a browser, as the member who is signed in.

    Every method raises what stands in the way, which Driving names as Hindered on the way out.
    """

    async def act(self, wanted: Wanted, click: Click) -> Outcome:
        """Do it once. Raises what `click.before` raises; until that was called nothing was done."""
        ...

    async def look(self, wanted: Wanted, alike: int) -> Outcome:
        """Whether it was done, by a fresh load. Nothing is clicked. No page shows whether a profile was read."""
        ...

    async def standing(self, slug: str) -> Standing:
        """How the person stands to the account, by their profile."""
        ...

    async def sent(self) -> Listed:
        """Whose answers the account waits for."""
        ...

    async def connections(self, most: int) -> Listed:
        """Whom it is connected with, the newest at least."""
        ...

    async def heard(self) -> tuple[Heard, ...]:
        """What others wrote in the newest conversations of two; nothing is marked as read."""
        ...


# --- signing in, and the browser itself


@dataclass(frozen=True, slots=True)
class CodeAsked:
    """LinkedIn wants a code. `hint`: its own words; `rejected`: what it said of the code before."""

    by: CodeBy
    hint: str = ""
    rejected: Literal["", "wrong", "expired"] = ""


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """LinkedIn wants a tap on Yes in its app."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """It does not go on from here."""

    obstacle: Obstacle


@dataclass(frozen=True, slots=True)
class Entered:
    """The page is a member's."""


Answer: TypeAlias = CodeAsked | ApprovalAsked | Stopped | Entered


class SigningIn(Protocol):
    """From the credentials to the feed, on one page."""

    async def open(self) -> Stopped | None:
        """The form is there and can be filled in; else what stands in the way."""
        ...

    async def submit(self, email: str, password: SecretStr) -> Answer:
        """Once: the form is submitted and never again."""
        ...

    async def enter(self, code: SecretStr) -> Answer: ...

    async def resend(self) -> Answer:
        """Ask for a new code."""
        ...

    async def look(self) -> Answer:
        """What the page shows by now: it goes on by itself when the app has answered."""
        ...


@dataclass(frozen=True, slots=True)
class Own:
    """Who is signed in. `member` stays when everything else changes; `picture`: its address."""

    member: str
    slug: str
    first_name: str
    last_name: str
    headline: str
    picture: str
    sales_navigator: bool


class Visit(Protocol):
    """One identity's browser, as it was left the last time."""

    @property
    def signing_in(self) -> SigningIn: ...

    @property
    def member(self) -> Member: ...

    @property
    def alive(self) -> bool:
        """Whether the browser is still there."""
        ...

    async def check(self) -> None:
        """Return if the session goes on. Raises SessionEnded, CheckpointMet, Restricted, SlowDown."""
        ...

    async def own(self) -> Own: ...

    async def state(self) -> bytes | None:
        """Cookies and storage, to be opened with the next time; None where there is no session in them."""
        ...


class Browsers(Protocol):
    @property
    def missing(self) -> str | None:
        """Why there is no browser; None: there is one."""
        ...

    def visit(self, state: bytes | None = None) -> AbstractAsyncContextManager[Visit]:
        """A browser apart from all others; gone on the way out, whatever happened.

        Raises BrowserMissing, BrowserFailed; also where the browser ends in the midst.
        """
        ...
