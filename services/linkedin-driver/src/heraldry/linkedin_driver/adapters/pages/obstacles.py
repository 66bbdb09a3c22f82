"""What may stand in place of any page, whatever its address says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from heraldry.linkedin_driver.adapters.pages import login, words
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.problems import NotFound, Problem, Restricted, SessionEnded, SlowDown
from heraldry.linkedin_driver.adapters.site import hindrance

SHORT: Final = 2_000  # characters; in longer pages the same words are somebody's post

# Asked of every page, so at once: whether there may be a field for the password, what stands there to be read and in
# its headings, whether the account is let in, and whether a member is shown.
_SEEN: Final = """
(most) => [
  document.querySelector('input[type="password"], input#password, input[name="session_password"]') !== null,
  (document.body ? document.body.innerText : '').replace(/\\s+/g, ' ').trim().slice(0, most),
  [...document.querySelectorAll('h1, h2, h3, [role="heading"]')].filter(each => each.getClientRects().length)
    .map(each => each.innerText).join(' ').replace(/\\s+/g, ' '),
  document.querySelector('nav a[href*="/mynetwork"]') !== null,
  document.querySelector(':is(main, [role="main"]) a[href*="/in/"]') !== null,
]
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page says as a whole and in its headings; `let_in`: it offers what only a member is offered."""

    said: str
    headings: str = ""
    let_in: bool = False
    shows_member: bool = False


async def obstacle(reader: Reader) -> Problem | None:
    """Told by where one has landed, by a form to sign in, and by the words of short pages."""
    if problem := hindrance(reader.page.url):
        return problem
    seen = cast("tuple[bool, str, str, bool, bool]", await reader.page.evaluate(_SEEN, SHORT))
    asks, said, headings, let_in, shows_member = seen
    if asks and await Reader(reader.page).find("password", login.password_field(reader.page)):
        return SessionEnded("The page asks for the password.")
    return told_by(Seen(said, headings, let_in, shows_member))


def told_by(seen: Seen) -> Problem | None:
    """Where members are shown the words may be theirs: they are called, and write about themselves, what they like."""
    if len(seen.said) >= SHORT:
        return None
    if not seen.shows_member and words.NO_SUCH_PAGE.found_in(seen.headings if seen.let_in else seen.said):
        return NotFound()
    known: tuple[tuple[words.Words, type[Problem]], ...] = (
        (words.RESTRICTED, Restricted),
        (words.TOO_MUCH, SlowDown),
    )
    return next((kind() for named, kind in known if named.found_in(seen.said) and not seen.let_in), None)
