"""The stand-in of LinkedIn in this process, for tests of what drives it.

async with linkedin_host(tmp_path) as linkedin:
    state = session_of(linkedin, "ada@northwind.example")
    …  # open linkedin.url in a browser with this state
    assert linkedin.effects()[-1].what == "invited"
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from heraldry.chassis.health import listen
from heraldry.sandbox.linkedin.signin import SignedIn
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.application import site_application
from heraldry.sandbox.web.serving import serving

HOST = "127.0.0.1"


@asynccontextmanager
async def linkedin_host(
    folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncGenerator[LinkedIn]:
    """Its pages answer at `url` until the block ends."""
    with listen(HOST, 0) as listener:
        linkedin = LinkedIn(folder, f"http://{HOST}:{listener.getsockname()[1]}", now)
        try:
            async with serving((site_application(linkedin), listener)):
                yield linkedin
        finally:
            linkedin.close()


def session_of(linkedin: LinkedIn, email: str) -> bytes:
    """A browser's state that has just signed in, without the pages for it, as Playwright keeps states."""
    account = linkedin.account(email)
    entered = linkedin.sign_in.try_password(account.email, account.password)
    if not isinstance(entered, SignedIn):
        raise TypeError(f"{email} cannot sign in by the password alone")
    values = {"li_at": entered.session, "JSESSIONID": f'"ajax:{secrets.randbelow(10**19):019}"'}
    kept = {"domain": HOST, "path": "/", "expires": -1, "httpOnly": False, "secure": False, "sameSite": "Lax"}
    cookies = [{"name": name, "value": value, **kept} for name, value in values.items()]
    return json.dumps({"cookies": cookies, "origins": []}).encode()
