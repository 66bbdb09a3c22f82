"""Dovecot and Postfix as one throw-away mail host: the counterpart of the sandbox's, by other people's code.

async with MailServers.start() as host:
    ada = host.add_account("ada@northwind.example")
    …  # connect to host.host at host.ports.imaps, trusting host.ca_file, as ada.address with ada.password
    assert b"Subject: Hello" in host.messages(ada.address)[0]
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from heraldry.chassis.testing.mail_dovecot import Dovecot, MailAccount
from heraldry.chassis.testing.mail_postfix import Postfix


@dataclass(frozen=True, slots=True)
class MailPorts:
    """Named as the sandbox's."""

    imap: int  # STARTTLS, as on 143
    imaps: int  # TLS, as on 993
    smtp: int  # STARTTLS, as on 587
    smtps: int  # TLS, as on 465


def skip_unless_root() -> None:
    """Postfix changes users, which only root may. CI and containers run the tests as root."""
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only: run this as root, or in a container as CI does")


class MailServers:
    """A Dovecot and a Postfix that delivers into it. Make one with `MailServers.start`."""

    def __init__(self, dovecot: Dovecot, postfix: Postfix) -> None:
        self.dovecot, self.postfix = dovecot, postfix
        self.host, self.ca_file = dovecot.host, dovecot.ca_file
        reading, writing = dovecot.ports, postfix.ports
        self.ports = MailPorts(reading.imap, reading.imaps, writing.smtp, writing.smtps)

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncGenerator[MailServers]:
        """Both, running; stopped and removed after. Raises LookupError when one of them is not installed."""
        async with Dovecot() as dovecot, Postfix(dovecot) as postfix:
            yield cls(dovecot, postfix)

    def accounts(self) -> tuple[MailAccount, ...]:
        return self.dovecot.accounts()

    def account(self, address: str) -> MailAccount:
        return self.dovecot.account(address)

    def add_account(self, address: str, password: str | None = None) -> MailAccount:
        return self.dovecot.add_account(address, password)

    def deliver(self, address: str, content: bytes) -> None:
        self.dovecot.deliver(address, content)

    def messages(self, address: str, folder: str = "INBOX") -> tuple[bytes, ...]:
        return self.dovecot.messages(address, folder)

    async def wait_for_message(self, address: str, text: bytes, *, seconds: float = 15) -> bytes:
        return await self.dovecot.wait_for_message(address, text, seconds=seconds)
