"""The outside world as the scheduler sees it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from heraldry.contracts.campaigns import LeadData, ReadProfile, SendEmail, SendInvitation, SendMessage, Step
from heraldry.contracts.identity import ContactDetails

Part: TypeAlias = Literal["subject", "text", "html", "note"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """In whose name a mail is written: `identity.…` in templates."""

    name: str = ""
    details: ContactDetails = field(default_factory=ContactDetails)


@dataclass(frozen=True, slots=True)
class Mail:
    """A step as one lead gets it. `subject` is one line; `html` is clean, or empty."""

    subject: str
    text: str
    html: str


class TemplateError(Exception):
    """A template cannot be used. `detail` is for the person who wrote it; it quotes no lead's data."""

    def __init__(self, detail: str, *, part: Part | None = None) -> None:
        super().__init__(detail)
        self.detail, self.part = detail, part


class MissingVariableError(TemplateError):
    """The lead, or the identity, has nothing under `variable`, and the template no fallback."""

    def __init__(self, variable: str, *, part: Part | None = None) -> None:
        super().__init__(f"{variable} is empty, and the step has no fallback for it.", part=part)
        self.variable = variable


class Templates(Protocol):
    """R-CAMP-2: the texts of steps. What a user typed is hostile: every call ends soon, in little memory."""

    def check(self, step: Step) -> None:
        """Raises TemplateError with `part` for what no lead can get."""
        ...

    def missing(self, steps: Sequence[Step], lead: LeadData, speaker: Speaker) -> tuple[str, ...]:
        """The variables without a fallback that this lead lacks, in the order they are met; what a profile says is
        there for the steps after it was read. Raises
        TemplateError for a step that cannot be rendered for another reason.
        """
        ...

    def telling(self, steps: Sequence[Step]) -> Callable[[Mapping[str, str]], Hashable]:
        """Of a row's values, that on which `missing` depends: rows of which it is the same lack the same."""
        ...

    def render(self, step: SendEmail, lead: LeadData, speaker: Speaker) -> Mail:
        """Raises MissingVariableError and TemplateError. The subject is empty where the step has none."""
        ...

    def words(
        self, step: SendInvitation | SendMessage | ReadProfile, lead: LeadData, speaker: Speaker
    ) -> str:
        """The note of an invitation, which may be empty, or a message's text; nothing of a scraping. Raises as `render`; also for what is
        longer than LinkedIn takes.
        """
        ...
