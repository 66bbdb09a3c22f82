"""A proof for one identity is checked by the script in the documentation, without a line of our code."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import re
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from heraldry.chassis.audit.keys import written as text_of
from heraldry.chassis.audit.proof import FORMAT, NotAsSignedError, prove
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.audit import KEY, SignerInHand, sign
from heraldry.chassis.testing.bus import NOW, Noted, append, new, noted
from nacl.signing import SigningKey, VerifyKey

pytestmark = pytest.mark.requirement("R-AUD-5")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "check-a-proof.md"
WHO = UUID("018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6")
OTHER = UUID("018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f7")
Document = dict[str, Any]
Check = Callable[[Document, VerifyKey], Iterator[str]]
LONGEST = 100


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two identities: streams of their own, and one that both use."""
    folder = tmp_path_factory.mktemp("data")

    async def make() -> None:
        store, signer = SqliteStore(folder / "log.sqlite3"), SignerInHand(folder / "signer")
        for number in range(40):
            for who in (WHO, OTHER):
                note = Noted(at=NOW, text=f"{number}")
                await append(store, f"identity.identity-{who}", new(note, identity=str(who)))
                await append(store, "identity.shared-1", new(note, identity=str(who)))
            await append(store, "identity.note-1", noted())
            if number in {10, 11, 39}:
                await sign(store, folder, "identity", signer)
        await append(store, f"identity.identity-{WHO}", noted("not signed yet"))
        await store.close()

    asyncio.run(make())
    return folder


async def made(data: Path) -> Document:
    store = SqliteStore(data / "log.sqlite3")
    try:
        proof = await prove(WHO, "identity", store, Trail.beside(data, "identity"), [KEY.verify_key])
    finally:
        await store.close()
    assert proof.unsigned == 1
    whole = {"format": FORMAT, "identity": str(WHO), "contexts": [proof.document()], "unsigned": 1}
    return cast("Document", json.loads(json.dumps(whole)))


def script() -> str:
    """As it stands on the page."""
    found = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return cast("str", found[0])


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script in a file."""
    path = tmp_path_factory.mktemp("script") / "check_proof.py"
    path.write_text(script(), encoding="utf-8")
    return path


def run(
    checks: Path, proof: Document, key: str = text_of(KEY.verify_key)
) -> subprocess.CompletedProcess[str]:
    file = checks.with_name("proof.json")
    file.write_text(json.dumps(proof), encoding="utf-8")
    command = [sys.executable, str(checks), str(file), key]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_script_is_short_and_has_nothing_of_ours() -> None:
    assert len(script().splitlines()) <= LONGEST
    assert "heraldry." not in script()


async def test_a_true_proof_holds_and_says_what_happened(data: Path, checks: Path) -> None:
    ended = run(checks, await made(data))
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert len(lines) == 80
    newest = Trail.beside(data, "identity").newest()
    assert newest is not None
    assert {line.split()[1] for line in lines} >= {newest.time}
    said = ["said", NOW.isoformat(), "Noted", "user:ada", f"identity.identity-{WHO}@0"]
    assert (lines[0].split()[0], lines[0].split()[2:]) == ("signed", said)
    assert str(OTHER) not in ended.stdout


def events(proof: Document) -> list[Document]:
    return cast("list[Document]", proof["contexts"][0]["events"])


def edited_data(proof: Document) -> None:
    events(proof)[7]["data"] = base64.b64encode(b"{}").decode()


def edited_meta(proof: Document) -> None:
    meta = json.loads(base64.b64decode(events(proof)[7]["meta"]))
    events(proof)[7]["meta"] = base64.b64encode(json.dumps({**meta, "actor": "user:eve"}).encode()).decode()


def other_type(proof: Document) -> None:
    events(proof)[7]["type"] = "IdentityDeleted"


def left_out(proof: Document) -> None:
    own = [one for one in events(proof) if one["stream"].endswith(str(WHO))]
    events(proof).remove(own[5])


def first_left_out(proof: Document) -> None:
    del events(proof)[0]


def in_another_order(proof: Document) -> None:
    events(proof)[6:8] = reversed(events(proof)[6:8])


def in_another_place(proof: Document) -> None:
    events(proof)[7]["number"] += 1


def twice(proof: Document) -> None:
    events(proof).insert(8, events(proof)[7])


def another_path(proof: Document) -> None:
    events(proof)[7]["path"][0] = "00" * 32


def no_path(proof: Document) -> None:
    events(proof)[7]["path"] = []


def later(proof: Document) -> None:
    proof["contexts"][0]["checkpoints"][0]["time"] = "2020-01-01T00:00:00Z"


def another_root(proof: Document) -> None:
    proof["contexts"][0]["checkpoints"][0]["root"] = "00" * 32


def a_line_more(proof: Document) -> None:
    proof["contexts"][0]["checkpoints"][0]["epoch"] += "\nx"


def another_context(proof: Document) -> None:
    proof["contexts"][0]["context"] = "mailbox"


def another_identity(proof: Document) -> None:
    proof["identity"] = str(OTHER)


def the_log_twice(proof: Document) -> None:
    proof["contexts"].append(proof["contexts"][0])


def without_checkpoint(proof: Document) -> None:
    del proof["contexts"][0]["checkpoints"][0]


def signed_by_another(proof: Document) -> None:
    from heraldry.contracts.checkpoints import Checkpoint  # noqa: PLC0415  only the attacker's tool

    key = SigningKey.generate()
    for at, told in enumerate(proof["contexts"][0]["checkpoints"]):
        said = Checkpoint.model_validate(told)
        forged = said.model_copy(update={"signature": key.sign(said.text()).signature.hex()})
        proof["contexts"][0]["checkpoints"][at] = forged.model_dump(mode="json")


TAMPERED: Sequence[Callable[[Document], None]] = (
    *(edited_data, edited_meta, other_type, left_out, first_left_out, in_another_order, in_another_place),
    *(twice, another_path, no_path, later, another_root, a_line_more, another_context, another_identity),
    *(without_checkpoint, signed_by_another, the_log_twice),
)


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda one: one.__name__)
async def test_a_tampered_proof_does_not_hold(
    data: Path, checks: Path, tamper: Callable[[Document], None]
) -> None:
    proof = copy.deepcopy(await made(data))
    tamper(proof)
    check = cast("Check", runpy.run_path(str(checks))["check"])
    with pytest.raises(Exception) as raised:  # noqa: PT011  the script's own, which has no module
        list(check(proof, KEY.verify_key))
    assert type(raised.value).__name__ in {"Wrong", "KeyError", "IndexError"}


def too_large(proof: Document) -> None:
    events(proof)[0]["revision"] = 2**70


def below_zero(proof: Document) -> None:
    events(proof)[0]["revision"] = -1


def no_number(proof: Document) -> None:
    events(proof)[0]["version"] = None


def without_events(proof: Document) -> None:
    proof["contexts"] = []


def without_anything(proof: Document) -> None:
    proof.clear()


@pytest.mark.parametrize(
    "damage",
    [too_large, below_zero, no_number, without_events, without_anything, the_log_twice],
    ids=lambda one: one.__name__,
)
async def test_a_broken_proof_is_told_in_one_line(
    data: Path, checks: Path, damage: Callable[[Document], None]
) -> None:
    proof = await made(data)
    damage(proof)
    ended = run(checks, proof)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    assert ended.stderr.startswith("The proof does not hold: ")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"contexts":' * 100_000, "", "\x00", "7", "NaN"])
def test_what_is_no_proof_is_told_in_one_line(checks: Path, text: str) -> None:
    file = checks.with_name("nonsense.json")
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, str(checks), str(file), text_of(KEY.verify_key)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    assert ended.stderr.startswith("The proof does not hold: ")


async def test_it_says_why_a_proof_does_not_hold(data: Path, checks: Path) -> None:
    proof = await made(data)
    edited_data(proof)
    ended = run(checks, proof)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "The proof does not hold: Wrong('event 17 of identity was not signed like this')"
    )
    ended = run(checks, await made(data), text_of(SigningKey.generate().verify_key))
    assert (ended.returncode, ended.stdout) == (1, "")


async def test_nothing_is_proved_with_a_log_that_was_changed(data: Path, tmp_path: Path) -> None:
    with sqlite3.connect(data / "log.sqlite3") as log, sqlite3.connect(tmp_path / "log.sqlite3") as copied:
        log.backup(copied)
        copied.execute("UPDATE events SET data = x'7b7d' WHERE position = 3")
    store = SqliteStore(tmp_path / "log.sqlite3")
    with pytest.raises(NotAsSignedError, match="Events 1 to 55 of identity"):
        await prove(WHO, "identity", store, Trail.beside(data, "identity"), [KEY.verify_key])
    await store.close()
