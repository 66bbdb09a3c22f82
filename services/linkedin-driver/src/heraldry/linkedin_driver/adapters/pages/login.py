"""The page that asks for email and password, in all its shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from heraldry.linkedin_driver.adapters.pages import words
from heraldry.linkedin_driver.adapters.pages.parts import (
    Candidate,
    Reader,
    Scope,
    css,
    role,
    texts,
    whole_text,
)
from playwright.async_api import Locator, Page

Shape: TypeAlias = Literal[
    "form", "without_form", "welcome_back", "account_chooser", "agree", "one_time_link", "unknown"
]
Refusal: TypeAlias = Literal["unknown_account", "wrong_password", "invalid_input", "one_time_link", "other"]


@dataclass(frozen=True, slots=True)
class Login:
    shape: Shape
    can_submit: bool
    cookie_banner: bool
    error: str | None
    refusal: Refusal | None
    providers: tuple[str, ...]


def email_field(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, 'input[autocomplete~="username"]'),
        css(scope, "input#username"),
        css(scope, 'input[name="session_key"]:not([type=hidden])'),
        *role(scope, "textbox", named=words.EMAIL),
        css(scope, 'input[type="email"]'),
        css(
            scope,
            'form:has(input[type="password"]) input[type="text"], form:has(input[type="password"]) input:not([type])',
        ),
    )


def password_field(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, 'input[type="password"][autocomplete~="current-password"]'),
        css(scope, "input#password"),
        css(scope, 'input[name="session_password"]'),
        css(scope, 'input[type="password"]'),
        Candidate(
            "label “password”", scope.get_by_label(words.PASSWORD.pattern).and_(scope.locator("input"))
        ),
    )


def submit_button(scope: Scope) -> tuple[Candidate, ...]:
    """Never one of "Sign in with …": those lead to somebody else's page."""
    return (
        css(scope, '[data-litms-control-urn="login-submit"]'),
        *role(scope, "button", named=words.SIGN_IN),
        css(scope, 'form:has(input[type="password"]) button[type="submit"]'),
        css(scope, 'form:has(input[type="password"]) input[type="submit"]'),
    )


def error_text(scope: Scope) -> tuple[Candidate, ...]:
    """Empty alerts are always there, waiting for words."""
    selectors = (
        "#error-for-username",
        "#error-for-password",
        '[data-id="sign-in-form__alert"]',
        ".form__label--error",
        ".body__banner--error",
        '[role="alert"]',
        '[aria-live="assertive"]',
    )
    of_cookies = scope.locator("[action-type]")  # the banner about them is an alert, too
    return tuple(
        Candidate(selector, scope.locator(selector).filter(has_text=words.ANYTHING, has_not=of_cookies))
        for selector in selectors
    )


def account_chooser(scope: Scope) -> tuple[Candidate, ...]:
    return (css(scope, "#rememberme-div"), *another_account(scope))


def another_account(scope: Scope) -> tuple[Candidate, ...]:
    return role(scope, "button", "link", named=words.ANOTHER_ACCOUNT)


def agree_button(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, "button#content__button--primary--muted"),
        css(scope, "button.content__button--primary"),
        *role(scope, "button", named=words.AGREE),
    )


def cookie_banner(page: Page) -> tuple[Candidate, ...]:
    return (
        css(page, '[action-type="DENY"]'),
        css(page, ".artdeco-global-alert--COOKIE_CONSENT button"),
        *role(page, "button", named=words.REJECT),
        *role(page, "button", named=words.ACCEPT_COOKIES),
    )


async def read_login(reader: Reader) -> Login:
    page = reader.page
    start = (*password_field(page), *account_chooser(page), *agree_button(page))
    await reader.wait("form", start)
    reader.matched.pop("form", None)
    email = await reader.find("email", email_field(page))
    password = await reader.find("password", password_field(page))
    submit = await reader.find("submit", submit_button(page)) if password else None
    error = await reader.find("error", error_text(page))
    said = " ".join(await texts(error)) if error else None
    everything = await whole_text(page)
    return Login(
        shape=await _shape(reader, email, password, everything),
        can_submit=submit is not None and await submit.is_enabled(),
        cookie_banner=await reader.find("cookie banner", cookie_banner(page)) is not None,
        error=said,
        refusal=refusal_of(said, everything),
        providers=await _providers(page),
    )


async def _shape(reader: Reader, email: Locator | None, password: Locator | None, said: str) -> Shape:
    page = reader.page
    if password is None:
        if words.ONE_TIME_LINK.found_in(said):
            return "one_time_link"
        if await reader.find("account chooser", account_chooser(page)):
            return "account_chooser"
        return "agree" if await reader.find("agree", agree_button(page)) else "unknown"
    if email is None:
        return "welcome_back"
    in_form = await password.evaluate("field => field.form !== null")
    return "form" if in_form else "without_form"


def refusal_of(error: str | None, page: str = "") -> Refusal | None:
    """What an error on the form says; a link by email in place of it stands on the whole page."""
    if error is None:
        return "one_time_link" if words.ONE_TIME_LINK.found_in(page) else None
    if words.UNKNOWN_ACCOUNT.found_in(error):
        return "unknown_account"
    if words.WRONG_PASSWORD.found_in(error):
        return "wrong_password"
    if words.ONE_TIME_LINK.found_in(error):
        return "one_time_link"
    return "invalid_input" if words.INVALID_INPUT.found_in(error) else "other"


async def _providers(page: Page) -> tuple[str, ...]:
    """The other ways to sign in that are offered, by buttons or in frames of their own."""
    controls = page.locator("button, a, [role=button]").filter(visible=True)
    offered: list[str] = await controls.evaluate_all(
        "all => all.map(each => `${each.getAttribute('aria-label') || ''} ${each.textContent}`)"
    )
    frames: list[str] = (
        await page.locator("iframe")
        .filter(visible=True)
        .evaluate_all(
            "all => all.map(each => `${each.title} ${new URL(each.src || 'about:blank', location.href).hostname}`)"
        )
    )
    return tuple(
        name
        for name, named in words.PROVIDERS.items()
        if any(named.found_in(each) for each in (*offered, *frames))
    )
