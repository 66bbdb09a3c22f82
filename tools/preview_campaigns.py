"""Campaigns, leads and imports in every state, with sample data, for tools/preview.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from heraldry.contracts.campaigns import CampaignCounts, CampaignSettings, Column, LeadState, SendEmail
from heraldry.gateway.pages.campaign_forms import UploadForm, campaign_filled, columns_filled, values_of
from heraldry.gateway.pages.forms import filled
from heraldry.gateway.pages.models import Chip, Option, Outcome, Shell, Waiting
from heraldry.gateway.pages.models.campaigns import (
    CampaignPage,
    CampaignRow,
    CampaignsPage,
    EditorPage,
    ImportPage,
    LeadDetails,
    LeadRow,
    LeadStep,
    LeadTable,
    NewCampaignPage,
    Numbers,
    PreviewedStep,
    UploadPage,
)
from markupsafe import Markup

NOW = datetime(2026, 11, 24, 13, 3, 12, tzinfo=UTC)
NAMESPACE = UUID("0193c0de-0000-7000-8000-000000000000")
SHELL = Shell(
    csrf="sample",
    user="Mina Okafor",
    organization="Northwind",
    role="admin",
    zone="Europe/Stockholm",
    nav="campaigns",
)
LONG = "Maximiliane-Theodora von und zu Hohenlohe-Schillingsfürst-Waldenburg"


def an_id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


ADA, INBOX = an_id("ada"), an_id("inbox")
COUNTS = Numbers(
    counts=CampaignCounts(
        waiting=1174,
        in_progress=38,
        replied=6,
        finished=21,
        bounced=2,
        unsubscribed=1,
        failed=4,
        outcome_unknown=1,
    )
)
NOBODY = Numbers(counts=CampaignCounts())
IDENTITIES = (
    Option(str(ADA), "Ada Bergström"),
    Option(str(an_id("new")), "Sofia Ramos (no inbox connected)"),
)
INBOXES = (
    (
        "Ada Bergström",
        (
            Option(str(INBOX), "ada@northwind.example"),
            Option(str(an_id("partners")), "partners@northwind.example"),
        ),
    ),
)
ROW = CampaignRow(
    id=an_id("spring"),
    name="Maisons in Lyon, spring",
    state="active",
    leaving=0,
    identity=ADA,
    identity_name="Ada Bergström",
    numbers=COUNTS,
    steps=3,
)
ROWS = (
    replace(ROW, id=an_id("iberia"), name="Iberia", state="draft", numbers=NOBODY, steps=0),
    ROW,
    replace(ROW, id=an_id("nordics"), name="Nordics", state="paused", leaving=3),
    replace(
        ROW,
        id=an_id("lost"),
        name="Benelux",
        state="paused",
        identity=None,
        identity_name="Deleted",
        lost=True,
    ),
    replace(ROW, id=an_id("long"), name=LONG, state="finished", identity_name=LONG),
)
TEXT = "Hello {{ first_name | default: 'there' }},\n\nshall we talk about {{ company }}?\n\n{{ identity.first_name }}"
SETTINGS = CampaignSettings(
    name=ROW.name,
    identity=ADA,
    steps=(
        SendEmail(subject="A question about {{ company }}", text=TEXT),
        SendEmail(
            delay=72, text="Hello {{ first_name }},\n\ndid you see my mail?", html="<p>Hello <b>again</b></p>"
        ),
        SendEmail(delay=30, text="Shall I stop writing?"),
    ),
)
PREVIEW = (
    PreviewedStep(
        number=0,
        when="Right after the start",
        subject="A question about Maison Verte",
        text="Hello Léa,\n\nshall we talk about Maison Verte?\n\nAda",
    ),
    PreviewedStep(
        number=1,
        when="3 days after the step before",
        html=Markup("<p>Hello <b>again</b>, see <a href='https://northwind.example'>our page</a></p>"),
    ),
    PreviewedStep(
        number=2, when="1 day and 6 hours after the step before", problem="“city” has no value for this lead."
    ),
)
EDITOR = EditorPage(
    id=ROW.id,
    name=ROW.name,
    form=campaign_filled(values_of(SETTINGS)),
    identities=IDENTITIES,
    inboxes=INBOXES,
    variables=(
        ("first_name", "Léa"),
        ("name", "Léa Fournier"),
        ("email", "lea@maison.example"),
        ("company", "Maison Verte"),
        ("company_size", "250"),
        ("identity.first_name", "your first name"),
    ),
    leads=(Option("1", "Léa Fournier"), Option("2", "Tomás Vidal")),
    preview=PREVIEW,
)


def lead(name: str, state: LeadState, **more: object) -> LeadRow:
    usual = LeadRow(
        id=an_id(name),
        name=name,
        email=f"{name.partition(' ')[0].lower()}@maison.example",
        state=state,
        step=1,
        steps=3,
        since=NOW,
        inbox="ada@northwind.example",
    )
    return replace(usual, **more)  # pyright: ignore[reportArgumentType]  fields of its own


FAILED = lead(
    "Nora Haddad",
    "failed",
    failure=(
        "The inbox jonas@northwind.example was disconnected in the middle of the sequence.",
        "Connect jonas@northwind.example again, then retry.",
    ),
    inbox="jonas@northwind.example",
)
LEADS = (
    lead(
        "Léa Fournier",
        "waiting",
        step=0,
        inbox="",
        now=Waiting("Others of the same inbox are before this one.", NOW + timedelta(hours=20)),
    ),
    lead(
        "Tomás Vidal",
        "in progress",
        now=Waiting("The next email waits 3 days after the one before.", NOW + timedelta(days=2)),
    ),
    lead("Inès Moreau", "in progress", now=Waiting("The inbox ada@northwind.example is paused.")),
    lead("Omar Said", "replied", step=2),
    lead("Eva Lind", "finished", step=3),
    lead("Paul Berg", "bounced"),
    lead("Rosa Díaz", "unsubscribed"),
    lead("Sven Holm", "outcome unknown"),
    FAILED,
    lead(LONG, "waiting", step=0, inbox="", email=f"{'a-long-address-' * 3}@maison.example"),
    replace(lead("Erased", "finished"), name="", email=""),
)
TABLE = LeadTable(campaign=ROW.id, rows=LEADS, total=1247, next="51")
CAMPAIGN = CampaignPage(
    id=ROW.id,
    name=ROW.name,
    state="active",
    leaving=0,
    identity=ADA,
    identity_name="Ada Bergström",
    inbox="Shuffle: ada@northwind.example, partners@northwind.example",
    pace="Spread over the working hours",
    numbers=COUNTS,
    sends="2 emails, 1 invitation",
    steps=(
        ("Right after the start", "Email", "A question about {{ company }}"),
        ("3 days after the step before", "Invitation", "Hello {{ first_name }}, did you see my mail?"),
        ("1 day and 6 hours after the step before", "Email", "Shall I stop writing?"),
    ),
    created=NOW - timedelta(days=3),
    leads=TABLE,
)
DRAFT = replace(
    CAMPAIGN, state="draft", numbers=NOBODY, steps=(), leads=LeadTable(campaign=ROW.id), unsubscribe=False
)
DETAILS = LeadDetails(
    id=LEADS[1].id,
    campaign=ROW.id,
    campaign_name=ROW.name,
    row=LEADS[1],
    facts=(
        ("Name", "Tomás Vidal"),
        ("Email", "tomas@brisa.example"),
        ("LinkedIn", "https://www.linkedin.com/in/tomas-vidal"),
        ("company", "Brisa"),
    ),
    done=(
        LeadStep(
            attempt=an_id("mail"),
            title="A question about Brisa",
            state=Chip("Sent"),
            href="/activity/mails/1",
            at=NOW,
        ),
        LeadStep(
            attempt=an_id("step"),
            title="Invitation",
            state=Chip("Under way", "info"),
            href="/activity/steps/2",
        ),
    ),
)
UPLOAD = UploadPage(campaign=ROW.id, campaign_name=ROW.name)
COLUMNS = (
    Column(header="E-Mail", field="email"),
    Column(header="Vorname", field="first_name"),
    Column(header="Firma", field="own", name="firma"),
    Column(header="Notizen, die niemand braucht", field="ignored"),
)
SAMPLE = (
    ("lea@maison.example", "Léa", "Maison Verte", ""),
    ("tomas@brisa.example", "Tomás", "Brisa", "=cmd|' /C calc'!A0"),
)
IMPORT = ImportPage(
    id=an_id("import"),
    campaign=ROW.id,
    campaign_name=ROW.name,
    filename="messe-lyon.csv",
    state="checked",
    encoding="windows-1252",
    delimiter="semicolon",
    columns=columns_filled(COLUMNS, SAMPLE),
    rows=1261,
    good=1247,
)
WRONG = replace(
    IMPORT,
    good=1239,
    wrong=3,
    problems=(
        (17, "“lea@maison” is no email address."),
        (212, "There is no email address."),
        (900, "“firma” is empty, and the first email has no fallback for it."),
    ),
    skipped=((14, "already in a campaign of yours"), (5, "on the suppression list")),
    left_out=(
        (3, "lea@maison.example is already in the campaign “Nordics”."),
        (9, "This address is on the list."),
    ),
)


def lists() -> Iterator[tuple[str, str, Shell, object]]:
    page = "campaigns.html"
    yield "campaigns", page, SHELL, CampaignsPage(campaigns=ROWS, identities=2)
    yield "campaigns-empty", page, SHELL, CampaignsPage(identities=2)
    yield "campaigns-no-identity", page, SHELL, CampaignsPage()
    new = NewCampaignPage(form=campaign_filled({"pace": "even"}), identities=IDENTITIES, inboxes=INBOXES)
    yield "campaign-new", "campaign_new.html", SHELL, new
    wrong = campaign_filled({"name": ""}, {"name": "Fill this in.", "inbox": "There is no such inbox."})
    yield "campaign-new-wrong", "campaign_new.html", SHELL, replace(new, form=wrong)


def one() -> Iterator[tuple[str, str, Shell, object]]:
    page = "campaign.html"
    yield "campaign", page, SHELL, CAMPAIGN
    yield "campaign-draft", page, SHELL, DRAFT
    waiting = Numbers(counts=CampaignCounts(waiting=1247))
    ready = replace(CAMPAIGN, state="draft", numbers=waiting, unsubscribe=False)
    yield "campaign-ready", page, SHELL, ready
    yield "campaign-no-inbox", page, SHELL, replace(ready, missing=("email",), inbox="Shuffle")
    yield "campaign-pausing", page, SHELL, replace(CAMPAIGN, state="paused", leaving=3)
    lost = replace(CAMPAIGN, state="paused", lost=True, identities=IDENTITIES)
    yield "campaign-lost", page, SHELL, lost
    yield "campaign-finished", page, SHELL, replace(CAMPAIGN, state="finished")
    refused = Outcome("refused", "The identity has no email inbox. Connect one, then start the campaign.")
    yield "campaign-refused", page, SHELL, replace(ready, outcome=refused)
    nobody = replace(TABLE, rows=(), total=0, search="zzz", next="")
    yield "campaign-nobody", page, SHELL, replace(CAMPAIGN, leads=nobody)
    yield "lead", "lead.html", SHELL, DETAILS
    yield "lead-failed", "lead.html", SHELL, replace(DETAILS, row=FAILED, code="inbox.disconnected", done=())
    yield "lead-erased", "lead.html", SHELL, replace(DETAILS, row=LEADS[-1], facts=())


def editor() -> Iterator[tuple[str, str, Shell, object]]:
    page = "campaign_editor.html"
    yield "campaign-editor", page, SHELL, EDITOR
    empty = replace(
        EDITOR,
        form=campaign_filled({"name": ROW.name}),
        leads=(),
        preview=(),
        problem="Write an email to see how a lead gets it.",
    )
    yield "campaign-editor-empty", page, SHELL, empty
    values = {**values_of(SETTINGS), "step-2-delay": "x"}
    wrong = campaign_filled(
        values, {"step-1-text": "“frist_name” is no variable.", "step-2-delay": "Give a whole number."}
    )
    yield "campaign-editor-wrong", page, SHELL, replace(EDITOR, form=wrong, unsaved=True)
    yield (
        "campaign-editor-begun",
        page,
        SHELL,
        replace(EDITOR, begun=True, outcome=Outcome("saved", "Saved.")),
    )


def imports() -> Iterator[tuple[str, str, Shell, object]]:
    yield "import-new", "import_new.html", SHELL, UPLOAD
    refused = filled(UploadForm, {}, {"file": "A file may have 10 MB and 10,000 rows."})
    yield "import-new-wrong", "import_new.html", SHELL, replace(UPLOAD, form=refused)
    page = "import.html"
    yield "import-checked", page, SHELL, IMPORT
    yield "import-wrong", page, SHELL, WRONG
    yield (
        "import-columns",
        page,
        SHELL,
        replace(IMPORT, error="Two columns are meant to be email. Choose one."),
    )
    yield "import-running", page, SHELL, replace(IMPORT, state="importing", enrolled=410)
    yield "import-done", page, SHELL, replace(WRONG, state="imported", enrolled=1239)
    yield "import-refused", page, SHELL, replace(IMPORT, state="refused", refusal="This is no text file.")
    yield "import-undone", page, SHELL, replace(IMPORT, state="undone")
    yield "import-reading", page, SHELL, replace(IMPORT, state="receiving")


def campaigns() -> Iterator[tuple[str, str, Shell, object]]:
    yield from lists()
    yield from one()
    yield from editor()
    yield from imports()
