"""Connecting inboxes through the HTTP API: both protocols are really tried, and every failure is told apart."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import orjson
import pytest
from heraldry.chassis.testing.bus import messages
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import (
    Account,
    Admin,
    Answer,
    Outside,
    eventually,
    first_organization,
    organization_in,
)

pytestmark = pytest.mark.stack
NOBODY_LISTENS = 1  # a port
Mistake = Callable[[Account], Answer]


@pytest.fixture(scope="module")
def identity(us: Admin) -> str:
    return us.identity()


def unknown_here() -> str:
    """How this machine's resolver takes a name that does not exist: some answer, some have nobody to ask."""
    try:
        socket.getaddrinfo("nobody.invalid", 993)
    except socket.gaierror as error:
        return "host.unknown" if error.errno == socket.EAI_NONAME else "network.no-resolver"
    pytest.skip("this machine's resolver knows every name")


MISTAKES: dict[str, tuple[Mistake, str, str]] = {
    "a wrong password": (lambda it: it.form(password="guessed"), "credentials.invalid", "imap"),
    "an IMAP port at which nobody listens": (
        lambda it: it.form(imap_port=NOBODY_LISTENS),
        "host.refused",
        "imap",
    ),
    "an SMTP port at which nobody listens": (
        lambda it: it.form(smtp_port=NOBODY_LISTENS),
        "smtp.failed-imap-works",
        "smtp",
    ),
    "both ports wrong: IMAP first": (
        lambda it: it.form(imap_port=NOBODY_LISTENS, smtp_port=NOBODY_LISTENS),
        "host.refused",
        "imap",
    ),
    "IMAP over TLS at the STARTTLS port": (
        lambda it: it.form(imap_port=it.ports["imap"]),
        "tls.wrong-mode",
        "imap",
    ),
    "SMTP over TLS at the STARTTLS port": (lambda it: it.form(smtp_security="tls"), "tls.wrong-mode", "smtp"),
    "IMAP where SMTP listens": (
        lambda it: it.form(imap_port=it.ports["smtp"], imap_security="starttls"),
        "host.not-mail",
        "imap",
    ),
}


@pytest.mark.requirement("R-BOX-7")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_form_is_named_and_makes_no_inbox(
    us: Admin, outside: Outside, identity: str, mistake: str
) -> None:
    form, code, protocol = MISTAKES[mistake]
    found = us.connect(identity, form(outside.account()))
    told = found["diagnosis"]
    assert (found["state"], told["code"], told["protocol"]) == ("failed", code, protocol)
    assert told["cause"]
    assert told["resolution"]
    assert us.get(f"/identities/{identity}/inboxes") == []
    letter = {"to": "lea@northwind.example", "subject": "Hello", "text": "Hello"}
    assert us.refusal("POST", f"/inboxes/{found['inbox']}/mails", letter)["code"] == "inbox.unknown"


def test_a_host_that_does_not_exist_is_named(us: Admin, outside: Outside, identity: str) -> None:
    found = us.connect(identity, outside.account().form(imap_host="nobody.invalid"))
    assert found["diagnosis"]["code"] == unknown_here()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "no address"}, "address"),
        ({"address": "a\r\nb@northwind.example"}, "address"),
        ({"imap_port": 0}, "port"),
        ({"smtp_port": 70000}, "port"),
        ({"smtp_security": "none"}, "security"),
        ({"password": ""}, "password"),
        ({"imap_host": ""}, "host"),
    ],
)
def test_a_form_that_cannot_be_right_is_refused_at_once(
    us: Admin, outside: Outside, identity: str, changes: Answer, field: str
) -> None:
    form = outside.account().form(**changes)
    refused = us.send("POST", f"/identities/{identity}/inboxes", form)
    assert refused.status_code == 422
    assert refused.json()["field"].endswith(field)


@pytest.mark.requirement("R-BOX-7")
def test_an_inbox_is_connected_when_both_protocols_work(us: Admin, outside: Outside) -> None:
    mine, account = us.identity(), outside.account()
    by_starttls = account.form(imap_port=account.ports["imap"], imap_security="starttls")
    by_tls = account.form(smtp_port=account.ports["smtps"], smtp_security="tls")
    for form in (by_starttls, by_tls):
        found = us.connect(mine, form)
        assert (found["state"], found["diagnosis"]) == ("connected", None)
    for protocol in ("imap", "smtp"):
        assert outside.effects("authenticated", protocol=protocol, account=account.address)
    assert [one["inbox"] for one in us.get(f"/identities/{mine}/inboxes")] == [found["inbox"]]


@pytest.mark.requirement("R-BOX-18")
def test_an_address_of_another_identity_is_refused_with_its_name(us: Admin, outside: Outside) -> None:
    account, theirs, mine = outside.account(), us.identity("Bo Berg"), us.identity("Cilla Ås")
    inbox = us.connected(theirs, account)
    for spelling in (account.address, account.address.upper(), f" {account.address} ", f"{account.address}."):
        refused = us.refusal("POST", f"/identities/{mine}/inboxes", account.form(address=spelling))
        assert refused["code"] == "inbox.belongs-to-another-identity", spelling
        assert "Bo Berg" in refused["detail"]
        assert refused["extra"] == {"identity": theirs, "name": "Bo Berg"}
    us.call("POST", f"/inboxes/{inbox}/disconnect")
    assert us.connected(mine, account) == inbox


@pytest.mark.requirement("R-BOX-18")
def test_of_many_who_connect_an_address_at_once_exactly_one_has_it(us: Admin, outside: Outside) -> None:
    names = ("Dag Dahl", "Eva Ek", "Frej Falk", "Gun Grip")
    rivals = {us.identity(name): name for name in names}
    for _ in range(3):
        account, together = outside.account(), Barrier(len(rivals))

        def connect(identity: str, account: Account = account, together: Barrier = together) -> Answer:
            together.wait()
            return us.send("POST", f"/identities/{identity}/inboxes", account.form()).json()

        with ThreadPoolExecutor(len(rivals)) as clients:
            answers = dict(zip(rivals, clients.map(connect, rivals), strict=True))
        (winner,) = [identity for identity, answer in answers.items() if "inbox" in answer]
        assert us.settled(answers[winner]["inbox"])["identity"] == winner
        for identity in rivals.keys() - {winner}:
            assert answers[identity]["code"] == "inbox.belongs-to-another-identity"
            assert rivals[winner] in answers[identity]["detail"]


@pytest.mark.requirement("R-BOX-18")
def test_another_organization_may_connect_the_same_address(stack: Stack, us: Admin, outside: Outside) -> None:
    account = outside.account()
    ours = us.connected(us.identity(), account)
    with organization_in(stack) as them:
        theirs = them.connected(them.identity(), account)
    assert theirs != ours
    assert us.get(f"/inboxes/{ours}")["state"] == "connected"


def test_disconnecting_and_connecting_again_keeps_the_inbox_and_its_history(
    us: Admin, outside: Outside
) -> None:
    identity, account = us.identity(), outside.account()
    inbox = us.connected(identity, account)
    us.call("POST", f"/inboxes/{inbox}/disconnect")
    assert us.get(f"/inboxes/{inbox}")["state"] == "disconnected"
    assert us.connected(identity, account) == inbox

    def whole() -> list[str] | None:
        entries = us.get(f"/identities/{identity}/history?kind=inbox")["entries"]
        types = [entry["type"] for entry in reversed(entries) if entry["inbox"] == inbox]
        return types if len(types) == 3 else None

    history = ["MailboxConnected", "MailboxDisconnected", "MailboxConnected"]
    assert eventually(whole, "its history is whole") == history


def test_a_wrong_password_at_reconnecting_leaves_the_inbox_as_it_was(us: Admin, outside: Outside) -> None:
    identity, account = us.identity(), outside.account()
    inbox = us.connected(identity, account)
    again = us.connect(identity, account.form(password="guessed"))
    assert (again["inbox"], again["state"]) == (inbox, "connected")
    assert again["diagnosis"]["code"] == "credentials.invalid"
    to = outside.account("lea")
    us.call("POST", f"/inboxes/{inbox}/mails", {"to": to.address, "subject": "Still here", "text": "Hello"})
    assert outside.message(to)["subject"] == "Still here"


@pytest.mark.requirement("R-ACC-5")
async def test_a_mailbox_password_is_in_no_answer_no_event_no_log_and_no_file(
    stack: Stack, outside: Outside
) -> None:
    right, wrong = "Zebra-crossing-77-right", "Zebra-crossing-78-wrong"
    account = outside.account(password=right)
    answers: list[bytes] = []
    with organization_in(stack) as us:

        def keep(answer: httpx.Response) -> None:
            answers.append(answer.read())

        us.http.event_hooks["response"] = [keep]
        identity = us.identity()
        us.connect(identity, account.form(password=wrong))
        us.connected(identity, account)
        us.refusal("POST", f"/identities/{identity}/inboxes", account.form(imap_port=0))
        us.refusal("POST", f"/identities/{identity}/inboxes", account.form(address="none"))
        for path in ("/inboxes", f"/identities/{identity}/inboxes", "/history", "/dashboard"):
            us.get(path)
        eventually(
            lambda: any("MailboxConnected" in str(one["type"]) for one in us.get("/history")["entries"]),
            "the history tells of it",
        )
        async with calling(stack.folder) as calls:
            events = await messages(calls.js, f"heraldry.events.{us.organization}.>")
    told = [orjson.dumps(event.body) for event in events]
    assert any(b"MailboxConnectionFailed" in event for event in told)
    assert any(account.address.encode() in event for event in told)
    ours = [path for path in stack.folder.rglob("*") if stack.folder / "sandbox" not in path.parents]
    files = [path.read_bytes() for path in (*ours, stack.log, stack.output) if path.is_file()]
    assert len(files) > 20
    for secret in (right, wrong):
        assert not [text for text in (*answers, *told, *files) if secret.encode() in text], secret


@pytest.mark.timeout(120)
def test_a_real_installation_connects_to_no_private_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        Stack.running(tmp_path_factory.mktemp("live") / "data", sandbox=False) as live,
        first_organization(live) as us,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        listener.settimeout(0)
        port: int = listener.getsockname()[1]
        identity = us.identity()
        account = Account("ada@northwind.example", "secret", "127.0.0.1", {"imaps": port, "smtp": port})
        for host in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "0", "169.254.169.254", "10.0.0.1"):
            found = us.connect(identity, account.form(imap_host=host, smtp_host=host))
            assert (found["state"], found["diagnosis"]["code"]) == ("failed", "host.private-address"), host
        with pytest.raises(BlockingIOError):
            listener.accept()
