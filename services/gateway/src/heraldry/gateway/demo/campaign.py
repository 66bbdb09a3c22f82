"""The part of the demo's story in which a campaign sends within its limits, and stops for whom it must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from heraldry.gateway.demo.mail import Outside, connect
from heraldry.gateway.demo.report import moment
from heraldry.gateway.demo.world import Answer, Story, until

LEADS: Final = ("lena", "omar", "ines", "paul", "rosa", "sven", "tove")
FIRST_HOUR: Final = 5  # the hour limit of an inbox nobody changed
AN_HOUR: Final = timedelta(minutes=61)
A_DAY: Final = timedelta(hours=24)
REPLY: Final = "Yes, call me. Lena"
EVENTS: Final = (
    "CampaignCreated",
    "LeadsImported",
    "CampaignStarted",
    "QuotaConsumed",
    "QuotaExhausted",
    "LeadReplied",
    "LeadFinished",
)
BY_HAND: Final = 3  # mails of the story before this chapter
COUNTED: Final = Counter(
    {  # what a subscriber gets of it, at least
        "EmailSent": BY_HAND + 2 * len(LEADS) - 1,
        "LeadReplied": 1,
        "LeadFinished": len(LEADS) - 1,
        "CampaignFinished": 1,
    }
)
STEPS: Final = (
    {
        "subject": "{{ first_name }}, a question about {{ company | default: 'your team' }}",
        "text": "Hello {{ first_name }},\n\nshall we talk?\n\n{{ identity.first_name }}",
    },
    {"delay": 24, "text": "Hello {{ first_name }}, did you see my mail?"},
)
Accounts = Sequence[Answer]


async def play_campaign(story: Story, outside: Outside, zone: str) -> None:
    """Seven leads, two emails, five an hour; an answer in between; the next day."""
    identity = await _identity(story, zone)
    inbox = await connect(story, identity, await outside.account("sales"))
    leads = [await outside.account(name) for name in LEADS]
    campaign = await _prepared(story, identity, leads)
    await _first_hour(story, outside, campaign, leads)
    await _second_hour(story, outside, campaign, leads)
    await _next_day(story, outside, campaign, leads)
    await _told(story, identity, inbox)


async def _identity(story: Story, zone: str) -> str:
    week = [{"day": day, "start": "09:00", "end": "18:00"} for day in range(1, 8)]
    details = {"first_name": "Bo", "last_name": "Demo"}
    body = {"name": "Bo Demo", "hours": {"zone": zone, "week": week}, "details": details}
    return str((await story.call("POST", "/identities", body))["id"])


async def _prepared(story: Story, identity: str, leads: Accounts) -> str:
    """A campaign with its leads from a file, started."""
    settings = {"name": "Demo campaign", "identity": identity, "pace": "at once", "steps": STEPS}
    campaign = str((await story.call("POST", "/campaigns", settings))["id"])
    rows = [f"{lead['name']};{lead['address']};{'' if n else 'Northwind'}" for n, lead in enumerate(leads)]
    found = await story.call(
        "POST", f"/campaigns/{campaign}/imports", csv="\n".join(("Vorname;E-Mail;Company", *rows, ""))
    )
    guessed = ", ".join(f"{column['header']}: {column['field']}" for column in found["columns"])
    ok = (found["good"], found["wrong"]) == (len(LEADS), 0)
    story.expect("Read a file of leads: what its columns are", guessed, ok=ok)
    await story.call("POST", f"/imports/{found['import_id']}/confirm", {"skip_errors": False})

    async def imported() -> Answer | None:
        now = await story.call("GET", f"/imports/{found['import_id']}")
        return now if now["state"] == "imported" else None

    done = await until(imported)
    story.expect("Import it", f"{0 if done is None else done['enrolled']} leads", ok=done is not None)
    shown = await story.call("POST", f"/campaigns/{campaign}/preview", {"settings": settings})
    subject = str(cast("Sequence[Answer]", shown)[0]["subject"])
    wanted = f"{LEADS[0].title()}, a question about Northwind"
    story.expect("Preview it with a real lead", subject, ok=subject == wanted)
    started = await story.call("POST", f"/campaigns/{campaign}/start")
    story.expect("Start the campaign", str(started["state"]), ok=started["state"] == "active")
    return campaign


async def _first_hour(story: Story, outside: Outside, campaign: str, leads: Accounts) -> None:
    got = await _arrived(outside, leads, FIRST_HOUR)
    story.expect("Five mails arrive", f"{got} mails", ok=got == FIRST_HOUR)

    async def held() -> list[Answer] | None:
        waiting = [one for one in await _leads(story, campaign) if _reason(one).get("code") == "hour-limit"]
        return waiting if len(waiting) == len(LEADS) - FIRST_HOUR else None

    waiting = await until(held) or []
    said = str(_reason(waiting[0])["text"]) if waiting else "nobody waits"
    until_when = _reason(waiting[0]).get("until") if waiting else None
    story.expect(
        "Two leads wait, and say why and until when",
        f"{said} Until {moment(until_when)}.",
        ok=bool(until_when),
    )


async def _second_hour(story: Story, outside: Outside, campaign: str, leads: Accounts) -> None:
    await outside.advance(AN_HOUR)
    got = await _arrived(outside, leads, len(LEADS))
    story.expect("An hour later they go", f"{got} mails", ok=got == len(LEADS))
    await outside.reply(str(leads[0]["address"]), 1, REPLY)

    async def replied() -> Answer | None:
        found = await _leads(story, campaign)
        return next((one for one in found if one["state"] == "replied"), None)

    lead = await until(replied)
    name = "" if lead is None else str(lead["data"]["first_name"])
    ok = name == LEADS[0].title()
    story.expect("One lead replies: the sequence ends", f"{name}: replied", ok=ok)


async def _next_day(story: Story, outside: Outside, campaign: str, leads: Accounts) -> None:
    others = leads[1:]
    await outside.advance(A_DAY)
    await _arrived(outside, others, len(others) + FIRST_HOUR)
    await outside.advance(AN_HOUR)
    got = await _arrived(outside, others, 2 * len(others))
    threads = [await _is_thread(outside, str(lead["address"])) for lead in others]
    ok = got == 2 * len(others) and all(threads)
    story.expect(
        "The next day the others get their follow-up in the same thread", f"{sum(threads)} threads", ok=ok
    )
    to_replier = len(await outside.messages(str(leads[0]["address"])))
    story.expect("Who replied gets nothing more", f"{to_replier} mail in all", ok=to_replier == 1)

    async def finished() -> Answer | None:
        found = await story.call("GET", f"/campaigns/{campaign}")
        return found if found["state"] == "finished" else None

    done = await until(finished)
    counts: Answer = {} if done is None else cast("Answer", done["counts"])
    ok = (counts.get("finished"), counts.get("replied")) == (len(others), 1)
    said = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    story.expect("The campaign has finished", said, ok=ok)


async def _told(story: Story, identity: str, inbox: str) -> None:
    """The history, and the dashboard's figures, of the days it took."""
    entries = (await story.call("GET", f"/identities/{identity}/history?kind=EmailSent&limit=100"))["entries"]
    sent = [entry for entry in entries if entry["inbox"] == inbox]
    wanted = 2 * len(LEADS) - 1
    story.expect("The history has every mail", f"{len(sent)} sent", ok=len(sent) == wanted)
    today = await story.call("GET", "/dashboard")
    first = (datetime.fromisoformat(f"{today['first']}T00:00") - 2 * A_DAY).date().isoformat()
    board = await story.call("GET", f"/dashboard?from={first}&to={today['last']}")
    card = next(card for card in board["cards"] if card["identity"] == identity)
    figures = cast("dict[str, Any]", card["figures"])
    ok = (figures["emails_sent"], figures["replied"]) == (wanted, 1)
    said = (
        f"{figures['messages_sent']} of {figures['messages_allowed']} messages sent, {figures['replied']} replied,"
        f" bounce rate {figures['bounce_rate']:g} %"
    )
    story.expect("The dashboard counts them", said, ok=ok)


async def _leads(story: Story, campaign: str) -> Sequence[Answer]:
    return cast("Sequence[Answer]", (await story.call("GET", f"/campaigns/{campaign}/leads"))["leads"])


def _reason(lead: Answer) -> Answer:
    return cast("Answer", lead["waiting"] or {})


async def _arrived(outside: Outside, leads: Accounts, wanted: int) -> int:
    """How many mails lie with the leads, once they are as many as wanted (or the deadline has passed)."""

    async def count() -> int:
        return sum([len(await outside.messages(str(lead["address"]))) for lead in leads])

    async def enough() -> int | None:
        there = await count()
        return there if there >= wanted else None

    await until(enough)
    return await count()


async def _is_thread(outside: Outside, address: str) -> bool:
    """Whether the second mail answers the first: by its headers, and under the same subject."""
    mails = await outside.messages(address)
    if len(mails) != 2:  # noqa: PLR2004  the two steps
        return False
    first, second = sorted(mails, key=lambda mail: int(mail["uid"]))
    headers = {name.lower(): value for name, value in cast("Sequence[tuple[str, str]]", second["headers"])}
    first_id = str(first["message_id"])
    answers = first_id in headers.get("in-reply-to", "") and first_id in headers.get("references", "")
    return answers and first["subject"] == second["subject"]
