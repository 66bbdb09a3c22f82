"""What texts, addresses and signs are taken for; and the command without a browser."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from heraldry.chassis import cli
from heraldry.linkedin_driver.adapters import evidence
from heraldry.linkedin_driver.adapters.pages import checkpoint, invite, lists, login, profile, withdraw
from heraldry.linkedin_driver.adapters.pages.obstacles import SHORT, Seen, told_by
from heraldry.linkedin_driver.adapters.pages.parts import number_in
from heraldry.linkedin_driver.adapters.problems import NotFound, Problem, Restricted, SlowDown
from heraldry.linkedin_driver.adapters.site import hindrance, invited_by, member_of, place_of, without_overlay


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/feed/", "elsewhere"),
        ("/in/challenge/", "elsewhere"),
        ("/in/login-checkpoint/", "elsewhere"),
        ("/login", "signing in"),
        ("/uas/login", "signing in"),
        ("/checkpoint/lg/login-submit", "signing in"),
        ("/checkpoint/challenge/AgX", "checkpoint"),
        ("/checkpoint/challengesV2/AgX", "checkpoint"),
        ("/uas/consumer-email-challenge", "checkpoint"),
        ("/404/", "not found"),
    ],
)
def test_a_place_is_told_by_whole_segments_of_its_path(path: str, place: str) -> None:
    assert place_of(path) == place


def test_a_query_fools_nobody_but_says_when_sign_ins_are_refused() -> None:
    assert hindrance("https://x.example/feed/?next=/login") is None
    refused = hindrance("https://x.example/checkpoint/lg/login?errorKey=challenge_global_internal_error")
    assert refused is not None
    assert refused.code == "linkedin.slow-down"


def test_addresses_say_whom_they_are_about() -> None:
    href = "/messaging/compose/?profileUrn=urn%3Ali%3Afsd_profile%3AACo1&recipient=ACo1&interop=msgOverlay"
    assert member_of(href) == "ACo1"
    assert without_overlay(href) == href.removesuffix("&interop=msgOverlay")
    assert invited_by("/preload/custom-invite/?vanityName=ada-berg&x=1") == "ada-berg"
    assert invited_by("/in/ada/?vanityName=ada-berg") is None


@pytest.mark.parametrize(
    ("said", "degree"),
    [
        ("· 1st", 1),
        ("2nd", 2),
        ("3rd+", 3),
        ("2.", 2),
        ("· 3.+", 3),
        ("2:a", 2),
        ("1st degree connection", 1),
    ],
)
def test_a_degree_is_read_in_every_spelling(said: str, degree: int) -> None:
    assert profile.degree_of(["Ada", said]) == degree


@pytest.mark.parametrize("said", ["1st Place Logistics", "2.0 GmbH", "21 years", "3rd"[:2], "Top 1"])
def test_what_is_no_degree_is_none(said: str) -> None:
    assert profile.degree_of([said]) is None


def test_a_relation_is_told_by_the_strongest_sign() -> None:
    signs = profile.Signs(follow=True, degree=2)
    assert profile.relation_of(signs) == "follow_only"
    assert profile.relation_of(replace(signs, more=frozenset({"connect"}))) == "connectable_under_more"
    assert profile.relation_of(replace(signs, more=frozenset({"pending", "connect"}))) == "pending"
    assert profile.relation_of(replace(signs, connect=True, pending=True)) == "pending"
    assert profile.relation_of(replace(signs, degree=1)) == "connected"
    assert profile.relation_of(profile.Signs(degree=3)) == "unknown"


def test_a_label_about_somebody_else_says_nothing() -> None:
    assert profile.is_about("Pending", "Ada Berg")
    assert profile.is_about("Pending, click to withdraw invitation sent to Ada Berg", "Ada Berg")
    assert not profile.is_about("Pending, click to withdraw invitation sent to Eve Moss", "Ada Berg")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Let’s do a quick security check", "captcha"),
        ("Check your LinkedIn app and tap Yes to confirm your sign-in", "app_approval"),
        ("Öffnen Sie Ihre LinkedIn-App", "app_approval"),
        ("Access to your account has been temporarily restricted. Verify your identity", "restricted"),
        ("Ihr Konto wurde vorübergehend eingeschränkt", "restricted"),
        ("Your request has expired", "expired"),
        ("Enter your phone number to confirm it’s you", "phone_number"),
        ("Welcome to your feed", "unknown"),
    ],
)
def test_a_checkpoint_is_named_for_what_it_is(text: str, kind: str) -> None:
    signs = checkpoint.Signs(
        code=False,
        captcha=False,
        app_mark=False,
        refusal=None,
        agree=False,
        restricted_address=False,
        text=text,
    )
    assert checkpoint.kind_of(signs) == kind
    assert checkpoint.kind_of(replace(signs, code=True)) == "code"


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ("That’s not the right password. Try again or sign in with a one-time link", "wrong_password"),
        ("Wrong email or password. Try again or create an account.", "wrong_password"),
        ("Couldn’t find a LinkedIn account associated with this email. Please try again.", "unknown_account"),
        ("Please enter a valid username", "invalid_input"),
        ("Das ist ein falsches Passwort", "wrong_password"),
        ("Something went wrong", "other"),
    ],
)
def test_a_refused_sign_in_is_told_apart(said: str, refusal: str) -> None:
    assert login.refusal_of(said) == refusal


def test_an_obstacle_counts_before_the_buttons_beside_it() -> None:
    signs = invite.Signs(text="Add a note to your invitation?", add_note=True, without_note=True)
    assert invite.state_of(signs) == "ready"
    assert invite.state_of(replace(signs, email_field=True)) == "email_asked"
    assert (
        invite.state_of(replace(signs, text="You’ve reached the weekly invitation limit")) == "weekly_limit"
    )
    assert invite.state_of(replace(signs, without_note=False)) == "note_needed"
    assert invite.state_of(invite.Signs(text="Personalize with Premium", premium=True)) == "notes_used_up"


def test_the_counter_is_believed_before_all_else() -> None:
    assert invite.note_limit_of("300", "Please limit personal note to 300 characters. 0/200") == 200
    assert invite.note_limit_of("300", "no counter") == 300
    assert invite.notes_left_in("3 personalized invitations remaining for this month.") == 3


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ("Sent today", 0),
        ("Sent 3 hours ago", 0),
        ("Sent yesterday", 1),
        ("Sent 6 days ago", 6),
        ("Sent 2 weeks ago", 14),
        ("Sent a month ago", 30),
        ("Vor 2 Wochen gesendet", 14),
        ("Skickades för 3 veckor sedan", 21),
        ("Sent just now", 0),
        ("Sent yesterday at 5", 1),
        ("Sent yesterday at 5:30 PM", 1),
        ("Heute gesendet", 0),
        ("Vor einem Monat gesendet", 30),
        ("Gesendet vor 1 Tag", 1),
        ("Skickades i går", 1),
        ("Skickades för en vecka sedan", 7),
        ("1 år sedan", 365),
        ("Engineer", None),
        ("10 years", None),
        ("10 years in sales", None),
        ("Sent into retirement 2 years ago", None),
        ("Vor 10 Jahren gegründet", None),
        ("Yesterday’s news today", None),
    ],
)
def test_an_age_is_read_as_days(said: str, days: int | None) -> None:
    assert lists.days_since(said) == days


@pytest.mark.parametrize(
    "headline", ["10 years in sales", "Sent to you by chance", "Gesendet: Antje", "3 days ago"]
)
@pytest.mark.parametrize("name", ["Kim Berg", "Sent Today", "Gesendet Adler"])
def test_the_age_of_an_invitation_is_not_what_a_member_says_of_themselves(name: str, headline: str) -> None:
    row = lists.Row(
        "https://site.example/in/kim/", (name, headline, "Sent 2 weeks ago", "Withdraw"), "Withdraw"
    )
    assert lists.sent_of(row) == lists.Sent("kim", name, "Sent 2 weeks ago", 14, can_withdraw=True)
    without = replace(row, stretches=("Sent Today", "10 years in sales", "Withdraw"))
    assert lists.sent_of(without) == lists.Sent("kim", "Sent Today", None, None, can_withdraw=True)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Withdraw invitation sent to Ada Berg", "Ada Berg"),
        ("Withdrawn invitation sent to Ada Berg", "Ada Berg"),
        ("An Ada Berg gesendete Einladung zurückziehen", "Ada Berg"),
        ("Dra tillbaka inbjudan till Ada Berg", "Ada Berg"),
        ("Withdraw", None),
    ],
)
def test_a_control_names_whom_it_withdraws(said: str, name: str | None) -> None:
    assert withdraw.withdrawn_name(said) == name


def test_numbers_are_read_however_they_are_set() -> None:
    assert [
        number_in(each)
        for each in ("People (37)", "1,204 connections", "1.204 Kontakte", "1 204 kontakter", "-")
    ] == [
        37,
        1204,
        1204,
        1204,
        None,
    ]


def test_an_outline_keeps_controls_and_loses_people() -> None:
    seen = '- button "Invite Ada Berg to connect"\n- link "Message":\n  - /url: /in/ada-berg-81/'
    assert evidence.redacted(seen) == (
        '- button "Invite xxx xxxx to connect"\n- link "Message":\n  - /url: /in/xxx-xxxx-xx/'
    )


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(capsys.readouterr().out))


def test_without_a_browser_the_command_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALDRY_CHROMIUM", "no-such-browser-here")
    assert cli.main(["linkedin", "probe", "--base-url", "http://127.0.0.1:9", "--page", "login"]) == 1
    assert said(capsys)["code"] == "browser.missing"


def test_a_state_that_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("[]")
    for name in ("state.json", "none.json"):
        line = [
            "probe",
            "--base-url",
            "http://127.0.0.1:9",
            "--page",
            "self",
            "--state",
            str(tmp_path / name),
        ]
        assert cli.main(["linkedin", *line]) == 1
        assert said(capsys)["code"] == "file.unreadable"


@pytest.mark.parametrize(
    "line",
    [
        ["--base-url", "www.linkedin.com", "--page", "login"],
        ["--base-url", "http://x.example", "--page", "profile"],
        ["--base-url", "http://x.example", "--page", "nothing"],
        ["--page", "login"],
    ],
)
def test_a_wrong_command_line_is_misuse(line: list[str]) -> None:
    assert cli.main(["linkedin", "probe", *line]) == 2


GONE = "This page doesn’t exist"


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (Seen(f"{GONE} Please check your URL"), NotFound),
        (Seen(f"{GONE} Please check your URL", headings=GONE), NotFound),
        (Seen(f"Home My Network {GONE}", headings=GONE, let_in=True), NotFound),
        (Seen(f"Home My Network Ada Berg: “{GONE}”", headings="Ada Berg", let_in=True), None),
        (Seen(f"Home My Network {GONE} 2nd", headings=GONE, let_in=True, shows_member=True), None),
        (Seen(f"Ada Berg {GONE}", shows_member=True), None),
        (Seen(GONE + "." * SHORT, headings=GONE), None),
        (Seen("Access to your account has been temporarily restricted"), Restricted),
        (Seen("Too many requests"), SlowDown),
        (Seen(f"{GONE} Too many requests", shows_member=True), SlowDown),
        (Seen("Home My Network Too many requests: how to cope", let_in=True), None),
    ],
)
def test_a_page_is_told_by_words_that_are_not_a_members(seen: Seen, problem: type[Problem] | None) -> None:
    assert type(told_by(seen)) is (problem or type(None))
