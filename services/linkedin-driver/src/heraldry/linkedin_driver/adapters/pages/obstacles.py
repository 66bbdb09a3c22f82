"""What may stand in place of any page, whatever its address says."""

from __future__ import annotations

from typing import Final, cast

from heraldry.linkedin_driver.adapters.pages import login, words
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.problems import NotFound, Problem, Restricted, SessionEnded, SlowDown
from heraldry.linkedin_driver.adapters.site import hindrance

_OF_MEMBERS: Final = 'nav a[href*="/mynetwork"]'  # where this is, the account is let in
SHORT: Final = 2_000  # characters; in longer pages the same words are somebody's post

# Asked of every page, so at once: whether there may be a field for the password, and what stands there to be read.
_SEEN: Final = """
(most) => [
  document.querySelector('input[type="password"], input#password, input[name="session_password"]') !== null,
  (document.body ? document.body.innerText : '').replace(/\\s+/g, ' ').trim().slice(0, most),
]
"""


async def obstacle(reader: Reader) -> Problem | None:
    """Told by where one has landed, by a form to sign in, and by the words of short pages."""
    if problem := hindrance(reader.page.url):
        return problem
    asks, said = cast("tuple[bool, str]", await reader.page.evaluate(_SEEN, SHORT))
    if asks and await Reader(reader.page).find("password", login.password_field(reader.page)):
        return SessionEnded("The page asks for the password.")
    problem = told_by(said) if len(said) < SHORT else None
    of_the_account = isinstance(problem, Restricted | SlowDown)
    return None if of_the_account and await reader.page.locator(_OF_MEMBERS).count() else problem


def told_by(said: str) -> Problem | None:
    known: tuple[tuple[words.Words, type[Problem]], ...] = (
        (words.NO_SUCH_PAGE, NotFound),
        (words.RESTRICTED, Restricted),
        (words.TOO_MUCH, SlowDown),
    )
    return next((kind() for named, kind in known if named.found_in(said)), None)
