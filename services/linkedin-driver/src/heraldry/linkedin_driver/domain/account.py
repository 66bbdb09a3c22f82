"""A LinkedIn account: what an identity signs in to. Stream `account-<id>`, one for each identity.

Until a linking succeeded, and if it fails, an account that was linked goes on as it was. News of a session count
only while it is the one that was begun last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from uuid import UUID

from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.linkedin import (
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInLinkingStarted,
    LinkedInNeedsReconnect,
    LinkedInRestricted,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    Obstacle,
    SlowedDown,
    VerificationCodeGiven,
)
from heraldry.linkedin_driver.domain import linking as linkings
from heraldry.linkedin_driver.domain.linking import (
    EnterCode,
    Inside,
    Linking,
    ResendCode,
    SignedIn,
    VerificationCodeEntered,
    Working,
)
from heraldry.linkedin_driver.domain.obstacles import NEEDS_CREDENTIALS

Standing: TypeAlias = Literal["never", "linked", "needs reconnect", "restricted", "unlinked"]
_UNBOUND: Final = frozenset({"never", "unlinked"})


class LinkingAccepted(AnyEvent):
    """Private. What the linking that starts signs in with; `secret` names the password."""

    account: UUID
    organization: UUID
    identity: UUID
    linking: UUID
    secret: str


@dataclass(frozen=True, slots=True)
class Link:
    account: UUID
    organization: UUID
    identity: UUID
    linking: UUID
    email: str
    secret: str
    real_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class TryAgain:
    organization: UUID
    linking: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Lose:
    """LinkedIn ended or restricted the session that `linking` began."""

    linking: UUID
    diagnosis: Obstacle
    restricted: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class SlowDown:
    linking: UUID
    kind: SlowedDown
    until: datetime
    diagnosis: Obstacle
    at: datetime


@dataclass(frozen=True, slots=True)
class Unlink:
    organization: UUID
    at: datetime


Command: TypeAlias = Link | TryAgain | EnterCode | ResendCode | linkings.Command | Lose | SlowDown | Unlink
Event: TypeAlias = (
    LinkingAccepted
    | LinkedInLinkingStarted
    | linkings.Event
    | LinkedInNeedsReconnect
    | LinkedInRestricted
    | LinkedInSlowedDown
    | LinkedInUnlinked
)


@dataclass(frozen=True, slots=True)
class NoAccount:
    """Nobody tried to link one to this identity."""


def _unslowed() -> Mapping[SlowedDown, datetime]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Account:
    """`session`: the linking that succeeded last; `sender`: the member it is."""

    id: UUID
    organization: UUID
    identity: UUID
    standing: Standing = "never"
    linking: Linking | None = None
    last: Linking | None = None  # with the credentials given last
    session: UUID | None = None
    sender: str = ""
    diagnosis: Obstacle | None = None
    slowed: Mapping[SlowedDown, datetime] = field(default_factory=_unslowed)
    secrets: frozenset[str] = frozenset()  # every password and code ever given, by name
    entered: frozenset[tuple[str, UUID]] = (
        frozenset()
    )  # every member who ever signed in, and in which linking

    @property
    def live(self) -> UUID | None:
        """The session of an account that can be used."""
        return self.session if self.standing == "linked" else None

    @property
    def bound(self) -> str:
        """The member this identity acts as; empty: none."""
        return "" if self.standing in _UNBOUND else self.sender

    @property
    def forgotten(self) -> frozenset[str]:
        """Passwords and codes that nothing needs any more."""
        wanted = set[str]() if self.last is None else {self.last.secret}
        if self.linking is not None and isinstance(self.linking.stage, Working):
            wanted.add(self.linking.stage.code)
        return self.secrets - wanted

    @property
    def ended(self) -> frozenset[UUID]:
        """Linkings whose session nothing needs any more."""
        wanted = {self.session}
        if self.linking is not None:
            wanted.add(self.linking.id)
        return frozenset(linking for _, linking in self.entered if linking not in wanted)

    @property
    def let_go(self) -> frozenset[tuple[str, UUID]]:
        """Members this identity held and does not act as: others may."""
        wanted = {self.bound}
        if self.linking is not None and isinstance(self.linking.stage, Inside):
            wanted.add(self.linking.stage.signed_in.sender)
        return frozenset(one for one in self.entered if one[0] not in wanted)


State: TypeAlias = NoAccount | Account
NO_ACCOUNT = NoAccount()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Link():
            return _link(command, state)
        case TryAgain():
            return _try_again(command, _own(command.organization, state))
        case EnterCode() | ResendCode():
            return linkings.about_the_code(command, _own(command.organization, state).linking)
        case Unlink():
            return _unlink(command, _own(command.organization, state))
        case Lose() | SlowDown():
            return () if isinstance(state, NoAccount) else _session(command, state)
        case _:
            if isinstance(state, NoAccount) or state.linking is None:
                return ()
            return linkings.decide(command, state.linking)


def paused_until(state: State, kind: SlowedDown, now: datetime) -> datetime | None:
    """Until when LinkedIn wants no more of this kind; None: it may go on."""
    if isinstance(state, NoAccount):
        return None
    ends = [state.slowed[one] for one in (kind, "everything") if one in state.slowed]
    latest = max(ends, default=now)
    return latest if latest > now else None


def _link(command: Link, state: State) -> Sequence[Event]:
    if isinstance(state, Account):
        account = _own(command.organization, state)
        if account.linking is not None and account.linking.busy(command.real_now):
            raise _under_way()
    accepted = LinkingAccepted(
        account=command.account,
        organization=command.organization,
        identity=command.identity,
        linking=command.linking,
        secret=command.secret,
        at=command.at,
    )
    return (accepted, _linking_started(accepted, command.email))


def _try_again(command: TryAgain, account: Account) -> Sequence[Event]:
    if account.linking is not None:
        raise _under_way()
    if account.standing == "linked":
        raise Refused("linkedin.linked", "This LinkedIn account is linked. There is nothing to try again.")
    last, why = account.last, account.diagnosis
    if last is None or not last.email or (why is not None and why.code in NEEDS_CREDENTIALS):
        raise Refused(
            "linkedin.password-needed", "Enter the LinkedIn email and password again.", field="password"
        )
    accepted = LinkingAccepted(
        account=account.id,
        organization=account.organization,
        identity=account.identity,
        linking=command.linking,
        secret=last.secret,
        at=command.at,
    )
    return (accepted, _linking_started(accepted, last.email))


def _linking_started(accepted: LinkingAccepted, email: str) -> LinkedInLinkingStarted:
    return LinkedInLinkingStarted(
        account=accepted.account,
        identity=accepted.identity,
        linking=accepted.linking,
        email=email,
        at=accepted.at,
    )


def _unlink(command: Unlink, account: Account) -> Sequence[Event]:
    if account.last is None and account.standing in _UNBOUND:
        return ()
    return (LinkedInUnlinked(account=account.id, identity=account.identity, at=command.at),)


def _session(command: Lose | SlowDown, account: Account) -> Sequence[Event]:
    if account.live is None or account.live != command.linking:
        return ()  # linked again or unlinked meanwhile: the news is of an older session
    if isinstance(command, Lose):
        lost = LinkedInRestricted if command.restricted else LinkedInNeedsReconnect
        return (
            lost(account=account.id, identity=account.identity, diagnosis=command.diagnosis, at=command.at),
        )
    known = account.slowed.get(command.kind)
    if command.until <= command.at or (known is not None and known >= command.until):
        return ()
    return (
        LinkedInSlowedDown(
            account=account.id,
            identity=account.identity,
            kind=command.kind,
            until=command.until,
            diagnosis=command.diagnosis,
            at=command.at,
        ),
    )


def evolve(state: State, event: Event) -> State:
    if isinstance(event, LinkingAccepted):
        return _accepted(state, event)
    if isinstance(state, NoAccount):
        return state
    match event:
        case LinkedInLinked():
            same = event.sender == state.sender
            return replace(
                state,
                standing="linked",
                linking=None,
                session=event.linking,
                sender=event.sender,
                diagnosis=None,
                slowed=state.slowed if same else _unslowed(),
            )
        case LinkedInLinkingFailed():
            return replace(state, linking=None, diagnosis=event.diagnosis)
        case VerificationCodeGiven():
            return state
        case LinkedInNeedsReconnect():
            return replace(state, standing="needs reconnect", diagnosis=event.diagnosis)
        case LinkedInRestricted():
            return replace(state, standing="restricted", diagnosis=event.diagnosis)
        case LinkedInSlowedDown():
            return replace(state, slowed=MappingProxyType({**state.slowed, event.kind: event.until}))
        case LinkedInUnlinked():
            return replace(state, standing="unlinked", linking=None, last=None, session=None, diagnosis=None)
        case _:
            return state if state.linking is None else _went_on(state, state.linking, event)


def _accepted(state: State, event: LinkingAccepted) -> Account:
    account = (
        Account(event.account, event.organization, event.identity) if isinstance(state, NoAccount) else state
    )
    linking = Linking(event.linking, event.account, event.identity, event.secret, account.bound)
    return replace(account, linking=linking, last=linking, secrets=account.secrets | {event.secret})


def _went_on(state: Account, linking: Linking, event: LinkedInLinkingStarted | linkings.Step) -> Account:
    if isinstance(event, LinkedInLinkingStarted):
        named = replace(linking, email="" if isinstance(event.email, Erased) else event.email)
        return replace(state, linking=named, last=named)
    entered, secrets = state.entered, state.secrets
    if isinstance(event, SignedIn):
        entered |= {(event.sender, event.linking)}
    if isinstance(event, VerificationCodeEntered):
        secrets |= {event.secret}
    return replace(state, linking=linkings.evolve(linking, event), entered=entered, secrets=secrets)


def _under_way() -> Refused:
    return Refused("linkedin.linking-under-way", "LinkedIn is being signed in to. Wait until that has ended.")


def _own(organization: UUID, state: State) -> Account:
    if isinstance(state, NoAccount) or state.organization != organization:
        raise unknown()
    return state


def unknown() -> Refused:
    return Refused("linkedin.unknown", "This identity has no LinkedIn account.", status=404)
