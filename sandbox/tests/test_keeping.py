"""What the sandbox keeps on disk: effects, accounts, mails."""

from __future__ import annotations

from pathlib import Path

import pytest
from heraldry.sandbox.mail.accounts import Accounts
from heraldry.sandbox.mail.effects import Effects
from heraldry.sandbox.mail.store import MailStore


def test_effects_are_counted_on_and_half_a_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "effects.jsonl"
    first = Effects(path)
    first.record("accepted", session="smtp-1", recipients=("a@x.example", "b@x.example"), size=7)
    first.close()
    with path.open("ab") as file:
        file.write(b'{"n": 2, "wh')
    second = Effects(path)
    assert second.record("delivered").n == 2
    assert second.since(1)[0].what == "delivered"
    assert second.since(0)[0].facts == {"recipients": ("a@x.example", "b@x.example"), "size": 7}
    second.close()
    third = Effects(path)
    assert [one.what for one in third.since()] == ["accepted", "delivered"]
    third.close()


def test_passwords_are_random_kept_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    accounts = Accounts(path, [("ada@northwind.example", "Ada"), ("b@northwind.example", "B")])
    ada, other = accounts.all()
    assert ada.password != other.password
    assert len(ada.password) >= 16
    assert Accounts(path).all() == (ada, other)
    assert path.stat().st_mode & 0o777 == 0o600
    assert accounts.check("ADA@northwind.example", ada.password) == ada
    assert accounts.check(ada.address, "wrong") is None
    assert accounts.check("nobody@northwind.example", ada.password) is None


def test_uids_are_never_used_again(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mail.sqlite")
    inbox = store.folder("a@x.example", "inbox")
    assert [inbox.append(b"1").uid, inbox.append(b"2").uid] == [1, 2]
    inbox.remove([2])
    store.close()
    again = MailStore(tmp_path / "mail.sqlite").folder("a@x.example", "INBOX")
    assert again.uid_validity == inbox.uid_validity
    assert again.append(b"3").uid == 3
    with pytest.raises(KeyError):
        again.content(2)


def test_a_folder_made_anew_has_a_greater_validity(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mail.sqlite")
    first = store.create("a@x.example", "Projects")
    store.delete("a@x.example", "Projects")
    assert store.create("a@x.example", "Projects").uid_validity > first.uid_validity
    with pytest.raises(ValueError, match="Projects"):
        store.create("a@x.example", "Projects")


def test_watchers_are_told_and_flags_are_kept(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mail.sqlite")
    inbox = store.folder("a@x.example", "INBOX")
    told: list[int] = []
    stop = inbox.watch(lambda: told.append(inbox.change))
    uid = inbox.append(b"x").uid
    inbox.set_flags(uid, frozenset({"\\Seen"}))
    inbox.set_flags(uid, frozenset({"\\Seen"}))
    stop()
    inbox.remove([uid, 99])
    assert told == [2, 3]
    assert inbox.gone == {uid: 4}
