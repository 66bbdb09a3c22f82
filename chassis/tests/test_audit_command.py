"""`heraldry audit`: one document for each log, and an exit code that says whether it is good news."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from heraldry.chassis.audit.keys import signing_key
from heraldry.chassis.audit.keys import written as text_of
from heraldry.chassis.audit.signer import folder_of
from heraldry.chassis.audit.signing import history_of
from heraldry.chassis.bus.rights import CONTEXTS
from heraldry.chassis.commands import audit
from heraldry.chassis.commands.audit import main
from heraldry.chassis.settings import Settings
from heraldry.chassis.store import kurrent
from heraldry.chassis.store.folder import Note, write
from heraldry.chassis.store.opening import open_store
from heraldry.chassis.store.port import EventStore, StoreUnavailableError
from heraldry.chassis.store.reading import SqliteReading
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.audit import SignerInHand, sign, stopped
from heraldry.chassis.testing.bus import NOW, Noted, append, new, noted
from nacl.signing import SigningKey

pytestmark = pytest.mark.requirement("R-AUD-5")
WHO = "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped installation with a log of 30 events in one context, and none in the others."""
    data = tmp_path_factory.mktemp("data")
    folder = stopped(data)

    async def make() -> None:
        for context in CONTEXTS:
            store = SqliteStore(data / "store" / f"{context}.sqlite3")
            if context == "identity":
                notes = [new(Noted(at=NOW, text=str(number)), identity=WHO) for number in range(30)]
                signer = SignerInHand(folder, signing_key(folder))
                for some in (notes[:20], notes[20:]):
                    await append(store, f"identity.identity-{WHO}", *some)
                    await sign(store, data, context, signer)
            await store.close()

    asyncio.run(make())
    return data


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


@pytest.fixture
def key(data: Path) -> str:
    return text_of(signing_key(folder_of(data)).verify_key)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Sequence[dict[str, Any]]]:
    ended = main([str(word) for word in words])
    return ended, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1])


def overwritten(path: Path) -> None:
    path.write_bytes(b"\xff\x00 rubbish")


def of_another_log(path: Path) -> None:
    path.write_text(path.read_text().replace('"context":"identity"', '"context":"mailbox"'))


def test_the_public_key_is_told(data: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended, (told,) = run(capsys, "public-key", "--data", data)
    assert (ended, told["public_key"]) == (0, key)
    ended, (told,) = run(capsys, "public-key", "--data", data / "none")
    assert (ended, told["code"]) == (1, "audit.no-key")


def test_every_log_is_verified_with_a_key_that_is_given(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "kept.key"
    kept.write_text(f"{key}\n")
    for given in (key, kept):
        ended, found = run(capsys, "verify", "--public-key", given, "--data", data)
        assert ended == 0
        assert [one["context"] for one in found] == list(CONTEXTS)
        assert (found[0]["events"], found[0]["proven"], found[0]["published"]) == (30, 30, None)


def test_a_key_that_is_not_the_signer_s_is_told_before_all_else(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    another = base64.b64encode(SigningKey.generate().verify_key.encode()).decode()
    ended, answers = run(capsys, "verify", "--data", data, "--public-key", another, "--context", "identity")
    assert ended == 1
    assert [one["code"] for one in answers[0]["problems"]] == ["audit.other-key"]


def test_beside_a_key_that_is_not_the_signer_s_a_lost_memory_is_still_told(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder_of(data) / "identity.json").unlink()
    another = base64.b64encode(SigningKey.generate().verify_key.encode()).decode()
    _, answers = run(capsys, "verify", "--data", data, "--public-key", another, "--context", "identity")
    codes = [one["code"] for one in answers[0]["problems"]]
    assert codes == ["audit.other-key", "audit.signer-memory-damaged"]


def test_where_some_was_signed_with_the_key_that_was_given_what_was_not_is_told(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trail = data / "audit" / "identity.jsonl"
    head, name, signature = trail.read_text().rpartition('"signature":"')
    trail.write_text(f"{head}{name}{'11' if signature.startswith('00') else '00'}{signature[2:]}")
    forged = text_of(SigningKey.generate().verify_key)
    (folder_of(data) / "public.key").write_text(f"{forged}\n")
    _, answers = run(capsys, "verify", "--data", data, "--public-key", key, "--context", "identity")
    assert [one["code"] for one in answers[0]["problems"]][:2] == ["audit.other-key", "audit.not-signed"]


def test_bad_news_names_the_event(data: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
        db.execute("UPDATE events SET meta = x'7b7d' WHERE position = 7")
    ended, found = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert ended == 1
    (first,) = [one["first"] for one in found]
    assert (first["what"], first["number"], first["exact"]) == ("changed", 7, True)
    ended, (told,) = run(capsys, "proof", "--identity", WHO, "--data", data)
    assert (ended, told["code"]) == (1, "audit.not-as-signed")


@pytest.mark.parametrize(
    "change",
    [
        *("revision = -3", "version = -1", "id = x'00'", "id = zeroblob(17)", "id = zeroblob(16)"),
        *("stream = CAST(x'ff' AS TEXT)", "type = CAST(x'ff' AS TEXT)", "meta = x'ff'"),
    ],
)
def test_a_row_that_can_be_no_event_is_named_and_the_other_logs_are_verified(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
        db.execute(f"UPDATE events SET {change} WHERE position = 7")
    ended, found = run(capsys, "verify", "--public-key", key, "--data", data)
    assert (ended, [one["ok"] for one in found]) == (1, [one != "identity" for one in CONTEXTS])
    first = found[0]["first"]
    assert (first["what"], first["number"], first["exact"]) == ("changed", 7, True)
    ended, (told,) = run(capsys, "proof", "--identity", WHO, "--data", data)
    assert (ended, told["code"]) == (1, "audit.not-as-signed")


def test_a_table_made_anew_to_hold_anything_is_no_way_round(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
        db.execute("CREATE TABLE loose AS SELECT * FROM events")
        db.execute("DROP TABLE events")
        db.execute("ALTER TABLE loose RENAME TO events")
    asked = ("verify", "--public-key", key, "--data", data)
    assert run(capsys, *asked)[0] == 0  # what stands in it is as signed
    for change in ("version = NULL", "revision = 'x'", "id = 7", "data = 0.5", "type = NULL"):
        with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
            db.execute(f"UPDATE events SET {change} WHERE position = 7")
        ended, found = run(capsys, *asked)
        assert (ended, found[0]["first"]["number"], len(found)) == (1, 7, len(CONTEXTS))
    with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
        db.execute("UPDATE events SET position = 'x' WHERE position = 7")
    ended, found = run(capsys, *asked)
    assert (ended, found[0]["code"], len(found)) == (1, "audit.log-damaged", len(CONTEXTS))


def test_a_row_before_the_first_position_is_told(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
        db.execute(
            "INSERT INTO events SELECT -5, stream, 99, zeroblob(16), type, 1, data, meta FROM events LIMIT 1"
        )
    ended, (found,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert (ended, found["first"]["what"], found["first"]["number"]) == (1, "inserted", 1)


def told_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_nothing_is_written_into_the_evidence(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = told_of(data)
    assert run(capsys, "verify", "--public-key", key, "--data", data)[0] == 0
    assert run(capsys, "proof", "--identity", WHO, "--data", data)[0] == 0
    assert told_of(data) == before


def test_a_log_that_was_not_closed_is_read_whole_and_left_as_it_is(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A copy after a crash: the newest changes are in the file beside it only."""
    log = data / "store" / "identity.sqlite3"
    with closing(sqlite3.connect(log)) as db:
        db.execute("UPDATE events SET meta = x'7b7d' WHERE position = 7")
        db.commit()
        copied = Path(shutil.copytree(data, tmp_path / "copy"))
        asked = ("verify", "--public-key", key, "--context", "identity", "--data")
        assert run(capsys, *asked, data)[1][0]["first"]["number"] == 7  # while it is open, too
    (copied / "store" / "identity.sqlite3-shm").unlink()
    assert (copied / "store" / "identity.sqlite3-wal").stat().st_size > 0
    before = told_of(copied)
    ended, (found,) = run(capsys, *asked, copied)
    assert (ended, found["first"]["number"]) == (1, 7)
    assert told_of(copied) == before


async def test_a_service_that_begins_to_write_meanwhile_is_no_bad_news_of_the_log(data: Path) -> None:
    path = data / "store" / "identity.sqlite3"
    with closing(SqliteReading(path)) as reading:
        assert len(await reading.read_all()) == 30
        store = SqliteStore(path)
        await append(store, "identity.note-1", noted())
        with pytest.raises(StoreUnavailableError, match="Ask again"):
            await reading.read_all()
        await store.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("INSERT INTO store VALUES ('other')", "names 2 epochs"),
        ("DELETE FROM store", "names no epochs"),
        ("DROP TABLE store", "has no table `store`"),
    ],
)
def test_what_a_log_lacks_is_told_and_not_made(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    with closing(sqlite3.connect(data / "store" / "identity.sqlite3", isolation_level=None)) as db:
        db.execute(change)
    before = told_of(data)
    ended, (found,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert (ended, found["proven"], found["problems"][0]["code"]) == (1, 30, "audit.log-damaged")
    assert said in found["problems"][0]["detail"]
    assert told_of(data) == before


@pytest.mark.parametrize("damage", [emptied, overwritten])
def test_a_file_that_is_no_log_is_told_and_the_others_are_verified(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    damage(data / "store" / "identity.sqlite3")
    before = told_of(data)
    ended, found = run(capsys, "verify", "--public-key", key, "--data", data)
    assert (ended, [one["ok"] for one in found]) == (1, [one != "identity" for one in CONTEXTS])
    assert found[0]["code"] == "audit.log-damaged"
    assert told_of(data) == before


def test_a_log_that_is_not_there_is_not_made(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = data / "store" / "mailbox.sqlite3"
    log.unlink()
    ended, found = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "mailbox")
    assert (ended, found[0]["code"]) == (1, "audit.no-log")
    assert not log.exists()


def test_what_the_signer_keeps_serves_where_nothing_is_kept_beside_the_log(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "audit")
    asked = ("verify", "--public-key", key, "--data", data, "--context", "identity")
    ended, found = run(capsys, *asked)
    assert (ended, found[0]["problems"][0]["code"]) == (1, "audit.checkpoints-missing")
    witness = ("--witness", history_of(folder_of(data), "identity").path)
    ended, found = run(capsys, *asked, *witness)
    assert (ended, found[0]["proven"]) == (0, 30)
    ended, (proof,) = run(capsys, "proof", "--identity", WHO, "--data", data, *witness)
    assert (ended, len(proof["contexts"][0]["events"]), proof["unsigned"]) == (0, 30, 0)


@pytest.mark.parametrize("damage", [emptied, halved, overwritten, of_another_log, Path.unlink])
def test_a_damaged_memory_of_the_signer_is_told_and_hides_no_cut_tail(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    with sqlite3.connect(data / "store" / "identity.sqlite3") as db:
        db.execute("DELETE FROM events WHERE position > 20")
    trail = data / "audit" / "identity.jsonl"
    trail.write_text(trail.read_text().splitlines(keepends=True)[0])
    damage(folder_of(data) / "identity.json")
    ended, (found,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert (ended, found["ok"], found["proven"]) == (1, False, 20)
    assert (found["first"]["what"], found["first"]["number"]) == ("removed", 21)
    assert found["problems"][0]["code"] == "audit.signer-memory-damaged"
    assert "identity.json" in found["problems"][0]["detail"]


def test_a_damaged_end_of_all_that_was_signed_is_told(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history = history_of(folder_of(data), "identity").path
    history.write_text(f"{history.read_text()}rubbish\n")
    ended, (found,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert (ended, found["proven"], found["first"]) == (1, 30, None)
    assert [one["code"] for one in found["problems"]] == ["audit.signer-memory-damaged"]


def test_a_signer_that_forgot_all_it_signed_is_told(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder_of(data) / "identity.json").unlink()
    shutil.rmtree(folder_of(data) / "history")
    ended, found = run(capsys, "verify", "--public-key", key, "--data", data)
    assert (ended, [one["ok"] for one in found]) == (1, [one != "identity" for one in CONTEXTS])
    assert [one["code"] for one in found[0]["problems"]] == ["audit.signer-memory-damaged"]


@pytest.mark.parametrize("lost", ["public.key", "history/identity.jsonl", "identity.json"])
def test_a_part_of_the_signer_s_memory_that_is_gone_is_told(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    (folder_of(data) / lost).unlink()
    ended, (found,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert (ended, found["proven"], found["first"], found["signer_memory"]) == (1, 30, None, "compared")
    assert [one["code"] for one in found["problems"]] == ["audit.signer-memory-damaged"]
    assert f"{lost} is missing" in found["problems"][0]["detail"]


@pytest.mark.parametrize("emptied_only", [True, False])
def test_a_signer_that_lives_elsewhere_is_said_not_to_be_there(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], *, emptied_only: bool
) -> None:
    asked = ("verify", "--public-key", key, "--data", data, "--context", "identity")
    assert run(capsys, *asked)[1][0]["signer_memory"] == "compared"
    shutil.rmtree(folder_of(data))
    if emptied_only:
        folder_of(data).mkdir()
    ended, (found,) = run(capsys, *asked)
    assert (ended, found["ok"], found["signer_memory"]) == (0, True, "not there")


def test_a_signer_that_remembers_only_another_log_is_told(
    data: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(data)
    for name in ("signing.key", "history/identity.jsonl"):
        (folder / name).unlink()
    (folder / "identity.json").rename(folder / "mailbox.json")
    _, (found,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert [one["code"] for one in found["problems"]] == ["audit.signer-memory-damaged"]


def test_somebody_who_did_nothing_has_no_proof(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proof", "--identity", WHO.replace("0", "1"), "--data", str(data)]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["code"] == "audit.no-such-identity"
    assert said.err.startswith("audit.no-such-identity: No log of ")


def test_what_is_not_signed_yet_is_no_proof_and_said_so(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "audit")
    ended, (told,) = run(capsys, "proof", "--identity", WHO, "--data", data)
    assert (ended, told["code"]) == (1, "audit.not-signed-yet")


def test_the_store_s_address_may_have_its_short_name(
    data: Path, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HERALDRY_STORE_URL", raising=False)
    monkeypatch.setenv("STORE_URL", "kdb://node:2113?Tls=false")
    ended, (told,) = run(capsys, "verify", "--public-key", key, "--data", data, "--context", "identity")
    assert (ended, told["code"]) == (1, "store.folder-has-its-own")  # the address was heard


@pytest.fixture
def of_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose logs a KurrentDB keeps, which is not told where it is."""
    monkeypatch.delenv("HERALDRY_STORE_URL", raising=False)
    monkeypatch.delenv("STORE_URL", raising=False)
    monkeypatch.setattr(kurrent, "START_PATIENCE", 0.1)
    data = tmp_path / "data"
    data.mkdir()
    (data / "MODE").write_text("demo\n")
    for context in CONTEXTS:
        write(data, context, Note("epoch", "kdb://127.0.0.1:1"))
    folder_of(data).mkdir(parents=True)
    signing_key(folder_of(data))
    return data


def test_a_server_that_does_not_answer_is_tried_once_for_all_logs(
    of_a_server: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def opened(settings: Settings, context: str) -> EventStore:
        tried.append(context)
        return await open_store(settings, context)

    monkeypatch.setattr(audit, "open_store", opened)
    monkeypatch.setenv("STORE_URL", "kdb://127.0.0.1:1?Tls=false")
    key = text_of(signing_key(folder_of(of_a_server)).verify_key)
    ended, found = run(capsys, "verify", "--public-key", key, "--data", of_a_server)
    assert (ended, [one["context"] for one in found]) == (1, list(CONTEXTS))
    assert {one["code"] for one in found} == {"store.unreachable"}
    assert not any(one["detail"].startswith("store.") for one in found)
    assert tried == [CONTEXTS[0]]
    assert run(capsys, "proof", "--identity", WHO, "--data", of_a_server)[1][0]["code"] == "store.unreachable"


@pytest.mark.parametrize(("address", "code"), [("", "store.address-missing"), ("nonsense", "store.address")])
def test_an_address_that_is_none_has_its_own_code(
    of_a_server: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    code: str,
) -> None:
    monkeypatch.setenv("STORE_URL", address)
    key = text_of(signing_key(folder_of(of_a_server)).verify_key)
    ended, found = run(capsys, "verify", "--public-key", key, "--data", of_a_server)
    assert (ended, {one["code"] for one in found}) == (1, {code})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify",), "--public-key"),
        (("verify", "--public-key", "short"), "not a key of 32 bytes"),
        (("verify", "--public-key", "A" * 43 + "=", "--witness", "/nowhere"), "/nowhere cannot be read"),
        (("proof", "--identity", "ada"), "invalid UUID"),
    ],
)
def test_misuse_is_told(words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
