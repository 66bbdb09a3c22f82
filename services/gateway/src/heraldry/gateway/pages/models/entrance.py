"""Signing in, the first admin, and what stands where a page cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from heraldry.gateway.pages.forms import FirstAdminForm, SignInForm


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage:
    """sign_in.html. `next`: where to go afterwards, a path of this site. `try_again_at`: throttled until
    then.
    """

    form: SignInForm = field(default_factory=SignInForm)
    next: str = "/"
    try_again_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAdminPage:
    """first_admin.html. `action`: the path of the one-time link, which is also where the form posts to."""

    action: str
    form: FirstAdminForm = field(default_factory=FirstAdminForm)
    password_length: int = 12


@dataclass(frozen=True, slots=True)
class LinkGonePage:
    """link_gone.html: a one-time link that works no more, and which of the three it is."""

    reason: Literal["used", "expired", "unknown"]


ERRORS: Final[dict[int, tuple[str, str]]] = {
    403: (
        "You may not do this",
        "Your account has no right to this page. Ask an admin of your organization.",
    ),
    404: (
        "There is nothing here",
        "The page does not exist, was deleted, or belongs to another organization.",
    ),
    413: (
        "That is too large",
        "Nothing was taken. A file of leads may have 10 MB and 10,000 rows, a picture 5 MB.",
    ),
    500: (
        "Something went wrong",
        "It is our fault, not yours. What you had saved is stored. Try again in a moment.",
    ),
    503: (
        "Heraldry is catching up",
        "A part of it is away for a moment. Nothing is lost. This page recovers by itself.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """error.html. `reference`: the correlation id, for whoever is asked for help. `retry`: for 503, the
    path the page asks again until it answers (empty: the page's own).
    """

    status: int
    title: str
    text: str
    reference: str = ""
    retry: str = ""

    @property
    def recovers(self) -> bool:
        return self.status == 503  # noqa: PLR2004  service unavailable

    @classmethod
    def of(cls, status: int, *, text: str = "", reference: str = "", retry: str = "") -> ErrorPage:
        """The page for a status in our words; `text` replaces the second sentence. Unknown ones read like
        500.
        """
        title, usual = ERRORS.get(status, ERRORS[500])
        return cls(status=status, title=title, text=text or usual, reference=reference, retry=retry)
