"""Forms: what a person typed, and what is wrong with it, field by field.

A form is a frozen dataclass whose fields are named like the inputs in the HTML, so that the posted data of
a request and a refusal of a decider (`Refused.field`) can be shown again by `filled` without a mapping in
between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, TypeVar

CSRF_FIELD: Final = "_csrf_token"
"""Hidden in every form that posts; the value is `Shell.csrf`."""
COMMAND_FIELD: Final = "command"
"""Hidden in every form that posts: a fresh uuid, to be used as the command's id, so that a form sent twice
acts once.
"""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKEND: Final = frozenset({"saturday", "sunday"})
SECRETS: Final = frozenset({"password", "code"})
"""Never given back to the browser, whatever was wrong with the rest."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input: what it shows, and what is wrong with it in words (empty: nothing)."""

    value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`banner`: what is wrong with the form as a whole (empty: nothing)."""

    banner: str = ""

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """(field name, what is wrong) in the order of the form."""
        found: list[tuple[str, str]] = []
        for each in fields(self):
            value: object = getattr(self, each.name)
            if isinstance(value, Field) and value.error:
                found.append((each.name, value.error))
        return tuple(found)


F = TypeVar("F", bound=Form)


def filled(kind: type[F], values: Mapping[str, object], errors: Mapping[str, str] | None = None) -> F:
    """A form with what was posted or stored and what is wrong with it.

    `values`: by field name; None and what is missing show as empty, secrets always do. `errors`: by field
    name; what names no field of the form becomes its banner. So `{refusal.field: refusal.detail}` is all a
    route has to pass.
    """
    wrong = dict(errors or {})
    names = [each.name for each in fields(kind) if each.name != "banner"]
    parts: dict[str, Field] = {}
    for name in names:
        value = values.get(name)
        shown = "" if value is None or name in SECRETS else str(value)
        parts[name] = Field(shown, wrong.pop(name, ""))
    return replace(kind(), banner=" ".join(wrong.values()), **parts)


def with_scheme(address: str) -> str:
    """A web address, also where its https:// was left out."""
    return f"https://{address}" if address and ":" not in address.partition("/")[0] else address


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInForm(Form):
    email: Field = Field()
    password: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAdminForm(Form):
    """`zone` is hidden and filled by the browser with its time zone; it becomes the organization's day."""

    organization: Field = Field()
    name: Field = Field()
    email: Field = Field()
    password: Field = Field()
    zone: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddIdentityForm(Form):
    """`picture` is a file input: its value is never shown again, its error is. `zone` is filled by the
    browser.
    """

    picture: Field = Field()
    first_name: Field = Field()
    last_name: Field = Field()
    job_title: Field = Field()
    email: Field = Field()
    phone: Field = Field()
    linkedin_url: Field = Field()
    meeting_url: Field = Field()
    zone: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsForm(Form):
    """An identity by its LinkedIn sign-in (R-ADD-2). `zone` is filled by the browser."""

    name: Field = Field()
    email: Field = Field()
    password: Field = Field()
    zone: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedInForm(Form):
    """What LinkedIn is signed in to with."""

    email: Field = Field()
    password: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeForm(Form):
    """The code LinkedIn asks for (R-ADD-3)."""

    code: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureForm(Form):
    picture: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactForm(Form):
    """`revision` is hidden: what the person saw, so that a change by somebody else in between is noticed."""

    name: Field = Field()
    first_name: Field = Field()
    last_name: Field = Field()
    job_title: Field = Field()
    email: Field = Field()
    phone: Field = Field()
    linkedin_url: Field = Field()
    meeting_url: Field = Field()
    crm_user: Field = Field()
    revision: Field = Field()


@dataclass(frozen=True, slots=True)
class DayForm:
    """One day's inputs: a switch named `key`, times named `<key>_from` and `<key>_to` (HH:MM; 24:00 is
    `00:00` at the end).
    """

    key: str
    on: bool
    start: Field
    end: Field

    @property
    def label(self) -> str:
        return self.key.capitalize()


def _workweek() -> tuple[DayForm, ...]:
    return tuple(DayForm(key, key not in WEEKEND, Field("09:00"), Field("18:00")) for key in WEEKDAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursForm(Form):
    """Working hours. `zone` is an IANA name. Default: Monday to Friday, 9 to 18."""

    zone: Field = Field("UTC")
    days: tuple[DayForm, ...] = field(default_factory=_workweek)
    revision: Field = Field()


def hours_filled(values: Mapping[str, object], errors: Mapping[str, str] | None = None) -> HoursForm:
    """Working hours with what was posted or stored: `zone`, and for a day that is on `monday`,
    `monday_from`, `monday_to`.
    """
    wrong = dict(errors or {})

    def one(name: str, default: str) -> Field:
        text = str(values.get(name) or default)
        return Field("00:00" if text == "24:00" else text, wrong.pop(name, ""))

    days = tuple(
        DayForm(
            key,
            bool(values.get(key)),
            one(f"{key}_from", "09:00"),
            one(f"{key}_to", "18:00"),
        )
        for key in WEEKDAYS
    )
    zone, revision = one("zone", "UTC"), one("revision", "")
    return HoursForm(zone=zone, days=days, revision=revision, banner=" ".join(wrong.values()))


def week(values: Mapping[str, object]) -> tuple[tuple[int, str, str], ...]:
    """(ISO weekday, start, end) of the days that were posted as on; midnight as an end is 24:00."""
    found: list[tuple[int, str, str]] = []
    for number, key in enumerate(WEEKDAYS, start=1):
        if values.get(key):
            start, end = str(values.get(f"{key}_from") or ""), str(values.get(f"{key}_to") or "")
            found.append((number, start, "24:00" if end == "00:00" else end))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectInboxForm(Form):
    """The form of R-BOX-7. `*_security` is `tls` or `starttls`."""

    email: Field = Field()
    password: Field = Field()
    imap_host: Field = Field()
    imap_port: Field = Field("993")
    imap_security: Field = Field("tls")
    smtp_host: Field = Field()
    smtp_port: Field = Field("587")
    smtp_security: Field = Field("starttls")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailRateForm(Form):
    per_day: Field = Field("30")
    per_hour: Field = Field("5")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateIncreaseForm(Form):
    """What is asked of support (R-RATE-3)."""

    per_day: Field = Field()
    per_hour: Field = Field()
    reason: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedInLimitsForm(Form):
    """`scrapings`: only where the account has Sales Navigator."""

    invitations: Field = Field("20")
    messages: Field = Field("100")
    scrapings: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalPolicyForm(Form):
    """`automatic` is a switch; `days` counts only where it is on."""

    automatic: Field = Field()
    days: Field = Field("30")


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteForm(Form):
    profile: Field = Field()
    name: Field = Field()
    note: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailForm(Form):
    """A mail to try an inbox with."""

    __test__ = False  # pytest takes every Test… for a test

    to: Field = Field()
    subject: Field = Field()
    text: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayZoneForm(Form):
    zone: Field = Field("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltForm(Form):
    reason: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberForm(Form):
    name: Field = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressForm(Form):
    address: Field = Field()
