"""`heraldry mail`: explains incoming mails, and what mail servers and sign-in services answer.

Answers are JSON on standard output, one document an argument, in their order; all else is on standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, get_args

from heraldry.mailbox.domain import diagnosis, kinds, oauth

ANSWERED, BAD_NEWS, MISUSE = 0, 1, 2
LARGEST: Final = 100 << 20  # bytes of a mail
_PROTOCOLS: Final = ("imap", "smtp", "google", "microsoft")


def main(argv: Sequence[str]) -> int:
    """0: everything was answered; 1: something could not be read; 2: a wrong command line."""
    parser = argparse.ArgumentParser(prog="heraldry mail", description="Explain mails and servers' answers.")
    words = parser.add_subparsers(dest="word", required=True, metavar="explain|diagnose")
    explain = words.add_parser(
        "explain", help="what a mail is: a reply, an automatic one, a bounce …", description=explained.__doc__
    )
    explain.add_argument("files", nargs="+", metavar="FILE.eml", help="a raw mail; `-` is standard input")
    explain.set_defaults(run=_explain)
    diagnose = words.add_parser(
        "diagnose", help="what an answer of a server means", description=diagnosed.__doc__
    )
    diagnose.add_argument("--protocol", required=True, choices=_PROTOCOLS)
    diagnose.add_argument(
        "--stage",
        choices=get_args(diagnosis.Stage),
        help="imap, smtp: what was being done (default: guessed from the answer)",
    )
    diagnose.add_argument(
        "--connected-before", action="store_true", help="the inbox worked with these credentials before"
    )
    diagnose.add_argument(
        "--with-token",
        action="store_true",
        help="imap, smtp: the sign-in was by OAuth (XOAUTH2) and not by password",
    )
    diagnose.add_argument("answers", nargs="+", metavar="ANSWER", help="an answer as it came")
    diagnose.set_defaults(run=_diagnose)
    asked = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] = asked.run
    return run(asked)


def _explain(asked: argparse.Namespace) -> int:
    names: list[str] = asked.files
    ended = ANSWERED
    for name in names:
        answer = explained(name)
        _say(answer)
        if "error" in answer:
            sys.stderr.write(f"heraldry mail: {name}: {answer['error']}\n")
            ended = BAD_NEWS
    return ended


def explained(name: str) -> dict[str, object]:
    """Tell what mails are: `reply`, `auto_reply`, `bounce`, `delayed`, `feedback` or `other`, and why."""
    try:
        raw = _read(name)
    except OSError as error:
        said = error.strerror or type(error).__name__
        return {
            "file": name,
            "error": f"The file could not be read ({said}). Check its name and that you may read it.",
            "code": "file.unreadable",
        }
    except ValueError as error:
        return {"file": name, "error": f"{error}", "code": "file.unusable"}
    found = kinds.classify(raw)
    mail, original = found.incoming, found.original
    return {
        "file": name,
        "kind": found.kind,
        "reasons": found.reasons,
        "recipients": [asdict(recipient) for recipient in found.recipients],
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": mail.references,
        "original_message_id": original.message_id,
        "original": asdict(original),
        "detail": found.detail,
        "from": mail.from_address,
        "from_name": mail.from_name,
        "subject": mail.subject,
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.reply_text,
    }


def _read(name: str) -> bytes:
    if name == "-":
        raw = sys.stdin.buffer.read(LARGEST + 1)
    else:
        with Path(name).open("rb") as file:
            raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ValueError(
            f"The file is larger than {LARGEST >> 20} MiB. Mails are not; check which file it is."
        )
    return raw


def _diagnose(asked: argparse.Namespace) -> int:
    answers: list[str] = asked.answers
    for answer in answers:
        _say(diagnosed(answer, asked))
    return ANSWERED


def diagnosed(answer: str, asked: argparse.Namespace) -> dict[str, object]:
    """Tell what answers mean: a stable code, the likely cause, what to do next, and who can mend it."""
    protocol: str = asked.protocol
    before: bool = asked.connected_before
    if protocol in ("imap", "smtp"):
        spoken: diagnosis.Protocol = "imap" if protocol == "imap" else "smtp"
        stage: diagnosis.Stage = asked.stage or diagnosis.stage_of(spoken, answer)
        found = diagnosis.explain(
            spoken, answer, stage=stage, connected_before=before, with_token=asked.with_token
        )
        more: dict[str, object] = {"stage": stage}
    else:
        provider: oauth.Provider = "google" if protocol == "google" else "microsoft"
        said = oauth.parsed(answer)
        found = oauth.diagnose(provider, said, connected_before=before)
        more = {
            "error": said.error,
            "suberror": said.suberror,
            "numbers": said.numbers,
            "classification": said.classification,
        }
    return {
        "answer": oauth.shown(answer),
        "protocol": protocol,
        "code": found.code,
        "cause": found.cause,
        "resolution": found.resolution,
        "kind": found.kind,
        **more,
    }


def _say(answer: dict[str, object]) -> None:
    # Escaped: a file name or a stranger's text may hold what no terminal or encoding takes.
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
