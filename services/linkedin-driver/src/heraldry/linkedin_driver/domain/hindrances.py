"""What can come between an action and its click, or show that the click changed nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from heraldry.contracts.linkedin import Obstacle, SlowedDown
from heraldry.linkedin_driver.domain.obstacles import Mender

A_WEEK: Final = timedelta(days=7)
A_DAY: Final = timedelta(days=1)
SOME_HOURS: Final = timedelta(hours=4)


def _obstacle(code: str, cause: str, resolution: str, kind: Mender = "person") -> Obstacle:
    return Obstacle(code=code, cause=cause, resolution=resolution, kind=kind)


FORGOTTEN: Final = _obstacle(
    "person.erased",
    "The person's data was erased, so nobody knows any more whom it was for.",
    "Nothing needs to be done.",
)
NOT_ON_THE_LIST: Final = _obstacle(
    "recipient.not-allowed",
    "This installation acts only on people its operator has named, and this is none of them.",
    "It may be a staging copy. The operator names people with HERALDRY_RECIPIENT_ALLOW_LIST.",
)
NO_SUCH_PROFILE: Final = _obstacle(
    "profile.not-found",
    "LinkedIn has no such profile: the address is wrong, or the member has left.",
    "Check the LinkedIn address.",
)
MOVED: Final = _obstacle(
    "profile.moved",
    "LinkedIn leads from this address to another profile, and nothing shows that it is the same person's.",
    "Look at the profile and give its present address.",
)
OWN_PROFILE: Final = _obstacle(
    "profile.own",
    "This is the profile of the account itself.",
    "Give the LinkedIn address of the person who is meant.",
)
NOT_OFFERED: Final = _obstacle(
    "invitation.not-offered",
    "LinkedIn offers no way to connect with this person, only to follow.",
    "Leave this person out of LinkedIn steps.",
)
INVITED_BY_THEM: Final = _obstacle(
    "invitation.invited-by-them",
    "This person has invited you to connect.",
    "Accept the invitation on LinkedIn.",
)
TAKES_NONE_NOW: Final = _obstacle(
    "invitation.withdrawn-lately",
    "LinkedIn takes no invitation to this person for now: one was withdrawn less than three weeks ago.",
    "Invite them again three weeks after the withdrawal.",
)
EMAIL_ASKED: Final = _obstacle(
    "invitation.email-asked",
    "This person takes invitations only from people who know their email address.",
    "Leave this person out of LinkedIn steps, or invite them by hand.",
)
NOTE_NEEDED: Final = _obstacle(
    "invitation.note-needed",
    "This person takes invitations only with a note.",
    "Add a note to the step.",
)
NOTE_TOO_LONG: Final = _obstacle(
    "invitation.note-too-long",
    "The note is longer than LinkedIn takes of this account.",
    "Shorten the note: 200 characters without LinkedIn Premium, 300 with it.",
)
NOTES_USED_UP: Final = _obstacle(
    "invitation.notes-used-up",
    "The account has used all its invitations with a note of this month.",
    "Wait until next month, leave the note away, or get LinkedIn Premium.",
    "transient",
)
WEEKLY_LIMIT: Final = _obstacle(
    "invitation.weekly-limit",
    "The account has reached LinkedIn's weekly limit of invitations.",
    "Wait; it goes on by itself. Withdrawing invitations does not help.",
    "transient",
)
NOT_SENT: Final = _obstacle(
    "invitation.not-sent",
    "LinkedIn did not send the invitation, and says no more than that.",
    "Try again later, or invite the person by hand.",
)
TOO_MUCH: Final = _obstacle(
    "linkedin.slow-down",
    "LinkedIn answers that too much was asked of it in a short time.",
    "Wait; it goes on by itself. Lower the limits if it happens again.",
    "transient",
)
NOT_WITHDRAWN: Final = _obstacle(
    "withdrawal.refused",
    "LinkedIn was unable to withdraw the invitation.",
    "Try again later, or withdraw it on LinkedIn.",
    "transient",
)
STILL_PENDING: Final = _obstacle(
    "withdrawal.still-pending",
    "LinkedIn still shows the invitation as pending half an hour after it was withdrawn.",
    "Try again, or withdraw it on LinkedIn.",
)
NOT_CONNECTED: Final = _obstacle(
    "message.not-connected",
    "You are not connected with this person, so LinkedIn takes no ordinary message.",
    "Connect first.",
)
PAID_ONLY: Final = _obstacle(
    "message.inmail-only",
    "LinkedIn takes only a paid message (InMail) to this person.",
    "Connect first. Paid messages are never sent from here.",
)
OTHER_CONVERSATION: Final = _obstacle(
    "message.other-conversation",
    "The conversation that opened is not known to be this person's, so nothing was written in it.",
    "Write to the person by hand.",
    "operator",
)
MESSAGE_FAILED: Final = _obstacle(
    "message.failed",
    "LinkedIn could not send the message.",
    "Try again later.",
    "transient",
)
READING_INTERRUPTED: Final = _obstacle(
    "scraping.interrupted",
    "The browser stopped while it read the profile, so what it says is lost.",
    "A campaign reads it again, three times in all; then try the lead again. Its place in the limit stays used.",
    "transient",
)
LAYOUT_CHANGED: Final = _obstacle(
    "linkedin.layout-changed",
    "LinkedIn's page is not built as we know it, so nothing was done there.",
    "Do it by hand, and tell support. A picture and an outline of the page, without texts and names, are kept.",
    "operator",
)
TOO_LATE: Final = _obstacle(
    "action.too-late",
    "The browser was held up between being ready and the click, so nothing was clicked.",
    "Try the step again; its place in the limit was given back.",
    "transient",
)
BROWSER_ENDED: Final = _obstacle(
    "browser.ended",
    "The browser did not start, or ended in the middle of its work.",
    "Nothing needs to be done: it is tried again by itself.",
    "transient",
)
NOT_NOW: Final = _obstacle(
    "action.not-now",
    "It could not be done at the moment.",
    "Nothing needs to be done: it is tried again by itself.",
    "transient",
)
LATER: Final = _obstacle(
    "invitation.later",
    "LinkedIn sends no invitations of this account for now.",
    "Wait; it goes on by itself. Lower the limit of invitations if it happens again.",
    "transient",
)

_SLOWED: Final[Mapping[str, tuple[SlowedDown, timedelta]]] = {
    WEEKLY_LIMIT.code: ("invitation", A_WEEK),
    LATER.code: ("invitation", A_DAY),
    TOO_MUCH.code: ("everything", SOME_HOURS),
}


def layout_changed(page: str, missing: Sequence[str]) -> Obstacle:
    """What was not found on which page."""
    cause = f"{LAYOUT_CHANGED.cause} On the page “{page}” this was not found: {', '.join(missing)}."
    return LAYOUT_CHANGED.model_copy(update={"cause": cause})


def slowed_until(diagnosis: Obstacle, now: datetime) -> tuple[SlowedDown, datetime] | None:
    """What LinkedIn wants no more of after such an answer, and until when (R-LIM-5)."""
    if diagnosis.code == NOTES_USED_UP.code:
        return "note", _next_month(now)
    found = _SLOWED.get(diagnosis.code)
    return None if found is None else (found[0], now + found[1])


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)
