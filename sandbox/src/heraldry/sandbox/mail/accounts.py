"""The people of the sandbox: who has a mailbox, and with which password."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hmac import compare_digest
from pathlib import Path
from typing import cast

from heraldry.sandbox.errors import SandboxError

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike: people type these passwords
ADDRESS = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}@[a-z0-9-]+(\.[a-z0-9-]+)+")
FIRST_PEOPLE = (
    ("ada@northwind.example", "Ada Bergström"),
    ("partners@northwind.example", "Northwind Partnerships"),
    ("jonas@northwind.example", "Jonas Lindqvist"),
    ("mina@northwind.example", "Mina Okafor"),
    ("lea.fournier@maison-verte.example", "Léa Fournier"),
    ("tomas.vidal@brisa.example", "Tomás Vidal"),
    ("ines.carvalho@brisa.example", "Inês Carvalho"),
    ("henrik.dahl@fjordlys.example", "Henrik Dahl"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox and what is needed to sign in to it: the user name is the address."""

    address: str
    name: str
    password: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


class Accounts:
    """All accounts, kept in one file that only its owner can read. New passwords are random."""

    def __init__(self, path: Path, first: Iterable[tuple[str, str]] = ()) -> None:
        self._path = path
        if path.exists():
            found = cast("list[dict[str, str]]", json.loads(path.read_text()))
            self._accounts = {one["address"]: Account(**one) for one in found}
        else:
            self._accounts = {address: Account(address, name, _password()) for address, name in first}
            self._save()

    def all(self) -> tuple[Account, ...]:
        return tuple(self._accounts.values())

    def find(self, address: str) -> Account | None:
        return self._accounts.get(normal(address))

    def get(self, address: str) -> Account:
        """The account of `address`; refused as `account_unknown` when there is none."""
        if account := self.find(address):
            return account
        raise SandboxError("account_unknown", f"No account here has the address {address}.", status=404)

    def serves(self, domain: str) -> bool:
        return any(account.domain == domain for account in self._accounts.values())

    def add(self, address: str, password: str | None = None, name: str = "") -> Account:
        """Make an account; with no password a random one is made."""
        address = normal(address)
        if not ADDRESS.fullmatch(address):
            raise SandboxError(
                "address_malformed",
                "Give an address like ada@northwind.example.",
                status=422,
                field="address",
            )
        if address in self._accounts:
            raise SandboxError(
                "account_exists", f"{address} has an account already.", status=409, field="address"
            )
        account = Account(address, name or address.partition("@")[0], password or _password())
        self._accounts[address] = account
        self._save()
        return account

    def change_password(self, address: str, password: str) -> Account:
        """From now on only this password opens the account; connections that are open stay open."""
        account = self.get(address)
        changed = Account(account.address, account.name, password)
        self._accounts[account.address] = changed
        self._save()
        return changed

    def check(self, address: str, password: str) -> Account | None:
        """The account if the password is right, else None; never a hint which of both was wrong."""
        account = self.find(address)
        if account and compare_digest(account.password.encode(), password.encode("utf-8", "surrogateescape")):
            return account
        return None

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump([asdict(one) for one in self._accounts.values()], file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def normal(address: str) -> str:
    return address.strip().lower()


def _password() -> str:
    groups = ("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)
