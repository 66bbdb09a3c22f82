"""Sample data of linking LinkedIn and of what is done there: for tools/preview.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from heraldry.gateway.pages.forms import CodeForm, LinkedInForm, filled
from heraldry.gateway.pages.models import (
    Chip,
    ConfigurationPage,
    Diagnosis,
    LinkedInAccount,
    LinkedInSection,
    LinkedInState,
    Linking,
    LinkingPage,
    MailStep,
    Offer,
    Reply,
    Shell,
    StepPage,
    UndecidedPage,
    UndecidedStep,
    UnlinkPage,
    Waiting,
)

NOW = datetime(2026, 11, 24, 13, 3, 12, tzinfo=UTC)
SHELL = Shell(
    csrf="sample",
    user="Mina Okafor",
    organization="Northwind",
    role="admin",
    nav="identities",
    zone="Europe/Stockholm",
)
ACTIVITY = replace(SHELL, nav="activity")
ADA, STEP = UUID(int=3), UUID(int=4)
EMAIL, PROFILE = "ada@northwind.example", "https://www.linkedin.com/in/ada-bergstrom"
LINKING = Linking(
    url=f"/identities/{ADA}/linkedin",
    state="linking",
    email=EMAIL,
    form=filled(LinkedInForm, {"email": EMAIL}),
    done=f"/identities/{ADA}?section=linkedin",
    done_text="Go to the configuration",
)
WHY = Diagnosis(
    code="linkedin.captcha",
    title="LinkedIn could not be linked",
    cause="LinkedIn asks to solve a puzzle that shows that you are a person.",
    resolution=("Sign in at linkedin.com in your own browser, solve it there, then try again.",),
)
ACCOUNT = LinkedInAccount(
    state="linked",
    email=EMAIL,
    member="Ada Bergström",
    profile=PROFILE,
    since=NOW - timedelta(days=21),
    sales_navigator=True,
)
OFFERS = (
    Offer(name="job_title", label="Job title", here="Head of Partnerships", there="COO and co-founder"),
    Offer(name="linkedin_url", label="LinkedIn URL", here="", there=PROFILE),
)
INVITATION = StepPage(
    attempt=STEP,
    title="Invitation to Léa Fournier",
    state=Chip("Sent"),
    identity=ADA,
    identity_name="Ada Bergström",
    person="Léa Fournier",
    profile="https://www.linkedin.com/in/lea-fournier",
    text="Hello Léa, shall we talk about Maison Verte?",
    text_title="The note",
    campaign=UUID(int=5),
    by="campaign",
    steps=(
        MailStep(title="Permitted", at=NOW, detail="3 of 20 invitations today"),
        MailStep(title="Queued", at=NOW),
        MailStep(title="Begun on LinkedIn's page", at=NOW + timedelta(seconds=9)),
        MailStep(
            title="Sent",
            at=NOW + timedelta(seconds=14),
            words="The profile, loaded afresh, shows the invitation as pending.",
        ),
    ),
)


def linkedin() -> Iterator[tuple[str, str, Shell, object]]:
    for name, shown in linkings():
        page = LinkingPage(identity=ADA, identity_name="Ada Bergström", linking=shown)
        yield f"linking-{name}", "linking.html", SHELL, page
    for name, section in sections():
        page = ConfigurationPage(id=ADA, name="Ada Bergström", section="linkedin", linkedin=section)
        yield f"configuration-linkedin-{name}", "configuration.html", SHELL, page
    unlinking = UnlinkPage(identity=ADA, identity_name="Ada Bergström", member="Ada Bergström")
    yield "unlink", "unlink_linkedin.html", SHELL, unlinking
    yield from steps()


def linkings() -> Iterator[tuple[str, Linking]]:
    until = NOW + timedelta(minutes=10)
    yield "new", Linking(url=LINKING.url)
    yield "signing-in", LINKING
    asked = replace(
        LINKING,
        state="code wanted",
        sent_by="a text message to your phone",
        hint="Enter the code we’ve sent to phone number ending with 07",
        resendable=True,
        until=until,
    )
    yield "code", asked
    wrong = filled(CodeForm, {}, {"code": "LinkedIn did not take that code. Enter it again."})
    yield "code-wrong", replace(asked, code=wrong)
    yield "approval", replace(LINKING, state="approval wanted", until=until)
    yield "linked", replace(LINKING, state="linked", member="Ada Bergström", profile=PROFILE)
    yield "failed", replace(LINKING, state="failed", diagnosis=WHY, again=True)
    password = replace(
        WHY,
        code="linkedin.wrong-password",
        cause="LinkedIn did not take the password.",
        resolution=("Check the password by signing in at linkedin.com, then enter it again.",),
    )
    yield "failed-password", replace(LINKING, state="failed", diagnosis=password)
    yield "again", replace(LINKING, state="linked", member="Ada Bergström", relink=True)


def sections() -> Iterator[tuple[str, LinkedInSection]]:
    yield "none", LinkedInSection()
    yield "linked", LinkedInSection(account=ACCOUNT)
    yield "offers", LinkedInSection(account=ACCOUNT, offers=OFFERS)
    slowed = Waiting("LinkedIn wants no more invitations now.", NOW + timedelta(days=5))
    yield "slowed", LinkedInSection(account=replace(ACCOUNT, waiting=(slowed,)))
    broken: tuple[tuple[str, LinkedInState], ...] = (
        ("reconnect", "needs reconnect"),
        ("restricted", "restricted"),
        ("failed", "failed"),
    )
    for name, state in broken:
        yield name, LinkedInSection(account=replace(ACCOUNT, state=state, diagnosis=WHY))
    yield "code", LinkedInSection(account=replace(ACCOUNT, state="code wanted", member="", profile=""))


def steps() -> Iterator[tuple[str, str, Shell, object]]:
    yield "step", "step.html", ACTIVITY, INVITATION
    under_way = replace(
        INVITATION,
        state=Chip("Under way", "info"),
        steps=(*INVITATION.steps[:3], MailStep(title="Seen on LinkedIn afterwards", state="waiting")),
        looked_for_until=NOW + timedelta(minutes=30),
    )
    yield "step-under-way", "step.html", ACTIVITY, under_way
    lost = MailStep(
        title="Outcome unknown", at=NOW + timedelta(minutes=31), detail="It may have been sent or not."
    )
    unknown = Chip("Outcome unknown", "warn")
    undecided = replace(INVITATION, state=unknown, steps=(*INVITATION.steps[:3], lost), undecided=True)
    yield "step-undecided", "step.html", ACTIVITY, undecided
    reply = Reply(at=NOW + timedelta(days=1), text="Gladly. On Tuesday?")
    accepted = replace(
        INVITATION, state=Chip("Accepted"), accepted_at=NOW + timedelta(hours=5), replies=(reply,)
    )
    yield "step-accepted", "step.html", ACTIVITY, accepted
    listed = UndecidedStep(
        attempt=STEP,
        title=INVITATION.title,
        person=INVITATION.person,
        profile=INVITATION.profile,
        identity=ADA,
        identity_name="Ada Bergström",
        since=NOW - timedelta(minutes=40),
        reason="The browser stopped at the click, and the profile has not shown since what became of it.",
    )
    yield "undecided-steps", "undecided.html", ACTIVITY, UndecidedPage(steps=(listed,))
    yield "undecided-away", "undecided.html", ACTIVITY, UndecidedPage(steps=None)
