"""What a page looked like that was not understood, without anything on it that is about people."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from playwright.async_api import Error, Page

# Only the shape of the page stays: no text, no picture.
_BLOTTED: Final = """
*, *::before, *::after, *::placeholder { color: transparent !important; text-shadow: none !important;
  background-image: none !important; -webkit-text-fill-color: transparent !important; caret-color: transparent !important;
  transition: none !important; animation: none !important; }
img, video, canvas, picture, svg, iframe { visibility: hidden !important; }
"""
_PATIENCE: Final = 5_000
# By sheets of the document's own making, which no policy of the page forbids, in every open shadow root too; true only
# where every text is seen to be blotted out.
_BLOT: Final = """
(rules) => {
  const roots = [document];
  for (let at = 0; at < roots.length; at++)
    for (const each of roots[at].querySelectorAll('*')) if (each.shadowRoot) roots.push(each.shadowRoot);
  for (const root of roots) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(rules);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  }
  const clear = (colour) => colour === 'transparent' || /,\\s*0\\)$/.test(colour);
  return roots.every(root => [...root.querySelectorAll('*')].every(each => {
    const style = getComputedStyle(each);
    return clear(style.webkitTextFillColor) && (
      !/^(img|video|canvas|picture|svg|iframe)$/i.test(each.tagName) || style.visibility === 'hidden');
  }));
}
"""

# What may be read: the words of controls, roles and addresses. Anything else could be a name or a number.
_KEPT: Final = frozenset(
    """
    a about accept account add again agree alert an and another app apple article at back banner button cancel captcha
    check checkbox checked checkpoint close code collapsed combobox complementary compose connect connection connections
    contact contentinfo continue custom degree dialog disabled dismiss document email enter error expanded feed follow
    following for form generic google got group heading home https http iframe ignore image img in inmail invitation
    invitations invite it jobs lazy level limit linkedin link list listbox listitem load log login main manager me menu
    menuitem message messaging microsoft more my mynetwork navigation network next note notifications of open option or
    overlay page paragraph passkey password pending people personalized phone pin placeholder preload premium profile
    pressed presentation received region remaining remove report resend row rowgroup save search security see selected
    send sent separator show sign skip status strong submit tab table tablist text textbox the this to toolbar try url
    verification verify view way weekly welcome with withdraw without you your
    abbrechen anmelden annehmen ausstehend einladung einloggen folgen hinzufügen kontakt kontakte mehr nachricht notiz
    passwort senden vernetzen zurückziehen
    acceptera anslut avbryt dra följ ignorera inbjudan kontakter logga lägg lösenord meddelande mer skicka tillbaka
    väntande
    """.split()  # noqa: SIM905  read as a text
)


def redacted(snapshot: str) -> str:
    """The same lines with every word blotted out that is not one of a control, and every number."""
    return re.sub(
        r"[^\W_]+", lambda word: word[0] if word[0].casefold() in _KEPT else "x" * len(word[0]), snapshot
    )


async def keep(page: Page, folder: Path) -> tuple[Path | None, Path | None]:
    """Picture and outline of the page in the folder, readable by their owner only; None for what could not be had."""
    screenshot: Path | None = None
    snapshot: Path | None = None
    with suppress(Error, OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE / 1000):
            blotted = await page.evaluate(_BLOT, _BLOTTED)
        if blotted:
            screenshot = _written(folder, "page.png", await page.screenshot(timeout=_PATIENCE))
    with suppress(Error, OSError):
        seen = await page.locator("body").aria_snapshot(timeout=_PATIENCE)
        snapshot = _written(folder, "page.txt", redacted(seen).encode())
    return screenshot, snapshot


def _written(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
