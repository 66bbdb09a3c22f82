"""`heraldry mail`: one JSON document an argument, in their order."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest
from heraldry.chassis import cli
from heraldry.mailbox import commands
from heraldry.mailbox.domain.findings import FINDINGS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REPLY = b"From: Bob <b@x.example>\r\nIn-Reply-To: <o@us.example>\r\nSubject: Re: Hi\r\n\r\nYes.\r\n\r\nOn Mon, Ada wrote:\r\n> Hi\r\n"
BOUNCE = (
    b"From: MAILER-DAEMON@x.example\r\nReturn-Path: <>\r\nSubject: failure notice\r\n\r\n"
    b"Hi. This is the qmail-send program at x.example.\r\n\r\n<b@x.example>:\r\nno mailbox here by that name. (#5.1.1)\r\n"
)


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_is_found_by_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(REPLY)
    assert cli.main(["mail", "explain", str(tmp_path / "a.eml")]) == 0
    (found,) = said(capsys)
    assert (found["kind"], found["text"], found["in_reply_to"]) == ("reply", "Yes.", "<o@us.example>")


def test_every_file_is_answered_in_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(REPLY)
    (tmp_path / "b.eml").write_bytes(BOUNCE)
    names = [str(tmp_path / name) for name in ("b.eml", "none.eml", "a.eml", "b.eml")]
    assert commands.main(["explain", *names, str(tmp_path)]) == 1
    output = capsys.readouterr()
    found = [json.loads(line) for line in output.out.splitlines()]
    assert [each["file"] for each in found] == [*names, str(tmp_path)]
    assert [each.get("kind") for each in found] == ["bounce", None, "reply", "bounce", None]
    assert [each.get("code") for each in found] == [None, "file.unreadable", None, None, "file.unreadable"]
    assert "could not be read" in found[1]["error"]
    assert "none.eml" in output.err


def test_a_bounce_names_its_recipients(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "b.eml").write_bytes(BOUNCE)
    assert commands.main(["explain", str(tmp_path / "b.eml")]) == 0
    recipients = said(capsys)[0]["recipients"]
    assert isinstance(recipients, list)
    (recipient,) = recipients  # pyright: ignore[reportUnknownVariableType]
    assert recipient["address"] == "b@x.example"
    assert (recipient["hard"], recipient["category"], recipient["status"]) == (
        True,
        "unknown-address",
        "5.1.1",
    )


def test_standard_input_is_a_file_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(REPLY)))
    assert commands.main(["explain", "-"]) == 0
    assert said(capsys)[0]["kind"] == "reply"


HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)) * 4_000,
    "nested": b"From: a@x\r\n"
    + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(1_000)
    ),
    "long line": b"Subject: " + b"x" * 10_000_000 + b"\r\n\r\nHi",
    "charset": b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe",
    "base64": b"Content-Transfer-Encoding: base64\r\n\r\n=?%!!\xff" * 1_000,
    "surrogates": b"Subject: =?utf-16?b?2AA=?=\r\n\r\nHi",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_document(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x.eml").write_bytes(HOSTILE[name])
    begun = time.process_time()
    assert commands.main(["explain", str(tmp_path / "x.eml")]) == 0
    assert time.process_time() - begun < 10
    assert said(capsys)[0]["kind"] == "other"


@given(st.binary(max_size=2_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.eml").write_bytes(raw)
    assert commands.main(["explain", str(tmp_path / "x.eml")]) == 0
    assert len(said(capsys)) == 1


def test_every_answer_is_diagnosed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [
        "535 5.7.8 no",
        "550 5.4.5 Daily user sending limit exceeded",
        "connect ECONNREFUSED 192.0.2.1:587",
        "",
    ]
    assert commands.main(["diagnose", "--protocol", "smtp", *answers]) == 0
    found = said(capsys)
    assert [each["answer"] for each in found] == answers
    assert [each["code"] for each in found[:3]] == [
        "credentials.invalid",
        "provider.quota-exceeded",
        "host.refused",
    ]
    for each in found:
        assert each["protocol"] == "smtp"
        assert each["cause"]
        assert each["resolution"]
        assert each["kind"] == FINDINGS[str(each["code"])].kind


def test_what_worked_before_is_judged_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diagnose", "--protocol", "imap", "NO [AUTHENTICATIONFAILED] no"]
    for more, code in (
        ([], "credentials.invalid"),
        (["--connected-before"], "credentials.changed"),
        (["--with-token"], "grant.invalid"),
    ):
        assert commands.main([*words, *more]) == 0
        assert said(capsys)[0]["code"] == code


@pytest.mark.parametrize("protocol", ["google", "microsoft"])
def test_no_token_is_repeated(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.dumps(
        {"access_token": "s3cret-token-value", "scope": "openid", "refresh_token": "s3cret-other-value"}
    )
    assert commands.main(["diagnose", "--protocol", protocol, answer]) == 0
    output = capsys.readouterr().out
    assert "s3cret" not in output
    assert json.loads(output)["code"] == "consent.scopes-missing"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["explain"],
        ["dance"],
        ["diagnose", "x"],
        ["diagnose", "--protocol", "pop3", "x"],
        ["diagnose", "--protocol", "imap"],
    ],
)
def test_a_wrong_command_line_is_misuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mail", *words]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "heraldry mail" in output.err
