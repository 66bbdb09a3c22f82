"""Renders every page of the product in every state, with sample data, to a folder one can look at.

    python tools/preview.py FOLDER

The figures obey the product: totals are the sums of the cards, and nobody is above a limit.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from heraldry.gateway.pages.forms import (
    AddIdentityForm,
    ConnectInboxForm,
    ContactForm,
    DayZoneForm,
    EmailRateForm,
    FirstAdminForm,
    PictureForm,
    RateIncreaseForm,
    SignInForm,
    SubscriberForm,
    TestMailForm,
    filled,
    hours_filled,
)
from heraldry.gateway.pages.models import (
    ActivityEntry,
    ActivityFilter,
    ActivityPage,
    AddIdentityPage,
    Ceiling,
    Chip,
    ConfigurationPage,
    ConnectInboxPage,
    ContactSection,
    DashboardPage,
    Diagnosis,
    EmailSection,
    ErrorPage,
    Figures,
    FirstAdminPage,
    Flash,
    Halted,
    IdentityCard,
    Inbox,
    Increase,
    LikingsSection,
    LinkGonePage,
    MailPage,
    MailStep,
    NewCredentials,
    Notice,
    Option,
    OrganizationPage,
    Outcome,
    Period,
    Person,
    Rate,
    RateSection,
    Shell,
    SignInPage,
    Subscriber,
    TestMailPage,
    Trends,
    UndecidedMail,
    UndecidedPage,
    Volume,
    Waiting,
)
from heraldry.gateway.pages.render import STATIC, render
from preview_campaigns import campaigns
from preview_consent import consent
from preview_linkedin import linkedin
from preview_shared import shared

NOW = datetime(2026, 11, 24, 13, 3, 12, tzinfo=UTC)
ZONE = "Europe/Stockholm"
NAMESPACE = UUID("0193c0de-0000-7000-8000-000000000000")


def an_id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


OUTSIDE = Shell(csrf="sample", zone=ZONE)
SHELL = Shell(
    csrf="sample", user="Mina Okafor", organization="Northwind", role="admin", zone=ZONE, nav="identities"
)
MEMBER = replace(SHELL, user="Oskar Dahl", role="member")
ACTIVITY = replace(SHELL, nav="activity")
ORGANIZATION = replace(SHELL, nav="organization")
TODAY = Period(first=date(2026, 11, 24), last=date(2026, 11, 24))

ADA = IdentityCard(
    id=an_id("ada"),
    name="Ada Bergström",
    job_title="Head of Partnerships",
    chips=(Chip("ada@northwind.example"), Chip("partners@northwind.example")),
    figures=Figures(messages_sent=44, messages_allowed=60, replied=6, emails_sent=44, emails_bounced=1),
    waiting=(
        Waiting("Mail from ada@northwind.example waits: today's 30 are used.", NOW + timedelta(hours=18)),
    ),
)
JONAS = IdentityCard(
    id=an_id("jonas"),
    name="Jonas Lindqvist",
    job_title="Account Executive",
    chips=(Chip("jonas@northwind.example · reconnect needed", "bad"),),
    figures=Figures(messages_sent=11, messages_allowed=30, replied=2, emails_sent=11),
    waiting=(Waiting("Mail from jonas@northwind.example waits until it is reconnected."),),
)
NEW = IdentityCard(
    id=an_id("new"), name="Sofia Ramos", job_title="SDR, Iberia", figures=Figures(messages_allowed=0)
)
RTL = IdentityCard(
    id=an_id("rtl"),
    name="يوسف بن عبد الرحمن الخطيب",
    job_title="מנהל שותפויות",
    chips=(Chip("yusuf@northwind.example"),),
    figures=Figures(messages_sent=3, messages_allowed=30, emails_sent=3, replied=1),
)
LONG = IdentityCard(
    id=an_id("long"),
    name="Maximiliane-Theodora von und zu Hohenlohe-Schillingsfürst-Waldenburg",
    job_title="Donaudampfschifffahrtsgesellschaftskapitänsstellvertreterin",
    chips=(
        Chip("maximiliane-theodora.von.hohenlohe-schillingsfuerst@sub.department.northwind.example"),
        Chip("Slowed down by the provider", "warn"),
    ),
    figures=Figures(messages_sent=30, messages_allowed=30, emails_sent=30, emails_bounced=2, replied=4),
    waiting=(
        Waiting("Mail waits: five were sent in the last 60 minutes.", NOW + timedelta(minutes=17)),
        Waiting("Outside working hours.", NOW + timedelta(hours=19)),
    ),
)
TRENDS = Trends(messages=(4, 9, 14, 8, 22, 19, 12), replied=(0, 1, 3, 2, 2, 4, 1))
DASHBOARD = DashboardPage(
    period=TODAY,
    identities=5,
    cards=(ADA, JONAS, NEW, RTL, LONG),
    trends=TRENDS,
    day_zone=ZONE,
    notices=(
        Notice(
            "jonas@northwind.example needs to be reconnected.",
            "The server no longer takes its password.",
            href=f"/identities/{JONAS.id}?section=email",
            link="Reconnect",
        ),
    ),
)

INBOX = Inbox(
    id=an_id("inbox"),
    address="ada@northwind.example",
    state="connected",
    rate=Rate(used_day=30, used_hour=3),
    imap="imap.northwind.example:993, TLS",
    smtp="smtp.northwind.example:587, STARTTLS",
    connected_at=NOW - timedelta(days=21),
    waiting=Waiting("Today's 30 are used.", NOW + timedelta(hours=18)),
)
PARTNERS = replace(
    INBOX,
    id=an_id("partners"),
    address="partners@northwind.example",
    rate=Rate(used_day=14, used_hour=1),
    waiting=None,
)
BROKEN = replace(
    INBOX,
    id=an_id("broken"),
    address="jonas@northwind.example",
    state="reconnect",
    rate=Rate(used_day=11),
    detail="The server no longer takes the password. It was probably changed.",
    waiting=None,
)
CONTACT = ContactSection(
    form=filled(
        ContactForm,
        {
            "name": "Ada Bergström",
            "first_name": "Ada",
            "last_name": "Bergström",
            "job_title": "Head of Partnerships",
            "phone": "+46 70 174 06 05",
            "email": "ada@northwind.example",
            "linkedin_url": "https://www.linkedin.com/in/ada-bergstrom",
            "meeting_url": "https://meet.northwind.example/ada",
            "crm_user": "u-2041",
            "revision": "4",
        },
    ),
    hours=hours_filled(
        {
            "zone": ZONE,
            "revision": "4",
            **dict.fromkeys(("monday", "tuesday", "wednesday", "thursday"), "on"),
            "friday": "on",
            "friday_to": "15:30",
        }
    ),
    active_now=True,
)


VOLUME = Volume(sent=(0, 0, 28, 30, 30, 27, 30) * 4 + (30, 17), bounced=4)


def rate_section(inbox: Inbox, **more: Outcome) -> RateSection:
    form = filled(EmailRateForm, {"per_day": str(inbox.rate.per_day), "per_hour": str(inbox.rate.per_hour)})
    return RateSection(inbox=inbox, form=form, increase=Increase(volume=VOLUME), **more)


EMAIL = EmailSection(inboxes=(INBOX, PARTNERS), rates=(rate_section(INBOX), rate_section(PARTNERS)))
CONFIGURATION = ConfigurationPage(
    id=ADA.id,
    name=ADA.name,
    job_title=ADA.job_title,
    chips=(Chip("2 inboxes"),),
    contact=CONTACT,
    email=EMAIL,
)
CONNECT = ConnectInboxPage(identity=ADA.id, identity_name=ADA.name)
CONNECT_FORM = filled(
    ConnectInboxForm,
    {
        "email": "sales@northwind.example",
        "imap_host": "imap.northwind.example",
        "imap_port": "993",
        "imap_security": "tls",
        "smtp_host": "smtp.northwind.example",
        "smtp_port": "587",
        "smtp_security": "starttls",
    },
)
TEST_MAIL = TestMailPage(identity=ADA.id, identity_name=ADA.name, inbox=PARTNERS)
TEST_FORM = filled(
    TestMailForm,
    {"to": "lea@maison.example", "subject": "A first hello", "text": "Hello Léa,\n\nthis is a test."},
)

MAIL_STEPS = (
    MailStep(
        title="Asked for",
        at=NOW - timedelta(seconds=9),
        detail="By Mina Okafor. It took place 14 of 30 of the day and 1 of 5 of the hour.",
    ),
    MailStep(title="Handed to the inbox", at=NOW - timedelta(seconds=8), detail="May leave until 14:13:03."),
    MailStep(title="Taken up for sending", at=NOW - timedelta(seconds=8)),
    MailStep(title="Submission started", at=NOW - timedelta(seconds=7)),
    MailStep(
        title="Sent",
        at=NOW - timedelta(seconds=6),
        detail="The server took it.",
        words="250 2.0.0 Ok: queued as 4WbT2k1Nqz9",
    ),
)
MAIL = MailPage(
    attempt=an_id("mail"),
    subject="A first hello",
    sender="partners@northwind.example",
    recipient="lea@maison.example",
    state=Chip("Sent"),
    identity=ADA.id,
    identity_name=ADA.name,
    steps=(*MAIL_STEPS, MailStep(title="Reply", state="waiting")),
    message_id="<019ab5f2-7c11-7d6e-9c53-2f7f5e1ad001@northwind.example>",
)
UNDECIDED = UndecidedMail(
    attempt=an_id("undecided"),
    subject="A first hello",
    sender="partners@northwind.example",
    recipient="lea@maison.example",
    identity=ADA.id,
    identity_name=ADA.name,
    since=NOW - timedelta(minutes=50),
    reason="The connection broke while the mail was leaving, and it was not found since.",
)
LONG_UNDECIDED = replace(
    UNDECIDED,
    attempt=an_id("undecided-long"),
    subject="A subject that does not end where one expects it to, but goes on and on " * 3,
    recipient=f"{'a-very-long-name-' * 3}@a-company-with-a-long-name.example",
)
ENTRIES = (
    ("Heraldry", "Reply from lea@maison.example read", Chip("Received"), "Answer to “A first hello”", "mail"),
    ("Mina Okafor", "Mail to lea@maison.example", Chip("Sent"), "Test mail", "mail"),
    (
        "Mina Okafor",
        "Mail to tomas@brisa.example",
        Chip("Refused", "warn"),
        "One mail an hour is allowed; the next may leave at 15:03",
        "",
    ),
    ("Mina Okafor", "Inbox partners@northwind.example connected", Chip("Done"), "", ""),
    (
        "Mina Okafor",
        "Inbox sales@northwind.example",
        Chip("Not connected", "bad"),
        "The server did not accept the password",
        "",
    ),
    ("Mina Okafor", "Working hours changed", Chip("Done"), "", ""),
    ("Mina Okafor", "Identity created", Chip("Done"), "", ""),
)
ACTIVITIES = ActivityPage(
    entries=tuple(
        ActivityEntry(
            cursor=f"c{len(ENTRIES) - n}",
            at=NOW - timedelta(minutes=7 * n, seconds=n),
            actor=actor,
            what=what,
            outcome=outcome,
            cause=cause,
            identity=ADA.id,
            identity_name=ADA.name,
            href=MAIL.url if kind else "",
        )
        for n, (actor, what, outcome, cause, kind) in enumerate(ENTRIES)
    ),
    older="c0",
    identities=tuple(Option(str(card.id), card.name) for card in DASHBOARD.cards),
    kinds=(Option("mails", "Mails"), Option("inboxes", "Inboxes"), Option("identities", "Identities")),
)
PEOPLE = (
    Person(name="Mina Okafor", email="mina@northwind.example", role="admin", you=True),
    Person(name="Oskar Dahl", email="oskar@northwind.example", role="member"),
)
CRM = Subscriber(
    id=an_id("crm"),
    name="CRM sync",
    created_at=NOW - timedelta(days=3),
    created_by="Mina Okafor",
    consumer="subscriber-crm",
)
COMPANY = OrganizationPage(
    name="Northwind", people=PEOPLE, subscribers=(CRM,), zone_form=filled(DayZoneForm, {"zone": ZONE})
)
SAMPLE_CREDENTIALS = "-----BEGIN NATS USER JWT-----\nsample\n------END NATS USER JWT------\n"


def entrance() -> Iterator[tuple[str, str, Shell, object]]:
    yield "sign-in", "sign_in.html", OUTSIDE, SignInPage()
    wrong = filled(SignInForm, {"email": "mina@northwind.example"}, {"": "Email or password is not right."})
    yield "sign-in-wrong", "sign_in.html", OUTSIDE, SignInPage(form=wrong)
    missing = filled(SignInForm, {}, {"email": "Type your email.", "password": "Type your password."})
    yield "sign-in-missing", "sign_in.html", OUTSIDE, SignInPage(form=missing)
    throttled = SignInPage(try_again_at=NOW + timedelta(minutes=4))
    yield "sign-in-throttled", "sign_in.html", OUTSIDE, throttled
    signed_out = replace(OUTSIDE, flash=Flash("You are signed out."))
    yield "signed-out", "sign_in.html", signed_out, SignInPage()
    yield "first-admin", "first_admin.html", OUTSIDE, FirstAdminPage(action="/first-admin/sample")
    short = filled(
        FirstAdminForm, {"organization": "Northwind", "name": "Mina"}, {"password": "At least 12 characters."}
    )
    yield (
        "first-admin-wrong",
        "first_admin.html",
        OUTSIDE,
        FirstAdminPage(action="/first-admin/sample", form=short),
    )
    yield "link-used", "link_gone.html", OUTSIDE, LinkGonePage("used")
    yield "link-expired", "link_gone.html", OUTSIDE, LinkGonePage("expired")
    yield "link-unknown", "link_gone.html", OUTSIDE, LinkGonePage("unknown")
    for status in (403, 404, 500, 503):
        yield f"error-{status}", "error.html", SHELL, ErrorPage.of(status, reference="0193c0de-7a11")
    yield "error-404-outside", "error.html", OUTSIDE, ErrorPage.of(404)


def identities() -> Iterator[tuple[str, str, Shell, object]]:
    yield "dashboard", "dashboard.html", SHELL, DASHBOARD
    yield "dashboard-empty", "dashboard.html", SHELL, DashboardPage(period=TODAY)
    none = replace(DASHBOARD, cards=(), search="zzz", notices=(), trends=Trends())
    yield "dashboard-not-found", "dashboard.html", SHELL, none
    backwards = Period(
        kind="custom",
        first=date(2026, 11, 20),
        last=date(2026, 11, 2),
        error="The first day is after the last.",
    )
    yield "dashboard-custom", "dashboard.html", SHELL, replace(DASHBOARD, period=backwards, notices=())
    for way in ("credentials", "manually", "share"):
        yield f"add-{way}", "add_identity.html", SHELL, AddIdentityPage(way=way)
    wrong = filled(
        AddIdentityForm,
        {"first_name": "Ada", "linkedin_url": "ada"},
        {
            "last_name": "Type a last name.",
            "linkedin_url": "Give the whole address, beginning with https://www.linkedin.com/in/.",
            "picture": "This is no picture. Choose a PNG, JPEG or WebP file.",
        },
    )
    yield "add-wrong", "add_identity.html", SHELL, AddIdentityPage(form=wrong)


def configuration() -> Iterator[tuple[str, str, Shell, object]]:
    page = "configuration.html"
    for section in ("contact", "linkedin", "email", "likings", "share"):
        yield f"configuration-{section}", page, SHELL, replace(CONFIGURATION, section=section)
    saved = replace(CONTACT, outcome=Outcome("saved", "Contact details are up to date."))
    yield "configuration-saved", page, SHELL, replace(CONFIGURATION, contact=saved)
    conflict = replace(
        CONTACT,
        outcome=Outcome("conflict", "Oskar Dahl was faster. You see what is stored now; change it again."),
        picture_form=filled(PictureForm, {}, {"picture": "The picture has more than 40 million points."}),
        hours=hours_filled(
            {"zone": ZONE, "monday": "on", "monday_from": "18:00", "monday_to": "09:00"},
            {"monday_to": "Monday ends before it starts."},
        ),
    )
    yield (
        "configuration-conflict",
        page,
        SHELL,
        replace(CONFIGURATION, contact=conflict, name=LONG.name, chips=LONG.chips),
    )
    bare = replace(CONFIGURATION, section="email", email=EmailSection(), chips=(), name=RTL.name)
    yield "configuration-email-empty", page, SHELL, bare
    broken = replace(EMAIL, inboxes=(INBOX, BROKEN, replace(PARTNERS, state="connecting")))
    yield "configuration-email-broken", page, SHELL, replace(CONFIGURATION, section="email", email=broken)
    rates = replace(EMAIL, tab="rate")
    yield "configuration-rate", page, SHELL, replace(CONFIGURATION, section="email", email=rates)
    asking = filled(
        RateIncreaseForm,
        {"per_day": "120", "per_hour": "12"},
        {"reason": "Say what it is for."},
    )
    more = (
        replace(rate_section(INBOX), increase=Increase(volume=VOLUME, form=asking)),
        rate_section(
            replace(PARTNERS, ceiling=Ceiling(per_day=120, per_hour=12, until=NOW + timedelta(days=20)))
        ),
        rate_section(replace(BROKEN, state="paused", ceiling=Ceiling(asked=(100, 10)))),
    )
    increase = replace(EMAIL, tab="rate", rates=more)
    yield "configuration-increase", page, SHELL, replace(CONFIGURATION, section="email", email=increase)
    high = filled(
        EmailRateForm,
        {"per_day": "90", "per_hour": "5"},
        {"per_day": "At most 80 a day. Ask support for more."},
    )
    above = replace(rates, rates=(RateSection(inbox=PARTNERS, form=high),), inboxes=(PARTNERS,))
    yield "configuration-rate-wrong", page, SHELL, replace(CONFIGURATION, section="email", email=above)
    read_only = replace(rates, may_change_rates=False)
    yield "configuration-rate-member", page, MEMBER, replace(CONFIGURATION, section="email", email=read_only)
    opted = LikingsSection(opted_out=True, outcome=Outcome("saved"))
    yield "configuration-likings-on", page, SHELL, replace(CONFIGURATION, section="likings", likings=opted)
    yield "connect", "connect_inbox.html", SHELL, CONNECT
    diagnosis = Diagnosis(
        code="invalid-credentials",
        protocol="IMAP",
        title="The server did not accept the password",
        cause="The password is wrong, or the provider wants an app password instead of the usual one.",
        resolution=(
            "Sign in to the mailbox on the provider's own page, to be sure of the password.",
            "With two-factor sign-in, make an app password there and use it here.",
        ),
        words="NO [AUTHENTICATIONFAILED] Invalid credentials",
    )
    yield (
        "connect-failed",
        "connect_inbox.html",
        SHELL,
        replace(CONNECT, form=CONNECT_FORM, diagnosis=diagnosis),
    )
    yield "reconnect", "connect_inbox.html", SHELL, replace(CONNECT, form=CONNECT_FORM, reconnect=True)
    yield "test-mail", "test_mail.html", SHELL, replace(TEST_MAIL, form=TEST_FORM)
    refused = Waiting("One mail an hour is allowed, and one was sent.", NOW + timedelta(minutes=51))
    yield "test-mail-refused", "test_mail.html", SHELL, replace(TEST_MAIL, form=TEST_FORM, refused=refused)
    yield "test-mail-queued", "test_mail.html", SHELL, replace(TEST_MAIL, queued=MAIL.url)


def history() -> Iterator[tuple[str, str, Shell, object]]:
    yield "activity", "activity.html", ACTIVITY, ACTIVITIES
    gone = ("Mail to an erased person was taken in hand", "LinkedIn step of an erased person was begun")
    erased = tuple(
        replace(ACTIVITIES.entries[n], what=what, outcome=Chip("Erased", "idle"), cause="", href="")
        for n, what in enumerate(("The data of a lead is erased everywhere", *gone))
    )
    shown = replace(ACTIVITIES, entries=(*erased, *ACTIVITIES.entries[len(erased) :]))
    yield "activity-erased", "activity.html", ACTIVITY, shown
    halted = Halted(
        by="Mina Okafor", reason="Strange mails are leaving.", since=NOW - timedelta(minutes=7), ours=True
    )
    yield "halted", "activity.html", replace(ACTIVITY, halted=halted), shown
    theirs = replace(halted, by="Support", reason="Moving house.", ours=False)
    yield "halted-everything", "activity.html", replace(ACTIVITY, role="member", halted=theirs), shown
    yield "halted-unknown", "activity.html", replace(ACTIVITY, halted=Halted()), shown
    yield "activity-empty", "activity.html", ACTIVITY, ActivityPage()
    nothing = replace(
        ACTIVITIES,
        entries=(),
        older="",
        filter=ActivityFilter(
            kind="mails", first="2026-12-24", last="2026-11-01", error="The first day is late."
        ),
    )
    yield "activity-nothing", "activity.html", ACTIVITY, nothing
    yield "mail", "mail.html", ACTIVITY, MAIL
    unknown = MailStep(
        title="Outcome unknown",
        at=NOW,
        detail="The connection broke while the mail was leaving, and it was not found since.",
        state="bad",
    )
    lost = replace(
        MAIL, state=Chip("Outcome unknown", "warn"), steps=(*MAIL_STEPS[:3], unknown), undecided=True
    )
    yield "mail-undecided", "mail.html", ACTIVITY, lost
    yield "undecided-empty", "undecided.html", ACTIVITY, UndecidedPage()
    yield "undecided", "undecided.html", ACTIVITY, UndecidedPage(mails=(UNDECIDED, LONG_UNDECIDED))
    reply = MailStep(title="Reply received", at=NOW + timedelta(minutes=4), detail="From lea@maison.example.")
    yield (
        "mail-replied",
        "mail.html",
        ACTIVITY,
        replace(MAIL, state=Chip("Replied"), steps=(*MAIL_STEPS, reply)),
    )
    failed = (
        *MAIL_STEPS[:3],
        MailStep(
            title="Failed",
            at=NOW,
            state="bad",
            detail="The server refused the recipient. It did not leave.",
            words="550 5.1.1 No such user here",
        ),
    )
    yield "mail-failed", "mail.html", ACTIVITY, replace(MAIL, state=Chip("Failed", "bad"), steps=failed)
    waiting = (
        MAIL_STEPS[0],
        MailStep(title="Being handed over", state="now"),
        MailStep(title="Sent", state="waiting"),
    )
    yield (
        "mail-on-its-way",
        "mail.html",
        ACTIVITY,
        replace(MAIL, state=Chip("On its way", "info"), steps=waiting),
    )


def organization() -> Iterator[tuple[str, str, Shell, object]]:
    yield "organization", "organization.html", ORGANIZATION, COMPANY
    yield "organization-member", "organization.html", replace(MEMBER, nav="organization"), COMPANY
    made = NewCredentials(
        subscriber="CRM sync",
        text=SAMPLE_CREDENTIALS,
        server="nats://heraldry.northwind.example:4222",
        stream="HERALDRY",
        consumer="subscriber-crm",
    )
    yield "organization-credentials", "organization.html", ORGANIZATION, replace(COMPANY, credentials=made)
    bare = replace(
        COMPANY,
        subscribers=(),
        zone_outcome=Outcome("saved"),
        subscriber_form=filled(SubscriberForm, {"name": "CRM"}, {"name": "There is one of this name."}),
    )
    yield "organization-empty", "organization.html", ORGANIZATION, bare


def pages() -> Iterator[tuple[str, str, Shell, object]]:
    """(name of the state, template, shell, page) of all there is to see."""
    yield from entrance()
    yield from identities()
    yield from configuration()
    yield from campaigns()
    yield from consent()
    yield from linkedin()
    yield from shared(SHELL)
    yield from history()
    yield from organization()


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):  # noqa: PLR2004  the program and the folder
        print("Usage: preview.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, template, shell, page in pages():
        (folder / f"{name}.html").write_text(render(template, shell=shell, page=page), encoding="utf-8")
    shutil.copytree(STATIC, folder / "static", dirs_exist_ok=True, ignore=shutil.ignore_patterns("vendor"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
