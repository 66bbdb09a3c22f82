"""A throw-away Dovecot for tests: IMAP with STARTTLS and with TLS, LMTP for Postfix, sign-in by password or token."""

from __future__ import annotations

import asyncio
import base64
import grp
import hmac
import itertools
import json
import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from heraldry.chassis.testing.mail_process import HOST, ServerProgram, certificates, free_ports, program

NOBODY = 65534  # whose mails they are where Dovecot runs as root: it refuses to keep root's
ARRIVED = re.compile(r"(\d+)\.M(\d+)")
SETTINGS = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{server_file}
ssl_key = <{server_file}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_failure_delay = 0
auth_verbose = yes
auth_mechanisms = plain login xoauth2 oauthbearer
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
mail_fsync = never
mailbox_idle_check_interval = 1s
mail_max_userip_connections = 1000
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = dict
  mechanisms = plain login
  args = {folder}/accounts.conf
}}
userdb {{
  driver = dict
  args = {folder}/accounts.conf
  default_fields = uid={uid} gid={gid} home={folder}/mail/%u/home
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = create
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
  chroot =
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  inet_listener {{
    port = {sasl}
  }}
}}
"""
# A file for each account: Dovecot looks into one of all accounts once a second only.
ACCOUNTS = """
uri = fs:posix:prefix={folder}/accounts/
key account {{
  key = %u
  format = json
}}
passdb_objects = account
userdb_objects = account
"""
TOKENS = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = email
"""


@dataclass(frozen=True, slots=True)
class MailAccount:
    """A mailbox and what is needed to sign in to it: the user name is the address."""

    address: str
    password: str


@dataclass(frozen=True, slots=True)
class DovecotPorts:
    imap: int  # STARTTLS, as on 143
    imaps: int  # TLS, as on 993
    lmtp: int
    sasl: int  # where Postfix asks whether a password is right


class Dovecot:
    """`async with Dovecot() as server:` starts one, and removes it and its files after.

    Accounts are made with `add_account` at any time. The mails are Maildirs, which `messages` reads and
    `deliver` fills past the server.
    """

    def __init__(self) -> None:
        self.host = HOST
        self.folder = Path(tempfile.mkdtemp(prefix="heraldry-dovecot-"))
        self.folder.chmod(0o755)  # Dovecot's processes are other users than root
        (self.folder / "accounts").mkdir()
        self.ports = DovecotPorts(*free_ports(4))
        self._accounts: dict[str, MailAccount] = {}
        self._secret = secrets.token_bytes(32)
        self._count = itertools.count()
        self._owner = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.getuid(), os.getgid())
        self.ca_file, self.server_file = certificates(self.folder)
        self._program: ServerProgram | None = None

    @property
    def program(self) -> ServerProgram:
        """The server itself. RuntimeError before it was started."""
        if self._program is None:
            raise RuntimeError("Dovecot was not started")
        return self._program

    def accounts(self) -> tuple[MailAccount, ...]:
        return tuple(self._accounts.values())

    def account(self, address: str) -> MailAccount:
        return self._accounts[address]

    def add_account(self, address: str, password: str | None = None) -> MailAccount:
        """A new account, or another password for one; without a password one is made."""
        account = MailAccount(address, password or secrets.token_urlsafe(12))
        self._accounts[address] = account
        password = "{PLAIN.B64}" + base64.b64encode(account.password.encode()).decode()
        there = self.folder / "accounts" / address
        draft = there.with_suffix(".new")
        draft.write_bytes(_json({"password": password}))
        draft.chmod(0o644)
        draft.replace(there)
        return account

    def token(self, address: str, *, seconds: float = 600) -> str:
        """An access token (a JWT) that this server takes for so many seconds, as XOAUTH2 or OAUTHBEARER."""
        now = time.time()
        claims = {
            "sub": address,
            "email": address,
            "iat": int(now) - 60,
            "nbf": int(now) - 60,
            "exp": int(now + seconds),
        }
        signed = b".".join(map(_encoded, (_json({"alg": "HS256", "typ": "JWT"}), _json(claims))))
        return (signed + b"." + _encoded(hmac.digest(self._secret, signed, "sha256"))).decode()

    def deliver(self, address: str, content: bytes) -> None:
        """Put a mail into an INBOX, past the server, as any program may with a Maildir."""
        maildir = self._maildir(address, "INBOX")
        for name in ("tmp", "new", "cur"):
            self._own_folder(maildir / name)
        at = time.time()
        name = f"{int(at)}.M{int(at % 1 * 1e6):06}P{os.getpid()}Q{next(self._count)}.test"
        draft = maildir / "tmp" / name
        draft.write_bytes(content.replace(b"\r\n", b"\n"))
        os.chown(draft, *self._owner)
        draft.rename(maildir / "new" / name)

    def messages(self, address: str, folder: str = "INBOX") -> tuple[bytes, ...]:
        """The mails of a folder, oldest first, with the lines that delivery added on top."""
        maildir = self._maildir(address, folder)
        files = [path for name in ("new", "cur") for path in (maildir / name).glob("*")]
        return tuple(re.sub(rb"\r?\n", b"\r\n", path.read_bytes()) for path in sorted(files, key=_arrived))

    def forget(self, address: str) -> None:
        """Remove all mails and folders of an account that nobody is signed in to."""
        shutil.rmtree(self._maildir(address, "INBOX"), ignore_errors=True)

    async def wait_for_message(self, address: str, text: bytes, *, seconds: float = 15) -> bytes:
        """The first mail in INBOX that has these bytes in it, as soon as it lies there."""
        async with asyncio.timeout(seconds):
            while True:
                for message in self.messages(address):
                    if text in message:
                        return message
                await asyncio.sleep(0.02)

    async def start(self) -> None:
        """Start it and wait until it answers. Raises LookupError when it is not installed."""
        dovecot = program("dovecot", "Dovecot")
        ended = await asyncio.to_thread(
            subprocess.run, [dovecot, "--version"], capture_output=True, check=True
        )
        version = ended.stdout.decode()
        if not version.startswith("2.3."):
            raise LookupError(
                f"these settings are for Dovecot 2.3, as in Debian 12; here is {version.strip()}"
            )
        for name in ("run", "state"):
            (self.folder / name).mkdir(exist_ok=True)
        self._own_folder(self.folder / "mail")
        key = self.folder / "keys" / "default" / "HS256" / "default"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_bytes(base64.b64encode(self._secret))
        (self.folder / "oauth2.conf").write_text(TOKENS.format(folder=self.folder))
        (self.folder / "accounts.conf").write_text(ACCOUNTS.format(folder=self.folder))
        settings = self.folder / "dovecot.conf"
        settings.write_text(SETTINGS.format_map(self._values()))
        self._program = ServerProgram([dovecot, "-F", "-c", settings], self.folder / "dovecot.log")
        await self._program.start(self.ports.imap, self.ports.lmtp)

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

    def _values(self) -> Mapping[str, object]:
        me, ports = pwd.getpwuid(os.geteuid()), self.ports
        group = grp.getgrgid(me.pw_gid).gr_name
        users = ("dovecot", "dovecot", "dovenull") if me.pw_uid == 0 else (me.pw_name, group, me.pw_name)
        return {
            **dict(zip(("internal", "group", "login"), users, strict=True)),
            **dict(zip(("uid", "gid"), self._owner, strict=True)),
            "folder": self.folder,
            "server_file": self.server_file,
            "imap": ports.imap,
            "imaps": ports.imaps,
            "lmtp": ports.lmtp,
            "sasl": ports.sasl,
        }

    def _maildir(self, address: str, folder: str) -> Path:
        home = self.folder / "mail" / address
        return home if folder == "INBOX" else home / f".{folder.replace('/', '.')}"

    def _own_folder(self, path: Path) -> None:
        if not path.exists():
            if path != self.folder / "mail":
                self._own_folder(path.parent)
            path.mkdir(mode=0o700)
            os.chown(path, *self._owner)


def _arrived(path: Path) -> tuple[int, int, str]:
    found = ARRIVED.match(path.name)
    return (int(found[1]), int(found[2]), path.name) if found else (0, 0, path.name)


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
