"""A throw-away Postfix for tests: submission with TLS and with STARTTLS, real delivery reports. Starts as root only."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from heraldry.chassis.testing.mail_dovecot import Dovecot
from heraldry.chassis.testing.mail_process import HOST, ServerProgram, free_ports, program

# Every address is local, so nothing can leave this machine; which mailboxes there are, only Dovecot knows: an
# unknown one is accepted and comes back as a delivery report.
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {programs}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.postfix.test
mydestination =
mynetworks =
virtual_mailbox_domains = static:all
virtual_mailbox_maps =
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = error:5.7.1 no mail leaves this machine
relay_transport = error:5.7.1 no mail leaves this machine
smtpd_tls_cert_file = {server_file}
smtpd_tls_key_file = {server_file}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl}
smtpd_sasl_auth_enable = yes
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_sender_login_maps = regexp:{folder}/conf/senders
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
disable_dns_lookups = yes
smtpd_peername_lookup = no
in_flow_delay = 0
"""
MASTER = """
{smtp} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
QUEUES = (  # name, owner, group, mode: what `postfix set-permissions` would make
    (
        "active bounce corrupt defer deferred flush hold incoming saved trace private",
        "postfix",
        "root",
        0o700,
    ),
    ("maildrop", "postfix", "postdrop", 0o730),
    ("public", "postfix", "postdrop", 0o710),
    ("pid", "root", "root", 0o755),
)


@dataclass(frozen=True, slots=True)
class PostfixPorts:
    smtp: int  # STARTTLS, as on 587
    smtps: int  # TLS, as on 465


class Postfix:
    """`async with Postfix(dovecot) as server:` starts one that delivers into a Dovecot with its accounts."""

    def __init__(self, dovecot: Dovecot) -> None:
        self.host = HOST
        self.ca_file = dovecot.ca_file
        self.ports = PostfixPorts(*free_ports(2))
        self.folder = Path(tempfile.mkdtemp(prefix="heraldry-postfix-"))
        self.folder.chmod(0o755)  # Postfix' processes are other users than root
        self._dovecot = dovecot
        self._program: ServerProgram | None = None

    @property
    def program(self) -> ServerProgram:
        """The server itself. RuntimeError before it was started."""
        if self._program is None:
            raise RuntimeError("Postfix was not started")
        return self._program

    async def start(self) -> None:
        """Start it and wait until it answers. Raises LookupError when it is not installed, or nobody is root."""
        master = program("master", "Postfix")
        if os.geteuid() != 0:
            raise LookupError(
                "Postfix starts as root only: run these tests as root, or in a container as CI does"
            )
        self._write(master.parent)
        self._program = ServerProgram(
            [master, "-c", self.folder / "conf", "-d"],
            self.folder / "mail.log",
            {"MAIL_CONFIG": str(self.folder / "conf")},
        )
        await self._program.start(self.ports.smtp)

    async def stop(self) -> None:
        """Stop it and remove its files. Raises RuntimeError when it did not stop when asked."""
        try:
            if self._program:
                await self._program.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _write(self, programs: Path) -> None:
        ports, there = self.ports, self._dovecot
        settings = self.folder / "conf"
        for name in ("conf", "queue", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix", "postfix")
        for names, owner, group, mode in QUEUES:
            for name in names.split():
                queue = self.folder / "queue" / name
                queue.mkdir()
                shutil.chown(queue, owner, group)
                queue.chmod(mode)
        values = {"folder": self.folder, "programs": programs, "server_file": there.server_file}
        listeners = {"lmtp": there.ports.lmtp, "sasl": there.ports.sasl}
        (settings / "main.cf").write_text(MAIN.format_map({**values, **listeners}))
        (settings / "master.cf").write_text(MASTER.format(smtp=ports.smtp, smtps=ports.smtps))
        (settings / "senders").write_text("/^(.+)$/ $1\n")
        before = (
            time.time() - 60
        )  # Postfix waits while its settings look as if somebody was still writing them
        for name in ("main.cf", "master.cf"):
            os.utime(settings / name, (before, before))
