"""The part of the demo's story on LinkedIn: an account is linked, invites within its limits, and withdraws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from heraldry.gateway.demo.mail import Outside, connect
from heraldry.gateway.demo.members import Members
from heraldry.gateway.demo.report import moment
from heraldry.gateway.demo.world import Answer, Story, until

PEOPLE: Final = (("Vera", "Lund"), ("Mats", "Ek"), ("Nils", "Hall"))
INVITED: Final = 2  # in a day
HELD: Final = "day-limit"
NO_BROWSER: Final = "linkedin.no-browser"
IN_A_BROWSER: Final = 45.0  # seconds for what a browser has to do
AN_HOUR: Final = timedelta(minutes=61)
A_DAY: Final = timedelta(hours=24)
THREE_WEEKS: Final = timedelta(days=21)
HEADLINE: Final = "Buyer at Northwind"
REPLY: Final = "Not now, thank you. {name}"
COUNTED: Final = Counter(
    {  # what a subscriber gets of it, at least
        "VerificationCodeRequested": 1,
        "VerificationCodeGiven": 1,
        "LinkedInLinked": 1,
        "InvitationAccepted": 1,
        "InvitationWithdrawn": 1,
        "EmailSent": len(PEOPLE) + INVITED,
        "InvitationSent": INVITED,
        "ProfileScraped": 1,
        "LeadReplied": 1,
        "LeadFinished": INVITED,
        "CampaignFinished": 1,
    }
)
STEPS: Final = (
    {"subject": "{{ first_name }}, a question", "text": "Hello {{ first_name }},\n\nshall we talk?\n\nCora"},
    {"kind": "invitation", "note": "Hello {{ first_name }}, I have just written to you. Cora"},
    {"delay": 24, "text": "Hello {{ first_name }}, did you see my mail?"},
)


@dataclass(frozen=True, slots=True)
class Lead:
    name: str
    slug: str
    address: str


@dataclass(frozen=True, slots=True)
class Sending:
    """Who sends: an identity, as a member of LinkedIn."""

    identity: str
    email: str
    campaign: str


async def play_linkedin(story: Story, outside: Outside, members: Members, zone: str) -> bool:
    """An email, an invitation at once, an email a day later; an answer, an acceptance, a withdrawal between them.
    False: there is no browser to do it in.
    """
    identity = await _identity(story, zone)
    await connect(story, identity, await outside.account("cora"))
    account = await members.account("Cora", "Demo")
    email = str(account["email"])
    asked = await _asked_for_a_code(story, identity, account)
    if cast("Answer", asked["diagnosis"] or {}).get("code") == NO_BROWSER:
        return False
    if asked["state"] != "code wanted" or not await _linked(story, members, identity, email):
        return True
    await _limits(story, identity)
    leads = [await _lead(outside, members, *name) for name in PEOPLE]
    sending = Sending(identity, email, await _started(story, identity, leads))
    invited, waiting = await _first_day(story, outside, members, sending, leads)
    if len(invited) != INVITED or waiting is None:
        return True
    await outside.reply(waiting.address, 1, REPLY.format(name=waiting.name))
    await _replied(story, sending, waiting)
    accepts, withdrawn = invited
    await _accepted(story, outside, members, sending, accepts)
    await _withdrawn(story, members, sending, withdrawn)
    await _next_day(story, outside, members, sending, invited, waiting)
    await _read(story, members, sending, accepts)
    await _told(story, sending)
    return True


async def _identity(story: Story, zone: str) -> str:
    week = [{"day": day, "start": "09:00", "end": "18:00"} for day in range(1, 8)]
    body = {"name": "Cora Demo", "hours": {"zone": zone, "week": week}}
    return str((await story.call("POST", "/identities", body))["id"])


async def _asked_for_a_code(story: Story, identity: str, account: Answer) -> Answer:
    """Sign in once. How the account stands then."""
    path = f"/identities/{identity}/linkedin"
    await story.call("POST", path, {"email": account["email"], "password": account["password"]})

    async def settled() -> Answer | None:
        found = await story.call("GET", path)
        return None if found["state"] == "linking" else found

    asked = await until(settled, IN_A_BROWSER) or await story.call("GET", path)
    why = cast("Answer", asked["diagnosis"] or {})
    if why.get("code") == NO_BROWSER:
        said = f"{why['cause']} {why['resolution']}"
        story.expect("Link LinkedIn without a browser: it says what is missing", said, ok=True)
        return asked
    ok = asked["state"] == "code wanted"
    found = str(why.get("cause") or asked["hint"] or asked["state"])
    story.expect("Link LinkedIn: a browser signs in, and a code is asked for", found, ok=ok)
    return asked


async def _linked(story: Story, members: Members, identity: str, email: str) -> bool:
    """Give the code, the first time a wrong one."""
    path = f"/identities/{identity}/linkedin"
    await story.call("POST", f"{path}/code", {"code": "no code"})

    async def rejected() -> Answer | None:
        found = await story.call("GET", path)
        return found if found["rejected"] else None

    again = await until(rejected, IN_A_BROWSER) or await story.call("GET", path)
    ok = (again["state"], again["rejected"]) == ("code wanted", "wrong")
    story.expect("A wrong code can be given again", f"{again['rejected']}: {again['state']}", ok=ok)
    await story.call("POST", f"{path}/code", {"code": await members.code(email)})

    async def linked() -> Answer | None:
        found = await story.call("GET", path)
        return found if found["state"] in {"linked", "failed"} else None

    now = await until(linked, IN_A_BROWSER) or await story.call("GET", path)
    profile = cast("Answer", now["profile"] or {})
    said = f"{profile.get('first_name', '')} {profile.get('last_name', '')}: {now['state']}"
    story.expect("Give the code: the account is linked", said, ok=now["state"] == "linked")
    posted = len(await members.happened("sign-in posted", email))
    story.expect("The password was submitted once", f"{posted} time", ok=posted == 1)
    return bool(now["state"] == "linked")


async def _limits(story: Story, identity: str) -> None:
    path = f"/identities/{identity}/linkedin/limits"

    await until(lambda: story.there(path))
    warned = await story.call("PUT", path, {"invitations": 25, "messages": 100})
    said = " ".join(str(one["warning"]) for one in cast("Sequence[Answer]", warned["warnings"]))
    story.expect("Let it invite 25 people a day: there is a warning", said, ok=bool(said))
    await story.call("PUT", path, {"invitations": INVITED, "messages": 100})
    use = {one["kind"]: one for one in (await story.call("GET", path))["use"]}
    found = f"{use['invitation']['used_today']} of {use['invitation']['allowed']} used today"
    story.expect("Let it invite two", found, ok=use["invitation"]["allowed"] == INVITED)


async def _lead(outside: Outside, members: Members, first: str, last: str) -> Lead:
    account = await outside.account(first.lower())
    slug = await members.person(first, last, HEADLINE)
    return Lead(f"{first} {last}", slug, str(account["address"]))


async def _started(story: Story, identity: str, leads: Sequence[Lead]) -> str:
    """A campaign on both channels, with its leads from a file."""
    settings = {"name": "Demo on LinkedIn", "identity": identity, "pace": "at once", "steps": STEPS}
    campaign = str((await story.call("POST", "/campaigns", settings))["id"])
    rows = [
        f"{lead.name.replace(' ', ';')};{lead.address};https://www.linkedin.com/in/{lead.slug}/"
        for lead in leads
    ]
    csv = "\n".join(("First name;Last name;E-Mail;LinkedIn", *rows, ""))
    found = await story.call("POST", f"/campaigns/{campaign}/imports", csv=csv)
    await story.call("POST", f"/imports/{found['import_id']}/confirm", {"skip_errors": False})

    async def imported() -> Answer | None:
        now = await story.call("GET", f"/imports/{found['import_id']}")
        return now if now["state"] == "imported" else None

    await until(imported)
    started = await story.call("POST", f"/campaigns/{campaign}/start")
    kinds = [step.get("kind", "email") for step in cast("Sequence[dict[str, Any]]", STEPS)]
    what = "Start a campaign of an email, an invitation at once, and an email a day later"
    ok = found["good"] == len(leads) and started["state"] == "active"
    story.expect(what, f"{', '.join(kinds)}: {started['state']}", ok=ok)
    return campaign


async def _first_day(
    story: Story, outside: Outside, members: Members, sending: Sending, leads: Sequence[Lead]
) -> tuple[tuple[Lead, ...], Lead | None]:
    """Whom the account has invited, in that order, and who waits for tomorrow."""

    async def invited() -> tuple[Lead, ...]:
        """As the stand-in saw it."""
        by_slug = {lead.slug: lead for lead in leads}
        return tuple(by_slug[one["to"]] for one in await members.happened("invited", sending.email))

    async def settled() -> Sequence[Answer] | None:
        found = await _leads(story, sending.campaign)
        held = [one for one in found if _reason(one).get("code") == HELD]
        there = len(held) == len(leads) - INVITED and len(await invited()) >= INVITED
        return found if there else None

    found = await until(settled, 2 * IN_A_BROWSER) or await _leads(story, sending.campaign)
    mails = sum([len(await outside.messages(lead.address)) for lead in leads])
    story.expect("Three mails arrive", f"{mails} mails", ok=mails == len(leads))
    sent = await invited()
    notes = {str(one["note"]) for one in await members.happened("invited", sending.email)}
    said = f"{', '.join(lead.name for lead in sent)}: {' / '.join(sorted(notes))}"
    story.expect(
        "Two invitations are sent, each with its note", said, ok=len(set(sent)) == len(sent) == INVITED
    )
    held = [one for one in found if _reason(one).get("code") == HELD]
    said = (
        f"{_reason(held[0])['text']} Until {moment(_reason(held[0]).get('until'))}."
        if held
        else "nobody waits"
    )
    story.expect("The third waits, and says why and until when", said, ok=len(held) == 1)
    names = {str(one["data"]["email"]): one for one in held}
    return sent, next((lead for lead in leads if lead.address in names), None)


async def _replied(story: Story, sending: Sending, waiting: Lead) -> None:
    async def replied() -> Answer | None:
        found = await _leads(story, sending.campaign)
        return next((one for one in found if one["state"] == "replied"), None)

    lead = await until(replied)
    email = "" if lead is None else str(lead["data"]["email"])
    story.expect(
        "Who waits replies by mail: the sequence ends",
        f"{waiting.name}: replied",
        ok=email == waiting.address,
    )


async def _accepted(story: Story, outside: Outside, members: Members, sending: Sending, lead: Lead) -> None:
    """It is noticed at the next look, which is less than an hour away."""
    await members.accept(lead.slug, sending.email)
    await outside.advance(AN_HOUR)

    async def accepted() -> Answer | None:
        entries = await _history(story, sending, "InvitationAccepted")
        return entries[0] if entries else None

    entry = await until(accepted, IN_A_BROWSER)
    story.expect(
        "One accepts: they are connected", "" if entry is None else str(entry["what"]), ok=entry is not None
    )


async def _withdrawn(story: Story, members: Members, sending: Sending, lead: Lead) -> None:
    """By hand, and not to be done again for three weeks."""
    path = f"/identities/{sending.identity}/linkedin"
    pending = cast("Sequence[Answer]", (await story.call("GET", f"{path}/pending"))["invitations"])
    names = [str(one["name"]) for one in pending]
    story.expect("The other is pending", ", ".join(names), ok=names == [lead.name])
    wanted = {"invitations": [one["invitation"] for one in pending]}
    asked = await story.call("POST", f"{path}/withdrawals", wanted)

    async def done() -> Sequence[Answer] | None:
        results = cast("Sequence[Answer]", await story.call("GET", f"{path}/withdrawals/{asked['request']}"))
        return None if any(one["outcome"] == "waiting" for one in results) else results

    results = await until(done, IN_A_BROWSER) or ()
    outcomes = ", ".join(f"{lead.name}: {one['outcome']}" for one in results)
    seen = [one["to"] for one in await members.happened("withdrew", sending.email)]
    ok = [one["outcome"] for one in results] == ["withdrawn"] and seen == [lead.slug]
    story.expect("Withdraw it by hand", outcomes, ok=ok)
    again = {"profile": f"https://www.linkedin.com/in/{lead.slug}/", "name": lead.name}
    refused = await story.refused("POST", f"{path}/invitations", again)
    withdrawals = cast("Sequence[Answer]", (await story.call("GET", f"{path}/withdrawals"))["withdrawals"])
    at = datetime.fromisoformat(str(withdrawals[0]["withdrawn_at"])) if withdrawals else None
    until_when = str(cast("Answer", refused.get("extra", {})).get("until", ""))
    ok = refused.get("code") == "invitation.withdrawn-lately" and at is not None
    ok = ok and datetime.fromisoformat(until_when) - cast("datetime", at) == THREE_WEEKS
    said = str(refused.get("detail", "it was not refused"))
    story.expect("Invite that person again: refused, with its date", said, ok=ok)


async def _next_day(
    story: Story,
    outside: Outside,
    members: Members,
    sending: Sending,
    invited: Sequence[Lead],
    waiting: Lead,
) -> None:
    await outside.advance(A_DAY)

    async def finished() -> Answer | None:
        found = await story.call("GET", f"/campaigns/{sending.campaign}")
        return found if found["state"] == "finished" else None

    done = await until(finished, IN_A_BROWSER)
    mails = [len(await outside.messages(lead.address)) for lead in invited]
    followed = f"{sum(mails) - len(invited)} follow-ups"
    story.expect("The next day the others get their second mail", followed, ok=mails == [2] * len(invited))
    got = len(await outside.messages(waiting.address))
    asked = len(await members.happened("invited", sending.email))
    ok = (got, asked) == (1, INVITED)
    story.expect("Who replied gets neither mail nor invitation", f"{got} mail in all", ok=ok)
    counts: Answer = {} if done is None else cast("Answer", done["counts"])
    said = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    ok = (counts.get("finished"), counts.get("replied")) == (len(invited), 1)
    story.expect("This campaign has finished, too", said, ok=ok)


async def _read(story: Story, members: Members, sending: Sending, lead: Lead) -> None:
    """By hand: one profile of those that the organization's identities share."""
    path = f"/identities/{sending.identity}/linkedin"
    profile = f"https://www.linkedin.com/in/{lead.slug}/"
    visits = len(await members.happened("profile read", sending.email))
    asked = await story.call("POST", f"{path}/scrapings", {"profile": profile, "name": lead.name})
    of = f"/linkedin/steps/{asked['attempt']}"
    await until(lambda: story.there(of), IN_A_BROWSER)

    async def done() -> Answer | None:
        found = await story.call("GET", of)
        return found if found["state"] in {"done", "failed"} else None

    step: Answer = await until(done, IN_A_BROWSER) or {}
    data = cast("Answer", step.get("data") or {})
    more = len(await members.happened("profile read", sending.email)) - visits
    pool = (await story.call("GET", f"{path}/limits"))["pool"]
    said = f"{data.get('headline', '')}; {pool['used_today']} of {pool['allowed']} that all identities share"
    ok = (data.get("headline"), more, pool["used_today"]) == (HEADLINE, 1, 1)
    story.expect("Read that person's profile for its data", said, ok=ok)


async def _told(story: Story, sending: Sending) -> None:
    """The history of sends and withdrawals, and the dashboard's figures."""
    sent = await _history(story, sending, "InvitationSent")
    withdrawn = await _history(story, sending, "InvitationWithdrawn")
    said = "; ".join(f"{one['what']} ({one['actor_name']})" for one in withdrawn)
    ok = (len(sent), len(withdrawn)) == (INVITED, 1) and withdrawn[0]["actor_name"] == "Ada Demo"
    story.expect("The history has every invitation, and who withdrew one", f"{len(sent)} sent; {said}", ok=ok)
    today = await story.call("GET", "/dashboard")
    first = (datetime.fromisoformat(f"{today['first']}T00:00") - 2 * A_DAY).date().isoformat()
    board = await story.call("GET", f"/dashboard?from={first}&to={today['last']}")
    card = next(card for card in board["cards"] if card["identity"] == sending.identity)
    figures = cast("dict[str, Any]", card["figures"])
    accepted, requests = figures["invitations_accepted"], figures["invitations_sent"]
    said = f"{accepted} of {requests} requests accepted, {figures['replied']} replied"
    story.expect(
        "The dashboard counts them, too", said, ok=(accepted, requests, figures["replied"]) == (1, INVITED, 1)
    )


async def _history(story: Story, sending: Sending, kind: str) -> list[Answer]:
    path = f"/identities/{sending.identity}/history?kind={kind}&limit=100"
    return cast("list[Answer]", (await story.call("GET", path))["entries"])


async def _leads(story: Story, campaign: str) -> Sequence[Answer]:
    return cast("Sequence[Answer]", (await story.call("GET", f"/campaigns/{campaign}/leads"))["leads"])


def _reason(lead: Answer) -> Answer:
    return cast("Answer", lead["waiting"] or {})
