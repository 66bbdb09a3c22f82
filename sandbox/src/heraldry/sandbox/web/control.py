"""The control API, JSON under /control/v1: look into mailboxes, be one of the people, move the clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal

from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.accounts import Account
from heraldry.sandbox.mail.faults import Fault, SetFault
from heraldry.sandbox.mail.letters import Letter
from heraldry.sandbox.mailhost import AWAY, LOCKED_IMAP, LOCKED_SMTP, MailHost, Message
from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody


@dataclass(frozen=True, slots=True)
class NewAccount:
    address: str
    password: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class NewPassword:
    password: str


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    uid: int | None = None
    message_id: str | None = None
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True)
class AutoReply:
    text: str = AWAY
    uid: int | None = None
    message_id: str | None = None
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True)
class Bounce:
    status: str = "5.1.1"  # 5.x.x has failed for good, 4.x.x is delayed
    uid: int | None = None
    message_id: str | None = None
    folder: str = "INBOX"
    whole: bool = True  # attach all of the mail, not only its headers


@dataclass(frozen=True, slots=True)
class Lock:
    imap: str = LOCKED_IMAP
    smtp: str = LOCKED_SMTP


@dataclass(frozen=True, slots=True)
class NewMail:
    to: str
    subject: str
    text: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Advance:
    seconds: float


class ControlController(Controller):
    path = "/control/v1"

    @get("/accounts", summary="All accounts, with what is needed to sign in to them")
    async def accounts(self, host: NamedDependency[MailHost]) -> list[dict[str, object]]:
        return [account_json(host, account) for account in host.accounts()]

    @post("/accounts", summary="Make an account; without a password one is made")
    async def add_account(
        self, data: JSONBody[NewAccount], host: NamedDependency[MailHost]
    ) -> dict[str, object]:
        return account_json(host, host.add_account(data.address, data.password, data.name))

    @put("/accounts/{address:str}/password", summary="Change a password, as its owner might at any time")
    async def change_password(
        self, address: FromPath[str], data: JSONBody[NewPassword], host: NamedDependency[MailHost]
    ) -> dict[str, object]:
        return account_json(host, host.change_password(address, data.password))

    @get("/accounts/{address:str}/messages", summary="The mails of a folder, oldest first")
    async def messages(
        self, address: FromPath[str], host: NamedDependency[MailHost], folder: FromQuery[str] = "INBOX"
    ) -> list[dict[str, object]]:
        return [message_json(message) for message in host.messages(address, folder)]

    @post("/accounts/{address:str}/reply", summary="Answer a mail as the person who got it")
    async def reply(
        self,
        address: FromPath[str],
        data: JSONBody[Reply],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> dict[str, object]:
        if clock:
            await clock.refresh()
        letter = host.reply(address, data.text, uid=data.uid, message_id=data.message_id, folder=data.folder)
        return letter_json(letter)

    @post("/accounts/{address:str}/auto-reply", summary="Answer a mail as a mailbox whose person is away")
    async def auto_reply(
        self,
        address: FromPath[str],
        data: JSONBody[AutoReply],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> dict[str, object]:
        if clock:
            await clock.refresh()
        letter = host.auto_reply(
            address, data.text, uid=data.uid, message_id=data.message_id, folder=data.folder
        )
        return letter_json(letter)

    @post("/accounts/{address:str}/bounce", summary="Report a mail to its sender as failed or delayed")
    async def bounce(
        self,
        address: FromPath[str],
        data: JSONBody[Bounce],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> dict[str, object]:
        if clock:
            await clock.refresh()
        letter = host.bounce(
            address,
            data.status,
            uid=data.uid,
            message_id=data.message_id,
            folder=data.folder,
            whole=data.whole,
        )
        return letter_json(letter)

    @post("/accounts/{address:str}/lock", summary="Refuse every sign-in, until both faults are removed")
    async def lock(
        self, address: FromPath[str], data: JSONBody[Lock], host: NamedDependency[MailHost]
    ) -> list[dict[str, object]]:
        return [fault_json(found) for found in host.lock(address, data.imap, data.smtp)]

    @post("/faults", summary="Misbehave from now on, at one point of a conversation")
    async def add_fault(self, data: JSONBody[Fault], host: NamedDependency[MailHost]) -> dict[str, object]:
        return fault_json(host.add_fault(data))

    @get("/faults", summary="All faults, how often each applied, and who waits there now")
    async def faults(self, host: NamedDependency[MailHost]) -> list[dict[str, object]]:
        return [fault_json(found) for found in host.faults()]

    @post("/faults/{key:str}/release", status_code=200, summary="Let those go on whom this hold holds now")
    async def release_fault(self, key: FromPath[str], host: NamedDependency[MailHost]) -> dict[str, object]:
        released = host.release_fault(key)
        return {**fault_json(host.fault(key)), "released": released}

    @delete("/faults/{key:str}", summary="Behave again; whom a hold held goes on")
    async def remove_fault(self, key: FromPath[str], host: NamedDependency[MailHost]) -> None:
        host.remove_fault(key)

    @post("/accounts/{address:str}/send", summary="Write a new mail as this person")
    async def send(
        self,
        address: FromPath[str],
        data: JSONBody[NewMail],
        host: NamedDependency[MailHost],
        clock: NamedDependency[SandboxClock | None],
    ) -> dict[str, object]:
        if clock:
            await clock.refresh()
        letter = host.send(address, to=data.to, subject=data.subject, text=data.text, headers=data.headers)
        return letter_json(letter)

    @get("/effects", summary="What truly happened at the mail host, after the effect with number `since`")
    async def effects(
        self, host: NamedDependency[MailHost], since: FromQuery[int] = 0
    ) -> list[dict[str, object]]:
        return [effect.as_json() for effect in host.effects(since)]

    @get("/clock", summary="The sandbox's time, and how far it is ahead of the real one, in seconds")
    async def read_clock(self, clock: NamedDependency[SandboxClock | None]) -> dict[str, object]:
        await present(clock).refresh()
        return clock_json(present(clock))

    @post("/clock/advance", status_code=200, summary="Move the sandbox's time forward")
    async def advance_clock(
        self, data: JSONBody[Advance], clock: NamedDependency[SandboxClock | None]
    ) -> dict[str, object]:
        await present(clock).advance(Decimal(repr(data.seconds)))
        return clock_json(present(clock))


def present(clock: SandboxClock | None) -> SandboxClock:
    """The clock, or the refusal of a sandbox that runs alone."""
    if clock is None:
        raise SandboxError(
            "clock_absent", "This sandbox runs alone: its clock is moved only beside Heraldry.", status=503
        )
    return clock


def account_json(host: MailHost, account: Account) -> dict[str, object]:
    return {
        "address": account.address,
        "name": account.name,
        "user": account.address,
        "password": account.password,
        "host": host.host,
        "ports": ports_json(host),
    }


def ports_json(host: MailHost) -> dict[str, int]:
    ports = host.ports
    return {"imap": ports.imap, "imaps": ports.imaps, "smtp": ports.smtp, "smtps": ports.smtps}


def message_json(message: Message) -> dict[str, object]:
    return {
        **letter_json(message.letter),
        "uid": message.uid,
        "folder": message.folder,
        "received": message.received.isoformat(),
        "flags": sorted(message.flags),
    }


def fault_json(found: SetFault) -> dict[str, object]:
    return {
        **asdict(found.fault),
        "id": found.id,
        "applied": found.applied,
        "waiting": [{**asdict(one), "since": one.since.isoformat()} for one in found.waiting],
    }


def letter_json(letter: Letter) -> dict[str, object]:
    return {
        "message_id": letter.message_id,
        "subject": letter.subject,
        "from": letter.header("From"),
        "to": letter.header("To"),
        "headers": [list(header) for header in letter.headers],
        "text": letter.text,
    }


def clock_json(clock: SandboxClock) -> dict[str, object]:
    return {"offset": float(clock.offset), "now": clock.now().isoformat()}
