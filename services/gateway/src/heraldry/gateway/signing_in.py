"""Signing in, by page and by API: throttled per address and per client, equally slow for everybody."""

from __future__ import annotations

from heraldry.contracts.base import Refused
from heraldry.gateway.application import random_id
from heraldry.gateway.demo_organization import NORTHWIND
from heraldry.gateway.domain.login import normalised
from heraldry.gateway.sessions import Session
from heraldry.gateway.state import AnyRequest, Gateway
from heraldry.gateway.throttles import PER_ADDRESS, PER_CLIENT


async def sign_in(gateway: Gateway, request: AnyRequest, email: str, password: str) -> Session:
    """A fresh session. Refused `sign-in.refused` (401), `sign-in.throttled` (429) with `until`."""
    address = f"address {normalised(email)}"
    client = f"client {request.client.host if request.client else ''}"
    await gateway.throttles.check(client, PER_CLIENT)
    await gateway.throttles.count(address, PER_ADDRESS)
    user = await gateway.application.signed_in(random_id(), email, password)
    if user is None:
        await gateway.throttles.count(client, PER_CLIENT)
        raise Refused("sign-in.refused", "The email or the password is wrong.", status=401, field="password")
    await gateway.throttles.forget(address)
    demo = gateway.mode == "demo" and user.organization == NORTHWIND and user.role == "admin"
    return await gateway.sessions.begin(user.id, user.organization, user.role, demo=demo)
