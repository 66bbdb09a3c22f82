"""What can stand in the way on LinkedIn's pages, each with its likely cause and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class Problem(Exception):  # noqa: N818  what happened, not that it is an error
    """Codes are never renamed, words may be."""

    code: ClassVar[str]
    cause: ClassVar[str]
    resolution: ClassVar[str]

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.cause)
        self.detail = detail

    def document(self) -> dict[str, object]:
        told: dict[str, object] = {"code": self.code, "cause": self.cause, "resolution": self.resolution}
        return told | ({"detail": self.detail} if self.detail else {})


class SessionEnded(Problem):
    code = "linkedin.session-ended"
    cause = "LinkedIn asks to sign in: the session has ended, or there was none."
    resolution = "Link the LinkedIn account again."


class CheckpointMet(Problem):
    code = "linkedin.checkpoint"
    cause = "LinkedIn wants to know that it is really the account's owner before it shows anything else."
    resolution = "Link the LinkedIn account again and answer what LinkedIn asks there."


class Restricted(Problem):
    code = "linkedin.restricted"
    cause = "LinkedIn has restricted this account."
    resolution = "Sign in to LinkedIn in your own browser and follow what it says there. Link the account again when the restriction is lifted."


class SlowDown(Problem):
    code = "linkedin.slow-down"
    cause = "LinkedIn answers that too much was asked of it in a short time."
    resolution = "Wait some hours before anything else is done with this account, and lower its limits."


class WeeklyLimit(Problem):
    code = "linkedin.weekly-limit"
    cause = "The account has reached LinkedIn's weekly limit of invitations."
    resolution = "Wait until LinkedIn lifts it, usually within a week. Withdrawing invitations does not help."


class NotesUsedUp(Problem):
    code = "linkedin.notes-used-up"
    cause = "The account has used all its personalized invitations of this month."
    resolution = "Send invitations without a note until next month, or use an account with LinkedIn Premium."


class EmailAsked(Problem):
    code = "linkedin.email-asked"
    cause = "This member takes invitations only from people who know their email address."
    resolution = "Leave this lead out of LinkedIn steps, or invite the member by hand."


class NotFound(Problem):
    code = "linkedin.not-found"
    cause = "LinkedIn has no such page: the address is wrong, or the member has left or changed the address."
    resolution = "Check the LinkedIn address."


class NotPending(Problem):
    code = "linkedin.not-pending"
    cause = "No invitation to this member is pending."
    resolution = "There is nothing to withdraw. Look at the profile to see how you are connected."


class NoMessage(Problem):
    code = "linkedin.no-message"
    cause = "The profile offers no way to write a message to this member."
    resolution = "Connect with the member first."


class SiteUnreachable(Problem):
    code = "linkedin.unreachable"
    cause = "The site did not answer, or answered with a failure of its own."
    resolution = "Check the address and the network, then try again."


class BrowserMissing(Problem):
    code = "browser.missing"
    cause = "There is no Chromium on this machine, or HERALDRY_CHROMIUM names something that is not there."
    resolution = "Install the system's chromium or run `.venv/bin/playwright install chromium`, or set HERALDRY_CHROMIUM to its path."


class BrowserFailed(Problem):
    code = "browser.failed"
    cause = "Chromium did not start, or ended in the middle of its work."
    resolution = "See the detail. Without user namespaces Chromium's own sandbox cannot start: allow them for the user it runs as."


class TookTooLong(Problem):
    code = "browser.too-long"
    cause = "The page was not read within the time allowed; the browser was ended."
    resolution = "Try again; if it happens again, the site is slow or the machine is short of memory."


class LayoutChanged(Problem):
    code = "linkedin.layout-changed"
    cause = "The page is not built as we know it, so nothing was done there."
    resolution = (
        "Tell the maintainers, with the two files: texts, pictures and names are blotted out in them."
    )

    def __init__(
        self,
        page: str,
        missing: Sequence[str],
        *,
        screenshot: Path | None = None,
        snapshot: Path | None = None,
    ) -> None:
        super().__init__(f"{page}: not found: {', '.join(missing)}")
        self.page = page
        self.missing = tuple(missing)
        self.screenshot = screenshot
        self.snapshot = snapshot

    def document(self) -> dict[str, object]:
        files = {"screenshot": self.screenshot, "snapshot": self.snapshot}
        shown: dict[str, object] = {name: str(path) for name, path in files.items() if path}
        return super().document() | {"missing": self.missing} | shown
