"""Signing in to the stand-in of LinkedIn: password, challenges, sessions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Literal

from heraldry.sandbox.linkedin.state import Kept, OpenChallenge, Session
from heraldry.sandbox.mail.effects import Effects

CODE_HOLDS = 15 * 60  # seconds
APP_HOLDS = 10 * 60

Refused = Literal[
    "email_missing", "email_unknown", "password_wrong", "one_time_link", "too_often", "password_missing"
]
CodeRefused = Literal["code_wrong", "code_expired"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    session: str  # the value of the cookie li_at


@dataclass(frozen=True, slots=True)
class Challenged:
    challenge: str


class SignIn:
    """Every try is one effect; no password and no code is ever in it."""

    def __init__(self, kept: Kept, effects: Effects, now: Callable[[], datetime]) -> None:
        self._kept, self._effects, self._now = kept, effects, now

    @property
    def _state(self):  # noqa: ANN202  what Kept holds
        return self._kept.state

    def try_password(self, email: str, password: str) -> SignedIn | Challenged | Refused:
        """One submission of the form of the sign-in page."""
        email = email.strip().lower()
        outcome = self._judge(email, password)
        said = outcome if isinstance(outcome, str) else "accepted"
        self._effects.record("sign-in posted", account=email, outcome=said)
        if isinstance(outcome, str):
            return outcome
        if outcome is None:
            return self._sign_in(email)
        key = secrets.token_urlsafe(12)
        self._state.challenges[key] = outcome
        self._kept.save()
        by = {"by": outcome.by} if outcome.kind == "code" else {}
        self._effects.record("challenged", account=email, kind=outcome.kind, **by)
        return Challenged(key)

    def _judge(self, email: str, password: str) -> OpenChallenge | Refused | None:
        account = self._state.accounts.get(email)
        if not email:
            return "email_missing"
        if account is None:
            return "email_unknown"
        if account.scenario.challenge == "too_often":
            return "too_often"
        if account.scenario.only_by:
            return "one_time_link" if account.scenario.only_by_shows == "one_time_link" else "password_wrong"
        if not password:
            return "password_missing"
        if not compare_digest(account.password.encode(), password.encode("utf-8", "surrogatepass")):
            return "password_wrong"
        now = self._now().timestamp()
        match account.scenario.challenge:
            case "none":
                return None
            case "sms" | "email" | "authenticator" as by:
                return OpenChallenge(email, "code", now + CODE_HOLDS, by, _code())
            case "app":
                return OpenChallenge(email, "app", now + APP_HOLDS)
            case "captcha" | "restricted" | "phone" | "identity" | "agree" as kind:
                return OpenChallenge(email, kind, now + CODE_HOLDS)

    def challenge(self, key: str) -> OpenChallenge | None:
        """The challenge that is still open under this id."""
        return self._state.challenges.get(key)

    def challenges(self, email: str) -> dict[str, OpenChallenge]:
        """By id, the newest last."""
        return {key: one for key, one in self._state.challenges.items() if one.email == email}

    def is_expired(self, challenge: OpenChallenge) -> bool:
        return self._now().timestamp() >= challenge.expires

    def enter_code(self, key: str, code: str) -> SignedIn | CodeRefused | None:
        """None where no code is asked for (any more)."""
        challenge = self.challenge(key)
        if challenge is None or challenge.kind != "code":
            return None
        given = code.strip().encode("utf-8", "surrogatepass")
        outcome: CodeRefused | Literal["accepted"]
        if self.is_expired(challenge):
            outcome = "code_expired"
        elif not compare_digest(challenge.code.encode(), given):
            outcome = "code_wrong"
        else:
            outcome = "accepted"
        self._effects.record("code entered", account=challenge.email, outcome=outcome)
        return self._pass(key) if outcome == "accepted" else outcome

    def resend(self, key: str) -> bool:
        """A new code by SMS or email; the one before no longer counts. False where there is nothing to resend."""
        challenge = self.challenge(key)
        if challenge is None or challenge.kind != "code" or challenge.by == "authenticator":
            return False
        challenge.code = _code(other_than=challenge.code)
        challenge.expires = self._now().timestamp() + CODE_HOLDS
        self._kept.save()
        self._effects.record("code sent again", account=challenge.email, by=challenge.by)
        return True

    def verify_by_sms_instead(self, key: str) -> bool:
        """From the app to a code; False where the app is not waited for."""
        challenge = self.challenge(key)
        if challenge is None or challenge.kind != "app":
            return False
        expires = self._now().timestamp() + CODE_HOLDS
        self._state.challenges[key] = OpenChallenge(challenge.email, "code", expires, "sms", _code())
        self._kept.save()
        self._effects.record("challenged", account=challenge.email, kind="code", by="sms")
        return True

    def expire(self, email: str) -> int:
        """Let every open code and every wait for the app run out now; answers how many there were."""
        found = self.challenges(email)
        for one in found.values():
            one.expires = self._now().timestamp()
        self._kept.save()
        return len(found)

    def answer_in_app(self, email: str, answer: Literal["approved", "denied"]) -> int:
        """Tap Yes or No in the app for every sign-in that waits; answers how many there were."""
        waiting = [one for one in self.challenges(email).values() if one.kind == "app" and not one.answer]
        for one in waiting:
            if not self.is_expired(one):
                one.answer = answer
                self._effects.record("answered in the app", account=email, answer=answer)
        self._kept.save()
        return len(waiting)

    def poll_app(self, key: str) -> SignedIn | Literal["waiting", "denied", "expired"]:
        """What the page that waits for the app is told."""
        challenge = self.challenge(key)
        if challenge is None or challenge.kind != "app":
            return "expired"
        if challenge.answer == "approved":
            return self._pass(key)
        if challenge.answer == "denied":
            return "denied"
        return "expired" if self.is_expired(challenge) else "waiting"

    def agree(self, key: str) -> SignedIn | None:
        """To new terms; None where they are not asked about."""
        challenge = self.challenge(key)
        return self._pass(key) if challenge and challenge.kind == "agree" else None

    def ask_again(self, email: str) -> Challenged:
        """End every session in the middle of the work, until a code by SMS is entered."""
        self.revoke(email)
        key = secrets.token_urlsafe(12)
        expires = self._now().timestamp() + CODE_HOLDS
        self._state.challenges[key] = OpenChallenge(email, "code", expires, "sms", _code())
        self._kept.save()
        self._effects.record("challenged", account=email, kind="code", by="sms")
        return Challenged(key)

    def last(self) -> str:
        """The email that signed in last; empty before anybody has."""
        return (
            max(self._state.sessions.values(), key=lambda one: one.began).email
            if self._state.sessions
            else ""
        )

    def session(self, cookie: str) -> Session | None:
        return self._state.sessions.get(cookie)

    def sessions(self, email: str) -> int:
        """How many browsers are signed in."""
        return sum(one.email == email and not one.revoked for one in self._state.sessions.values())

    def revoke(self, email: str) -> int:
        """End every session of the account, as LinkedIn does by itself; answers how many there were."""
        found = [one for one in self._state.sessions.values() if one.email == email and not one.revoked]
        for one in found:
            one.revoked = True
        self._kept.save()
        if found:
            self._effects.record("sessions revoked", account=email, sessions=len(found))
        return len(found)

    def sign_out(self, cookie: str) -> None:
        if ended := self._state.sessions.pop(cookie, None):
            self._kept.save()
            self._effects.record("signed out", account=ended.email)

    def forget(self, cookie: str) -> None:
        """The browser has been told that its session was revoked."""
        self._state.sessions.pop(cookie, None)
        self._kept.save()

    def _pass(self, key: str) -> SignedIn:
        return self._sign_in(self._state.challenges.pop(key).email)

    def _sign_in(self, email: str) -> SignedIn:
        cookie = "AQED" + secrets.token_urlsafe(48)
        self._state.sessions[cookie] = Session(email, self._now().timestamp())
        self._kept.save()
        self._effects.record("signed in", account=email)
        return SignedIn(cookie)


def _code(other_than: str = "") -> str:
    while (code := f"{secrets.randbelow(1_000_000):06}") == other_than:
        pass
    return code
