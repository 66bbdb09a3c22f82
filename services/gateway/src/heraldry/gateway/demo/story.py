"""The story the demo plays, step by step."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import httpx
import orjson
from heraldry.gateway.demo import campaign, linkedin
from heraldry.gateway.demo.mail import EVENTS, Outside, play_mail
from heraldry.gateway.demo.members import Members
from heraldry.gateway.demo.report import SignIn, Step
from heraldry.gateway.demo.running import Installation
from heraldry.gateway.demo.world import DEADLINE, Answer, Story
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

NOT_PLAYED: Final = (
    "warm-up",
    "share links",
)


async def play(installation: Installation, steps: list[Step], not_played: list[str]) -> SignIn:
    """Append every step to `steps` as it is done, and to `not_played` what this machine cannot do."""
    async with httpx.AsyncClient(base_url=installation.url, timeout=20) as http:
        story = Story(steps, http)
        made = await _sign_in(story, installation)
        credentials, identity = await _subscriber_and_identity(story)
        wanted = Counter((*EVENTS, *campaign.EVENTS)) | campaign.COUNTED
        async with httpx.AsyncClient(base_url=installation.sandbox_url, timeout=20) as sandbox:
            outside = Outside(sandbox)
            await play_mail(story, outside, identity)
            await campaign.play_campaign(story, outside, zone_about_noon(await outside.now()))
            zone = zone_about_noon(await outside.now())
            if await linkedin.play_linkedin(story, outside, Members(sandbox), zone):
                wanted = wanted + linkedin.COUNTED
            else:
                not_played.append("LinkedIn, which needs a browser")
        received = await _received(credentials, lambda seen: Counter(seen) >= wanted)
        ok = Counter(received) >= wanted
        counted = Counter(received).most_common()
        said = ", ".join(f"{number} {name}" for name, number in counted)
        story.expect("Receive all of it as a subscriber on NATS", said, ok=ok)
        return made


async def _sign_in(story: Story, installation: Installation) -> SignIn:
    """As the demo's admin, then as the admin of an organization of its own."""
    await _session(story, installation.email, installation.password)
    name = f"Demo {datetime.now(UTC):%H:%M:%S}"
    email = f"ada-{secrets.token_hex(4)}@demo.example"
    admin = {"name": "Ada Demo", "email": email, "password": secrets.token_urlsafe(16)}
    made = await story.call("POST", "/organizations", {"name": name, "admin": admin})
    session = await _session(story, email, str(admin["password"]))
    ok = session["organization"] == made["organization"]
    story.expect("Make an organization of its own and sign in", f"{name}, as {session['role']}", ok=ok)
    return SignIn(installation.url, email, str(admin["password"]))


async def _session(story: Story, email: str, password: str) -> Answer:
    story.http.headers.pop("Authorization", None)
    session = await story.call("POST", "/sessions", {"email": email, "password": password})
    story.http.headers["Authorization"] = f"Bearer {session['token']}"
    return session


async def _subscriber_and_identity(story: Story) -> tuple[Answer, str]:
    credentials = await story.call("POST", "/subscribers", {"name": "Demo subscriber"})
    story.expect("Make credentials for an event subscriber", str(credentials["user"]), ok=True)
    zone = zone_about_noon(datetime.now(UTC))
    body = {"name": "Astrid Demo", "hours": {"zone": zone}, "details": {"job_title": "Head of sales"}}
    identity = (await story.call("POST", "/identities", body))["id"]
    found = await story.call("GET", f"/identities/{identity}")
    ok = (found["name"], found["hours"]["zone"]) == ("Astrid Demo", zone)
    story.expect("Create an identity where it is about noon", f"{found['name']}, {zone}", ok=ok)

    week = [{"day": day, "start": "10:00", "end": "16:00"} for day in range(1, 6)]
    await story.call("PUT", f"/identities/{identity}/working-hours", {"zone": zone, "week": week})
    hours = (await story.call("GET", f"/identities/{identity}"))["hours"]["week"]
    story.expect(
        "Change its working hours", f"{hours[0]['start']} to {hours[0]['end']}", ok=list(hours) == week
    )

    entries = (await story.call("GET", f"/identities/{identity}/history"))["entries"]
    types = [entry["type"] for entry in reversed(entries)]
    ok = types == ["IdentityCreated", "WorkingHoursChanged"]
    ok = ok and {entry["actor_name"] for entry in entries} == {"Ada Demo"}
    story.expect("See it in its history, with who did it", "; ".join(e["what"] for e in entries), ok=ok)

    board = await story.call("GET", "/dashboard")
    names = [card["name"] for card in board["cards"]]
    story.expect("See it on the dashboard", ", ".join(names), ok=names == ["Astrid Demo"])

    return credentials, str(identity)


async def _received(credentials: Answer, enough: Callable[[Sequence[str]], bool]) -> Sequence[str]:
    """The types of the events a subscriber gets with these credentials, until they are enough."""
    nc = Client()
    await nc.connect(
        str(credentials["url"]),
        user=str(credentials["user"]),
        password=str(credentials["password"]),
        inbox_prefix=str(credentials["inbox_prefix"]),
        allow_reconnect=False,
    )
    found: list[str] = []
    loop = asyncio.get_running_loop()
    until = loop.time() + DEADLINE
    try:
        js = nc.jetstream()  # pyright: ignore[reportUnknownMemberType]  untyped options
        events = await js.pull_subscribe_bind(
            consumer=str(credentials["consumer"]), stream=str(credentials["stream"])
        )
        while not enough(found) and loop.time() < until:
            try:
                messages = await events.fetch(batch=50, timeout=1)
            except NatsTimeoutError:
                continue
            for message in messages:
                if message.subject.startswith("heraldry.events."):
                    found.append(str(orjson.loads(message.data)["type"]))
                await message.ack()
    finally:
        await nc.close()
    return found


def zone_about_noon(now: datetime) -> str:
    """A zone in which it is between 11:30 and 12:30. Its name's sign is the other way round than people's."""
    ahead = round(12 - now.hour - now.minute / 60)
    return "Etc/GMT" if ahead == 0 else f"Etc/GMT{-ahead:+d}"
