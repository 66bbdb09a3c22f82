"""Every outcome of an invitation, a withdrawal and a message in a real browser; the stand-in's log is the judge."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import uuid4

import pytest
import pytest_asyncio
from heraldry.contracts.linkedin import ActionKind, ProfileData
from heraldry.linkedin_driver.adapters.member import (
    CONNECTED_SHOWN,
    GONE_SHOWN,
    MESSAGE_SHOWN,
    PENDING_SHOWN,
    READ,
)
from heraldry.linkedin_driver.adapters.pages import invite
from heraldry.linkedin_driver.adapters.pool import Chromium
from heraldry.linkedin_driver.adapters.problems import LayoutChanged, SessionEnded, SlowDown
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.domain import hindrances as met
from heraldry.linkedin_driver.domain import obstacles
from heraldry.linkedin_driver.ports import Done, Hindered, Member, NotDone, Outcome, Unsure, Wanted
from heraldry.sandbox.linkedin.people import Layout, Person, Scenario
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedinhost import linkedin_host, session_of

pytestmark = [pytest.mark.parts, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]
ADA, ME = "ada@northwind.example", "ada-bergstrom"
Connect = Literal["button", "more", "more_button", "nowhere"]
NUMBER = iter(range(1000, 100000, 1000))


@dataclass
class Scene:
    """A site with one account, and what its member does there."""

    linkedin: LinkedIn
    member: Member
    number: int = 0
    about: list[str] = field(default_factory=list[str])  # whose page was open before each click
    clicks: int = 0
    first: Callable[[], None] | None = None  # what happens at the site immediately before the click

    def person(self, connect: Connect = "button", **more: Any) -> str:
        """A new one; the slug."""
        self.number += 1
        slug = f"kim-{self.number}"
        self.linkedin.add_person(Person(slug, "Kim", f"Nr{self.number}", connect=connect, **more))
        return slug

    def treat(self, **how: Any) -> None:
        self.linkedin.change_scenario(ADA, replace(Scenario(), **how))

    async def act(self, kind: ActionKind, slug: str, text: str = "", name: str = "") -> Outcome:
        return await self.member.act(Wanted(uuid4(), kind, slug, name, text), self)

    async def before(self, member: str, alike: int) -> None:
        self.about.append(f"{member} {alike}")
        if self.first is not None:
            self.first()

    async def after(self) -> None:
        self.clicks += 1

    async def look(self, kind: ActionKind, slug: str, text: str = "", alike: int = 0) -> Outcome:
        return await self.member.look(Wanted(uuid4(), kind, slug, "", text), alike)

    def invited(self, *slugs: str) -> None:
        for slug in slugs:
            self.linkedin.network.invite(self.linkedin.account(ADA), self.linkedin.person(slug))

    def happened(self, what: str, slug: str) -> list[Mapping[str, object]]:
        effects = self.linkedin.effects()
        return [one.facts for one in effects if one.what == what and one.facts.get("to") == slug]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[LinkedIn]:
    async with linkedin_host(tmp_path_factory.mktemp("site")) as linkedin:
        yield linkedin


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium(site: LinkedIn, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Chromium]:
    opened = Chromium(Site(site.url), tmp_path_factory.mktemp("evidence"), patience=20)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def scene(chromium: Chromium, site: LinkedIn) -> AsyncGenerator[Scene]:
    site.change_scenario(ADA, Scenario())
    site.change_layout(Layout())
    async with chromium.visit(session_of(site, ADA)) as visit:
        yield Scene(site, visit.member, next(NUMBER))
    assert [one.facts for one in site.effects() if one.what == "clicked another person"] == []
    assert [one.facts for one in site.effects() if one.facts.get("by") == "enter"] == []


OTHERWISE = Layout(profile="legacy", invitation="native", slow_dialogs=0.3)


@pytest.mark.parametrize(
    ("layout", "connect"),
    [(Layout(), "button"), (Layout(), "more"), (Layout(), "more_button"), (OTHERWISE, "button")],
)
async def test_an_invitation_is_sent_with_a_note_and_without(
    scene: Scene, layout: Layout, connect: Connect
) -> None:
    scene.linkedin.change_layout(layout)
    for note in ("", "We met in Malmö.\nKim?"):
        slug = scene.person(connect)
        assert await scene.act("invitation", slug, note) == Done(PENDING_SHOWN)
        assert [one["note"] for one in scene.happened("invited", slug)] == [note]
        assert scene.about[-1] == f"{scene.linkedin.person(slug).profile_id} 0"
        if connect != "button":
            return


async def test_whoever_cannot_be_invited_is_left_alone_and_the_reason_said(scene: Scene) -> None:
    linkedin, network = scene.linkedin, scene.linkedin.network
    connected, invited, withdrawn, incoming = (
        scene.person(),
        scene.person("more"),
        scene.person(),
        scene.person(),
    )
    network.connect(ME, connected)
    scene.invited(invited, withdrawn)
    network.withdraw(linkedin.account(ADA), linkedin.person(withdrawn))
    network.receive(incoming, ME)
    before = len(network.sent(ME))
    for diagnosis, slug in (
        (obstacles.ALREADY_CONNECTED, connected),
        (obstacles.ALREADY_INVITED, invited),
        (met.TAKES_NONE_NOW, withdrawn),
        (met.INVITED_BY_THEM, incoming),
        (met.NOT_OFFERED, scene.person("nowhere")),
        (met.EMAIL_ASKED, scene.person(email_required=True)),
        (met.NOTE_NEEDED, scene.person(note_required=True)),
        (met.OWN_PROFILE, ME),
    ):
        assert await scene.act("invitation", slug) == NotDone(diagnosis), diagnosis.code
    assert await scene.act("invitation", scene.person(), "x" * 201) == NotDone(met.NOTE_TOO_LONG)
    assert len(network.sent(ME)) == before
    assert scene.clicks == 0


async def test_a_profile_that_is_gone_or_somebody_elses_is_left_alone(scene: Scene) -> None:
    with pytest.raises(Hindered) as gone:
        await scene.act("invitation", "nobody-at-all")
    assert gone.value.obstacle == met.NO_SUCH_PROFILE
    now, before = scene.person(), scene.person()
    scene.linkedin.change_person(replace(scene.linkedin.person(before), moved_to=now))
    with pytest.raises(Hindered) as moved:
        await scene.act("invitation", before, name="Kim Larsen")
    assert moved.value.obstacle == met.MOVED
    assert scene.clicks == 0
    assert await scene.act("invitation", before, name=scene.linkedin.person(now).name) == Done(PENDING_SHOWN)


@pytest.mark.parametrize(
    ("how", "diagnosis", "note"),
    [
        ({"invitation": "weekly_limit"}, met.WEEKLY_LIMIT, ""),
        ({"invitation": "weekly_limit_afterwards"}, met.WEEKLY_LIMIT, ""),
        ({"invitation": "slow_down"}, met.LATER, ""),
        ({"notes": 0}, met.NOTES_USED_UP, "Hello"),
    ],
)
async def test_the_sites_limits_are_told_apart_and_nothing_is_sent(
    scene: Scene, how: Mapping[str, object], diagnosis: object, note: str
) -> None:
    slug = scene.person()
    scene.treat(**how)
    outcome = await scene.act("invitation", slug, note)
    assert isinstance(outcome, NotDone)
    assert (outcome.diagnosis, outcome.passes) == (diagnosis, True)
    assert not scene.happened("invited", slug)


async def test_a_toast_that_lies_is_not_believed(scene: Scene) -> None:
    invited, withdrawn = scene.person(), scene.person()
    scene.treat(invitation="not_kept")
    assert await scene.act("invitation", invited) == Unsure()
    scene.treat(withdrawal="not_kept")
    scene.invited(withdrawn)
    assert await scene.act("withdrawal", withdrawn) == Unsure(met.STILL_PENDING)
    assert await scene.look("withdrawal", withdrawn) == Unsure(met.STILL_PENDING)
    assert await scene.look("invitation", withdrawn) == Done(PENDING_SHOWN)


@pytest.mark.parametrize("connect", ["button", "more"])
async def test_an_invitation_is_withdrawn_wherever_the_profile_shows_it(
    scene: Scene, connect: Connect
) -> None:
    slug = scene.person(connect)
    scene.invited(slug)
    assert await scene.act("withdrawal", slug) == Done(GONE_SHOWN)
    assert len(scene.happened("withdrew", slug)) == 1
    assert await scene.look("withdrawal", slug) == Done(GONE_SHOWN)


async def test_what_cannot_be_withdrawn_is_said(scene: Scene) -> None:
    accepted, refused = scene.person(), scene.person()
    scene.invited(accepted, refused)
    scene.linkedin.network.accept(ME, accepted)
    assert await scene.act("withdrawal", accepted) == NotDone(obstacles.ACCEPTED_MEANWHILE)
    assert await scene.look("invitation", accepted) == Done(CONNECTED_SHOWN)
    assert await scene.act("withdrawal", scene.person()) == NotDone(obstacles.NOT_FOUND)
    scene.treat(withdrawal="refused")
    assert await scene.act("withdrawal", refused) == NotDone(met.NOT_WITHDRAWN, passes=True)
    assert not scene.happened("withdrew", refused)


async def test_an_invitation_accepted_while_the_dialog_asks_is_not_withdrawn(scene: Scene) -> None:
    slug = scene.person()
    scene.invited(slug)
    scene.first = lambda: scene.linkedin.network.accept(ME, slug)
    assert await scene.act("withdrawal", slug) == NotDone(obstacles.ACCEPTED_MEANWHILE)
    assert scene.clicks == 1
    assert not scene.happened("withdrew", slug)


async def test_a_message_is_written_to_a_connection_and_found_again(scene: Scene) -> None:
    slug, text = scene.person(), "Hello Kim,\n\nTuesday?"
    scene.linkedin.network.connect(ME, slug)
    assert await scene.act("message", slug, text) == Done(MESSAGE_SHOWN)
    assert await scene.act("message", slug, text) == Done(MESSAGE_SHOWN)
    assert [one["text"] for one in scene.happened("message sent", slug)] == [text, text]
    assert [each.rpartition(" ")[2] for each in scene.about] == ["0", "1"]
    assert await scene.look("message", slug, text, alike=1) == Done(MESSAGE_SHOWN)
    assert await scene.look("message", slug, text, alike=2) == Unsure()


async def test_no_message_goes_to_whoever_is_no_connection_and_a_failed_one_is_said(scene: Scene) -> None:
    pending, friend = scene.person(), scene.person()
    scene.invited(pending)
    scene.linkedin.network.connect(ME, friend)
    for slug in (scene.person(), pending):
        assert await scene.act("message", slug, "Hello") == NotDone(met.NOT_CONNECTED)
        assert not scene.happened("message sent", slug)
    scene.treat(message="failed")
    assert await scene.act("message", friend, "Hello") == NotDone(met.MESSAGE_FAILED, passes=True)
    assert not scene.happened("message sent", friend)


@pytest.mark.parametrize("answers", ["999", "429"])
async def test_a_site_that_wants_no_more_is_left(scene: Scene, answers: str) -> None:
    slug = scene.person()
    scene.treat(answers=answers)
    with pytest.raises(SlowDown):
        await scene.act("invitation", slug)
    assert scene.clicks == 0


async def test_a_session_that_ends_midway_is_noticed(scene: Scene) -> None:
    slug = scene.person()
    scene.treat(pages_until_revoked=1)
    with pytest.raises(SessionEnded):
        await scene.act("invitation", slug)
    assert scene.clicks == 0
    assert not scene.happened("invited", slug)


def nothing_is_called_so(_: object) -> tuple[()]:
    return ()


async def test_a_page_that_is_not_understood_is_kept_without_what_stands_on_it(
    chromium: Chromium, site: LinkedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.change_scenario(ADA, Scenario())
    for control in ("without_note", "send_with_note", "add_note"):
        monkeypatch.setattr(invite, control, nothing_is_called_so)
    with pytest.raises(LayoutChanged) as changed:
        async with chromium.visit(session_of(site, ADA)) as visit:
            await visit.member.act(Wanted(uuid4(), "invitation", "greta-lund"), Scene(site, visit.member))
    assert changed.value.missing == ("send",)
    assert changed.value.screenshot
    assert changed.value.snapshot
    outline = changed.value.snapshot.read_text()
    assert "Greta" not in outline
    assert "dialog" in outline


async def test_lists_and_conversations_are_read_and_nothing_is_marked_as_read(scene: Scene) -> None:
    pending, connected = scene.person(), scene.person()
    scene.invited(pending)
    scene.linkedin.network.connect(ME, connected)
    scene.linkedin.messaging.reply(connected, ME, "Gladly!")
    sent = await scene.member.sent()
    assert pending in sent.slugs
    assert sent.whole
    assert connected in (await scene.member.connections(5)).slugs
    assert await scene.member.standing(pending) == "pending"
    assert await scene.member.standing(connected) == "connected"
    assert await scene.member.standing(scene.person()) == "nothing"
    before = [one.what for one in scene.linkedin.effects()].count("conversation read")
    heard = await scene.member.heard()
    assert ("Gladly!", scene.linkedin.person(connected).profile_id) in {(one.text, one.by) for one in heard}
    assert [one.what for one in scene.linkedin.effects()].count("conversation read") == before


@pytest.mark.parametrize("layout", [Layout(), OTHERWISE])
async def test_a_profile_is_read_as_it_stands_there_and_nothing_is_pressed(
    scene: Scene, layout: Layout
) -> None:
    scene.linkedin.change_layout(layout)
    slug = scene.person(
        "more", headline="Head of purchasing at Brisa", company="Brisa", place="Porto, Portugal"
    )
    friend = scene.person(headline="Gardener", company="Green Ltd")
    scene.linkedin.network.connect(ME, friend)
    pressed = len([one for one in scene.linkedin.effects() if one.what == "clicked"])
    number = scene.number
    assert await scene.act("scraping", slug) == Done(
        READ,
        ProfileData(
            first_name="Kim",
            last_name=f"Nr{number - 1}",
            headline="Head of purchasing at Brisa",
            location="Porto, Portugal",
            company="Brisa",
            job_title="Head of purchasing",
        ),
    )
    read = await scene.act("scraping", friend)
    assert isinstance(read, Done)
    assert read.data is not None
    assert (read.data.company, read.data.job_title, read.data.location) == (
        "Green Ltd",
        "",
        "Stockholm, Sweden",
    )
    effects = scene.linkedin.effects()
    for one in (slug, friend):
        assert len([e for e in effects if e.what == "profile read" and e.facts.get("of") == one]) == 1
    assert len([one for one in effects if one.what == "clicked"]) == pressed
    assert scene.about == [" 0", " 0"]  # begun before the page was opened


async def test_who_is_not_at_linkedin_is_said_so_after_it_was_begun(scene: Scene) -> None:
    with pytest.raises(Hindered) as hindered:
        await scene.act("scraping", "nobody-of-this-name")
    assert (hindered.value.obstacle, hindered.value.cause) == (met.NO_SUCH_PROFILE, "not found")


@pytest.mark.parametrize(
    ("layout", "headline"),
    [
        (Layout(), "404: Diese Seite existiert nicht | Webdesign"),
        (Layout(profile="legacy"), "This page doesn't exist: 404 pages that sell"),
    ],
)
async def test_whoever_writes_of_missing_pages_is_there(scene: Scene, layout: Layout, headline: str) -> None:
    scene.linkedin.change_layout(layout)
    slug = scene.person(headline=headline)
    assert await scene.act("invitation", slug) == Done(PENDING_SHOWN)
