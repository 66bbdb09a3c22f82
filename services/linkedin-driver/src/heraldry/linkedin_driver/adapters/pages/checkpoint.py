"""Whatever LinkedIn puts between the password and the feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from heraldry.linkedin_driver.adapters.pages import login, words
from heraldry.linkedin_driver.adapters.pages.parts import (
    Candidate,
    Reader,
    Scope,
    css,
    role,
    texts,
)
from heraldry.linkedin_driver.adapters.site import place_of
from playwright.async_api import Frame, Locator, Page

Kind: TypeAlias = Literal[
    "code",
    "captcha",
    "denied",
    "expired",
    "restricted",
    "app_approval",
    "identity_check",
    "phone_number",
    "unknown_account",
    "wrong_password",
    "one_time_link",
    "agree",
    "unknown",
]
Channel: TypeAlias = Literal["authenticator", "sms", "email"]


ANY_NUMBER: Final = 'input[inputmode="numeric"], input[type="tel"]'


@dataclass(frozen=True, slots=True)
class Checkpoint:
    kind: Kind
    heading: str | None
    channel: Channel | None = None
    code_error: Literal["wrong", "expired", "other"] | None = None
    can_resend: bool = False
    another_way: bool = False


@dataclass(frozen=True, slots=True)
class Signs:
    """What a checkpoint's kind is told by."""

    code: bool
    captcha: bool
    app_mark: bool
    refusal: login.Refusal | None
    agree: bool
    restricted_address: bool
    text: str


def code_field(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, 'input[name="pin"]'),
        css(scope, 'input[autocomplete~="one-time-code"]'),
        css(
            scope,
            "#input__phone_verification_pin, #input__email_verification_pin, #two-step-verification-code",
        ),
        *role(scope, "textbox", named=words.CODE),
        css(scope, 'input[maxlength="1"]'),
        css(scope, ANY_NUMBER),
    )


def code_submit(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, "#two-step-submit-button"),
        css(scope, "#email-pin-submit-button"),
        css(scope, 'form:has(input[name="pin"]) button[type="submit"]'),
        *role(scope, "button", named=words.SUBMIT),
    )


def captcha(scope: Scope) -> tuple[Candidate, ...]:
    return tuple(
        css(scope, selector)
        for selector in (
            "#captcha-internal",
            'iframe[src*="arkoselabs"], iframe[src*="funcaptcha"]',
            'iframe[src*="hcaptcha"], iframe[src*="recaptcha/api2/bframe"], iframe[src*="recaptcha/api2/anchor"]',
            'iframe[title*="captcha" i]',
            "[data-sitekey]",
            '[id*="captcha" i]:not(input):not(script)',
        )
    )


def app_approval(scope: Scope) -> tuple[Candidate, ...]:
    return (css(scope, '[data-test-id="auth-app-approval"]'), css(scope, '[data-test-id*="app-approval"]'))


def resend(scope: Scope) -> tuple[Candidate, ...]:
    return (css(scope, "#btn-resend-pin"), *role(scope, "button", "link", named=words.RESEND))


def another_way(scope: Scope) -> tuple[Candidate, ...]:
    return (css(scope, "#try-another-way"), *role(scope, "button", "link", named=words.ANOTHER_WAY))


async def read_checkpoint(reader: Reader) -> Checkpoint:
    page = reader.page
    signs, frame = await _signs(reader)
    kind = kind_of(signs)
    heading = await _heading(page)
    if kind != "code":
        other = await reader.find("another way", another_way(page))
        return Checkpoint(kind, heading, another_way=other is not None)
    await reader.find("submit", code_submit(frame))
    said = await _error(reader, frame)
    return Checkpoint(
        kind,
        heading,
        channel=channel_of(signs.text),
        code_error=None if said is None else code_error_of(said),
        can_resend=await reader.find("resend", resend(frame)) is not None,
        another_way=await reader.find("another way", another_way(frame)) is not None,
    )


async def code_form(reader: Reader) -> tuple[Locator, Page | Frame] | None:
    """The field for the code, and where it is: the challenge may sit in a frame."""
    for frame in reader.page.frames:
        if field := await reader.find("code", code_field(frame)):
            return field, frame
    return None


async def _signs(reader: Reader) -> tuple[Signs, Page | Frame]:
    """Where no frame has a field for a code, the challenge is the page itself."""
    page = reader.page
    start = (
        *code_field(page),
        *captcha(page),
        *app_approval(page),
        Candidate("heading", page.get_by_role("heading")),
    )
    await reader.wait("start", start)
    reader.matched.pop("start", None)
    found = await code_form(reader)
    scope = page if found is None else found[1]
    said = [await _text(frame) for frame in page.frames]
    text = " ".join(filter(None, said))
    error = await reader.find("error", login.error_text(page))
    refusal = login.refusal_of(" ".join(await texts(error)), text) if error else login.refusal_of(None, text)
    signs = Signs(
        code=found is not None
        and not (reader.matched["code"] == ANY_NUMBER and words.PHONE_ASKED.found_in(text)),
        captcha=await reader.find("captcha", captcha(page)) is not None,
        app_mark=await reader.find("app approval", app_approval(page)) is not None,
        refusal=refusal,
        agree=await reader.find("agree", login.agree_button(page)) is not None,
        restricted_address=place_of(urlsplit(page.url).path) == "restricted",
        text=text,
    )
    return signs, scope


def kind_of(signs: Signs) -> Kind:
    """What can be gone on with comes first: pages of codes carry captchas nobody sees, and words of every kind."""
    said = signs.text
    by_refusal: dict[login.Refusal | None, Kind] = {
        "unknown_account": "unknown_account",
        "wrong_password": "wrong_password",
        "one_time_link": "one_time_link",
    }
    in_order: list[tuple[Kind, bool]] = [
        ("code", signs.code),
        ("restricted", signs.restricted_address or words.RESTRICTED.found_in(said)),
        ("captcha", signs.captcha or words.CAPTCHA.found_in(said)),
        ("denied", words.DENIED.found_in(said)),
        ("expired", words.EXPIRED.found_in(said)),
        ("app_approval", signs.app_mark or words.APPROVE_IN_APP.found_in(said)),
        ("identity_check", words.IDENTITY_CHECK.found_in(said)),
        ("phone_number", words.PHONE_ASKED.found_in(said)),
        (by_refusal.get(signs.refusal, "unknown"), signs.refusal in by_refusal),
        ("agree", signs.agree),
    ]
    holding: list[Kind] = [kind for kind, holds in in_order if holds]
    return holding[0] if holding else "unknown"


def channel_of(text: str) -> Channel | None:
    """How the code comes to the person."""
    if words.BY_APP.found_in(text):
        return "authenticator"
    if words.BY_SMS.found_in(text):
        return "sms"
    return "email" if words.BY_EMAIL.found_in(text) else None


def code_error_of(said: str) -> Literal["wrong", "expired", "other"]:
    if words.EXPIRED.found_in(said):
        return "expired"
    return "wrong" if words.WRONG_CODE.found_in(said) else "other"


async def _error(reader: Reader, scope: Page | Frame) -> str | None:
    found = await reader.find("error", login.error_text(scope))
    return " ".join(await texts(found)) if found else None


async def _heading(page: Page) -> str | None:
    for frame in page.frames:
        headings = frame.get_by_role("heading").filter(visible=True)
        if await headings.count():
            return " ".join(await texts(headings.first)) or None
    return None


async def _text(frame: Frame) -> str:
    body = frame.locator("body")
    return " ".join(await texts(body)) if await body.count() else ""
