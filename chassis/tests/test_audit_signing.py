"""The signer signs what continues its last signature, keeps it before it gives it away, and tells no second story."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from heraldry.chassis.audit import signing
from heraldry.chassis.audit.asking import Answer, Ask
from heraldry.chassis.audit.keys import AuditKeyError, is_signed, public_key, signing_key
from heraldry.chassis.audit.keys import written as text_of
from heraldry.chassis.audit.signing import MEMORY_DAMAGED, Signing, Step, history_of, memory_of
from heraldry.contracts.checkpoints import ZERO, Checkpoint, Statement
from nacl.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class StruckDown(BaseException):
    """The signer's process dies here."""


def statement(after: Checkpoint | None, upto: int, **other: object) -> Statement:
    said: dict[str, object] = {
        "kind": "events",
        "context": "identity",
        "epoch": "e1",
        "number": after.number + 1 if after else 1,
        "since": after.count if after else 0,
        "count": upto,
        "position": upto,
        "event": "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6",
        "hash": f"{upto:02x}" * 32,
        "root": "bb" * 32,
        "previous": after.digest() if after else ZERO,
    }
    return Statement.model_validate(said | other)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Signing]:
    def make(
        key: SigningKey = KEY, now: datetime = NOON, hook: Callable[[Step], None] | None = None
    ) -> Signing:
        return Signing(key, tmp_path, now=lambda: now, hook=hook or (lambda _: None))

    return make


def sign(signer: Signing, wish: Statement, known: Checkpoint | None = None, *, begin: bool = False) -> Answer:
    return signer.answer("identity", Ask(known=known, wish=wish), begin=begin)


def signed(answer: Answer) -> Checkpoint:
    assert not answer.refused
    assert answer.newest is not None
    return answer.newest


def test_each_checkpoint_is_signed_and_holds_the_one_before(made: Callable[..., Signing]) -> None:
    signer = made()
    first = signed(sign(signer, statement(None, 3)))
    second = signed(sign(signer, statement(first, 9)))
    assert (second.number, second.previous, second.time) == (2, first.digest(), "2026-05-04T12:00:00Z")
    assert is_signed(first, [KEY.verify_key])
    assert is_signed(second, [KEY.verify_key])
    assert not is_signed(second.model_copy(update={"count": 10}), [KEY.verify_key])
    assert not is_signed(second, [SigningKey.generate().verify_key])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"count": 3, "hash": "ee" * 32}, signing.FORK),
        ({"count": 2}, signing.NO_GROWTH),
        ({"since": 2}, signing.NO_GROWTH),
        ({"number": 1, "previous": ZERO, "since": 0}, signing.BEHIND),
        ({"number": 3}, signing.BEHIND),
        ({"previous": "ab" * 32}, signing.BEHIND),
        ({"epoch": "e2"}, signing.OTHER_EPOCH),
        ({"kind": "epoch", "epoch": "e2", "since": 3, "count": 3, "hash": "03" * 32}, signing.OTHER_EPOCH),
        ({"context": "mailbox"}, signing.NOT_OURS),
    ],
)
def test_what_does_not_continue_the_last_signature_is_refused(
    made: Callable[..., Signing], change: dict[str, object], code: str
) -> None:
    signer = made()
    first = signed(sign(signer, statement(None, 3)))
    answer = sign(signer, statement(first, 9, **change))
    assert (answer.refused, answer.newest) == (code, first)
    assert made().newest("identity") == first


def test_asked_again_it_answers_the_same(made: Callable[..., Signing]) -> None:
    first = signed(sign(made(), statement(None, 3)))
    assert signed(sign(made(now=NOON.replace(hour=13)), statement(None, 3))) == first


def test_an_epoch_is_begun_by_the_operator_behind_what_is_signed(made: Callable[..., Signing]) -> None:
    signer = made()
    first = signed(sign(signer, statement(None, 3)))
    second = signed(sign(signer, statement(first, 9)))
    restored = statement(second, 3, kind="epoch", epoch="e2", since=3)
    begun = signed(sign(signer, restored, begin=True))
    assert (begun.kind, begun.count, begun.previous) == ("epoch", 3, second.digest())
    third = signed(sign(signer, statement(begun, 5, epoch="e2")))
    assert third.since == 3
    for wrong in (
        statement(third, 6, epoch="e2"),
        statement(third, 6, kind="epoch", since=6, epoch="e3"),
        statement(third, 3, kind="epoch", since=2, epoch="e3"),
    ):
        assert sign(signer, wrong, begin=True).refused == signing.OTHER_EPOCH


@pytest.mark.parametrize("step", Step)
def test_killed_at_any_step_it_never_signs_two_stories(
    made: Callable[..., Signing], tmp_path: Path, step: Step
) -> None:
    first = signed(sign(made(), statement(None, 3)))

    def strike(at: Step) -> None:
        if at is step:
            raise StruckDown

    with pytest.raises(StruckDown):
        sign(made(hook=strike), statement(first, 9))
    signer = made()
    newest = signer.newest("identity")
    assert newest is not None
    assert newest.number in {1, 2}
    if newest.number == 2:  # not given away, but it may be: nothing else has its number
        assert sign(signer, statement(first, 8)).refused == signing.BEHIND
        assert signed(sign(signer, statement(first, 9))) == newest
    else:
        assert signed(sign(signer, statement(first, 9))).number == 2
    assert is_signed(newest, [KEY.verify_key])
    told = [line.checkpoint for line in history_of(tmp_path, "identity").lines() if line is not None]
    assert [one.number for one in told] == [1, 2]


def test_it_goes_on_behind_its_own_signature_when_its_memory_is_an_older_copy(
    made: Callable[..., Signing], tmp_path: Path
) -> None:
    first = signed(sign(made(), statement(None, 3)))
    old = (tmp_path / "identity.json").read_bytes()
    second = signed(sign(made(), statement(first, 9)))
    (tmp_path / "identity.json").write_bytes(old)
    assert signed(sign(made(), statement(second, 12), known=second)).number == 3
    (tmp_path / "identity.json").unlink()
    assert made().answer("identity", Ask(known=second), begin=False).newest == second


def test_it_does_not_go_on_behind_what_another_key_signed_but_by_the_operators_word(
    made: Callable[..., Signing], tmp_path: Path
) -> None:
    first = signed(sign(made(), statement(None, 3)))
    (tmp_path / "identity.json").unlink()
    other = made(key=SigningKey.generate())
    assert sign(other, statement(first, 9), known=first).refused == signing.NOT_OURS
    begun = sign(other, statement(first, 3, kind="epoch", since=3), known=first, begin=True)
    assert signed(begun).number == 2


def test_its_time_never_goes_back(made: Callable[..., Signing]) -> None:
    first = signed(sign(made(), statement(None, 3)))
    assert signed(sign(made(now=NOON.replace(hour=11)), statement(first, 9))).time == first.time


def test_what_it_keeps_is_a_witness(made: Callable[..., Signing], tmp_path: Path) -> None:
    first = signed(sign(made(), statement(None, 3)))
    (tmp_path / "mailbox.json").write_text("damaged")
    memory = memory_of(tmp_path, first.context, [KEY.verify_key], signed=True)
    assert (memory.checkpoints, memory.problems) == ([first, first], [])
    history_of(tmp_path, first.context).path.write_text("half a li")  # a crash, before it was signed again
    memory = memory_of(tmp_path, first.context, [KEY.verify_key], signed=True)
    assert (memory.checkpoints, memory.problems) == ([first], [])
    memory = memory_of(tmp_path, "mailbox", [KEY.verify_key], signed=False)
    assert (memory.checkpoints, [one.code for one in memory.problems]) == (
        [],
        [MEMORY_DAMAGED] * 2,
    )  # nor is there a history


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    assert signing_key(tmp_path) == key
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600
    told = (tmp_path / "public.key").read_text()
    assert public_key(told) == public_key(str(tmp_path / "public.key")) == key.verify_key
    assert text_of(key.verify_key) == told.strip()


@pytest.mark.parametrize("wrong", ["", "not base64", "AAAA", "\N{SNOWMAN}"])
def test_a_key_that_is_none_is_said_to_be_none(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(AuditKeyError, match="not a key"):
        public_key(wrong)
    (tmp_path / "signing.key").write_text(wrong, encoding="utf-8")
    with pytest.raises(AuditKeyError, match="backup"):
        signing_key(tmp_path)
