"""The page objects in a real browser, on pages built as LinkedIn's are, with the traps of the real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest
import pytest_asyncio
from heraldry.chassis.testing.pages import serving
from heraldry.linkedin_driver.adapters import browser
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.probe import Asked, PageName, look
from PIL import Image

pytestmark = [pytest.mark.parts, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

NAV = """<nav><a href="/feed/">Home</a><a href="/mynetwork/">My Network</a><a href="/messaging/">Messaging</a>
<button aria-expanded="false">Me</button></nav>"""
STRANGERS = """<aside><h2>People you may know</h2><section>
<a href="/preload/custom-invite/?vanityName=ada-berg-2" aria-label="Invite Ada Bergs to connect">Connect</a>
<a href="/in/eve/" aria-label="Pending, click to withdraw invitation sent to Eve Moss">Pending</a>
<button aria-label="Follow Eve Moss">Follow</button><p>· 1st</p></section></aside>"""
VIDEO = """<div role="dialog" aria-hidden="true" class="vjs-modal-dialog" hidden>Modal Window <button>Withdraw</button></div>
<div role="menu" hidden><div role="menuitem">captions</div></div>"""
CHANGED = "<script>const changed = what => fetch('/changed/' + what, {method: 'POST'});</script>"
COMPOSE = "/messaging/compose/?profileUrn=urn%3Ali%3Afsd_profile%3AACoAAada&amp;recipient=ACoAAada&amp;interop=msgOverlay"


def profile(
    actions: str, *, menu: str = "", name: str = "Ada Berg", extra: str = "", degree: str = "2nd"
) -> str:
    """The layout of 2026: two landmarks, everything twice, both degrees there and one of them hidden."""
    controls = f'<div class="actions">{actions}<button aria-expanded="false" class="more">More</button></div>'
    return f"""<html lang="en"><title>(3) {name} | LinkedIn</title><body>{CHANGED}{NAV}
<div role="toolbar"><p>{name}</p>{controls}</div>
<div role="main"><main id="workspace"><div componentkey="x.profile.card.refACoAAadaTopcard">
<section componentkey="com.linkedin.sdui.profile.card.refACoAAadaTopcard">
<div aria-label="Profile photo"><figure><img alt="" src="/profile-displayphoto-1.png" width=10 height=10></figure></div>
<a href="/in/ada-berg/"><h2>{name}</h2></a><p>She/Her</p>
<div data-display-contents="true" style="display:contents"><div hidden><p>· 1st</p></div></div><p>· {degree}</p>
<p>Engineer at Northwind</p><a href="/in/ada-berg/overlay/contact-info/">Contact info</a>{controls}{extra}
</section></div><section><h2>Sales Insights</h2>
<a href="/premium/products/?utype=sales">Try Sales Navigator for $0</a></section></main></div>{STRANGERS}{VIDEO}
<div id="portal"></div><script>
const page = [...document.body.querySelectorAll('nav, [role=toolbar], [role=main], aside')];
for (const more of document.querySelectorAll('.more')) more.onclick = () => setTimeout(() => {{
  for (const part of page) part.setAttribute('aria-hidden', 'true');
  document.getElementById('portal').innerHTML = `<div role="menu" popover="manual" style="display:block">{menu}</div>`;
}}, 50);
addEventListener('keydown', event => {{
  if (event.key !== 'Escape') return;
  for (const part of page) part.removeAttribute('aria-hidden');
  document.getElementById('portal').innerHTML = '';
}});
</script></body></html>"""


MESSAGE = f'<a href="{COMPOSE}" aria-disabled="false">Message</a>'
FOLLOW = '<button aria-label="Follow Ada Berg">Follow</button>'
CONNECT = '<a href="/preload/custom-invite/?vanityName=ada-berg" aria-label="Invite Ada Berg to connect">Connect</a>'
PENDING = """<a href="/in/ada-berg/" onclick="ask(event)"
 aria-label="Pending, click to withdraw invitation sent to Ada Berg">Pending</a>"""
MENU_CONNECT = """<a role="menuitem" href="/preload/custom-invite/?vanityName=ada-berg"><div
 aria-label="Invite Ada Berg to connect"><p>Connect</p></div></a><div role="menuitem">Follow</div>"""
MENU_CONNECTED = '<div role="menuitem" onclick="changed(1)">Remove connection</div>'
WITHDRAW = """<dialog data-testid="dialog" aria-labelledby="dialog-header"
 data-sdui-screen="com.linkedin.sdui.flagshipnav.mynetwork.invitations.WithdrawConfirmationDialog">
<button aria-label="Dismiss" onclick="this.closest('dialog').close()">x</button><h2 id="dialog-header">Withdraw invitation</h2>
<p>If you withdraw now, you won’t be able to resend to this person for up to 3 weeks.</p>
<button onclick="this.closest('dialog').close()">Cancel</button>
<button aria-label="Withdraw invitation sent to Ada Berg" onclick="changed(1)">Withdraw</button></dialog>
<script>function ask(event) {{ event.preventDefault(); document.querySelector('dialog').showModal(); }}</script>"""
LEGACY = f"""<html lang="sv"><title>Ada Berg | LinkedIn</title><body>{NAV}<main><section class="artdeco-card"><h1>Ada Berg</h1>
<span class="visually-hidden" style="position:absolute;width:1px;height:1px;overflow:hidden">Kontakt av 2:a graden</span>
<span>2:a</span><div>Ingenjör</div><button aria-label="Bjud in Ada Berg att skapa kontakt"><span>Skapa kontakt</span></button>
<button aria-label="Mer" aria-expanded="false">Mer</button></section>{STRANGERS}</main></body></html>"""

CLASSIC = """<html><title>LinkedIn Login</title><body>
<div class="artdeco-global-alert--COOKIE_CONSENT"><button action-type="ACCEPT">Accept</button><button action-type="DENY">Reject</button></div>
<form class="login__form" action="/checkpoint/lg/login-submit" method="post">
<button type="button">Sign in with Apple</button><label for="username">Email or phone</label>
<input id="username" name="session_key" autocomplete="username"><div id="error-for-username" role="alert"></div>
<label for="password">Password</label><input id="password" name="session_password" type="password">
<div id="error-for-password" role="alert">That’s not the right password. Try again or sign in with a one-time link</div>
<button type="submit" data-litms-control-urn="login-submit">Sign in</button></form></body></html>"""
WITHOUT_FORM = """<html lang="de"><body><div data-sdui-screen="login"><div hidden>
<input id="«r0»" autocomplete="username"><input id="«r1»" type="password" autocomplete="current-password">
<button type="button">Einloggen</button><p>We’ve emailed a one-time link to your primary email address</p></div>
<label for="«r2»">E-Mail-Adresse oder Telefonnummer</label><input id="«r2»" autocomplete="username webauthn">
<label for="«r3»">Passwort</label><input id="«r3»" type="password" autocomplete="current-password">
<button type="button" aria-label="Passwort anzeigen">Anzeigen</button><button type="button">Mit Microsoft einloggen</button>
<button type="button" disabled>Einloggen</button></div></body></html>"""
CODE = """<html><title>Security Verification | LinkedIn</title><body><main><h1>Enter the code you see on your authenticator app</h1>
<span role="alert" class="body__banner--error">The verification code you entered isn't valid. Please check the code and try again.</span>
<div id="captcha-internal" hidden></div><input type="hidden" name="resendUrl"><form><input name="pin" class="input_verification_pin">
<button id="two-step-submit-button" type="submit">Submit</button></form><a id="try-another-way" href="#">Try another way</a></main></body></html>"""
SHADOWED = f"""<html><body>{CHANGED}{NAV}{VIDEO}<aside class="msg-overlay-container"><div role="dialog"
 class="msg-overlay-conversation-bubble">Eve Moss<div role="textbox" contenteditable="true">Write a message</div></div></aside>
<div id="interop-outlet"></div><script>
const root = document.getElementById('interop-outlet').attachShadow({{mode: 'open'}});
const first = `<div role="dialog" aria-labelledby="send-invite-modal"><h2 id="send-invite-modal">Add a note to your invitation?</h2>
<button aria-label="Dismiss">x</button><button aria-label="Add a note" class="add">Add a note</button>
<button aria-label="Send without a note" class="send">Send without a note</button></div>`;
const second = `<div role="dialog" aria-labelledby="send-invite-modal"><h2 id="send-invite-modal">Add a note to your invitation</h2>
<p>3 personalized invitations remaining for this month.</p><p>Please limit personal note to 300 characters.</p>
<textarea id="custom-message" name="message"></textarea><span>0/200</span><button aria-label="Cancel adding a note">Cancel</button>
<button aria-label="Send invitation" class="send" disabled>Send</button></div>`;
setTimeout(() => {{ root.innerHTML = first;
  root.querySelector('.send').onclick = () => changed('invite');
  root.querySelector('.add').onclick = () => {{ root.innerHTML = second; }};
}}, 100);</script></body></html>"""
EMAIL_GATE = f"""<html><body>{NAV}<dialog open><h2>Add a note to your invitation?</h2>
<p>To verify this member knows you, please enter their email to connect.</p><input type="email">
<button>Add a note</button><button>Send without a note</button></dialog></body></html>"""
SENT = f"""<html><body style="margin:0">{CHANGED}{NAV}<main id="workspace" style="height:300px;overflow:auto">
<a href="/mynetwork/invitation-manager/sent/CONNECTION/">People (23)</a>
<div data-testid="lazy-column"></div><button id="more" hidden>Load more</button></main><script>
const list = document.querySelector('[data-testid=lazy-column]'), more = document.getElementById('more');
let shown = 0;
const add = () => {{ for (let end = Math.min(23, shown + 5); shown < end; shown++) list.insertAdjacentHTML('beforeend',
  `<div role="listitem" style="height:90px"><a href="/in/member-${{shown}}/?x=1"><img alt="Member ${{shown}}’s profile picture"></a>
   <a href="/in/member-${{shown}}/"><p>Member ${{shown}}</p></a><p>Buyer</p><p>Sent ${{shown + 2}} weeks ago</p>
   <a href="#" onclick="changed(1)" aria-label="Withdraw invitation sent to Member ${{shown}}">Withdraw</a></div>
   <hr role="presentation">`); more.hidden = shown < 15 || shown >= 23; }};
add();
more.onclick = () => setTimeout(add, 100);
document.getElementById('workspace').onscroll = event => {{
  const box = event.target;
  if (shown < 15 && box.scrollTop + box.clientHeight > box.scrollHeight - 50) setTimeout(add, 100);
}};</script></body></html>"""
CONNECTIONS = f"""<html lang="de"><body>{NAV}<main><h1>2 Kontakte</h1><ul>
<li><a href="/in/bo/">Bo Li</a><p>Chef</p><p>Vernetzt am 3. Oktober 2026</p></li>
<li><a href="/in/cy/">Cy Tan</a><p>Koch</p><p>Vernetzt am 1. Oktober 2026</p></li></ul></main></body></html>"""
THREAD = f"""<html><body>{CHANGED}{NAV}<main><h2><a class="msg-thread__link-to-profile" href="/in/ada-berg/">Ada Berg</a></h2>
<ul class="msg-s-message-list"><li class="msg-s-message-list__event"><div class="msg-s-event-listitem">Hi</div></li>
<li class="msg-s-message-list__event"><div class="msg-s-event-listitem msg-s-event-listitem--other">Hello</div></li></ul>
<form class="msg-form"><div class="msg-form__contenteditable" role="textbox" contenteditable="true"
 aria-label="Write a message…" aria-multiline="true">&nbsp;</div><button class="msg-form__send-button" type="submit" disabled>Send</button>
</form></main></body></html>"""
UPSELL = f"""<html><body>{CHANGED}{NAV}<div role="dialog"><h2>Add a note to your invitation?</h2>
<button onclick="this.parentElement.innerHTML = document.querySelector('template').innerHTML">Add a note</button>
<button onclick="changed(1)">Send without a note</button></div><template><h2>Personalize your invitations with Premium</h2>
<p>You’ve used all your free personalized invitations</p><a href="/premium/products/">Try Premium</a></template></body></html>"""
WITHOUT_ROLES = f"""<html lang="sv"><body>{CHANGED}{NAV}<main><h1>Skickade</h1><div><div><a href="/in/bo/">Bo Li</a>
<p>Skickades för 3 dagar sedan</p><button onclick="changed(1)">Dra tillbaka</button></div><div><a href="/in/cy/">Cy Tan</a>
<p>Skickades för 2 veckor sedan</p><button onclick="changed(1)">Dra tillbaka</button></div></div></main></body></html>"""
UNKNOWN = "<html><body><main><p>Something else altogether, signed Ada Berg</p></main></body></html>"
STRICT = UNKNOWN.replace(
    "<body>", "<head><meta http-equiv=Content-Security-Policy content=\"style-src 'self'\"></head><body>"
)
ROOTED = UNKNOWN.replace(
    "<main>", "<div><template shadowrootmode=open><b>Kim Öberg wrote this</b></template></div><main>"
)

Read: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def read() -> AsyncGenerator[Read]:
    async with browser.chromium(seconds=600) as chromium:

        async def read(
            served: Mapping[str, str],
            page: PageName,
            slug: str | None = None,
            *,
            path: str = "",
            evidence: Path | None = None,
        ) -> dict[str, Any]:
            async with serving(served) as pages:
                answer = await look(chromium, Asked(Site(pages.url + path), page, slug, evidence=evidence))
                assert pages.sent == []
            return answer

        yield read


PROFILES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "directly": (
        profile(MESSAGE + CONNECT),
        {
            "relation": "connectable",
            "degree": 2,
            "headline": "Engineer at Northwind",
            "member": "ACoAAada",
            "slug": "ada-berg",
        },
    ),
    "under more": (
        profile(FOLLOW + MESSAGE, menu=MENU_CONNECT),
        {
            "relation": "connectable_under_more",
            "more": ["Connect", "Follow"],
            "can_message": True,
            "name": "Ada Berg",
        },
    ),
    "only to follow": (
        profile(FOLLOW, menu='<div role="menuitem">Report</div>'),
        {"relation": "follow_only"},
    ),
    "pending": (profile(PENDING + MESSAGE), {"relation": "pending", "more": None}),
    "connected": (
        profile(MESSAGE, menu=MENU_CONNECTED, degree="1st"),
        {"relation": "connected", "degree": 1},
    ),
    "a message but no connection": (
        profile(MESSAGE, menu="<div role=menuitem>Report</div>", degree="3rd"),
        {"relation": "unknown"},
    ),
    "oneself": (profile('<a href="/in/ada-berg/edit/intro/" aria-label="Edit"></a>'), {"relation": "self"}),
    "the older layout in Swedish": (
        LEGACY,
        {"relation": "connectable", "degree": 2, "headline": "Ingenjör", "name": "Ada Berg"},
    ),
}


@pytest.mark.parametrize("case", PROFILES)
async def test_a_profile_tells_how_one_stands_to_its_member(read: Read, case: str) -> None:
    html, expected = PROFILES[case]
    answer = await read({"/in/ada-berg/": html}, "profile", "ada-berg")
    assert answer["answered"], answer
    assert {name: answer["read"][name] for name in expected} == expected
    assert answer["matched"]["name"] in {"h1", "h2"}


async def test_both_layouts_of_the_login_are_read_by_what_is_visible(read: Read) -> None:
    classic = await read({"/login": CLASSIC}, "login")
    assert classic["read"] == {
        "shape": "form",
        "can_submit": True,
        "cookie_banner": True,
        "refusal": "wrong_password",
        "providers": ["apple"],
        "error": "That’s not the right password. Try again or sign in with a one-time link",
    }
    new = await read({"/login": WITHOUT_FORM}, "login")
    assert new["read"] == {
        "shape": "without_form",
        "can_submit": False,
        "cookie_banner": False,
        "refusal": None,
        "error": None,
        "providers": ["microsoft"],
    }
    assert {"email", "password", "submit"} <= new["matched"].keys()


async def test_a_code_is_asked_for_though_a_captcha_lies_hidden(read: Read) -> None:
    answer = await read(
        {"/checkpoint/challenge/AbC": CODE}, "checkpoint", path="/checkpoint/challenge/AbC?x=secret"
    )
    assert answer["read"] == {
        "kind": "code",
        "channel": "authenticator",
        "code_error": "wrong",
        "can_resend": False,
        "another_way": True,
        "heading": "Enter the code you see on your authenticator app",
    }
    assert answer["matched"]["code"] == 'input[name="pin"]'
    assert "secret" not in json.dumps(answer)


async def test_oneself_is_read_where_the_address_leads(read: Read) -> None:
    served = {
        "/feed/": f"<html><body>{NAV}<main>feed</main></body></html>",
        "/in/me/": "->/in/ada-berg/",
        "/in/ada-berg/": profile('<a href="/in/ada-berg/edit/intro/" aria-label="Edit"></a>'),
    }
    answer = await read(served, "self")
    seen = answer["read"]
    assert (seen["slug"], seen["name"], seen["is_own"]) == ("ada-berg", "Ada Berg", True)
    assert seen["session"] == {"signed_in": True, "has_cookie": False, "sales_navigator": False}
    assert "profile-displayphoto" in seen["picture"]


async def test_the_invite_dialog_is_found_in_a_shadow_root_and_nothing_is_sent(read: Read) -> None:
    answer = await read({"/preload/custom-invite/": SHADOWED}, "invite", "ada-berg")
    assert answer["read"] == {
        "state": "ready",
        "heading": "Add a note to your invitation?",
        "can_add_note": True,
        "can_send_without_note": True,
        "note_limit": 200,
        "notes_left": 3,
        "problem": None,
    }


async def test_notes_are_used_up_where_an_offer_comes_instead_of_the_field(read: Read) -> None:
    seen = (await read({"/preload/custom-invite/": UPSELL}, "invite", "ada-berg"))["read"]
    assert (seen["state"], seen["can_add_note"], seen["notes_left"]) == ("ready", False, 0)


async def test_an_email_is_asked_for_before_the_buttons_count(read: Read) -> None:
    answer = await read({"/preload/custom-invite/": EMAIL_GATE}, "invite", "ada-berg")
    assert answer["read"]["state"] == "email_asked"
    assert answer["read"]["problem"]["code"] == "linkedin.email-asked"


async def test_the_withdraw_dialog_is_opened_read_and_cancelled(read: Read) -> None:
    served = {"/in/ada-berg/": profile(PENDING, extra=WITHDRAW), "/in/bo/": profile(FOLLOW, name="Bo Li")}
    answer = await read(served, "withdraw", "ada-berg")
    assert answer["read"] == {
        "heading": "Withdraw invitation",
        "member": "Ada Berg",
        "named": "Ada Berg",
        "is_this_member": True,
        "can_confirm": True,
        "can_cancel": True,
    }
    assert (await read(served, "withdraw", "bo"))["code"] == "linkedin.not-pending"


async def test_a_list_is_read_to_its_end_as_it_loads(read: Read) -> None:
    seen = (await read({"/mynetwork/invitation-manager/sent/": SENT}, "sent"))["read"]
    assert (seen["total"], seen["whole"], len(seen["invitations"])) == (23, True, 23)
    assert seen["invitations"][22] == {
        "slug": "member-22",
        "name": "Member 22",
        "sent": "Sent 24 weeks ago",
        "days": 168,
        "can_withdraw": True,
    }


async def test_a_list_without_roles_is_read_around_its_controls(read: Read) -> None:
    seen = (await read({"/mynetwork/invitation-manager/sent/": WITHOUT_ROLES}, "sent"))["read"]
    assert [(each["slug"], each["days"]) for each in seen["invitations"]] == [("bo", 3), ("cy", 14)]


async def test_connections_are_read_in_german(read: Read) -> None:
    seen = (await read({"/mynetwork/invite-connect/connections/": CONNECTIONS}, "connections"))["read"]
    assert (seen["total"], seen["whole"]) == (2, True)
    assert seen["connections"][0] == {
        "slug": "bo",
        "name": "Bo Li",
        "connected": "Vernetzt am 3. Oktober 2026",
    }


async def test_a_thread_is_reached_from_the_profile(read: Read) -> None:
    served = {"/in/ada-berg/": profile(MESSAGE), "/messaging/compose/": THREAD}
    answer = await read(served, "message", "ada-berg")
    assert answer["read"] == {
        "recipient": "ada-berg",
        "is_inmail": False,
        "can_write": True,
        "can_send": False,
        "messages": 2,
        "own": 1,
        "error": None,
    }


HINDERED = {
    "linkedin.session-ended": {"/in/ada-berg/": "->/login?session_redirect=%2Ffeed%2F", "/login": CLASSIC},
    "linkedin.checkpoint": {"/in/ada-berg/": "->/checkpoint/challenge/1", "/checkpoint/challenge/1": CODE},
    "linkedin.slow-down": {"/in/ada-berg/": "429"},
    "linkedin.not-found": {"/in/ada-berg/": "->/404/", "/404/": "<h1>This page doesn’t exist</h1>"},
    "linkedin.restricted": {
        "/in/ada-berg/": "<main>Access to your account has been temporarily restricted</main>"
    },
}


@pytest.mark.parametrize("code", HINDERED)
async def test_what_stands_in_the_way_is_named(read: Read, code: str) -> None:
    answer = await read(HINDERED[code], "profile", "ada-berg")
    assert (answer["answered"], answer["code"]) == (False, code)
    assert answer["cause"]
    assert answer["resolution"]


@pytest.mark.parametrize("page", [UNKNOWN, STRICT, ROOTED], ids=["plain", "strict policy", "shadow root"])
async def test_an_unknown_page_is_kept_without_what_stands_on_it(
    read: Read, tmp_path: Path, page: str
) -> None:
    answer = await read({"/login": page}, "login", evidence=tmp_path / "seen")
    assert (answer["code"], answer["missing"]) == ("linkedin.layout-changed", ("password",))
    kept = {path.name: path for path in (tmp_path / "seen").iterdir()}
    assert {answer["snapshot"], answer["screenshot"]} == {str(path) for path in kept.values()}
    outline = kept["page.txt"].read_text()
    assert "Ada" not in outline
    assert "paragraph" in outline
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept.values())
    with Image.open(kept["page.png"]) as picture:
        assert picture.convert("L").getextrema() == (255, 255)  # nothing but the white of the page


async def test_a_browser_is_gone_at_its_deadline() -> None:
    before = marked()
    started: set[int] = set()

    async def hang() -> None:
        async with browser.chromium(seconds=10):
            started.update(marked() - before)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await hang()
    assert started
    assert not marked() & started


def marked() -> set[int]:
    return {each.pid for each in psutil.Process().children(recursive=True) if "--heraldry-run" in _line(each)}


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
