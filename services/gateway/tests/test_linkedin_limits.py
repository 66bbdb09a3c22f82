"""Limits, withdrawals and invitations by hand, over HTTP and on the pages; the other services here are one that notes
what it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from uuid import UUID, uuid4

import httpx
import pytest
from heraldry.chassis.health import Health
from heraldry.chassis.projection import Fact
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Accepted, By, Command, Event, Query, Refused
from heraldry.contracts.gateway import OrganizationCreated, UserJoined
from heraldry.contracts.identity import ContactDetails, GetIdentity, IdentityView, WorkingHours
from heraldry.contracts.linkedin import (
    LinkedInActionQueued,
    LinkedInLinked,
    LinkedInProfile,
    LinkedInUnlinked,
    ListLinkedInAccounts,
    ListPendingInvitations,
    ListWithdrawals,
    PendingInvitation,
    PendingPage,
    Withdrawal,
    WithdrawalPage,
)
from heraldry.contracts.linkedin_steps import (
    GetLinkedInUsage,
    InviteOnLinkedIn,
    LinkedInUsage,
    LinkedInUse,
    OwnScrapings,
    ReadProfileOnLinkedIn,
    SharedPool,
)
from heraldry.contracts.mailbox import ListInboxes
from heraldry.contracts.scheduler import (
    ChangeLinkedInLimits,
    ChangeWithdrawalPolicy,
    GetWithdrawalResults,
    LinkedInLimits,
    WithdrawalOutcome,
    WithdrawalPolicy,
    WithdrawalResult,
    WithdrawInvitations,
)
from heraldry.contracts.share_links import ListShareLinks
from heraldry.gateway.app import application
from heraldry.gateway.assets import Files
from heraldry.gateway.live import Live
from heraldry.gateway.projections import VIEWS
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import Gateway
from heraldry.gateway.views import Views

A = TypeVar("A")
ADA, BOB, MINA, US, LEA, TOM, KIM, INGRID = (UUID(int=number) for number in (1, 2, 8, 9, 21, 22, 23, 24))
NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNTIL: Final = datetime(2026, 12, 15, 9, 30, tzinfo=UTC)
WHERE: Final = f"/api/v1/identities/{ADA}/linkedin"
PAGE: Final = f"/identities/{ADA}"
PROFILE: Final = "https://www.linkedin.com/in/lea-fournier"
WARNING: Final = "LinkedIn may detect automation and restrict the account temporarily."


@dataclass
class Elsewhere:
    """The other services: they take everything, and note it. `refusal`: of every command."""

    sent: list[Command] = field(default_factory=list[Command])
    asked: list[object] = field(default_factory=list[object])
    limits: LinkedInLimits = field(default_factory=LinkedInLimits)
    policy: WithdrawalPolicy = field(default_factory=WithdrawalPolicy)
    outcomes: Sequence[WithdrawalOutcome] = ()
    refusal: Refused | None = None
    unknown: bool = False
    away: bool = False
    navigator: bool = False

    async def send(self, command: Command, *, by: By, id: UUID) -> Accepted:  # noqa: A002, ARG002  the command's id
        assert by.organization == US
        if self.refusal is not None:
            raise self.refusal
        self.sent.append(command)
        match command:
            case ChangeLinkedInLimits():
                self.limits = command.limits
            case ChangeWithdrawalPolicy():
                self.policy = command.policy
            case _:
                pass
        return Accepted(position=f"scheduler:1:{len(self.sent)}", fresh=True)

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A:
        del by, seen, deadline
        self.asked.append(query)
        return cast("A", self._answer(query))

    def _answer(self, query: object) -> object:
        match query:
            case GetIdentity(identity=ident) if ident in {ADA, BOB}:
                return IDENTITY.model_copy(update={"identity": ident})
            case ListInboxes() | ListShareLinks() | ListLinkedInAccounts():
                return ()
            case GetLinkedInUsage() if not self.unknown:
                return self._usage()
            case ListPendingInvitations() if self.away:
                raise Refused("service.unavailable", "The LinkedIn driver is away.", status=503)
            case ListPendingInvitations():
                return PendingPage(invitations=PENDING, next="" if query.after else "more", total=3)
            case ListWithdrawals():
                return WithdrawalPage(withdrawals=WITHDRAWN, next="", total=2)
            case GetWithdrawalResults():
                return tuple(
                    WithdrawalResult(invitation=invitation, outcome=outcome)
                    for invitation, outcome in zip((LEA, TOM, KIM, INGRID), self.outcomes, strict=False)
                )
            case _:
                raise Refused("linkedin.unknown", "There is no such thing.", status=404)

    def _usage(self) -> LinkedInUsage:
        limits = self.limits
        return LinkedInUsage(
            identity=ADA,
            account=ADA,
            limits=limits,
            warnings=limits.warnings,
            policy=self.policy,
            use=(
                LinkedInUse(
                    kind="invitation",
                    used_today=20,
                    allowed=limits.invitations,
                    next_possible=UNTIL,
                    why="Today's connection requests are used up.",
                ),
                LinkedInUse(kind="message", used_today=41, allowed=limits.messages, next_possible=None),
                LinkedInUse(kind="withdrawal", used_today=5, allowed=20, next_possible=None),
                LinkedInUse(kind="scraping", used_today=12, allowed=100, next_possible=None),
            ),
            zone="Europe/Stockholm",
            slowed=(("note", UNTIL),),
            pool=SharedPool(used_today=33, allowed=100, zone="Europe/London"),
            own_scrapings=OwnScrapings(used_today=9, allowed=limits.scrapings or 100)
            if self.navigator
            else None,
        )


IDENTITY: Final = IdentityView(
    identity=ADA,
    name="Ada Bergström",
    details=ContactDetails(),
    hours=WorkingHours(zone="Europe/Stockholm"),
    picture="",
    likings_opted_out=False,
    crm_user="",
    deleted=False,
    position="identity:1:1",
)
PENDING: Final = tuple(
    PendingInvitation(
        invitation=number,
        identity=ADA,
        person=number,
        name=name,
        profile=PROFILE if number == LEA else "https://www.linkedin.com/in/tom",
        sent_at=NOON - timedelta(days=days),
        withdrawing=number == KIM,
    )
    for number, name, days in ((LEA, "Léa Fournier", 26), (TOM, "Tom Vidal", 1), (KIM, "Kim Sol", 0))
)
WITHDRAWN: Final = tuple(
    Withdrawal(
        invitation=None if automatic else INGRID,
        person=LEA,
        name=name,
        sent_at=None if automatic else NOON - timedelta(days=30),
        withdrawn_at=NOON,
        automatic=automatic,
        actor="system:scheduler" if automatic else f"user:{MINA}",
        blocked_until=NOON + timedelta(days=21),
    )
    for name, automatic in (("Ingrid Solberg", False), ("", True))
)


@dataclass
class Sessions:
    role: str = "admin"

    async def find(self, token: str) -> Session:
        return Session(token, "csrf", MINA, US, cast("Any", self.role), demo=False)


class Unhalted:
    def halted(self, scope: str) -> None:
        del scope

    async def check_now(self, scope: str) -> None:
        del scope


async def first_time(command: UUID, body: bytes) -> None:
    del command, body


class People:
    """Stands for the keyed hash: the same address, the same person."""

    async def person_behind(self, organization: UUID, address: str) -> UUID:
        assert organization == US
        return UUID(bytes=address.encode()[-16:])


def events() -> tuple[Event, ...]:
    queued = {
        "attempt": LEA,
        "kind": "invitation",
        "account": ADA,
        "identity": ADA,
        "person": LEA,
        "profile": PROFILE,
        "name": "Léa Fournier",
        "valid_until": NOON,
    }
    return (
        OrganizationCreated(at=NOON, organization=US, name="Northwind", zone="Europe/Stockholm"),
        UserJoined(
            at=NOON,
            user=MINA,
            organization=US,
            name="Mina Okafor",
            email="mina@northwind.example",
            role="admin",
        ),
        LinkedInLinked(
            at=NOON, account=ADA, identity=ADA, linking=UUID(int=30), sender="s", profile=LinkedInProfile()
        ),
        LinkedInLinked(
            at=NOON, account=BOB, identity=BOB, linking=UUID(int=31), sender="b", profile=LinkedInProfile()
        ),
        LinkedInUnlinked(at=NOON, account=BOB, identity=BOB),
        LinkedInActionQueued.model_validate({"at": NOON, **queued}),
    )


def views(folder: Path) -> ReadModel:
    model = ReadModel(folder / "views.sqlite", VIEWS)
    batch = [
        (
            number,
            event,
            Fact(str(number), type(event).__name__, event.at, "s", number, "", str(US), "", "", ""),
        )
        for number, event in enumerate(events(), 1)
    ]
    model.apply(batch, upto=len(batch), reached=[])
    return model


def gateway(elsewhere: Elsewhere, model: ReadModel, sessions: Sessions) -> Gateway:
    parts: dict[str, Any] = dict.fromkeys(Gateway.__dataclass_fields__)
    parts |= {
        "contexts": elsewhere,
        "sessions": sessions,
        "live": Live(),
        "views": Views(model),
        "halt": Unhalted(),
        "application": People(),
        "check_repeat": first_time,
        "now": lambda: NOON,
        "public_url": "http://testserver.local",
    }
    return Gateway(**parts)


@dataclass(frozen=True)
class Running:
    elsewhere: Elsewhere
    sessions: Sessions
    http: httpx.AsyncClient


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Made once: making the application takes longer than asking it."""
    model = views(tmp_path_factory.mktemp("views"))
    elsewhere, sessions = Elsewhere(), Sessions()
    app = application(gateway(elsewhere, model, sessions), cast("Health", None), cast("Files", {}))
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(cast("Any", app)),
        base_url="http://testserver.local",
        headers={"Authorization": "Bearer token"},
    )
    yield Running(elsewhere, sessions, http)
    model.close()


@pytest.fixture
def running(once: Running) -> Running:
    for name, value in vars(Elsewhere()).items():
        setattr(once.elsewhere, name, value)
    once.sessions.role = "admin"
    return once


def told(*names: str, **more: str) -> Mapping[str, str]:
    """A form with these boxes checked."""
    return {"command": str(uuid4()), **dict.fromkeys(names, "on"), **more}


async def test_a_limit_above_what_is_recommended_is_taken_with_its_warning(running: Running) -> None:
    answer = await running.http.put(f"{WHERE}/limits", json={"invitations": 28, "messages": 100})
    assert answer.json() == {
        "position": "scheduler:1:1",
        "id": str(ADA),
        "warnings": [{"limit": "invitations", "recommended": 20, "warning": WARNING}],
    }
    assert running.elsewhere.sent == [
        ChangeLinkedInLimits(identity=ADA, limits=LinkedInLimits(invitations=28, messages=100))
    ]
    assert (await running.http.get(f"{WHERE}/limits")).json()["warnings"] == ["invitations"]
    running.sessions.role = "member"
    assert (await running.http.put(f"{WHERE}/limits", json={"invitations": 5, "messages": 5})).json()[
        "code"
    ] == "role.admin-needed"
    assert len(running.elsewhere.sent) == 1


@pytest.mark.parametrize(
    "body",
    [
        *({field: value} for field in ("invitations", "scrapings") for value in (-1, 1001, True, "5", 5.0)),
        {"invitations": None},
        {"invitation": 3},
    ],
)
async def test_what_is_no_limit_is_refused(running: Running, body: Mapping[str, object]) -> None:
    whole = {"invitations": 20, "messages": 100, **body}
    assert (await running.http.put(f"{WHERE}/limits", json=whole)).status_code == 422
    assert running.elsewhere.sent == []


@pytest.mark.parametrize(
    "refusal",
    [
        Refused("quota.exhausted", "Used up.", extra={"until": UNTIL.isoformat()}),
        Refused(
            "invitation.withdrawn-lately",
            "An invitation to this person was withdrawn less than three weeks ago. From 15 Dec 2026, 09:30 UTC.",
            extra={"until": UNTIL.isoformat()},
        ),
        Refused("linkedin.slowed-down", "LinkedIn wants no more.", extra={"until": UNTIL.isoformat()}),
    ],
)
async def test_whoever_cannot_be_invited_now_is_refused_with_the_instant_it_is_possible_from(
    running: Running, refusal: Refused
) -> None:
    running.elsewhere.refusal = refusal
    answer = await running.http.post(f"{WHERE}/invitations", json={"profile": PROFILE})
    assert (answer.status_code, answer.json()["code"]) == (409, refusal.code)
    assert answer.json()["extra"]["until"] == UNTIL.isoformat()
    page = await running.http.post(f"{PAGE}/linkedin/invite", data=told(profile=PROFILE, note="Hello"))
    assert page.status_code == 422
    said = re.sub(r"<[^>]*>", "", page.text.partition("Not sent.")[2].partition("</p>")[0])
    assert said.count("15 Dec") == said.count("Tue 15 Dec, 10:30 (Stockholm)") == 1, said
    assert refusal.detail.partition(".")[0] in said
    assert ">Hello</textarea>" in page.text, "nothing that was typed is lost"


async def test_two_spellings_of_a_profile_are_one_person(running: Running) -> None:
    spelled = ("linkedin.com/in/Lea-Fournier/", f"{PROFILE}?miniProfile=1")
    for profile in spelled:
        body = {"profile": profile, "name": "Léa Fournier", "note": "Hello"}
        assert (await running.http.post(f"{WHERE}/invitations", json=body)).status_code == 202
    first, second = running.elsewhere.sent
    assert first == second
    assert isinstance(first, InviteOnLinkedIn)
    assert (first.profile, first.note) == (PROFILE, "Hello")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"profile": "https://evil.example/in/lea"}, "profile"),
        ({"profile": ""}, "profile"),
        ({"profile": PROFILE, "note": "x" * 301}, "note"),
    ],
)
async def test_what_is_no_invitation_is_refused_beside_its_field(
    running: Running, body: Mapping[str, str], where: str
) -> None:
    assert (await running.http.post(f"{WHERE}/invitations", json=body)).json()["field"].endswith(where)
    page = await running.http.post(f"{PAGE}/linkedin/invite", data=told(**body))
    assert page.status_code == 422
    assert f'id="invite-{where}-error"' in page.text
    assert "items" not in page.text, "characters are no items"
    assert running.elsewhere.sent == []


async def test_a_withdrawal_answers_what_became_of_each_and_a_repeat_asks_for_nothing_else(
    running: Running,
) -> None:
    running.elsewhere.outcomes = ("withdrawn", "not attempted")
    key, body = {"Idempotency-Key": str(uuid4())}, {"invitations": [str(LEA), str(TOM)]}
    first, second = [
        await running.http.post(f"{WHERE}/withdrawals", json=body, headers=key) for _ in range(2)
    ]
    assert first.status_code == second.status_code == 202
    assert first.json()["request"] == second.json()["request"]
    assert [one["outcome"] for one in first.json()["results"]] == ["withdrawn", "not attempted"]
    assert running.elsewhere.sent[0] == running.elsewhere.sent[1]
    results = (await running.http.get(f"{WHERE}/withdrawals/{first.json()['request']}")).json()
    assert results == first.json()["results"]


@pytest.mark.parametrize("count", [0, 501])
async def test_no_invitations_and_too_many_are_refused(running: Running, count: int) -> None:
    body = {"invitations": [str(UUID(int=number)) for number in range(count)]}
    assert (await running.http.post(f"{WHERE}/withdrawals", json=body)).status_code == 422
    assert running.elsewhere.sent == []


async def test_both_lists_come_by_the_page(running: Running) -> None:
    first = (await running.http.get(f"{WHERE}/pending", params={"limit": "3"})).json()
    assert (len(first["invitations"]), first["next"], first["total"]) == (3, "more", 3)
    assert (await running.http.get(f"{WHERE}/pending", params={"after": "more"})).json()["next"] == ""
    assert (await running.http.get(f"{WHERE}/withdrawals")).json()["withdrawals"][0][
        "actor"
    ] == f"user:{MINA}"
    wanted = [one for one in running.elsewhere.asked if isinstance(one, ListPendingInvitations)]
    assert [(one.after, one.limit) for one in wanted] == [("", 3), ("more", 50)]


@pytest.mark.parametrize(("days", "status"), [(1, 200), (180, 200), (None, 200), (0, 422), (181, 422)])
async def test_the_threshold_is_1_to_180_days_or_none(
    running: Running, days: int | None, status: int
) -> None:
    assert (await running.http.put(f"{WHERE}/withdrawal-policy", json={"days": days})).status_code == status
    taken = (
        [ChangeWithdrawalPolicy(identity=ADA, policy=WithdrawalPolicy(days=days))] if status == 200 else []
    )
    assert running.elsewhere.sent == taken


async def test_the_page_says_what_is_used_what_waits_until_when_and_what_linkedin_slowed_down(
    running: Running,
) -> None:
    page = (await running.http.get(PAGE, params={"section": "linkedin"})).text
    assert 'Connection requests: <span class="n">20</span> of 20 used today' in page
    assert "Today&#39;s connection requests are used up." in page
    assert "Tue 15 Dec, 10:30" in page
    assert "LinkedIn wants no more invitations with a note now." in page
    assert "midnight in Stockholm" in page


@pytest.mark.parametrize(("invitations", "hidden"), [("20", True), ("21", False)])
async def test_the_warning_stands_beside_the_limit_that_is_above_after_saving(
    running: Running, invitations: str, *, hidden: bool
) -> None:
    form = told(invitations=invitations, messages="100")
    page = await running.http.post(f"{PAGE}/linkedin/limits", data=form)
    assert page.status_code == 200
    assert "Saved." in page.text
    assert (' id="linkedin-invitations-warning" hidden' in page.text) is hidden
    assert WARNING in page.text
    assert ' id="linkedin-messages-warning" hidden' in page.text


async def test_a_limit_that_is_none_is_said_beside_its_field(running: Running) -> None:
    page = await running.http.post(f"{PAGE}/linkedin/limits", data=told(invitations="many", messages="5"))
    assert page.status_code == 422
    assert 'id="linkedin-invitations-error">Give a whole number from 0 to 1,000.' in page.text
    assert running.elsewhere.sent == []


async def test_a_limit_that_is_left_out_is_not_taken_for_the_usual_one(running: Running) -> None:
    page = await running.http.post(f"{PAGE}/linkedin/limits", data=told(messages="5"))
    assert (page.status_code, running.elsewhere.sent) == (422, [])


async def test_the_pool_of_profiles_is_shown_and_only_sales_navigator_has_a_limit_of_its_own(
    running: Running,
) -> None:
    page = (await running.http.get(PAGE, params={"section": "linkedin"})).text
    assert 'Profiles read: <span class="n">12</span> of 100 used today' in page
    assert "67 are left until midnight in London" in page
    assert 'name="scrapings"' not in page
    assert "Sales Navigator adds" not in page
    running.elsewhere.navigator = True
    page = (await running.http.get(PAGE, params={"section": "linkedin"})).text
    assert "Sales Navigator adds 100 a day for this identity, of which 9 are used." in page
    assert 'name="scrapings"' in page
    changed = await running.http.post(
        f"{PAGE}/linkedin/limits", data=told(invitations="20", messages="100", scrapings="50")
    )
    assert changed.status_code == 200
    assert running.elsewhere.sent == [ChangeLinkedInLimits(identity=ADA, limits=LinkedInLimits(scrapings=50))]
    assert "Sales Navigator adds 50 a day" in changed.text
    wrong = await running.http.post(
        f"{PAGE}/linkedin/limits", data=told(invitations="20", messages="100", scrapings="")
    )
    assert 'id="linkedin-scrapings-error">Give a whole number from 0 to 1,000.' in wrong.text


async def test_a_profile_is_read_by_hand_and_its_attempt_named(running: Running) -> None:
    answer = await running.http.post(f"{WHERE}/scrapings", json={"profile": PROFILE, "name": "Léa"})
    assert (answer.status_code, answer.json()["position"]) == (202, "scheduler:1:1")
    (command,) = running.elsewhere.sent
    assert isinstance(command, ReadProfileOnLinkedIn)
    assert (command.identity, command.profile, command.name) == (ADA, PROFILE, "Léa")
    nowhere = await running.http.post(f"{WHERE}/scrapings", json={"profile": "nowhere"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "linkedin-url.malformed")


async def test_a_member_sees_the_limits_and_cannot_change_them(running: Running) -> None:
    running.elsewhere.limits = LinkedInLimits(invitations=30)
    running.sessions.role = "member"
    page = (await running.http.get(PAGE, params={"section": "linkedin"})).text
    assert "Save limits" not in page
    assert f"Connection requests are above what is recommended.</b> {WARNING}" in page
    assert (await running.http.post(f"{PAGE}/linkedin/limits", data=told())).status_code == 403


async def test_what_is_chosen_is_withdrawn_and_its_results_are_shown_until_none_waits(
    running: Running,
) -> None:
    form = told(f"pick-{LEA}", f"pick-{TOM}", "pick-nobody")
    answer = await running.http.post(f"{PAGE}/linkedin/withdraw", data=form, follow_redirects=False)
    assert answer.status_code == 303
    (command,) = running.elsewhere.sent
    assert isinstance(command, WithdrawInvitations)
    assert command.invitations == (LEA, TOM)
    where = answer.headers["location"]
    assert where == f"{PAGE}?section=linkedin&tab=withdrawals&request={command.request}"
    running.elsewhere.outcomes = ("accepted meanwhile", "waiting")
    page = (await running.http.get(where)).text
    assert "Accepted meanwhile" in page
    assert "1 waiting, 1 accepted meanwhile" in page
    assert "every 2s" in page
    assert "Léa Fournier" in page
    running.elsewhere.outcomes = ("withdrawn", "outcome unknown", "failed", "waiting")
    page = (await running.http.get(where)).text
    assert "every 2s" not in page, "the history has what the scheduler has not heard of yet"
    assert "2 withdrawn" in page
    assert "Outcome unknown" in page


async def test_of_an_account_that_was_unlinked_nothing_is_said_to_be_allowed(running: Running) -> None:
    running.elsewhere.limits = LinkedInLimits(invitations=30)
    where = f"/identities/{BOB}"
    page = (await running.http.get(where, params={"section": "linkedin", "tab": "withdrawals"})).text
    assert "<b>Not linked.</b>" in page
    for never in ("used today", "LinkedIn wants no more", WARNING, "Save limits", "data-pick", "left today"):
        assert never not in page, never
    assert "Ingrid Solberg" in page, "what was withdrawn stays to be read"


async def test_nothing_chosen_is_said_and_nothing_is_asked_for(running: Running) -> None:
    page = await running.http.post(f"{PAGE}/linkedin/withdraw", data=told())
    assert (page.status_code, "Choose at least one invitation." in page.text) == (422, True)
    assert running.elsewhere.sent == []


async def test_the_page_shows_who_is_pending_since_when_and_who_withdrew_what(running: Running) -> None:
    page = (await running.http.get(PAGE, params={"section": "linkedin", "tab": "withdrawals"})).text
    assert f'<a href="{PROFILE}" target="_blank" rel="noopener noreferrer"><bdi>Léa Fournier</bdi>' in page
    assert "26 days" in page
    assert "1 day<" in page
    assert "Being withdrawn" in page
    assert "Ingrid Solberg" in page
    assert "Mina Okafor" in page
    assert "Automatically" in page
    assert "Somebody whose name is not known" in page
    assert "15 Dec 2026, 13:00" in page
    assert "before <time" in page
    assert "15 of 20 withdrawals are left today" in page


@pytest.mark.parametrize(
    ("form", "days", "error"),
    [
        ({"automatic": "on", "days": "7"}, 7, ""),
        ({"days": "7"}, None, ""),
        ({"automatic": "on", "days": "181"}, None, "Give a whole number from 1 to 180."),
        ({"automatic": "on", "days": ""}, None, "Give a whole number from 1 to 180."),
    ],
)
async def test_the_switch_and_its_threshold_are_saved(
    running: Running, form: Mapping[str, str], days: int | None, error: str
) -> None:
    page = await running.http.post(f"{PAGE}/linkedin/withdrawal-policy", data=told(**form))
    assert page.status_code == (422 if error else 200)
    assert (f'id="policy-days-error">{error}' if error else "Saved.") in page.text
    assert running.elsewhere.policy == WithdrawalPolicy(days=days)


async def test_while_the_driver_is_away_the_limits_are_there_and_the_lists_say_why_they_are_not(
    running: Running,
) -> None:
    running.elsewhere.away = True
    page = await running.http.get(PAGE, params={"section": "linkedin", "tab": "withdrawals"})
    assert page.status_code == 200
    assert "Invitations cannot be read at the moment." in page.text
    assert "Save limits" in page.text


async def test_an_account_nobody_has_heard_of_yet_has_nothing_to_set(running: Running) -> None:
    running.elsewhere.unknown = True
    page = (await running.http.get(PAGE, params={"section": "linkedin"})).text
    assert "They show here as soon as one is linked." in page
    assert "Save limits" not in page
