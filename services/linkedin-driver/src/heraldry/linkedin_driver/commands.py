"""`heraldry linkedin`: what the page objects read on one page of LinkedIn, and which locator found it.

The answer is one JSON document on standard output; all else is on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from heraldry.chassis import logs
from heraldry.chassis.settings import Settings
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.probe import OF_A_MEMBER, PAGES, SECONDS, Asked, PageName, probe

ANSWERED, BAD_NEWS, MISUSE = 0, 1, 2
LARGEST: Final = 10 << 20  # bytes of a session's state


def main(argv: Sequence[str]) -> int:
    """0: the page was read; 1: it could not be, and the document says why; 2: a wrong command line."""
    parser = argparse.ArgumentParser(prog="heraldry linkedin", description="Look at LinkedIn's pages.")
    words = parser.add_subparsers(dest="word", required=True, metavar="probe")
    probing = words.add_parser(
        "probe",
        help="read one page, and say which locator found what",
        description="Open one page in a browser and print what the page object reads on it (`read`) and which locator"
        " found each part (`matched`). Menus and dialogs are opened where only they can tell, and closed again; nothing"
        " is sent, withdrawn or typed.",
    )
    probing.add_argument(
        "--base-url",
        required=True,
        metavar="URL",
        help="the site, such as https://www.linkedin.com; with a path or query it is the page itself",
    )
    probing.add_argument("--page", required=True, choices=PAGES, help="which page object reads it")
    probing.add_argument(
        "--slug", help=f"the member, as in /in/SLUG/; needed by {', '.join(sorted(OF_A_MEMBER))}"
    )
    probing.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        help="cookies and storage of a session, as Playwright keeps them",
    )
    probing.add_argument(
        "--evidence",
        metavar="FOLDER",
        type=Path,
        help="where picture and outline of a page go that is not understood (default: a new folder among the"
        " temporary files); texts and pictures are blotted out in them",
    )
    probing.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        help="how long it may take before the browser is killed (default: %(default)g)",
    )
    asked = parser.parse_args(argv)
    return _probe(probing, asked)


def _probe(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    base: str = asked.base_url
    page: PageName = asked.page
    state: Path | None = asked.state
    try:
        parts = urlsplit(base)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        parser.error("--base-url: give a whole address, beginning with https:// or http://")
    site = Site(base)
    if page in OF_A_MEMBER and not asked.slug and not site.is_one_page:
        parser.error(f"--slug is needed for the page {page}")
    if not asked.seconds > 0:
        parser.error("--seconds: give a time above 0")
    if state and (unreadable := _unreadable(state)):
        answer: dict[str, object] = {"page": page, "slug": asked.slug, "answered": False, **unreadable}
    else:
        logs.configure(Settings(log_format="text", log_level="WARNING"))
        answer = asyncio.run(probe(Asked(site, page, asked.slug, state, asked.evidence, asked.seconds)))
    # Escaped: a stranger's text may hold what no terminal or encoding takes.
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    if answer["answered"]:
        return ANSWERED
    sys.stderr.write(f"heraldry linkedin: {answer['cause']} {answer['resolution']}\n")
    return BAD_NEWS


def _unreadable(state: Path) -> dict[str, object] | None:
    resolution = (
        "Give the file that holds the session's cookies and storage as JSON, and check that you may read it."
    )
    try:
        if state.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        kept: object = json.loads(state.read_bytes())
        if not isinstance(kept, dict):
            raise ValueError("it holds no object")  # noqa: TRY004  a file's content, not a caller's mistake
    except OSError as error:
        said = error.strerror or type(error).__name__
    except ValueError as error:
        said = str(error) if str(error).startswith("it ") else "it holds no JSON"
    else:
        return None
    return {
        "code": "file.unreadable",
        "cause": f"The session's state could not be read from {state}: {said}.",
        "resolution": resolution,
    }
