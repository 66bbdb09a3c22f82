"""The way from the form to the feed, with everything LinkedIn may put in between. Credentials are submitted once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from heraldry.contracts.linkedin import CodeBy, Obstacle
from heraldry.linkedin_driver.adapters.pages import checkpoint, login, session
from heraldry.linkedin_driver.adapters.pages.parts import Candidate, Reader
from heraldry.linkedin_driver.adapters.problems import LayoutChanged, SlowDown
from heraldry.linkedin_driver.adapters.site import TOO_MANY, Site, go, has_ended, hindrance, place_of
from heraldry.linkedin_driver.domain.obstacles import (
    APPROVAL_DENIED,
    APPROVAL_LATE,
    CAPTCHA,
    CODE_REFUSED,
    IDENTITY_CHECK,
    NO_PASSWORD,
    RESTRICTED,
    TOO_MANY_SIGN_INS,
    UNKNOWN_ACCOUNT,
    UNREACHABLE,
    WRONG_PASSWORD,
)
from heraldry.linkedin_driver.ports import Answer, ApprovalAsked, CodeAsked, Entered, SigningIn, Stopped
from playwright.async_api import ElementHandle, Error, Locator, Page, Response
from pydantic import SecretStr

LOOK: Final = 0.2  # seconds between two looks at a page that is on its way
GLANCE: Final = 500  # milliseconds in which a page may put itself together before it is looked at again
REFUSALS: Final[Mapping[str, Obstacle]] = {
    "unknown_account": UNKNOWN_ACCOUNT,
    "invalid_input": UNKNOWN_ACCOUNT,
    "wrong_password": WRONG_PASSWORD,
    "one_time_link": NO_PASSWORD,
}
CHECKPOINTS: Final[Mapping[checkpoint.Kind, Obstacle]] = {
    "captcha": CAPTCHA,
    "denied": APPROVAL_DENIED,
    "expired": APPROVAL_LATE,
    "restricted": RESTRICTED,
    "identity_check": IDENTITY_CHECK,
    "phone_number": IDENTITY_CHECK,
    "unknown_account": UNKNOWN_ACCOUNT,
    "wrong_password": WRONG_PASSWORD,
    "one_time_link": NO_PASSWORD,
}
GREETINGS: Final = frozenset(
    {"welcome_back", "account_chooser"}
)  # of whoever signed in last, not of who is asked for
CHANNELS: Final[Mapping[checkpoint.Channel, CodeBy]] = {
    "authenticator": "authenticator",
    "sms": "SMS",
    "email": "email",
}


class SignInPage(SigningIn):
    """`patience`: seconds for LinkedIn to answer what was submitted."""

    def __init__(self, page: Page, site: Site, patience: float) -> None:
        self._page, self._site, self._patience = page, site, patience
        self._status = 200  # of the page
        page.on("response", self._note_status)

    def _note_status(self, response: Response) -> None:
        if response.request.is_navigation_request() and response.frame == self._page.main_frame:
            self._status = response.status

    async def open(self) -> Stopped | None:
        await go(self._page, self._site.address("/login"))
        if isinstance(hindrance(self._page.url), SlowDown):
            return Stopped(TOO_MANY_SIGN_INS)
        reader = Reader(self._page)
        read = await login.read_login(reader)
        if read.cookie_banner and (reject := await reader.find("banner", login.cookie_banner(self._page))):
            await reject.click()
        if read.shape in GREETINGS and (
            other := await reader.find("other", login.another_account(self._page))
        ):
            await other.click()
            await self._page.wait_for_load_state("domcontentloaded")
            read = await login.read_login(reader)
        if read.refusal == "one_time_link" and read.shape == "one_time_link":
            return Stopped(NO_PASSWORD)
        if read.shape not in {"form", "without_form"}:
            raise LayoutChanged("login", ["email and password"])
        return None

    async def submit(self, email: str, password: SecretStr) -> Answer:
        reader = Reader(self._page)
        address = await self._part(reader, "email", login.email_field(self._page))
        secret = await self._part(reader, "password", login.password_field(self._page))
        await address.fill(email)
        await secret.fill(password.get_secret_value())
        button = await reader.find("submit", login.submit_button(self._page))
        await (secret.press("Enter") if button is None else button.click())
        return await self._answer(self._seen)

    async def enter(self, code: SecretStr) -> Answer:
        found = await checkpoint.code_form(Reader(self._page))
        if found is None:
            return await self.look()
        field, scope = found
        before = await Reader(self._page).find("error", login.error_text(scope))
        old = await before.element_handle() if before else None
        boxes = await field.get_attribute("maxlength") == "1"  # one for each digit, each leads to the next
        await (field.press_sequentially if boxes else field.fill)(code.get_secret_value())
        button = await Reader(self._page).find("submit", checkpoint.code_submit(scope))
        await (field.press("Enter") if button is None else button.click())

        async def seen() -> Answer | None:
            answer = await self._seen()
            if isinstance(answer, CodeAsked):
                if not answer.rejected:
                    return None  # not answered yet
                if old is not None and not await _is_gone(old):
                    return None  # what it said of the code before
            return answer

        answer = await self._answer(seen)
        if isinstance(answer, Stopped) and place_of(urlsplit(self._page.url).path) == "signing in":
            return Stopped(CODE_REFUSED)
        return answer

    async def resend(self) -> Answer:
        found = await checkpoint.code_form(Reader(self._page))
        if found is not None:
            control = await Reader(self._page).find("resend", checkpoint.resend(found[1]))
            if control is not None:
                await control.click()
                await self._page.wait_for_load_state("domcontentloaded")
        return await self.look()

    async def look(self) -> Answer:
        return await self._answer(self._seen)

    async def _part(self, reader: Reader, part: str, candidates: tuple[Candidate, ...]) -> Locator:
        found = await reader.wait(part, candidates)
        if found is None:
            raise LayoutChanged("login", [part])
        return found

    async def _answer(self, seen: Callable[[], Awaitable[Answer | None]]) -> Answer:
        """What the page says, as soon as it says something that is understood."""
        until = monotonic() + self._patience
        while True:
            try:
                answer = await seen()
            except Error as error:
                if has_ended(error):
                    raise
                answer = None  # the page went on while it was read
            if answer is not None:
                return answer
            if monotonic() > until:
                return await self._unanswered()
            await asyncio.sleep(LOOK)

    async def _unanswered(self) -> Answer:
        """A page as it was: LinkedIn said nothing. Anything else is a page that is not known."""
        if isinstance(await self._seen(), CodeAsked) or await Reader(self._page).find(
            "password", login.password_field(self._page)
        ):
            return Stopped(UNREACHABLE)
        raise LayoutChanged("checkpoint", ["kind"])

    async def _seen(self) -> Answer | None:
        """None: nothing that is understood, or nothing yet."""
        address = urlsplit(self._page.url)
        if self._status in TOO_MANY or isinstance(hindrance(self._page.url), SlowDown):
            return Stopped(TOO_MANY_SIGN_INS)
        if address.netloc != urlsplit(self._site.base).netloc and "linkedin.com" not in address.netloc:
            return Stopped(NO_PASSWORD)  # one of those it signs in with instead
        match place_of(address.path):
            case "restricted":
                return Stopped(RESTRICTED)
            case "signing in":
                return await self._of_the_form()
            case "checkpoint":
                return await self._of_the_checkpoint()
            case _:
                return await self._of_a_member()

    async def _of_the_form(self) -> Answer | None:
        read = await login.read_login(Reader(self._page, GLANCE))
        if read.refusal is None:
            return None
        if read.refusal in REFUSALS:
            return Stopped(REFUSALS[read.refusal])
        raise LayoutChanged("login", ["what was refused"])

    async def _of_the_checkpoint(self) -> Answer | None:
        reader = Reader(self._page, GLANCE)
        read = await checkpoint.read_checkpoint(reader)
        if read.kind in CHECKPOINTS:
            return Stopped(CHECKPOINTS[read.kind])
        match read.kind:
            case "code":
                by: CodeBy = "SMS" if read.can_resend else "authenticator"
                rejected = "wrong" if read.code_error == "other" else read.code_error
                return CodeAsked(
                    CHANNELS[read.channel] if read.channel else by, read.heading or "", rejected or ""
                )
            case "app_approval":
                return ApprovalAsked()
            case "agree":
                await self._agree(reader)
                return None
            case _:
                return None

    async def _of_a_member(self) -> Answer | None:
        reader = Reader(self._page, GLANCE)
        if (await session.read_session(reader)).signed_in:
            return Entered()
        await self._agree(reader)
        return None

    async def _agree(self, reader: Reader) -> None:
        """To the terms, as everybody must who is signed in and is shown nothing else."""
        if button := await reader.find("agree", login.agree_button(self._page)):
            await button.click()


async def _is_gone(part: ElementHandle) -> bool:
    """Whether another page has come, or the same one has put something else there."""
    try:
        return not await part.evaluate("each => each.isConnected")
    except Error:
        return True
