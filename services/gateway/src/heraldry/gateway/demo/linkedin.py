"""The part of the demo's story on LinkedIn: an account is linked."""

from __future__ import annotations

from typing import Final, cast

from heraldry.gateway.demo.members import Members
from heraldry.gateway.demo.world import Answer, Story, until

IN_A_BROWSER: Final = 45.0  # seconds for what a browser has to do
EVENTS: Final = ("VerificationCodeRequested", "LinkedInLinked")


async def play_linkedin(story: Story, members: Members, zone: str) -> None:
    """Sign in once, and give the code."""
    identity = await _identity(story, zone)
    await _linked(story, members, identity)


async def _identity(story: Story, zone: str) -> str:
    week = [{"day": day, "start": "09:00", "end": "18:00"} for day in range(1, 8)]
    body = {"name": "Cora Demo", "hours": {"zone": zone, "week": week}}
    return str((await story.call("POST", "/identities", body))["id"])


async def _linked(story: Story, members: Members, identity: str) -> None:
    account = await members.account("Cora", "Demo")
    email = str(account["email"])
    path = f"/identities/{identity}/linkedin"
    await story.call("POST", path, {"email": email, "password": account["password"]})

    async def settled() -> Answer | None:
        found = await story.call("GET", path)
        return None if found["state"] == "linking" else found

    asked = await until(settled, IN_A_BROWSER) or await story.call("GET", path)
    ok = asked["state"] == "code wanted"
    found = str(asked["hint"] or asked["state"])
    story.expect("Link LinkedIn: a browser signs in, and a code is asked for", found, ok=ok)
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
