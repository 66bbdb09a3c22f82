"""A whole mail host in this process: for the sandbox, and for tests of mail adapters.

async with MailHost.start(tmp_path) as host:
    ada = host.add_account("ada@northwind.example")
    …  # connect to host.host at host.ports.imaps, trusting host.ca_file, as ada.address with ada.password
    assert host.messages(ada.address)[0].letter.subject == "Hello"
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from heraldry.chassis.supervisor.ports import free_port
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.accounts import FIRST_PEOPLE, Account, Accounts, normal
from heraldry.sandbox.mail.effects import Effect, Effects
from heraldry.sandbox.mail.faults import Fault, Faults, SetFault
from heraldry.sandbox.mail.letters import Letter, compose, read, reply
from heraldry.sandbox.mail.reports import answered_by_machines, automatic_reply, delivery_report
from heraldry.sandbox.mail.store import Folder, Mail, MailStore

HOST = "127.0.0.1"
AWAY = "Thank you for your message. I am out of the office and will answer when I am back.\n"
LOCKED_IMAP = "NO [CONTACTADMIN] The account is locked. Contact your administrator."
LOCKED_SMTP = "535 5.7.0 The account is locked. Contact your administrator."


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the mail host listens. 0 asks for a free one."""

    imap: int = 0  # STARTTLS, as on 143
    imaps: int = 0  # TLS, as on 993
    smtp: int = 0  # STARTTLS, as on 587
    smtps: int = 0  # TLS, as on 465


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A mail in a mailbox with what it says."""

    uid: int
    folder: str
    received: datetime
    flags: frozenset[str]
    letter: Letter


class MailHost:
    """IMAP and SMTP servers with accounts and delivery between them. Make one with `MailHost.start`."""

    def __init__(self, folder: Path, people: Iterable[tuple[str, str]], now: Callable[[], datetime]) -> None:
        self.host = HOST
        self.ports = Ports()
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self.now = now  # the Date of mails the sandbox's people write themselves
        self._sign_out: tuple[Callable[[str], None], ...] = ()
        self._accounts = Accounts(folder / "accounts.json", people)
        self._store = MailStore(folder / "mail.sqlite")
        self._effects = Effects(folder / "effects.jsonl")
        self._faults = Faults(self._effects)

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        folder: Path,
        *,
        people: Iterable[tuple[str, str]] = FIRST_PEOPLE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> AsyncGenerator[MailHost]:
        """A running mail host with everything it keeps in `folder`; a second start there finds all as it was.

        Its ports are chosen at the first start, free ones, and taken again at every later one: inboxes hold them.
        `people` (address, name) get accounts at the first start only.
        """
        from heraldry.sandbox.mail.certificates import server_context  # noqa: PLC0415  slow to import
        from heraldry.sandbox.mail.imap import ImapServer  # noqa: PLC0415  slow to import
        from heraldry.sandbox.mail.smtp import SmtpServer  # noqa: PLC0415  slow to import

        host = cls(folder, people, now)
        context = server_context(folder)
        imap, imaps, smtp, smtps = listeners = _listen(folder / "ports.json")
        host.ports = Ports(*(_port(listener) for listener in listeners))
        imap_server = ImapServer(host._accounts, host._store, host._effects, host._faults, context)
        smtp_server = SmtpServer(
            host._accounts,
            host._effects,
            host._faults,
            context,
            deliver=host.deliver,
            report=host._report,
        )
        host._sign_out = (imap_server.sign_out, smtp_server.sign_out)
        try:
            await imap_server.listen(imap, imaps)
            await smtp_server.listen(smtp, smtps)
            yield host
        finally:
            await smtp_server.close()
            await imap_server.close()
            host._store.close()
            host._effects.close()

    def accounts(self) -> tuple[Account, ...]:
        return self._accounts.all()

    def account(self, address: str) -> Account:
        """SandboxError `account_unknown` when there is none."""
        return self._accounts.get(address)

    def add_account(self, address: str, password: str | None = None, name: str = "") -> Account:
        """A new account; without a password one is made. Refused: address_malformed, account_exists."""
        return self._accounts.add(address, password, name)

    def change_password(self, address: str, password: str) -> Account:
        """From now on this one signs in; whoever had signed in before is signed out, as providers do it."""
        account = self._accounts.change_password(address, password)
        for sign_out in self._sign_out:
            sign_out(account.address)
        return account

    def folders(self, address: str) -> Mapping[str, Folder]:
        return self._store.folders(self.account(address).address)

    def messages(self, address: str, folder: str = "INBOX") -> tuple[Message, ...]:
        """The mails of a folder, oldest first. Refused: account_unknown, folder_unknown."""
        where = self._folder(address, folder)
        return tuple(self._message(where, mail) for mail in where.mails())

    def message(
        self, address: str, *, uid: int | None = None, message_id: str | None = None, folder: str = "INBOX"
    ) -> Message:
        """One mail by UID or Message-ID. Refused as message_unknown when it is not there."""
        where = self._folder(address, folder)
        if uid is not None:
            if found := where.find(uid):
                return self._message(where, found)
        else:
            for mail in reversed(where.mails()):
                message = self._message(where, mail)
                if message_id and message.letter.message_id == message_id:
                    return message
        raise SandboxError("message_unknown", f"There is no such mail in {folder} of {address}.", status=404)

    async def wait_for_message(self, address: str, message_id: str, *, seconds: float = 10) -> Message:
        """The mail with this Message-ID as soon as it lies in INBOX; message_unknown when it never came."""
        where = self._folder(address, "INBOX")
        deadline = datetime.now(UTC).timestamp() + seconds
        while True:
            seen = where.change
            try:
                return self.message(address, message_id=message_id)
            except SandboxError:
                if not await where.wait_beyond(seen, max(0.0, deadline - datetime.now(UTC).timestamp())):
                    raise

    def reply(
        self,
        address: str,
        text: str,
        *,
        uid: int | None = None,
        message_id: str | None = None,
        folder: str = "INBOX",
    ) -> Letter:
        """Answer a mail as the person who got it: threaded, with the original quoted, to its sender."""
        person = self.account(address)
        original = self.message(address, uid=uid, message_id=message_id, folder=folder)
        letter = reply(original.letter, sender=(person.name, person.address), text=text, date=self.now())
        self._post(person, letter.header("To"), letter)
        self._folder(address, folder).set_flags(original.uid, original.flags | {"\\Answered", "\\Seen"})
        return letter

    def auto_reply(
        self,
        address: str,
        text: str = AWAY,
        *,
        uid: int | None = None,
        message_id: str | None = None,
        folder: str = "INBOX",
    ) -> Letter:
        """Answer a mail as the mailbox does while its person is away. Refused: automatic_mail."""
        person = self.account(address)
        original = self.message(address, uid=uid, message_id=message_id, folder=folder)
        letter = automatic_reply(
            original.letter, person=(person.name, person.address), text=text, date=self.now()
        )
        recipient = self._recipient(answered_by_machines(original.letter))
        self._effects.record(
            "written", sender="", recipients=(recipient.address,), message_id=letter.message_id
        )
        self.deliver(recipient.address, letter.raw)
        return letter

    def bounce(
        self,
        address: str,
        status: str = "5.1.1",
        *,
        uid: int | None = None,
        message_id: str | None = None,
        folder: str = "INBOX",
        whole: bool = True,
    ) -> Letter:
        """Report a mail to its sender as not delivered (5.x.x) or delayed (4.x.x), though it lies here.

        `whole` attaches all of it, else its headers. Refused: automatic_mail, fault_malformed.
        """
        Fault("smtp.rcpt", "bounce", status=status).check()
        original = self.message(address, uid=uid, message_id=message_id, folder=folder)
        sender = self._recipient(answered_by_machines(original.letter)).address
        return self._report_to(sender, normal(address), original.letter.raw, status, whole=whole)

    def add_fault(self, fault: Fault) -> SetFault:
        """Misbehave from now on. Refused: fault_malformed, account_unknown."""
        if fault.account:
            self.account(fault.account)
        return self._faults.add(fault)

    def faults(self) -> tuple[SetFault, ...]:
        """All that are set, with how often each applied and who waits there now."""
        return self._faults.all()

    def fault(self, key: str) -> SetFault:
        return self._faults.get(key)

    def release_fault(self, key: str) -> int:
        """Let those go on who wait at a hold now, and say how many; the hold stays for those who come."""
        return self._faults.release(key)

    def remove_fault(self, key: str) -> None:
        """Behave again; whom a hold held goes on. Refused: fault_unknown."""
        self._faults.remove(key)

    async def wait_until_held(self, key: str, *, count: int = 1, seconds: float = 10) -> None:
        """Return as soon as so many connections wait at this fault. TimeoutError when they never did."""
        await self._faults.wait_until_held(key, count=count, seconds=seconds)

    def lock(self, address: str, imap: str = LOCKED_IMAP, smtp: str = LOCKED_SMTP) -> tuple[SetFault, ...]:
        """Refuse every sign-in with these lines, whatever the password, until both faults are removed."""
        account = self.account(address).address
        lines = (
            Fault("imap.login", "answer", account=account, answer=imap),
            Fault("smtp.auth", "answer", account=account, answer=smtp),
        )
        for line in lines:
            line.check()
        return tuple(self._faults.add(line) for line in lines)

    def send(
        self, address: str, *, to: str, subject: str, text: str, headers: Mapping[str, str] | None = None
    ) -> Letter:
        """Write a new mail as the person of `address`."""
        person = self.account(address)
        letter = compose(
            sender=(person.name, person.address),
            to=to,
            subject=subject,
            text=text,
            date=self.now(),
            headers=headers,
        )
        self._post(person, to, letter)
        return letter

    def deliver(self, address: str, content: bytes) -> Mail:
        """Put bytes into an INBOX as they are; clients that idle are told at once."""
        mail = self._folder(address, "INBOX").append(content)
        self._effects.record(
            "delivered", recipient=normal(address), uid=mail.uid, message_id=read(content).message_id
        )
        return mail

    def effects(self, since: int = 0) -> tuple[Effect, ...]:
        """What truly happened, after the effect with number `since`."""
        return self._effects.since(since)

    def _report(self, sender: str, recipient: str, content: bytes, status: str) -> None:
        if self._accounts.find(sender):
            self._report_to(normal(sender), recipient, content, status)

    def _report_to(
        self, sender: str, recipient: str, content: bytes, status: str, *, whole: bool = True
    ) -> Letter:
        report = delivery_report(
            content, sender=sender, recipient=recipient, status=status, date=self.now(), whole=whole
        )
        self._effects.record(
            "bounced", recipient=recipient, status=status, message_id=read(content).message_id
        )
        self.deliver(sender, report.raw)
        return report

    def _post(self, person: Account, to: str, letter: Letter) -> None:
        recipient = self._recipient(to)
        self._effects.record(
            "written", sender=person.address, recipients=(recipient.address,), message_id=letter.message_id
        )
        self.deliver(recipient.address, letter.raw)
        self._folder(person.address, "Sent").append(letter.raw, {"\\Seen"})

    def _recipient(self, to: str) -> Account:
        if recipient := self._accounts.find(to):
            return recipient
        raise SandboxError(
            "recipient_unknown",
            f"No account here has the address {to}; the sandbox writes to nobody else.",
            status=422,
            field="to",
        )

    def _folder(self, address: str, name: str) -> Folder:
        account = self.account(address)
        try:
            return self._store.folder(account.address, name)
        except KeyError:
            raise SandboxError(
                "folder_unknown", f"{account.address} has no folder {name}.", status=404, field="folder"
            ) from None

    @staticmethod
    def _message(folder: Folder, mail: Mail) -> Message:
        return Message(mail.uid, folder.name, mail.received, mail.flags, read(folder.content(mail.uid)))


def _listen(remembered: Path) -> list[socket.socket]:
    """Sockets in the order of Ports. Where one of the first start's is taken, another serves until the next start."""
    kept = Ports(**json.loads(remembered.read_text())) if remembered.exists() else Ports()
    listeners = [_bind(getattr(kept, one.name)) for one in fields(Ports)]
    ports = Ports(*(_port(listener) for listener in listeners))
    if kept == Ports():
        remembered.write_text(json.dumps(asdict(ports)))
    for name, port in asdict(kept).items():
        if port and port != getattr(ports, name):
            log.warning(
                "port %d (%s) of this sandbox's mail host is taken by another program, so it listens on %d:"
                " inboxes that were connected before cannot be reached until that program has ended and this"
                " sandbox has been started again",
                port,
                name,
                getattr(ports, name),
            )
    return listeners


def _bind(port: int) -> socket.socket:
    """At this port if there is one and it is free, else at a free one."""
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port or free_port(HOST)))
            listener.listen(128)
        except OSError:
            listener.close()
            port = 0
            continue
        listener.settimeout(0)
        # inherited by what it accepts: else the second line of an answer waits 40 ms for the first to be acknowledged
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port
