"""What every worker of the mailbox context needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from heraldry.chassis.clock import Clock
from heraldry.chassis.halt import HaltFlags
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.recipients import ANYBODY, Recipients
from heraldry.chassis.vault.keys import KeyDestroyedError, UnreadableError
from heraldry.chassis.vault.secrets import Secrets, SecretUnknownError
from heraldry.contracts.mailbox import Diagnosed, EmailQueued, Server
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain import email, inbox
from heraldry.mailbox.domain.compose import Draft, compose
from heraldry.mailbox.domain.diagnosis import Diagnosis
from heraldry.mailbox.ports import Account, Endpoint, Links
from pydantic import SecretStr

NO_PASSWORD: Final = (SecretUnknownError, KeyDestroyedError, UnreadableError)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every worker needs."""

    application: Application
    secrets: Secrets
    halt: HaltFlags
    model: ReadModel
    clock: Clock
    real: Clock
    held: timedelta = email.HELD  # how long a claim keeps others away
    links: Links | None = None
    recipients: Recipients = ANYBODY

    async def account(self, settings: inbox.Settings, *, connected_before: bool) -> Account:
        """How an inbox is reached. Raises SecretUnknownError and what the vault raises."""
        secret = await self.secrets.get(str(settings.identity), settings.secret)
        return Account(
            address=settings.address,
            user=settings.address,
            password=SecretStr(secret.value.decode()),
            imap=_endpoint(settings.imap),
            smtp=_endpoint(settings.smtp),
            connected_before=connected_before,
        )

    async def composed(self, mail: EmailQueued, settings: inbox.Settings, organization: UUID) -> bytes:
        """The mail as it leaves, the same whenever it is composed. Raises Unmailable, LinkNotReady."""
        link = "" if self.links is None else await self.links.unsubscribe(mail, organization)
        return compose(
            Draft(
                attempt=mail.attempt,
                from_address=settings.address,
                from_name=await self.application.name_of(mail.identity),
                to_address=email.text_of(mail.to),
                subject=email.text_of(mail.subject),
                text=email.text_of(mail.text),
                html=email.text_of(mail.html),
                at=mail.at,
                in_reply_to=mail.in_reply_to,
                references=mail.references,
                unsubscribe=link,
            )
        )

    async def inbox(self, found: UUID) -> inbox.Inbox | None:
        state = await self.application.inbox(found)
        return state if isinstance(state, inbox.Inbox) else None

    async def lose(self, found: inbox.Inbox, secret: str, diagnosis: Diagnosis) -> None:
        """The server no longer takes the password; nothing transient may come here (R-BOX-14)."""
        if found.live is not None:
            lose = inbox.Lose(secret, diagnosed(diagnosis), self.clock.now())
            await self.application.about_inbox(found, lose, found.live.identity)


def diagnosed(diagnosis: Diagnosis) -> Diagnosed:
    """A diagnosis as it is published: without the server's own words, which may name people."""
    return Diagnosed(
        code=diagnosis.code,
        cause=diagnosis.cause,
        resolution=diagnosis.resolution,
        protocol=diagnosis.protocol,
        kind=diagnosis.kind,
    )


def is_lost(diagnosis: Diagnosis) -> bool:
    """Whether the inbox must be reconnected: the credentials themselves are no longer accepted."""
    return diagnosis.code.startswith("credentials.") and diagnosis.kind != "transient"


PASSWORD_GONE: Final = Diagnosed(
    code="credentials.gone",
    cause="The stored password is no longer there.",
    resolution="Reconnect this inbox.",
)


def _endpoint(server: Server) -> Endpoint:
    return Endpoint(server.host, server.port, server.security)
