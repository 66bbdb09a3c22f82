"""The outside world as the mailbox context sees it: mail servers, checked, written to and read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self, TypeAlias
from uuid import UUID

from heraldry.contracts.mailbox import EmailQueued
from heraldry.mailbox.domain.diagnosis import Diagnosis
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server as a person typed it. `tls` encrypts from the first byte, `starttls` before the sign-in."""

    host: str
    port: int
    tls: Literal["tls", "starttls"]


@dataclass(frozen=True, slots=True)
class Account:
    """How one inbox is reached. With `auth="xoauth2"` the password is a provider's access token."""

    address: str
    user: str
    password: SecretStr
    imap: Endpoint
    smtp: Endpoint
    auth: Literal["password", "xoauth2"] = "password"
    connected_before: bool = (
        False  # these credentials worked once: a refusal now means that something changed
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """Which servers we talk to: further trusted certificates, and whether private networks are allowed."""

    extra_ca_file: Path | None = None
    allow_private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds we wait. After one of them has passed the connection is given up, never used again."""

    connect: float = 15.0  # name, TCP and TLS together
    command: float = 30.0  # silence of the server within one command
    transfer: float = 600.0  # one command altogether, however busy
    verdict: float = 300.0  # for the server's word after the content of a mail
    idle: float = 300.0  # an IDLE is ended and begun anew after this; servers go silent without closing

    @classmethod
    def of(cls, silence: float) -> Self:
        """All in proportion to the silence that is borne within a command."""
        usual = cls()
        factor = silence / usual.command
        return cls(
            connect=usual.connect * factor,
            command=silence,
            transfer=usual.transfer * factor,
            verdict=usual.verdict * factor,
            idle=usual.idle * factor,
        )


class MailProblem(Exception):  # noqa: N818  the domain's word
    """A mail server could not do what was asked. `failures` holds one diagnosis per protocol that failed."""

    def __init__(self, diagnosis: Diagnosis, failures: tuple[Diagnosis, ...] = ()) -> None:
        super().__init__(f"{diagnosis.protocol} {diagnosis.code}: {diagnosis.cause}")
        self.diagnosis = diagnosis
        self.failures = failures or (diagnosis,)


# --- links ----------------------------------------------------------------------------------------


class LinkNotReady(Exception):  # noqa: N818  what is so, not that it is an error
    """A mail needs a link that cannot be made yet. Try again."""


class Links(Protocol):
    async def unsubscribe(self, mail: EmailQueued, organization: UUID) -> str:
        """The address by which the recipient unsubscribes, the same every time; empty: the mail carries none.

        Raises LinkNotReady, and what NATS raises.
        """
        ...


# --- checking -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """Both protocols work: signed in, INBOX selected, SMTP signed in. `advice` is no failure."""

    capabilities: frozenset[str]
    extensions: frozenset[str]
    inbox: str
    sent: str | None
    messages: int
    advice: tuple[Diagnosis, ...] = ()


class Checker(Protocol):
    async def check(self, account: Account) -> Checked:
        """Try both protocols for real. Raises MailProblem; changes nothing, sends nothing."""
        ...


# --- sending --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """A composed mail (RFC 5322, CRLF) with its envelope."""

    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took responsibility for the mail."""

    words: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proven: nothing left. `transient`: the same mail may succeed later."""

    diagnosis: Diagnosis
    duration: Literal["permanent", "transient"]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The content was begun and no clear word came back: it may have left. Look it up, never resend."""

    diagnosis: Diagnosis
    words: str = ""


Outcome: TypeAlias = Accepted | NotSent | Unknown


class Submitter(Protocol):
    async def submit(
        self, account: Account, mail: Submission, *, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Everything up to the server's readiness for content, then `before_content`, then the content.

        `before_content` is awaited once, immediately before the first byte of content, and not at all if it
        does not come to that. What it raises is raised here, and nothing is sent then.
        """
        ...


# --- reading ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder as it was selected. UIDs mean something only together with `uidvalidity`."""

    name: str
    uidvalidity: int
    uidnext: int
    messages: int


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it lies on the server. Where it was too large, `raw` is its headers only."""

    uid: int
    uidvalidity: int
    raw: bytes
    complete: bool = True


class FolderChanged(Exception):  # noqa: N818  the domain's word
    """The folder's UIDVALIDITY is another one: every UID known of it is worthless, begin anew."""

    def __init__(self, state: FolderState) -> None:
        super().__init__(f"{state.name} has UIDVALIDITY {state.uidvalidity} now")
        self.state = state


class Reader(Protocol):
    """One signed-in IMAP connection. Methods raise MailProblem, and all do once it is broken."""

    async def folder(self, name: str = "INBOX") -> FolderState:
        """Select a folder and say how it stands. `fetch_since` and `wait` speak of the one named last."""
        ...

    def fetch_since(self, uid: int, uidvalidity: int, *, limit: int = 200) -> AsyncIterator[RawMessage]:
        """What came after `uid`, oldest first, at most `limit` messages; raises FolderChanged.

        Ask again with the last UID until nothing comes. Nothing is marked as read.
        """
        ...

    async def wait(self, seconds: float) -> bool:
        """True as soon as the folder may hold something new, False when the time is over."""
        ...

    async def append_sent(self, raw: bytes) -> bool:
        """Put a copy into the Sent folder unless one is there (by our own header, then by Message-ID).

        True: put there by this call.
        """
        ...

    async def find_by_header(self, folder: str, name: str, value: str) -> tuple[int, ...]:
        """The UIDs of messages in a folder whose header contains a value. Not found proves nothing."""
        ...

    async def sent_folder(self) -> str | None:
        """The name of the folder for sent mail, if the server has one."""
        ...


class Mailbox(Protocol):
    def open(self, account: Account) -> AbstractAsyncContextManager[Reader]:
        """A signed-in connection for reading; raises MailProblem. Left on the way out, whatever happened."""
        ...
