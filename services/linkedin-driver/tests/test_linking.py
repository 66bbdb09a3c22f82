"""Linking LinkedIn accounts in a real browser, as the gateway asks for it; what truly happened says the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from heraldry.chassis.bus import border
from heraldry.chassis.testing.bus import eventually
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import By, Refused
from heraldry.contracts.linkedin import (
    LinkedInLinked,
    LinkedInNeedsReconnect,
    LinkedInUnlinked,
    ListLinkedInAccounts,
    ResendCode,
    TryLinkingAgain,
    UnlinkLinkedIn,
)

from tests.integration.linkedin_driver import USER, driving, step
from tests.integration.linkedin_linking import Linking

pytestmark = [pytest.mark.parts, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]
POSTED = "sign-in posted"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Linking]:
    async with driving(tmp_path_factory.mktemp("driver"), kind=Linking) as made:
        yield made


async def kept(service: Linking, identity: UUID) -> set[str]:
    """What the vault holds of an identity, by the first word of its name."""
    js = border.jetstream(await service.nats.client("operator"))
    state = await js.stream_info("KV_VAULT", subjects_filter=f"$KV.VAULT.linkedin-driver.{identity}.>")
    names = state.state.subjects or {}
    found = {name: await js.get_msg("KV_VAULT", subject=name, direct=True) for name in names}
    return {name.split(".")[-1].split("-")[0] for name, message in found.items() if message.data}


async def keeps(service: Linking, identity: UUID, *names: str) -> None:
    async def so() -> bool:
        return await kept(service, identity) == set(names)

    await eventually(so, f"the vault holds {names} of {identity}")


async def test_an_account_is_linked_and_its_profile_read(service: Linking) -> None:
    view = await service.linked(service.new_account("ida@northwind.example", "Ida Berg"), "Ida")
    assert view.profile is not None
    assert (view.profile.first_name, view.profile.last_name) == ("Ida", "Berg")
    assert view.profile.headline == "Member"
    assert view.profile.url == "https://www.linkedin.com/in/ida-berg"
    assert not view.sales_navigator
    assert service.happened_to(POSTED, "ida@northwind.example") == 1
    await until(lambda: view.account in [said.account for said in service.said(LinkedInLinked)])
    await keeps(service, view.identity, "password", "session")
    stranger = By(organization=uuid4(), actor="user:eve")
    assert not await service.caller.ask(ListLinkedInAccounts(), by=stranger)
    with pytest.raises(Refused) as refused:
        await service.caller.send(UnlinkLinkedIn(identity=view.identity), by=stranger, id=uuid4())
    assert (refused.value.code, refused.value.status) == ("linkedin.unknown", 404)
    await service.deleted(view.identity)
    await service.becomes(view.identity, "unlinked")
    await until(lambda: view.account in [said.account for said in service.said(LinkedInUnlinked)])
    await keeps(service, view.identity)


@pytest.mark.requirement("R-ADD-4")
async def test_every_obstacle_is_named_and_no_password_is_tried_twice(service: Linking) -> None:
    scenarios: dict[str, dict[str, str]] = {
        "linkedin.captcha": {"challenge": "captcha"},
        "linkedin.restricted": {"challenge": "restricted"},
        "linkedin.too-many-sign-ins": {"challenge": "too_often"},
        "linkedin.no-password": {"only_by": "google"},
        "linkedin.wrong-password": {},
        "linkedin.unknown-account": {},
        "linkedin.approval-denied": {"challenge": "app"},
    }

    async def meets(code: str, scenario: dict[str, str]) -> None:
        email = f"{code.removeprefix('linkedin.')}@northwind.example"
        if code != "linkedin.unknown-account":
            service.new_account(email, code.removeprefix("linkedin."), **scenario)
        identity = await service.identity()
        right = code not in {"linkedin.wrong-password", "linkedin.unknown-account"}
        await service.link_to(identity, email, None if right else "not this one")
        if code == "linkedin.approval-denied":
            await service.becomes(identity, "approval wanted")
            assert service.linkedin.sign_in.answer_in_app(email, "denied") == 1
        failed = await service.becomes(identity, "failed")
        assert failed.diagnosis is not None
        assert (failed.diagnosis.code, failed.diagnosis.kind) == (code, "person")
        assert service.happened_to(POSTED, email) == 1
        if code in {"linkedin.no-password", "linkedin.wrong-password", "linkedin.unknown-account"}:
            with pytest.raises(Refused) as refused:
                await service.caller.send(TryLinkingAgain(identity=identity), by=USER, id=uuid4())
            assert refused.value.code == "linkedin.password-needed"

    for group in (tuple(scenarios.items())[:4], tuple(scenarios.items())[4:]):
        await asyncio.gather(*(meets(code, scenario) for code, scenario in group))


@pytest.mark.requirement("R-ADD-3")
async def test_a_wrong_or_expired_code_is_entered_again_through_any_replica(service: Linking) -> None:
    email = service.new_account("code@northwind.example", "Co De", challenge="sms")
    identity = await service.identity()
    await service.start("1")
    await service.link_to(identity, email)
    wanted = await service.becomes(identity, "code wanted")
    assert (wanted.code_by, wanted.rejected) == ("SMS", "")
    assert wanted.wanted_until is not None
    await service.enter(identity, "000")
    await service.account_of(identity, lambda view: view.rejected == "wrong")
    service.linkedin.sign_in.expire(email)
    await service.enter(identity, service.code(email))
    await service.account_of(identity, lambda view: view.rejected == "expired")
    await service.caller.send(ResendCode(identity=identity), by=USER, id=uuid4(), deadline=30)
    await service.account_of(identity, lambda view: view.state == "code wanted" and not view.rejected)
    assert service.happened_to("code sent again", email) == 1
    code = service.code(email)
    await service.enter(identity, f" {code[:3]} {code[3:]}")  # as devices show it
    await service.becomes(identity, "linked")
    assert service.happened_to(POSTED, email) == 1
    assert service.happened_to("code entered", email) == 3
    await keeps(service, identity, "password", "session")
    await service.kill("1")


async def test_an_approval_in_the_app_is_waited_for(service: Linking) -> None:
    email = service.new_account("app@northwind.example", "Ap P", challenge="app", sales_navigator=True)
    identity = await service.identity()
    await service.link_to(identity, email)
    await service.becomes(identity, "approval wanted")
    service.linkedin.sign_in.answer_in_app(email, "approved")
    linked = await service.becomes(identity, "linked")
    assert linked.sales_navigator
    assert service.happened_to(POSTED, email) == 1


async def test_a_member_acts_for_one_identity_until_it_is_unlinked(service: Linking) -> None:
    email = service.new_account("one@northwind.example", "On E")
    first = await service.linked(email, "Ada")
    second = await service.identity("Bob")
    await service.link_to(second, email)
    failed = await service.becomes(second, "failed")
    assert failed.diagnosis is not None
    assert failed.diagnosis.code == "linkedin.belongs-to-another-identity"
    assert failed.diagnosis.identity == first.identity
    await keeps(service, second, "password")
    await service.caller.send(UnlinkLinkedIn(identity=first.identity), by=USER, id=uuid4(), deadline=30)
    await keeps(service, first.identity)
    await service.caller.send(TryLinkingAgain(identity=second), by=USER, id=uuid4(), deadline=30)
    await service.becomes(second, "linked")


async def test_a_session_is_looked_at_before_it_is_used(service: Linking) -> None:
    email = service.new_account("ended@northwind.example", "En Ded")
    identity = (await service.linked(email)).identity
    await until(lambda: any(said.identity == identity for said in service.said(LinkedInLinked)))
    linked = next(said for said in service.said(LinkedInLinked) if said.identity == identity)
    invited = service.person()
    service.linkedin.sign_in.revoke(email)
    await service.dispatch(step(linked, "invitation", invited, service.clock.now()))
    lost = await service.becomes(identity, "needs reconnect")
    assert lost.diagnosis is not None
    assert lost.diagnosis.code == "linkedin.signed-out"
    await until(lambda: any(said.identity == identity for said in service.said(LinkedInNeedsReconnect)))
    await keeps(service, identity, "password", "session")
    service.scenario(email, answers="999")
    await service.caller.send(TryLinkingAgain(identity=identity), by=USER, id=uuid4(), deadline=30)
    failed = await service.account_of(
        identity, lambda view: view.state == "needs reconnect" and view.diagnosis != lost.diagnosis
    )
    assert failed.diagnosis is not None
    assert failed.diagnosis.code == "linkedin.too-many-sign-ins"
    service.scenario(email, challenge="none")
    await service.caller.send(TryLinkingAgain(identity=identity), by=USER, id=uuid4(), deadline=30)
    await service.becomes(identity, "linked")
    assert service.happened_to(POSTED, email) == 3  # once for each time somebody asked
    assert service.happened("invited", invited) <= 1


async def test_a_browser_killed_while_the_code_is_waited_for_ends_the_linking(service: Linking) -> None:
    email = service.new_account("chromium@northwind.example", "Chro Mium", challenge="email")
    identity = await service.identity()
    await service.link_to(identity, email)
    await service.becomes(identity, "code wanted")
    assert service.kill_browsers()
    failed = await service.becomes(identity, "failed")
    assert failed.diagnosis is not None
    assert failed.diagnosis.code == "linkedin.interrupted"
    assert service.happened_to(POSTED, email) == 1
    service.scenario(email, challenge="none")
    await service.caller.send(TryLinkingAgain(identity=identity), by=USER, id=uuid4(), deadline=30)
    await service.becomes(identity, "linked")
    assert service.happened_to(POSTED, email) == 2


@pytest.mark.parametrize("point", ["submitted", "code-wanted", "signed-in"])
async def test_a_process_killed_in_the_midst_submits_no_password_again(service: Linking, point: str) -> None:
    challenge = "sms" if point == "code-wanted" else "none"
    email = service.new_account(f"{point}@northwind.example", f"Kill {point}", challenge=challenge)
    identity = await service.identity()
    service.hold(f"linking.{point}")
    await service.link_to(identity, email)
    await until(lambda: bool(service.held(f"linking.{point}")), seconds=60)
    await service.kill()
    service.release(f"linking.{point}")
    await service.start()
    if point == "signed-in":  # what is left needs no browser
        await service.becomes(identity, "linked")
    else:
        failed = await service.becomes(identity, "failed")
        assert failed.diagnosis is not None
        assert failed.diagnosis.code == "linkedin.interrupted"
    assert service.happened_to(POSTED, email) == 1
    await keeps(service, identity, "password", *(["session"] if point == "signed-in" else []))


async def test_without_a_browser_a_linking_says_so(service: Linking) -> None:
    await service.kill()
    usual = service.environment
    service.environment = {**usual, "HERALDRY_CHROMIUM": "/nowhere/chromium"}
    await service.start()
    service.environment = usual
    identity = await service.identity()
    await service.link_to(identity, service.new_account("none@northwind.example", "No Ne"))
    failed = await service.becomes(identity, "failed")
    assert failed.diagnosis is not None
    assert (failed.diagnosis.code, failed.diagnosis.kind) == ("linkedin.no-browser", "operator")
    assert "no browser" in (await service.health())["notes"]["browser"]
