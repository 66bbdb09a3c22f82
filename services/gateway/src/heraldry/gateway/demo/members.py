"""The other side of the demo's story on LinkedIn: who is a member there, and what truly happened."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx
from heraldry.gateway.demo.world import Answer, until

ROOT: Final = "/control/v1/linkedin"


@dataclass(frozen=True, slots=True)
class Members:
    """The stand-in of LinkedIn, by the sandbox's control API."""

    http: httpx.AsyncClient

    async def account(self, first: str, last: str) -> Answer:
        """Somebody who signs in with a code by SMS."""
        tag = secrets.token_hex(4)
        wanted = {
            "email": f"{first}-{tag}@northwind.example".lower(),
            "name": f"{first} {last}",
            "slug": f"{first}-{last}-{tag}".lower(),
        }
        made = await self._post("/accounts", wanted)
        path = f"{ROOT}/accounts/{made['email']}/scenario"
        answer = await self.http.patch(path, json={"challenge": "sms"})
        answer.raise_for_status()
        return made

    async def person(self, first: str, last: str, headline: str) -> str:
        """Somebody without an account; the slug."""
        slug = f"{first}-{last}-{secrets.token_hex(4)}".lower()
        person = {"slug": slug, "first_name": first, "last_name": last, "headline": headline}
        await self._post("/people", person)
        return slug

    async def code(self, email: str) -> str:
        """The code that LinkedIn sent; empty if it sent none."""

        async def sent() -> str | None:
            open_ones = cast("Sequence[Answer]", (await self._get(f"/accounts/{email}"))["challenges"])
            return str(open_ones[-1]["code"]) if open_ones else None

        return await until(sent) or ""

    async def accept(self, slug: str, email: str) -> None:
        await self._post(f"/people/{slug}/accept", {"account": email})

    async def happened(self, what: str, email: str) -> list[Answer]:
        """What truly happened there of this kind, by this account, oldest first."""
        answer = await self.http.get(f"{ROOT}/effects")
        answer.raise_for_status()
        return [one for one in answer.json() if one["what"] == what and one.get("account") == email]

    async def _get(self, path: str) -> Answer:
        answer = await self.http.get(ROOT + path)
        answer.raise_for_status()
        return cast("Answer", answer.json())

    async def _post(self, path: str, body: dict[str, Any]) -> Answer:
        answer = await self.http.post(ROOT + path, json=body)
        answer.raise_for_status()
        return cast("Answer", answer.json())
