from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.campaigns import (
    CampaignChanged,
    CampaignCreated,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
    PauseReason,
    SendEmail,
)
from heraldry.scheduler.domain.campaign import (
    UNCREATED,
    Campaign,
    Change,
    Command,
    Create,
    Event,
    Finish,
    FinishIfDone,
    Give,
    LoseIdentity,
    Pause,
    Resume,
    Start,
    State,
    decide,
    evolve,
)
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ORG, OTHERS, CAMPAIGN, ADA, BOB, INBOX = (UUID(int=n) for n in range(1, 7))
EMAIL = frozenset({"email"})
STEPS = (
    SendEmail(subject="Hello {{ first_name }}", text="Good morning"),
    SendEmail(delay=72, text="Did you see my mail?"),
)
SPRING = CampaignSettings(name="Spring", identity=ADA, steps=STEPS)
decider: Decider[Command, State, Event] = Decider(UNCREATED, decide, evolve)

CREATED = CampaignCreated(campaign=CAMPAIGN, organization=ORG, identity=ADA, settings=SPRING, at=NOON)
STARTED = CampaignStarted(campaign=CAMPAIGN, identity=ADA, at=NOON)
RESUMED = CampaignResumed(campaign=CAMPAIGN, identity=ADA, at=NOON)
FINISHED = CampaignFinished(campaign=CAMPAIGN, identity=ADA, at=NOON)
START = Start(ORG, NOON, leads=3, channels=EMAIL)
PAUSE, RESUME, FINISH = Pause(ORG, NOON), Resume(ORG, NOON, EMAIL), Finish(ORG, NOON)

draft = Scenario(decider).given(CREATED)
active = draft.given(STARTED)


def paused(reason: PauseReason = "by hand") -> CampaignPaused:
    return CampaignPaused(campaign=CAMPAIGN, identity=ADA, reason=reason, at=NOON)


lost = active.given(paused("identity deleted"))


def change(**what: object) -> Change:
    return Change(ORG, NOON, SPRING.model_copy(update=what))


def changed(**what: object) -> CampaignChanged:
    now = SPRING.model_copy(update=what)
    return CampaignChanged(campaign=CAMPAIGN, identity=now.identity, settings=now, at=NOON)


def test_a_campaign_is_created_once() -> None:
    create = Create(CAMPAIGN, ORG, SPRING, NOON)
    Scenario(decider).when(create).then(CREATED)
    draft.when(create).then_refused("campaign.exists")
    assert draft.when(replace(create, organization=OTHERS)).then_refused("campaign.unknown").status == 404


def test_a_draft_changes_in_everything() -> None:
    for what in ({"identity": BOB}, {"steps": STEPS[:1]}, {"steps": ()}, {"inbox": INBOX}, {"name": "Fall"}):
        draft.when(change(**what)).then(changed(**what))
    draft.when(change()).then_nothing()


@pytest.mark.parametrize("begun", [active, active.given(paused())], ids=["active", "paused"])
def test_a_campaign_that_has_begun_keeps_its_identity_and_the_order_and_delays_of_its_steps(
    begun: Scenario[Command, State, Event],
) -> None:
    slower = (STEPS[0], STEPS[1].model_copy(update={"delay": 96}))
    for frame in ({"identity": BOB}, {"steps": STEPS[:1]}, {"steps": (*STEPS, STEPS[1])}, {"steps": slower}):
        begun.when(change(**frame)).then_refused("campaign.begun")
    texts = (STEPS[0].model_copy(update={"text": "Hi", "subject": "Hi", "html": "<b>Hi</b>"}), STEPS[1])
    for what in ({"name": "Fall"}, {"inbox": INBOX}, {"pace": "at once"}, {"steps": texts}):
        begun.when(change(**what)).then(changed(**what))


def test_a_start_names_the_missing_channel() -> None:
    refusal = draft.when(replace(START, channels=frozenset())).then_refused("campaign.channel-missing")
    assert refusal.extra == {"channel": "email"}
    assert "email is not connected" in refusal.detail
    draft.when(START).then(STARTED)


def test_what_has_no_steps_or_no_leads_does_not_start() -> None:
    assert "no leads" in draft.when(replace(START, leads=0)).then_refused("campaign.empty").detail
    without = draft.given(changed(steps=()))
    assert "no steps" in without.when(START).then_refused("campaign.empty").detail
    active.when(START).then_refused("campaign.not-draft")


def test_pausing_and_resuming_is_done_once() -> None:
    active.when(PAUSE).then(paused())
    standing = active.given(paused())
    standing.when(PAUSE).then_nothing()
    standing.when(RESUME).then(RESUMED)
    assert standing.when(Resume(ORG, NOON, frozenset())).then_refused("campaign.channel-missing")
    active.when(RESUME).then_refused("campaign.not-paused")
    draft.when(PAUSE).then_refused("campaign.not-active")
    draft.when(RESUME).then_refused("campaign.not-paused")


def test_a_person_ends_it_for_good() -> None:
    for scenario in (draft, active, active.given(paused()), lost):
        scenario.when(FINISH).then(FINISHED)
    ended = active.given(FINISHED)
    ended.when(FINISH).then_nothing()
    ended.when(change(name="Fall")).then_refused("campaign.finished")
    ended.when(RESUME).then_refused("campaign.finished")
    ended.when(PAUSE).then_refused("campaign.not-active")
    ended.when(START).then_refused("campaign.not-draft")
    ended.when(Give(ORG, NOON, BOB)).then_refused("campaign.finished")


def test_it_ends_by_itself_when_every_lead_has_ended() -> None:
    done = FinishIfDone(leads=3, going_on=0, at=NOON)
    active.when(done).then(FINISHED)
    active.when(replace(done, going_on=1)).then_nothing()
    active.when(replace(done, leads=0)).then_nothing()
    for scenario in (Scenario(decider), draft, active.given(paused()), active.given(FINISHED)):
        scenario.when(done).then_nothing()


def test_a_deleted_identity_pauses_it_whoever_paused_it_before() -> None:
    lose = LoseIdentity(ADA, NOON)
    for scenario in (active, active.given(paused())):
        scenario.when(lose).then(paused("identity deleted"))
    for scenario in (Scenario(decider), draft, lost, active.given(FINISHED)):
        scenario.when(lose).then_nothing()
    active.when(LoseIdentity(BOB, NOON)).then_nothing()
    lost.when(RESUME).then_refused("campaign.identity-deleted")


def test_another_identity_is_given_only_to_what_lost_its_own() -> None:
    give = Give(ORG, NOON, BOB)
    active.when(give).then_refused("campaign.identity-not-lost")
    lost.when(Give(ORG, NOON, ADA)).then_refused("campaign.identity-not-lost")
    draft.when(give).then(changed(identity=BOB))
    of_one_inbox = lost.given(changed(inbox=INBOX))
    of_one_inbox.when(give).then(changed(identity=BOB))
    given = lost.given(changed(identity=BOB))
    given.when(give).then_nothing()
    given.when(LoseIdentity(ADA, NOON)).then_nothing()
    given.when(RESUME).then(CampaignResumed(campaign=CAMPAIGN, identity=BOB, at=NOON))


@pytest.mark.parametrize(
    "command",
    [
        Change(OTHERS, NOON, SPRING),
        Start(OTHERS, NOON, 3, EMAIL),
        Pause(OTHERS, NOON),
        Resume(OTHERS, NOON, EMAIL),
        Finish(OTHERS, NOON),
        Give(OTHERS, NOON, BOB),
    ],
    ids=lambda command: type(command).__name__,
)
def test_another_organization_sees_no_campaign(command: Command) -> None:
    for scenario in (Scenario(decider), draft, active):
        assert scenario.when(command).then_refused("campaign.unknown").status == 404


WISHES: dict[str, Callable[[], Command]] = {
    "create": lambda: Create(CAMPAIGN, ORG, SPRING, NOON),
    "rename": lambda: change(name="Fall"),
    "shorten": lambda: change(steps=STEPS[:1]),
    "empty": lambda: change(steps=()),
    "start": lambda: START,
    "start without a channel": lambda: replace(START, channels=frozenset[str]()),
    "pause": lambda: PAUSE,
    "resume": lambda: RESUME,
    "finish": lambda: FINISH,
    "done": lambda: FinishIfDone(leads=3, going_on=0, at=NOON),
    "lose": lambda: LoseIdentity(ADA, NOON),
    "give": lambda: Give(ORG, NOON, BOB),
}
REPEATABLE = {"rename", "pause", "finish", "done", "lose", "give"}


@any_of(st.lists(st.sampled_from(sorted(WISHES)), max_size=25))
@settings(max_examples=150, deadline=None)
def test_no_history_brings_a_campaign_where_it_may_not_be(wishes: list[str]) -> None:
    scenario = Scenario(decider)
    for wish in wishes:
        before = scenario.state
        outcome = scenario.when(WISHES[wish]())
        scenario = scenario.given(*outcome.events)
        after = scenario.state
        if wish in REPEATABLE and outcome.refusal is None:
            scenario.when(WISHES[wish]()).then_nothing()
        if isinstance(before, Campaign) and isinstance(after, Campaign):
            assert before.state != "finished" or after == before
            assert not (before.lost and after.state == "active")
        if isinstance(after, Campaign):
            assert (after.paused_because is not None) == (after.state == "paused")
            assert after.state in {"draft", "finished"} or after.settings.steps
