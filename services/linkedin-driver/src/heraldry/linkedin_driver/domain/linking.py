"""One linking: one sign-in to LinkedIn, a state machine from the credentials to the member.

Credentials are submitted at most once, for every automatic repeat hardens LinkedIn's suspicion. The browser that
submits them holds its page open while a person fetches a code or approves in the app; should it stop, the page
is gone and the linking has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Personal, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.linkedin import (
    CodeBy,
    LinkedInApprovalRequested,
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInProfile,
    Obstacle,
    VerificationCodeGiven,
    VerificationCodeRequested,
)
from heraldry.linkedin_driver.domain.obstacles import (
    ANOTHER_MEMBER,
    APPROVAL_LATE,
    CODE_LATE,
    INTERRUPTED,
    OF_ANOTHER_IDENTITY,
)

HELD_OPEN: Final = timedelta(minutes=10)  # how long a page waits for a person, by the real clock


class SignInClaimed(AnyEvent):
    """Private. One browser submits the credentials; past `held_until` (real clock) it has stopped."""

    linking: UUID
    claim: UUID
    held_until: datetime


class VerificationCodeEntered(AnyEvent):
    """Private. `secret` names the code; the browser that holds the page enters it."""

    linking: UUID
    secret: str
    held_until: datetime


class VerificationCodeMissed(AnyEvent):
    """Private. The code did not arrive: the browser that holds the page asks for a new one."""

    linking: UUID
    held_until: datetime


class SignedIn(AnyEvent):
    """Private. LinkedIn let us in; `sender` is a keyed hash of the member."""

    linking: UUID
    identity: UUID
    sender: str
    profile: Annotated[LinkedInProfile | Erased, Personal("identity")]
    sales_navigator: bool
    held_until: datetime


@dataclass(frozen=True, slots=True)
class ClaimSignIn:
    claim: UUID
    held_until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class AskForCode:
    """The page wants a code; `rejected`: what it said of the one before."""

    claim: UUID
    by: CodeBy
    hint: str
    rejected: Literal["", "wrong", "expired"]
    real_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class AskForApproval:
    claim: UUID
    real_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class EnterCode:
    organization: UUID
    secret: str
    held_until: datetime
    real_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class ResendCode:
    organization: UUID
    held_until: datetime
    real_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    """The page is a member's."""

    claim: UUID
    sender: str
    profile: LinkedInProfile
    sales_navigator: bool
    held_until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Settle:
    """`holder`: the identity that acts as the member who signed in, as the member's own stream says."""

    linking: UUID
    holder: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Fail:
    claim: UUID
    diagnosis: Obstacle
    at: datetime


@dataclass(frozen=True, slots=True)
class Abandon:
    """Close a linking whose page nobody holds open any more. `gone`: nobody drives the account.

    `linking`, `claim`: as they were before it was asked who does; what was begun since is not meant.
    """

    linking: UUID
    claim: UUID
    real_now: datetime
    at: datetime
    gone: bool = False


OfTheCode: TypeAlias = EnterCode | ResendCode
Command: TypeAlias = ClaimSignIn | AskForCode | AskForApproval | SignIn | Settle | Fail | Abandon
Step: TypeAlias = (
    SignInClaimed
    | VerificationCodeRequested
    | VerificationCodeEntered
    | VerificationCodeMissed
    | LinkedInApprovalRequested
    | SignedIn
)
Event: TypeAlias = Step | VerificationCodeGiven | LinkedInLinked | LinkedInLinkingFailed


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """No browser has begun."""


@dataclass(frozen=True, slots=True)
class Working:
    """A browser signs in. `code`: names the one to enter; `resend`: it is to ask for a new one."""

    claim: UUID
    held_until: datetime
    code: str = ""
    resend: bool = False


@dataclass(frozen=True, slots=True)
class CodeWanted:
    claim: UUID
    until: datetime
    by: CodeBy


@dataclass(frozen=True, slots=True)
class ApprovalWanted:
    claim: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Inside:
    """Signed in; whether the member is free is being asked."""

    claim: UUID
    held_until: datetime
    signed_in: SignedIn


Stage: TypeAlias = Unclaimed | Working | CodeWanted | ApprovalWanted | Inside


@dataclass(frozen=True, slots=True)
class Linking:
    """`bound`: the member this identity is linked to already; empty: to none."""

    id: UUID
    account: UUID
    identity: UUID
    secret: str
    bound: str = ""
    email: str = ""
    stage: Stage = Unclaimed()

    def busy(self, real_now: datetime) -> bool:
        """Whether a browser is at work, so that a second sign-in would look like an attack."""
        return isinstance(self.stage, Working | Inside) and self.stage.held_until > real_now


def decide(command: Command, linking: Linking) -> Sequence[Event]:
    stage = linking.stage
    match command:
        case ClaimSignIn():
            return _claim(command, linking)
        case Abandon():
            return _abandon(command, linking)
        case Settle():
            return _settle(command, linking)
        case _:
            if isinstance(stage, Unclaimed | Inside) or stage.claim != command.claim:
                return ()
    match command:
        case AskForCode():
            return _ask_for_code(command, linking)
        case AskForApproval():
            return _ask_for_approval(command, linking)
        case SignIn():
            return _sign_in(command, linking)
        case Fail():
            return (_failed(linking, command.diagnosis, command.at),)
        case _:
            assert_never(command)


def about_the_code(command: OfTheCode, linking: Linking | None) -> Sequence[Event]:
    """What the person says when a code is wanted."""
    if linking is None or not isinstance(linking.stage, CodeWanted):
        raise Refused("linkedin.no-code-wanted", "LinkedIn is not waiting for a code.")
    wanted = linking.stage
    if wanted.until <= command.real_now:
        raise Refused("linkedin.code-too-late", "LinkedIn's page is closed by now. Try linking again.")
    if isinstance(command, EnterCode):
        return (
            VerificationCodeEntered(
                linking=linking.id, secret=command.secret, held_until=command.held_until, at=command.at
            ),
            VerificationCodeGiven(
                account=linking.account, identity=linking.identity, linking=linking.id, at=command.at
            ),
        )
    if wanted.by == "authenticator":
        raise Refused(
            "linkedin.code-by-authenticator", "The authenticator shows a new code by itself. Enter that one."
        )
    return (VerificationCodeMissed(linking=linking.id, held_until=command.held_until, at=command.at),)


def _claim(command: ClaimSignIn, linking: Linking) -> Sequence[Event]:
    if not isinstance(linking.stage, Unclaimed):
        return ()  # the credentials were submitted, or are about to be
    return (
        SignInClaimed(linking=linking.id, claim=command.claim, held_until=command.held_until, at=command.at),
    )


def _ask_for_code(command: AskForCode, linking: Linking) -> Sequence[Event]:
    if isinstance(linking.stage, CodeWanted) and linking.stage.by == command.by:
        return ()
    return (
        VerificationCodeRequested(
            account=linking.account,
            identity=linking.identity,
            linking=linking.id,
            by=command.by,
            hint=command.hint,
            rejected=command.rejected,
            until=command.real_now + HELD_OPEN,
            at=command.at,
        ),
    )


def _ask_for_approval(command: AskForApproval, linking: Linking) -> Sequence[Event]:
    if isinstance(linking.stage, ApprovalWanted):
        return ()
    return (
        LinkedInApprovalRequested(
            account=linking.account,
            identity=linking.identity,
            linking=linking.id,
            until=command.real_now + HELD_OPEN,
            at=command.at,
        ),
    )


def _sign_in(command: SignIn, linking: Linking) -> Sequence[Event]:
    if linking.bound and linking.bound != command.sender:
        return (_failed(linking, ANOTHER_MEMBER, command.at),)
    return (
        SignedIn(
            linking=linking.id,
            identity=linking.identity,
            sender=command.sender,
            profile=command.profile,
            sales_navigator=command.sales_navigator,
            held_until=command.held_until,
            at=command.at,
        ),
    )


def _settle(command: Settle, linking: Linking) -> Sequence[Event]:
    if not isinstance(linking.stage, Inside) or linking.id != command.linking:
        return ()
    if command.holder != linking.identity:
        whose = OF_ANOTHER_IDENTITY.model_copy(update={"identity": command.holder})
        return (_failed(linking, whose, command.at),)
    proven = linking.stage.signed_in
    return (
        LinkedInLinked(
            account=linking.account,
            identity=linking.identity,
            linking=linking.id,
            sender=proven.sender,
            profile=proven.profile,
            sales_navigator=proven.sales_navigator,
            at=command.at,
        ),
    )


def _abandon(command: Abandon, linking: Linking) -> Sequence[Event]:
    if isinstance(linking.stage, Unclaimed):
        return ()
    if (linking.id, linking.stage.claim) != (command.linking, command.claim):
        return ()
    match linking.stage:
        case CodeWanted(until=until):
            late, why = until, CODE_LATE
        case ApprovalWanted(until=until):
            late, why = until, APPROVAL_LATE
        case Working(held_until=until) | Inside(held_until=until):
            late, why = until, INTERRUPTED
        case _:
            assert_never(linking.stage)
    if late <= command.real_now:
        return (_failed(linking, why, command.at),)
    if command.gone and not isinstance(linking.stage, Inside):  # what is inside goes on without a page
        return (_failed(linking, INTERRUPTED, command.at),)
    return ()


def evolve(linking: Linking, event: Step) -> Linking:
    if isinstance(event, SignInClaimed):
        return replace(linking, stage=Working(event.claim, event.held_until))
    if isinstance(linking.stage, Unclaimed):
        return linking
    return replace(linking, stage=_next(linking.stage.claim, event))


def _next(
    claim: UUID,
    event: VerificationCodeRequested
    | VerificationCodeEntered
    | VerificationCodeMissed
    | LinkedInApprovalRequested
    | SignedIn,
) -> Stage:
    match event:
        case VerificationCodeRequested():
            return CodeWanted(claim, event.until, event.by)
        case VerificationCodeEntered():
            return Working(claim, event.held_until, code=event.secret)
        case VerificationCodeMissed():
            return Working(claim, event.held_until, resend=True)
        case LinkedInApprovalRequested():
            return ApprovalWanted(claim, event.until)
        case SignedIn():
            return Inside(claim, event.held_until, event)
        case _:
            assert_never(event)


def _failed(linking: Linking, why: Obstacle, at: datetime) -> LinkedInLinkingFailed:
    return LinkedInLinkingFailed(
        account=linking.account, identity=linking.identity, linking=linking.id, diagnosis=why, at=at
    )
