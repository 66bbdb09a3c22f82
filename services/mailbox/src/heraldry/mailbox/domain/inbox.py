"""The inbox: an address an identity sends from and is answered at. Stream `inbox-<id>`.

The id is made of a keyed hash of the normalised address, so an address belongs to at most one inbox of an
organization, and connecting it again continues the same one. A try to connect holds its own settings until
both protocols were validated: until then, and if it fails, an inbox that worked goes on with those it had.
A paused inbox is connected and read; nothing leaves through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.addresses import Malformed, travelling
from heraldry.contracts.base import Erased, Personal, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.mailbox import (
    Diagnosed,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    Server,
)

NOT_CONNECTED: Final = Diagnosed(
    code="inbox.not-connected",
    cause="The inbox is not connected.",
    resolution="Reconnect the inbox, then send it again.",
)
TOO_MANY_BOUNCES: Final = "bounce-rate"  # why it is paused
Standing: TypeAlias = Literal["never", "connected", "needs reconnect", "disconnected"]


class MailboxConnectionStarted(AnyEvent):
    """Private. Both protocols are to be tried with these settings; `secret` names the password."""

    inbox: UUID
    organization: UUID
    identity: UUID
    trial: UUID
    address: Annotated[str | Erased, Personal("identity")]
    imap: Server
    smtp: Server
    secret: str


class MailboxCheckClaimed(AnyEvent):
    """Private. One worker tries these settings now; from `held_until` (real clock) another one may."""

    inbox: UUID
    trial: UUID
    claim: UUID
    held_until: datetime


class MailboxReadFrom(AnyEvent):
    """Private. Mails up to this UID are older than this inbox here and are not looked at."""

    inbox: UUID
    uidvalidity: int
    uid: int


class MailboxClosing(AnyEvent):
    """Private. Nothing leaves through it any more; what is open is being stopped, then it is disconnected."""

    inbox: UUID
    identity: UUID


class MailboxPausing(AnyEvent):
    """Private. Nothing leaves through it any more; what is open is being stopped, then it is said."""

    inbox: UUID
    identity: UUID
    reason: str
    sent: int
    bounced: int


@dataclass(frozen=True, slots=True)
class Connect:
    """`holder` is the name of the identity that has the address now, for the refusal; empty: not known."""

    inbox: UUID
    organization: UUID
    identity: UUID
    trial: UUID
    address: str
    imap: Server
    smtp: Server
    secret: str
    holder: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    claim: UUID
    held_until: datetime
    real_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class FinishCheck:
    """The outcome of the check that `claim` stands for; no diagnosis: both protocols work."""

    claim: UUID
    diagnosis: Diagnosed | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Lose:
    """The server no longer takes the credentials that `secret` names."""

    secret: str
    diagnosis: Diagnosed
    at: datetime


@dataclass(frozen=True, slots=True)
class Close:
    """Let nothing more leave: the step before it is disconnected."""

    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Disconnect:
    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """Too many of its last mails bounced. `resumed`: when it was resumed last, as those who counted knew it."""

    reason: str
    sent: int
    bounced: int
    resumed: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class FinishPause:
    at: datetime


@dataclass(frozen=True, slots=True)
class Resume:
    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class ReadFrom:
    uidvalidity: int
    uid: int
    at: datetime


Command: TypeAlias = (
    Connect | ClaimCheck | FinishCheck | Lose | Close | Disconnect | Pause | FinishPause | Resume | ReadFrom
)
Event: TypeAlias = (
    MailboxConnectionStarted
    | MailboxCheckClaimed
    | MailboxReadFrom
    | MailboxConnected
    | MailboxConnectionFailed
    | MailboxNeedsReconnect
    | MailboxClosing
    | MailboxDisconnected
    | MailboxPausing
    | MailboxPaused
    | MailboxResumed
)


@dataclass(frozen=True, slots=True)
class NoInbox:
    """Nobody has tried this address."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the inbox is reached, and whose it is."""

    identity: UUID
    address: str
    imap: Server
    smtp: Server
    secret: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that are being validated."""

    id: UUID
    settings: Settings
    claim: UUID | None = None
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inbox:
    id: UUID
    organization: UUID
    standing: Standing = "never"
    settings: Settings | None = None  # those that worked last
    trial: Trial | None = None
    diagnosis: Diagnosed | None = None
    read_from: tuple[int, int] | None = None  # UIDVALIDITY and UID
    secrets: frozenset[tuple[UUID, str]] = frozenset()  # every password ever given, by identity and name
    closing: bool = False
    pausing: MailboxPausing | None = None
    paused: MailboxPaused | None = None
    resumed: datetime | None = None  # the last time

    @property
    def holder(self) -> UUID | None:
        """The identity the address belongs to now."""
        if self.trial is not None:
            return self.trial.settings.identity
        if self.settings is None or self.standing == "disconnected":
            return None
        return self.settings.identity

    @property
    def live(self) -> Settings | None:
        """The settings of an inbox that can be used."""
        return self.settings if self.standing == "connected" and not self.closing else None

    @property
    def held_back(self) -> bool:
        """Whether it is paused, or about to be."""
        return self.paused is not None or self.pausing is not None

    @property
    def forgotten(self) -> frozenset[tuple[UUID, str]]:
        """Passwords that nothing needs any more."""
        kept: list[Settings] = [] if self.trial is None else [self.trial.settings]
        if self.settings is not None and self.standing in {"connected", "needs reconnect"}:
            kept.append(self.settings)
        return self.secrets - {(one.identity, one.secret) for one in kept}


State: TypeAlias = NoInbox | Inbox
NO_INBOX = NoInbox()


def well_formed(address: str) -> str:
    """The address without what is around it. Refused `inbox.address-malformed`."""
    address = address.strip().rstrip(".")
    try:
        travelling(address)
    except Malformed as wrong:
        raise Refused("inbox.address-malformed", str(wrong), status=422, field="address") from wrong
    return address


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Connect():
            return _connect(command, state)
        case Close():
            return _closed(command, _own(command.organization, state))
        case Disconnect():
            return _disconnect(command, _own(command.organization, state))
        case Resume():
            return _resume(command, _own(command.organization, state))
        case ClaimCheck() | FinishCheck() | Lose() | Pause() | FinishPause() | ReadFrom():
            return () if isinstance(state, NoInbox) else _note(command, state)
        case _:
            assert_never(command)


def _connect(command: Connect, state: State) -> Sequence[Event]:
    holder = None if isinstance(state, NoInbox) else state.holder
    if holder is not None and holder != command.identity:
        whose = command.holder or "another identity"
        raise Refused(
            "inbox.belongs-to-another-identity",
            f"This address belongs to {whose}. Disconnect it there first, or use another address.",
            field="address",
            extra={"identity": str(holder), "name": command.holder},
        )
    return (
        MailboxConnectionStarted(
            inbox=command.inbox,
            organization=command.organization,
            identity=command.identity,
            trial=command.trial,
            address=command.address,
            imap=command.imap,
            smtp=command.smtp,
            secret=command.secret,
            at=command.at,
        ),
    )


def _closed(command: Close, inbox: Inbox) -> Sequence[Event]:
    if inbox.live is None:
        return ()
    return (MailboxClosing(inbox=inbox.id, identity=inbox.live.identity, at=command.at),)


def _disconnect(command: Disconnect, inbox: Inbox) -> Sequence[Event]:
    holder = inbox.holder
    if holder is None:
        return ()
    return (MailboxDisconnected(inbox=inbox.id, identity=holder, at=command.at),)


def _pause(command: Pause, inbox: Inbox) -> Sequence[Event]:
    if inbox.live is None or inbox.held_back or inbox.resumed != command.resumed:
        return ()
    return (
        MailboxPausing(
            inbox=inbox.id,
            identity=inbox.live.identity,
            reason=command.reason,
            sent=command.sent,
            bounced=command.bounced,
            at=command.at,
        ),
    )


def _finish_pause(command: FinishPause, inbox: Inbox) -> Sequence[Event]:
    begun = inbox.pausing
    if begun is None:
        return ()
    return (
        MailboxPaused(
            inbox=inbox.id,
            identity=begun.identity,
            code=TOO_MANY_BOUNCES,
            reason=begun.reason,
            sent=begun.sent,
            bounced=begun.bounced,
            at=command.at,
        ),
    )


def _resume(command: Resume, inbox: Inbox) -> Sequence[Event]:
    if inbox.paused is None:
        raise Refused("inbox.not-paused", "This inbox is not paused.")
    identity = inbox.holder or inbox.paused.identity
    return (MailboxResumed(inbox=inbox.id, identity=identity, at=command.at),)


def _note(
    command: ClaimCheck | FinishCheck | Lose | Pause | FinishPause | ReadFrom, inbox: Inbox
) -> Sequence[Event]:
    match command:
        case ClaimCheck():
            trial = inbox.trial
            if trial is None or (trial.held_until is not None and trial.held_until > command.real_now):
                return ()
            return (
                MailboxCheckClaimed(
                    inbox=inbox.id,
                    trial=trial.id,
                    claim=command.claim,
                    held_until=command.held_until,
                    at=command.at,
                ),
            )
        case FinishCheck():
            return _finish(command, inbox)
        case Lose():
            if inbox.live is None or inbox.live.secret != command.secret:
                return ()  # reconnected or disconnected meanwhile: the news is of an older password
            return (
                MailboxNeedsReconnect(
                    inbox=inbox.id,
                    identity=inbox.live.identity,
                    diagnosis=command.diagnosis,
                    at=command.at,
                ),
            )
        case Pause():
            return _pause(command, inbox)
        case FinishPause():
            return _finish_pause(command, inbox)
        case ReadFrom():
            if inbox.read_from is not None:
                return ()
            return (
                MailboxReadFrom(
                    inbox=inbox.id, uidvalidity=command.uidvalidity, uid=command.uid, at=command.at
                ),
            )
        case _:
            assert_never(command)


def _finish(command: FinishCheck, inbox: Inbox) -> Sequence[Event]:
    trial = inbox.trial
    if trial is None or trial.claim != command.claim:
        return ()
    identity = trial.settings.identity
    if command.diagnosis is not None:
        failed = MailboxConnectionFailed(
            inbox=inbox.id, identity=identity, diagnosis=command.diagnosis, at=command.at
        )
        return (failed,)
    address = trial.settings.address
    connected = MailboxConnected(inbox=inbox.id, identity=identity, address=address, at=command.at)
    if inbox.paused is None:
        return (connected,)
    still = inbox.paused.model_copy(update={"identity": identity, "at": command.at})
    return (connected, still)  # a pause belongs to the address: reconnecting does not end it


def evolve(state: State, event: Event) -> State:
    if isinstance(event, MailboxConnectionStarted):
        return _started(state, event)
    if isinstance(state, NoInbox):
        return state
    match event:
        case MailboxCheckClaimed():
            if state.trial is None:
                return state
            trial = replace(state.trial, claim=event.claim, held_until=event.held_until)
            return replace(state, trial=trial)
        case MailboxConnected():
            settings = state.settings if state.trial is None else state.trial.settings
            return replace(
                state, standing="connected", settings=settings, trial=None, diagnosis=None, closing=False
            )
        case MailboxConnectionFailed():
            return replace(state, trial=None, diagnosis=event.diagnosis)
        case MailboxNeedsReconnect():
            return replace(state, standing="needs reconnect", diagnosis=event.diagnosis)
        case MailboxDisconnected():
            standing: Standing = "never" if state.standing == "never" else "disconnected"
            return replace(state, standing=standing, trial=None, diagnosis=None, closing=False)
        case MailboxClosing():
            return replace(state, closing=True)
        case MailboxPausing() | MailboxPaused() | MailboxResumed():
            return _held_back(state, event)
        case MailboxReadFrom():
            return replace(state, read_from=(event.uidvalidity, event.uid))
        case _:
            assert_never(event)


def _held_back(state: Inbox, event: MailboxPausing | MailboxPaused | MailboxResumed) -> Inbox:
    match event:
        case MailboxPausing():
            return replace(state, pausing=event)
        case MailboxPaused():
            return replace(state, pausing=None, paused=event)
        case MailboxResumed():
            return replace(state, paused=None, resumed=event.at)


def _started(state: State, event: MailboxConnectionStarted) -> Inbox:
    address = "" if isinstance(event.address, Erased) else event.address
    settings = Settings(event.identity, address, event.imap, event.smtp, event.secret)
    trial = Trial(event.trial, settings)
    given = frozenset({(event.identity, event.secret)})
    if isinstance(state, NoInbox):
        return Inbox(event.inbox, event.organization, trial=trial, secrets=given)
    return replace(state, trial=trial, secrets=state.secrets | given)


def _own(organization: UUID, state: State) -> Inbox:
    if isinstance(state, NoInbox) or state.organization != organization or state.standing == "never":
        if isinstance(state, Inbox) and state.organization == organization and state.trial is not None:
            return state
        raise unknown()
    return state


def unknown() -> Refused:
    return Refused("inbox.unknown", "There is no such inbox in your organization.", status=404)
