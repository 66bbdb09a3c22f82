"""What the next step of a lead says: its template filled in, and its place in the thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Erased
from heraldry.contracts.campaigns import CampaignSettings, LeadData, SendEmail, Step
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.scheduler.domain.enrollment import Enrollment
from heraldry.scheduler.domain.linkedin_sender import Action
from heraldry.scheduler.domain.sender import Letter
from heraldry.scheduler.ports import MissingVariableError, Speaker, TemplateError, Templates

ERASED: Final = "This person's data was erased."
IMPORT_AGAIN: Final = "Import the lead into another campaign, with what is missing."


class UnwritableError(Exception):
    """The step cannot be written for this lead. `code` is stable; `resolution` is what resolves it."""

    def __init__(self, code: str, reason: str, resolution: str) -> None:
        super().__init__(reason)
        self.code, self.reason, self.resolution = code, reason, resolution


class Letters:
    """`speaker` gives in whose name an identity's mails are written."""

    def __init__(self, templates: Templates, speaker: Callable[[UUID], Awaitable[Speaker]]) -> None:
        self._templates, self._speaker = templates, speaker

    async def write(self, lead: Enrollment, settings: CampaignSettings) -> Letter:
        """R-BOX-17: a follow-up answers what was sent before it, under the same subject. Raises UnwritableError."""
        data, step, first = _data(lead), _step(lead, settings), settings.first_email
        if not isinstance(step, SendEmail) or first is None:
            raise _missing()
        if not data.email:
            raise UnwritableError("lead.no-address", "The lead has no email address.", IMPORT_AGAIN)
        speaker = await self._speaker(lead.identity)
        with _writing():
            mail = self._templates.render(step, data, speaker)
            subject = mail.subject
            if any(one.kind == "email" for one in settings.steps[: lead.step]):
                known = next((one.subject for one in lead.thread if one.subject), "")
                subject = known or self._templates.render(first, data, speaker).subject
        ids = tuple(one.message_id for one in lead.thread if one.message_id)
        return Letter(
            person=lead.person,
            to=data.email,
            subject=subject,
            text=mail.text,
            html=mail.html,
            in_reply_to=ids[-1] if ids else "",
            references=ids,
        )

    async def action(self, lead: Enrollment, settings: CampaignSettings) -> Action:
        """What is done on LinkedIn. Raises UnwritableError."""
        data, step = _data(lead), _step(lead, settings)
        if isinstance(step, SendEmail):
            raise _missing()
        try:
            profile = profile_address(data.linkedin_url)
        except NoProfile:
            raise UnwritableError(
                "lead.no-profile", "The lead has no LinkedIn profile.", IMPORT_AGAIN
            ) from None
        speaker = await self._speaker(lead.identity)
        with _writing():
            text = self._templates.words(step, data, speaker)
        return Action(step.kind, lead.person, profile, data.name, text)


def _data(lead: Enrollment) -> LeadData:
    if isinstance(lead.data, Erased):
        raise UnwritableError("person.erased", ERASED, "Nothing is sent to them any more.")
    return lead.data


def _step(lead: Enrollment, settings: CampaignSettings) -> Step:
    if lead.step >= len(settings.steps):
        raise _missing()
    return settings.steps[lead.step]


def _missing() -> UnwritableError:
    return UnwritableError("step.missing", "The campaign has no such step.", "Add the step again.")


@contextmanager
def _writing() -> Generator[None]:
    try:
        yield
    except MissingVariableError as missing:
        raise UnwritableError(
            "template.variable-missing",
            missing.detail,
            f"Give the step a fallback for {missing.variable}, or fill it in.",
        ) from None
    except TemplateError as error:
        raise UnwritableError("template.invalid", error.detail, "Change the step.") from None
