"""Pages that live: what others do appears by itself, and what breaks comes back by itself."""

from __future__ import annotations

import re
import selectors
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import pytest
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Office, eventually
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
SOON: Final = 20_000  # milliseconds for what the product does by itself
BACK: Final = 60_000  # milliseconds until what was killed has started again
OUT_OF_REACH: Final = "out of reach for a moment"


@pytest.fixture(scope="module")
def office(stack: Stack) -> Iterator[Office]:
    with Office.opened(stack) as office:
        for number in range(9):
            office.identity(f"Identity {number}", job_title="Account Executive")
        yield office


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation of our own, in which things may be killed, and on whose server there is no browser."""
    env = {"HERALDRY_CHROMIUM": "/nowhere/chromium"}
    with Stack.running(tmp_path_factory.mktemp("pages") / "data", env=env) as running:
        yield running


@contextmanager
def person(browser: Browser, office: Office, url: str) -> Generator[Page]:
    """Somebody who is signed in, with a page that is never loaded again unless they ask."""
    context = browser.new_context(viewport={"width": 1440, "height": 700}, locale="en-GB", base_url=url)
    context.set_default_timeout(SOON)
    context.add_cookies([{"name": "heraldry_session", "value": office.token, "url": url}])
    yield context.new_page()
    context.close()


def listening(page: Page, path: str) -> None:
    """Open a page and wait until it hears of changes."""
    with page.expect_response(lambda answer: "/events" in answer.url and answer.ok):
        page.goto(path)
    page.evaluate("window.kept = true")


def assert_kept(page: Page) -> None:
    assert page.evaluate("window.kept") is True, "the page was loaded again"


@contextmanager
def held_down(stack: Stack, process: str) -> Generator[None]:
    """kill -9, and nobody starts it again until the end: the supervisor is made to pause."""
    stack.process.send_signal(signal.SIGSTOP)
    try:
        stack.kill(process)
        yield
    finally:
        stack.process.send_signal(signal.SIGCONT)


def test_what_one_person_changes_another_sees_without_losing_place_or_input(
    browser: Browser, office: Office, stack: Stack
) -> None:
    changed = office.identity("Identity before")
    with person(browser, office, stack.url) as ours, person(browser, office, stack.url) as theirs:
        listening(ours, "/identities")
        search = ours.get_by_role("searchbox")
        with ours.expect_response(re.compile("q=Identit")):
            search.press_sequentially("Identit")
        ours.evaluate("scrollTo(0, 300)")
        theirs.goto(f"/identities/{changed}")
        theirs.get_by_label("Identity name").fill("Identity afterwards")
        theirs.get_by_role("button", name="Save contact details").click()
        expect(ours.get_by_role("article", name="Identity afterwards")).to_be_attached(timeout=SOON)
        expect(ours.get_by_role("article", name="Identity before")).to_have_count(0)
        assert ours.evaluate("scrollY") == 300
        expect(search).to_have_value("Identit")
        expect(search).to_be_focused()
        assert_kept(ours)


def test_an_event_takes_no_half_typed_word_away(browser: Browser, office: Office, stack: Stack) -> None:
    identity = office.identity("Half typed")
    with person(browser, office, stack.url) as page:
        listening(page, f"/identities/{identity}")
        title = page.get_by_label("Job title")
        title.press_sequentially("Head of Par")
        office.inbox(identity, office.account())
        expect(page.locator("#inbox-count")).to_have_text("1", timeout=SOON)
        expect(page.locator("#inboxes .address")).to_have_count(1)
        expect(title).to_have_value("Head of Par")
        expect(title).to_be_focused()
        page.keyboard.type("tnerships")
        page.get_by_role("button", name="Save contact details").click()
        expect(page.locator("#contact").get_by_text("Saved.")).to_be_visible()
        assert_kept(page)
    stored = office.call("GET", f"/identities/{identity}")
    assert stored["details"]["job_title"] == "Head of Partnerships"


def test_new_entries_of_the_history_do_not_move_what_is_read(
    browser: Browser, office: Office, stack: Stack
) -> None:
    with person(browser, office, stack.url) as page:
        listening(page, "/activity")
        rows = page.locator("#entries > [data-cursor]")
        count = rows.count()
        read = page.locator(f'[data-cursor="{rows.nth(6).get_attribute("data-cursor")}"]')
        page.evaluate("scrollTo(0, document.querySelectorAll('#entries > tr')[5].offsetTop + 200)")
        top = read.evaluate("row => row.getBoundingClientRect().top")
        office.identity("Just now")
        expect(rows).to_have_count(count + 1, timeout=SOON)
        expect(rows.first).to_contain_text("Just now")
        assert abs(read.evaluate("row => row.getBoundingClientRect().top") - top) < 2
        assert_kept(page)


def test_a_broken_connection_goes_on_after_the_last_thing_it_has_heard(
    browser: Browser, office: Office, stack: Stack
) -> None:
    identity = office.identity("Wire 0")
    wire = Wire(int(urlsplit(stack.url).port or 0))
    with wire.running(), person(browser, office, wire.url) as page:
        listening(page, "/identities?q=Wire")
        office.call("PUT", f"/identities/{identity}/name", {"name": "Wire 1"})
        expect(page.get_by_role("article", name="Wire 1")).to_be_visible(timeout=SOON)
        asked = len(wire.asked_for_events)
        wire.cut()
        office.call("PUT", f"/identities/{identity}/name", {"name": "Wire 2"})
        wire.mend()
        expect(page.get_by_role("article", name="Wire 2")).to_be_visible(timeout=SOON)
        again = eventually(lambda: wire.asked_for_events[asked:])
        assert re.search(rb"last-event-id: \d+|[?&]after=\d+", again[0].lower())
        assert_kept(page)


def test_without_a_browser_on_the_server_linking_says_so_and_mails_leave(
    browser: Browser, own: Stack
) -> None:
    with Office.opened(own) as office, person(browser, office, own.url) as page:
        identity = office.identity("On mail alone")
        sign_in = {"email": "ada@northwind.example", "password": "correct horse battery"}
        office.call("POST", f"/identities/{identity}/linkedin", sign_in)
        page.goto(f"/identities/{identity}/linkedin")
        linking = page.locator("#linking")
        expect(linking).to_contain_text("There is no browser on the server", timeout=SOON)
        expect(linking).to_contain_text("Ask whoever runs Heraldry to install Chromium")
        inbox = office.inbox(identity, office.account())
        attempt = office.mail(inbox, str(office.account()["address"]), "Hello", "Good morning")
        eventually(lambda: office.call("GET", f"/mails/{attempt}")["state"] == "sent")
        page.goto("/identities")
        card = page.get_by_role("article", name="On mail alone")
        expect(card).to_contain_text("LinkedIn: Not connected")
        expect(card).to_contain_text("1 of 30")  # messages sent of those allowed


def test_while_the_bus_is_away_pages_say_so_and_then_recover(browser: Browser, own: Stack) -> None:
    with Office.opened(own) as office, person(browser, office, own.url) as page:
        identity = office.identity("Here before")
        listening(page, "/identities")
        away, card = page.get_by_text(OUT_OF_REACH), page.get_by_role("article", name="Here before")
        expect(card).to_be_visible()
        expect(away).to_be_hidden()
        with held_down(own, "nats"):
            expect(away).to_be_visible(timeout=SOON)
            expect(card).to_be_visible()
            other = page.context.new_page()
            other.goto("/activity")
            expect(other.get_by_role("heading", name="Heraldry is catching up")).to_be_visible()
        expect(away).to_be_hidden(timeout=BACK)
        expect(other.get_by_role("heading", name="Activity")).to_be_visible(timeout=BACK)
        eventually(lambda: office.http.get("/api/v1/organization").is_success, 60)
        eventually(lambda: _renamed(office, identity, "Here again"), 60)
        expect(page.get_by_role("article", name="Here again")).to_be_visible(timeout=BACK)
        assert_kept(page)


def test_a_killed_gateway_costs_nobody_their_input_nor_their_session(browser: Browser, own: Stack) -> None:
    with Office.opened(own) as office, person(browser, office, own.url) as page:
        identity = office.identity("Survivor")
        listening(page, f"/identities/{identity}")
        title = page.get_by_label("Job title")
        save = page.get_by_role("button", name="Save contact details")
        title.fill("Typed before the crash")
        with held_down(own, "gateway"):
            expect(page.get_by_text(OUT_OF_REACH)).to_be_visible(timeout=SOON)
            save.click()
            expect(page.get_by_text("Nothing was lost: press the button again")).to_be_visible()
            expect(save).to_be_enabled()
        expect(page.locator("#away")).to_be_hidden(timeout=BACK)
        expect(title).to_have_value("Typed before the crash")
        save.click()
        expect(page.locator("#contact").get_by_text("Saved.")).to_be_visible(timeout=SOON)
        assert_kept(page)
        page.goto("/identities")
        expect(page.get_by_role("article", name="Survivor")).to_contain_text("Typed before the crash")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def _renamed(office: Office, identity: str, name: str) -> bool:
    path = f"/api/v1/identities/{identity}/name"
    return office.http.put(path, json={"name": name}).is_success


class Wire:
    """Between a browser and the gateway: it can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._whole = True
        self._ended = False
        self.asked_for_events: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def running(self) -> Generator[None]:
        thread = threading.Thread(target=self._carry, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            thread.join(5)
            self.cut()
            self._listener.close()

    def cut(self) -> None:
        """Every connection breaks, and none is made."""
        with self._lock:
            self._whole = False
            for end in self._pairs:
                end.close()
            self._pairs.clear()

    def mend(self) -> None:
        self._whole = True

    def _carry(self) -> None:
        while not self._ended:
            with selectors.DefaultSelector() as selector, self._lock:
                for end in (self._listener, *self._pairs):
                    selector.register(end, selectors.EVENT_READ)
                for key, _ in selector.select(0.02):
                    end = key.fileobj
                    assert isinstance(end, socket.socket)
                    if end is self._listener:
                        self._accept()
                    elif end in self._pairs:
                        self._forward(end)

    def _accept(self) -> None:
        browser, _ = self._listener.accept()
        if not self._whole:
            browser.close()
            return
        gateway = socket.create_connection(("127.0.0.1", self._port))
        self._pairs |= {browser: gateway, gateway: browser}

    def _forward(self, end: socket.socket) -> None:
        other = self._pairs[end]
        data = b""
        with suppress(OSError):
            data = end.recv(65536)
            other.sendall(data)
        if data.startswith(b"GET /events"):
            self.asked_for_events.append(data)
        if not data:
            for each in (end, other):
                self._pairs.pop(each, None)
                each.close()
