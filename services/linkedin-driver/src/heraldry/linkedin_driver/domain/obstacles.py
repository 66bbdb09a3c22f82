"""What can stand between us and LinkedIn, and what the person can do about each (R-ADD-4, R-ADD-7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from heraldry.contracts.linkedin import Obstacle

Mender: TypeAlias = Literal["person", "operator", "transient"]


def _obstacle(code: str, cause: str, resolution: str, kind: Mender = "person") -> Obstacle:
    return Obstacle(code=code, cause=cause, resolution=resolution, kind=kind)


WRONG_PASSWORD: Final = _obstacle(
    "linkedin.wrong-password",
    "LinkedIn did not take the password.",
    "Check the password by signing in at linkedin.com, then enter it again. If you sign in to LinkedIn with"
    " Google, Microsoft, Apple or a passkey, set a LinkedIn password there first.",
)
UNKNOWN_ACCOUNT: Final = _obstacle(
    "linkedin.unknown-account",
    "LinkedIn knows no account with this email address or phone number.",
    "Enter the address you sign in to LinkedIn with.",
)
NO_PASSWORD: Final = _obstacle(
    "linkedin.no-password",
    "This LinkedIn account signs in with Google, Microsoft, Apple, a passkey or a one-time link and has no"
    " password of its own.",
    "Set a password at linkedin.com (Forgot password?), then link the account with it.",
)
CAPTCHA: Final = _obstacle(
    "linkedin.captcha",
    "LinkedIn asks to solve a puzzle that shows that you are a person.",
    "Sign in at linkedin.com in your own browser, solve it there, then try again.",
)
IDENTITY_CHECK: Final = _obstacle(
    "linkedin.identity-check",
    "LinkedIn wants to know who you are, by a document or a phone number.",
    "Sign in at linkedin.com in your own browser, do what it asks there, then try again.",
)
RESTRICTED: Final = _obstacle(
    "linkedin.restricted",
    "LinkedIn has restricted this account.",
    "Sign in at linkedin.com in your own browser, follow what it says there, and link the account again when it"
    " is free.",
)
APPROVAL_DENIED: Final = _obstacle(
    "linkedin.approval-denied",
    "The sign-in was denied in the LinkedIn app.",
    "Try again and tap Yes in the app.",
)
APPROVAL_LATE: Final = _obstacle(
    "linkedin.approval-late",
    "Nobody approved the sign-in in the LinkedIn app in time.",
    "Open the LinkedIn app, try again, and tap Yes in it.",
)
CODE_LATE: Final = _obstacle(
    "linkedin.code-late",
    "No valid code was entered in time.",
    "Have the device at hand that shows or receives the code, then try again.",
)
CODE_REFUSED: Final = _obstacle(
    "linkedin.code-refused",
    "LinkedIn takes no more codes for this sign-in.",
    "Wait an hour, then try again.",
)
TOO_MANY_SIGN_INS: Final = _obstacle(
    "linkedin.too-many-sign-ins",
    "LinkedIn answers that there were too many tries to sign in.",
    "Wait a few hours, then try again.",
)
INTERRUPTED: Final = _obstacle(
    "linkedin.interrupted",
    "The browser that was signing in stopped before it was done.",
    "Try again. LinkedIn may send another code.",
    "transient",
)
NO_BROWSER: Final = _obstacle(
    "linkedin.no-browser",
    "There is no browser on the server that could sign in to LinkedIn.",
    "Ask whoever runs Heraldry to install Chromium, then try again.",
    "operator",
)
PASSWORD_GONE: Final = _obstacle(
    "linkedin.password-gone",
    "The LinkedIn password is no longer stored.",
    "Enter the LinkedIn email and password again.",
)
UNREACHABLE: Final = _obstacle(
    "linkedin.unreachable",
    "LinkedIn did not answer.",
    "Try again in a few minutes.",
    "transient",
)
UNRECOGNISED: Final = _obstacle(
    "linkedin.unrecognised",
    "LinkedIn showed a page that is not known here.",
    "Sign in at linkedin.com in your own browser, see what it asks, then try again. If that does not help, tell"
    " support.",
    "operator",
)
OF_ANOTHER_IDENTITY: Final = _obstacle(
    "linkedin.belongs-to-another-identity",
    "This LinkedIn account belongs to another identity of your organization.",
    "Unlink it there first, or link another account.",
)
ANOTHER_MEMBER: Final = _obstacle(
    "linkedin.another-member",
    "This is the account of another LinkedIn member than the one this identity is linked to.",
    "Link the account it had, or unlink that one first.",
)
SIGNED_OUT: Final = _obstacle(
    "linkedin.signed-out",
    "LinkedIn ended the session.",
    "Link the account again.",
)

LINKING: Final[Mapping[str, Obstacle]] = {
    one.code: one
    for one in (
        WRONG_PASSWORD,
        UNKNOWN_ACCOUNT,
        NO_PASSWORD,
        CAPTCHA,
        IDENTITY_CHECK,
        RESTRICTED,
        APPROVAL_DENIED,
        APPROVAL_LATE,
        CODE_LATE,
        CODE_REFUSED,
        TOO_MANY_SIGN_INS,
        INTERRUPTED,
        NO_BROWSER,
        PASSWORD_GONE,
        UNREACHABLE,
        UNRECOGNISED,
        OF_ANOTHER_IDENTITY,
        ANOTHER_MEMBER,
    )
}
NEEDS_CREDENTIALS: Final = frozenset(
    one.code for one in (WRONG_PASSWORD, UNKNOWN_ACCOUNT, NO_PASSWORD, PASSWORD_GONE)
)

NOT_LINKED: Final = _obstacle(
    "linkedin.not-linked",
    "The LinkedIn account is not linked.",
    "Link the account again; the step goes on then.",
)
SLOWED_DOWN: Final = _obstacle(
    "linkedin.slowed-down",
    "LinkedIn wants no more of this for now.",
    "Wait; it goes on by itself.",
    "transient",
)
ALREADY_CONNECTED: Final = _obstacle(
    "invitation.already-connected",
    "You are connected with this person already.",
    "Nothing needs to be done. It counts nothing.",
)
ALREADY_INVITED: Final = _obstacle(
    "invitation.already-invited",
    "This person is invited already.",
    "Nothing needs to be done. It counts nothing.",
)
WITHDRAWN_LATELY: Final = _obstacle(
    "invitation.withdrawn-lately",
    "An invitation to this person was withdrawn less than three weeks ago.",
    "Invite them again",
)
ACCEPTED_MEANWHILE: Final = _obstacle(
    "withdrawal.accepted-meanwhile",
    "The person accepted the invitation before it was withdrawn.",
    "Nothing needs to be done: you are connected.",
)
NOT_FOUND: Final = _obstacle(
    "withdrawal.not-found",
    "LinkedIn shows no pending invitation to this person.",
    "Nothing needs to be done: it was declined, has run out, or was withdrawn on LinkedIn.",
)
