"""Links back to this installation that a mail carries."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.vault.sealed import public_key, seal_for_link
from heraldry.contracts.gateway import UnsubscribeToken
from heraldry.contracts.mailbox import EmailQueued
from heraldry.mailbox.domain import email
from heraldry.mailbox.ports import LinkNotReady, Links
from nacl.public import PrivateKey, PublicKey
from nats.aio.client import Client

GATEWAY: Final = "gateway"


class UnsubscribeLinks(Links):
    """Links of campaign mails, where the installation has a public https address (RFC 8058)."""

    def __init__(self, nc: Client, public_url: str, private_key: PrivateKey) -> None:
        self._nc, self._url = nc, public_url.rstrip("/")
        self._secret = private_key.encode()
        self._gateway: PublicKey | None = None

    async def unsubscribe(self, mail: EmailQueued, organization: UUID) -> str:
        if mail.campaign is None or not self._url.startswith("https://"):
            return ""
        if self._gateway is None:
            self._gateway = await public_key(self._nc, GATEWAY)
        if self._gateway is None:
            raise LinkNotReady("the gateway has published no key yet")
        held = UnsubscribeToken(
            organization=organization,
            identity=mail.identity,
            person=mail.person,
            attempt=mail.attempt,
            address=email.text_of(mail.to),
        )
        token = seal_for_link(self._gateway, held.model_dump_json().encode(), alike=self._secret)
        return f"{self._url}/unsubscribe/{token}"
