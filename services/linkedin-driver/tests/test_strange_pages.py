"""The page objects on pages as they are not built today: other words, other roles, twins, what comes late."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

import pytest
import pytest_asyncio
from heraldry.chassis.testing.pages import serving
from heraldry.linkedin_driver.adapters import browser
from heraldry.linkedin_driver.adapters.signing_in import SignInPage
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.probe import Asked, PageName, look
from pydantic import SecretStr

pytestmark = [pytest.mark.parts, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

INVITING = "/preload/custom-invite/?vanityName=ada-berg"
MESSAGE = "/messaging/compose/?profileUrn=urn%3Ali%3Afsd_profile%3AACoAAada&amp;recipient=ACoAAada&amp;interop=msgOverlay"
FOLLOW = '<button aria-label="Follow Ada Berg">Follow</button>'
MORE = '<button class="more" aria-expanded="false">More</button>'


def page(inside: str, after: str = "") -> str:
    return f"""<!doctype html><html><title>Ada Berg | LinkedIn</title><body><nav><a href="/mynetwork/">My Network</a></nav>
<div role="main"><main id="workspace">{inside}</main></div>{after}</body></html>"""


def card(controls: str, *, heading: str = "<h2>Ada Berg</h2><p>· 2nd</p>") -> str:
    return f"""<section componentkey="com.linkedin.sdui.profile.card.refACoAAadaTopcard">{heading}<p>Engineer</p>
<a href="/in/ada-berg/overlay/contact-info/">Contact info</a>{controls}</section>"""


def menu(items: str) -> str:
    """Hung at the end of the document; the page is out of reach while it is open."""
    return f"""<script>
const root = document.querySelector('[role=main]');
document.querySelector('.more').onclick = () => {{
  root.inert = true;
  root.setAttribute('aria-hidden', 'true');
  document.body.insertAdjacentHTML('beforeend',
    `<div data-floating-ui-portal><div popover="manual" style="display:block">{items}</div></div>`);
}};
addEventListener('keydown', event => {{
  if (event.key !== 'Escape') return;
  document.querySelector('[data-floating-ui-portal]').remove();
  root.inert = false;
  root.removeAttribute('aria-hidden');
}});</script>"""


PROFILES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "pending in another language": (
        card(f"""<a href="/in/ada-berg/" aria-label="En attente, cliquez pour retirer l’invitation envoyée à Ada Berg">
En attente</a><a href="{MESSAGE}">Message</a>"""),
        {"relation": "pending"},
    ),
    "invited in another language": (
        card("""<button aria-label="Accepter la demande de Ada Berg">Accepter</button>
<button aria-label="Refuser la demande de Ada Berg">Non</button><button aria-expanded="false">Plus</button>"""),
        {"relation": "incoming"},
    ),
    "to be invited in other words": (
        card(f'<a href="{INVITING}" aria-label="Zum Netzwerk">Zufügen</a>'),
        {"relation": "connectable"},
    ),
    "to be invited by its key": (
        card('<button componentkey="ConnectButtonstate:invitation:urn:li:member:1_connect">Zufügen</button>'),
        {"relation": "connectable"},
    ),
    "not to be invited for three weeks": (
        card("""<button componentkey="ConnectButtonstate:invitation:urn:li:member:1_withdrawn"
 aria-label="Invite Ada Berg to connect">Connect</button>"""),
        {"relation": "withdrawn"},
    ),
    "without roles": (
        card('<div tabindex="0" aria-label="Invite Ada Berg to connect">Connect</div>'),
        {"relation": "connectable"},
    ),
    "pending without roles": (
        card(
            """<div tabindex="0" aria-label="Pending, click to withdraw invitation sent to Ada Berg">Pending</div>"""
        ),
        {"relation": "pending"},
    ),
    "without sections": (
        """<div><div><h1>Ada Berg</h1><button>Verified</button></div><span>· 2nd</span><div>Engineer</div>
<div><button aria-label="Invite Ada Berg to connect">Connect</button><button>More</button></div></div>
<aside><h2>People you may know</h2><button aria-label="Invite Bo Li to connect">Connect</button></aside>""",
        {"relation": "connectable", "degree": 2, "name": "Ada Berg"},
    ),
    "a badge in the name": (
        card(f'<a href="{INVITING}">Connect</a>', heading="<h2>Ada Berg <span>· 2nd</span></h2>"),
        {"name": "Ada Berg", "headline": "Engineer", "degree": 2},
    ),
    "a hidden twin first": (
        f"<div hidden>{card('<button>Connect</button>')}</div>{card(FOLLOW + MORE)}",
        {"relation": "follow_only"},
    ),
    "a menu without a role": (
        card(FOLLOW + MORE) + menu(f'<a href="{INVITING}">Zufügen</a>'),
        {"relation": "connectable_under_more"},
    ),
    "a menu that invites another": (
        card(FOLLOW + MORE)
        + menu(f'<div role="menu"><a role="menuitem" href="{INVITING}-2">Connect</a></div>'),
        {"relation": "follow_only"},
    ),
    "no message any more": (
        card(f'<a href="{MESSAGE}" aria-disabled="true">Message</a>{MORE}')
        + menu('<div role="menu"><div role="menuitem">Remove connection</div></div>'),
        {"relation": "connected", "can_message": False},
    ),
    "somebody's words": (
        card(f'<a href="{INVITING}">Connect</a>')
        + "<p>My account has been restricted: too many requests</p>",
        {"relation": "connectable"},
    ),
    "controls that come late": (
        card('<div id="late"></div>')
        + f"""<script>setTimeout(() => {{
document.getElementById('late').innerHTML = `<a href="{INVITING}">Connect</a>`; }}, 800);</script>""",
        {"relation": "connectable"},
    ),
}
NOTE = """<h2 id="send-invite-modal">Add a note to your invitation</h2><p>3 personalized invitations remaining for this month.</p>
<textarea id="custom-message"></textarea><span>0/200</span><p>Want more? <a href="/premium/">Try Premium for free</a></p>
<button aria-label="Cancel adding a note">Cancel</button><button aria-label="Send invitation" disabled>Send</button>"""
FIRST = f"""<h2 id="send-invite-modal">Add a note to your invitation?</h2><a href="/premium/">Try Premium</a>
<button class="add" aria-label="Add a note" onclick="setTimeout(() => this.parentElement.innerHTML = `{NOTE.replace('"', "&quot;")}`, 300)">
Add a note</button><button aria-label="Send without a note">Send without a note</button>"""

NEEDED = FIRST.replace(">Send without", ' aria-disabled="true">Send without')


def in_shadow(dialog: str, *, after: int = 0) -> str:
    """Beside a window of messages, which is a dialog, too."""
    return f"""<div id="interop-outlet"></div><template>{dialog}</template><script>
const shadow = document.getElementById('interop-outlet').attachShadow({{mode: 'open'}});
shadow.innerHTML = `<aside class="msg-overlay-container"><div role="dialog">Messages <button>Send</button></div></aside><div></div>`;
setTimeout(() => {{ shadow.lastChild.innerHTML = document.querySelector('template').innerHTML; }}, {after});</script>"""


INVITATIONS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "in a shadow root, late": (
        in_shadow(f'<div role="dialog" aria-labelledby="send-invite-modal">{FIRST}</div>', after=700),
        {"state": "ready", "can_add_note": True, "note_limit": 200, "notes_left": 3},
    ),
    "its buttons late": (
        """<dialog open><h2>Add a note to your invitation?</h2><div id="late"></div></dialog><script>setTimeout(() => {
document.getElementById('late').innerHTML = '<button>Send without a note</button>'; }, 700);</script>""",
        {"state": "ready", "can_send_without_note": True},
    ),
    "without a role": (f"<div>{FIRST}</div>", {"state": "ready", "notes_left": 3}),
    "after another dialog": (
        """<div role="dialog">Cookies <button>Accept</button></div><div id="late"></div><script>setTimeout(() => {
document.getElementById('late').outerHTML = '<dialog open><h2>Invite</h2><button>Send without a note</button></dialog>'; }, 700);
</script>""",
        {"state": "ready"},
    ),
    "only with a note": (
        f"<dialog open>{NEEDED}</dialog>",
        {"state": "note_needed", "can_send_without_note": False},
    ),
    "the week used up, in other words": (
        '<dialog open><h2 id="ip-fuse-limit-alert__header">Genug für diese Woche</h2><button>OK</button></dialog>',
        {"state": "weekly_limit"},
    ),
}
SHOW = "event.preventDefault(); document.querySelector('.asks').hidden = false"
ASKS = """<div class="asks" hidden><h2 id="dialog-header">Withdraw invitation</h2><button>Cancel</button>
<button aria-label="Withdraw invitation sent to Eve Moss">Withdraw</button></div>"""
CARDS = """<a href="/mynetwork/invitation-manager/sent/CONNECTION/">People (1)</a><div data-testid="lazy-column"><div>
<a href="/in/bo/"><p>Bo Li</p></a><p>Sent 2 weeks ago</p><button data-view-name="sent-invitations-withdraw-single">Zurück</button>
</div></div>"""
WINDOW = """<aside class="msg-overlay-container"><a href="/in/eve/">Eve</a><div class="msg-form__contenteditable" role="textbox"
 contenteditable="true">&nbsp;</div><button class="msg-form__send-button">Send</button></aside>"""
THREAD = """<a class="msg-thread__link-to-profile" href="/in/ACoAAada/"><h2>Ada Berg</h2></a><form><div role="textbox"
 contenteditable="true" class="msg-form__contenteditable">&nbsp;</div><button class="msg-form__send-button" disabled>Los</button></form>"""
LOGIN = """<!doctype html><html><body><div role="alert" class="artdeco-global-alert--COOKIE_CONSENT"><p>We use cookies</p>
<button action-type="ACCEPT">Accept</button><button action-type="DENY">Reject</button></div><h1>Welcome back</h1><form>
<input type="hidden" name="session_key" value="ada"><label for="p">Password</label><input id="p" type="password">
<button type="submit">Sign in</button></form></body></html>"""

CHOOSER = """<!doctype html><html><body><h1>Welcome back</h1><div id="rememberme-div"><button>Eve Moss</button></div>
<a href="/login?chosen=another">Sign in using another account</a></body></html>"""
FORM = """<!doctype html><html><body><form><input id="username" name="session_key"><input id="password" type="password">
<button type="submit">Sign in</button></form></body></html>"""
NAMELESS = """<!doctype html><html><body><div><input autocomplete="username"><input type="password" onkeydown="
if (event.key === 'Enter') fetch('/entered', {method: 'POST'})"><button type="button">Hinein</button></div></body></html>"""

Read: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def read() -> AsyncGenerator[Read]:
    async with browser.chromium(seconds=600) as chromium:

        async def read(
            served: Mapping[str, str], name: PageName, slug: str | None = "ada-berg"
        ) -> dict[str, Any]:
            async with serving(served) as pages:
                answer = await look(chromium, Asked(Site(pages.url), name, slug))
                assert pages.sent == []
            assert answer["answered"], answer
            return cast("dict[str, Any]", answer["read"])

        yield read


@pytest.mark.parametrize("case", PROFILES)
async def test_a_profile_is_read_by_what_stays(read: Read, case: str) -> None:
    inside, expected = PROFILES[case]
    seen = await read({"/in/ada-berg/": page(inside)}, "profile")
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize("case", INVITATIONS)
async def test_an_invitation_is_read_wherever_it_is_asked_for(read: Read, case: str) -> None:
    dialog, expected = INVITATIONS[case]
    seen = await read({"/preload/custom-invite/": page("", dialog)}, "invite")
    assert {name: seen[name] for name in expected} == expected


async def test_a_dialog_about_another_is_told_without_roles_too(read: Read) -> None:
    pending = f"""<a href="/in/ada-berg/" onclick="{SHOW}" aria-label="Pending, click to withdraw invitation sent to Ada Berg">
Pending</a>"""
    seen = await read({"/in/ada-berg/": page(card(pending), ASKS)}, "withdraw")
    assert (seen["member"], seen["named"], seen["is_this_member"]) == ("Ada Berg", "Eve Moss", False)


async def test_a_list_without_roles_and_in_other_words_says_what_can_be_withdrawn(read: Read) -> None:
    seen = await read({"/mynetwork/invitation-manager/sent/": page(CARDS)}, "sent", None)
    (one,) = seen["invitations"]
    assert (one["slug"], one["days"], one["can_withdraw"]) == ("bo", 14, True)


async def test_a_window_over_the_page_is_another_conversation(read: Read) -> None:
    served = {
        "/in/ada-berg/": page(card(f'<a href="{MESSAGE}">Message</a>')),
        "/messaging/compose/": page(THREAD).replace("<body>", f"<body>{WINDOW}"),
    }
    seen = await read(served, "message")
    assert (seen["recipient"], seen["can_write"], seen["can_send"]) == ("ACoAAada", True, False)


async def test_what_is_said_about_cookies_is_no_error(read: Read) -> None:
    seen = await read({"/login": LOGIN}, "login", None)
    assert (seen["shape"], seen["error"], seen["cookie_banner"]) == ("welcome_back", None, True)


@pytest.mark.parametrize(
    "greeting",
    [CHOOSER, LOGIN.replace("</form>", "</form><a href='/login?chosen=another'>Use another account</a>")],
)
async def test_nobody_signs_in_as_whom_the_page_remembers(greeting: str) -> None:
    served = {"/login": greeting, "/login?chosen=another": FORM}
    async with (
        serving(served) as pages,
        browser.chromium(seconds=60) as chromium,
        browser.context(chromium) as context,
    ):
        page = await context.new_page()
        assert await SignInPage(page, Site(pages.url), patience=5).open() is None
        assert await page.locator("#username").is_visible()
        assert pages.sent == []


async def test_a_form_without_a_known_button_is_submitted_once_by_enter() -> None:
    async with serving({"/login": NAMELESS}) as pages, browser.chromium(seconds=60) as chromium:
        async with browser.context(chromium) as context:
            entry = SignInPage(await context.new_page(), Site(pages.url), patience=1)
            assert await entry.open() is None
            await entry.submit("ada@northwind.example", SecretStr("secret"))
        assert pages.sent == ["/entered"]
