"""A lead and an identity's owner are erased from a running installation: no byte of theirs is left in its folder.

The mail host's own folder is the other side and is left out.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.rights import KEYS
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack
from heraldry.identity.domain import erasure
from PIL import Image

from tests.integration.support import Admin, Outside, eventually, organization_in, outside_of
from tests.integration.traces import found_in

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
REASON: Final = "asked for by letter"
STEPS: Final = (
    {"subject": "Hello {{ first_name }}", "text": "Of {{ company }}? {{ identity.first_name }}"},
    {"delay": 24, "text": "Still there, {{ first_name }}?"},
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, so that all its folder is what this session left."""
    with Stack.running(tmp_path_factory.mktemp("erased") / "data") as stack:
        yield stack


def erase(stack: Stack, *words: str) -> Mapping[str, Any]:
    """`heraldry erase`, as an operator calls it."""
    ran = subprocess.run(
        [sys.executable, "-m", "heraldry.chassis.cli", "erase", *words, "--data", str(stack.folder)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr).decode()
    return cast("Mapping[str, Any]", json.loads(ran.stdout))


def wrapped_keys(stack: Stack) -> Mapping[str, Mapping[str, bytes]]:
    """Every data key as it stands wrapped in the key stream, by data subject and context."""

    async def read() -> dict[str, dict[str, bytes]]:
        async with calling(stack.folder) as calls:
            js, found, sequence = border.jetstream(calls.operator), dict[str, dict[str, bytes]](), 0
            last = (await js.stream_info(KEYS)).state.last_seq
            while sequence < last:
                message = await js.get_msg(KEYS, seq=sequence + 1, next=True, subject="heraldry.keys.>")
                sequence = message.seq or 0
                *_, context, subject = (message.subject or "").split(".")
                if wrapped := json.loads(message.data or b"")["wrapped"]:
                    found.setdefault(subject, {})[context] = str(wrapped).encode()
            return found

    return asyncio.run(read())


def of(keys: Mapping[str, Mapping[str, bytes]], erased: Mapping[str, Any]) -> Mapping[str, bytes]:
    """The wrapped keys of who was erased."""
    return {
        f"key in {context} of {subject}": wrapped
        for subject in erased["subjects"]
        for context, wrapped in keys.get(subject, {}).items()
    }


def picture() -> str:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


class Story:
    """An identity with an owner who writes to a lead who answers, all with names that nobody else has."""

    def __init__(self, us: Admin, outside: Outside) -> None:
        self.us, self.outside = us, outside
        self.mark = uuid4().hex[:10]
        self.owner = f"Ovåe Ågärna-{self.mark}"
        self.title = f'Chief "{self.mark}ö" Officer'
        self.lead_name = f"Lëandra{self.mark}"
        self.column = f"Käsefabrik<{self.mark}>"
        self.answer = f"Grüezi, please call +41 79 {self.mark} & thanks"
        self.identity = str(
            us.call(
                "POST",
                "/identities",
                {
                    "name": self.owner,
                    "details": {"job_title": self.title, "email": f"ovae.{self.mark}@home.example"},
                    "picture": picture(),
                    "hours": {
                        "zone": outside.zone_about(),
                        "week": [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)],
                    },
                },
            )["id"]
        )
        self.ours = outside.account(f"ovae{self.mark}")
        self.theirs = outside.account(f"lea{self.mark}")
        self.lead = {
            "first_name": self.lead_name,
            "email": self.theirs.address,
            "own": {"company": self.column},
        }

    def play(self) -> None:
        us, outside = self.us, self.outside
        self.inbox = us.connected(self.identity, self.ours)
        campaign = us.call(
            "POST",
            "/campaigns",
            {"name": "Spring", "identity": self.identity, "pace": "at once", "steps": STEPS},
        )
        self.campaign = str(campaign["id"])
        us.call("POST", f"/campaigns/{self.campaign}/leads", [self.lead])
        eventually(lambda: us.get(f"/campaigns/{self.campaign}")["counts"]["waiting"] == 1, "the lead counts")
        us.call("POST", f"/campaigns/{self.campaign}/start")
        mail = outside.message(self.theirs)
        by_hand = us.call(
            "POST",
            f"/inboxes/{self.inbox}/mails",
            {"to": self.theirs.address, "subject": f"By hand {self.mark}", "text": f"Dear {self.lead_name}"},
        )
        self.by_hand = str(by_hand["attempt"])
        us.mail_in(self.by_hand, "sent")
        outside.reply(self.theirs, mail, self.answer)
        eventually(
            lambda: us.get(f"/campaigns/{self.campaign}")["counts"]["replied"] == 1, "the reply is read"
        )
        (lead,) = us.get(f"/campaigns/{self.campaign}/leads")["leads"]
        self.enrollment = str(lead["enrollment"])

    def is_not_written_to(self) -> None:
        """By no campaign a new import brings them into, and by hand neither; of the list only their hash is left."""
        us = self.us
        other = us.call("POST", "/campaigns", {"name": "Autumn", "identity": self.identity, "steps": STEPS})[
            "id"
        ]
        again = us.send("POST", f"/campaigns/{other}/leads", [{**self.lead, "first_name": "Somebody"}])
        assert not again.is_success or again.json()["leads"] == 0, again.text
        letter = {"to": self.theirs.address, "subject": "Again", "text": "Again"}
        assert us.refusal("POST", f"/inboxes/{self.inbox}/mails", letter)["code"] == "recipient.suppressed"
        listed = us.get("/suppressions")["suppressions"]
        assert [one["address"] for one in listed] == [""]
        assert len(self.outside.messages(self.theirs)) == 2

    @property
    def of_lead(self) -> Mapping[str, str]:
        return {
            "name": self.lead_name,
            "address": self.theirs.address,
            "column": self.column,
            "reply": self.answer,
            "subject": f"By hand {self.mark}",
        }

    @property
    def of_owner(self) -> Mapping[str, str]:
        return {
            "owner": self.owner,
            "title": self.title,
            "inbox": self.ours.address,
            "details": f"ovae.{self.mark}@home.example",
        }


@pytest.mark.requirement("R-AUD-6", "R-ACC-5")
def test_no_byte_of_an_erased_lead_or_owner_is_left_and_the_lead_is_written_to_no_more(own: Stack) -> None:
    with organization_in(own) as us, outside_of(own) as outside:
        story = Story(us, outside)
        story.play()
        keys = wrapped_keys(own)
        before = list(found_in(own.folder, {**story.of_lead, **story.of_owner}))
        assert all(
            any(one.startswith(name) for one in before) for name in {**story.of_lead, **story.of_owner}
        )

        lead = erase(own, "--lead", story.enrollment, "--reason", REASON)
        assert lead["step"] == "completed"
        assert len(lead["subjects"]) == 2  # as the campaign and as the mail by hand know them
        assert [one["context"] for one in lead["contexts"]] == list(erasure.CONTEXTS)
        assert len(of(keys, lead)) >= 3
        assert not list(found_in(own.folder, {**story.of_lead, **of(keys, lead)}))
        story.is_not_written_to()

        owner = erase(own, "--identity", story.identity, "--reason", REASON)
        assert owner["step"] == "completed"
        assert not list(found_in(own.folder, {**story.of_owner, **of(keys, owner)}))
        assert erase(own, "--status", story.enrollment) == lead
        assert erase(own, "--identity", story.identity, "--reason", "again") == owner

        told = json.dumps(us.get("/history"), ensure_ascii=False)
        assert "ErasureCompleted" in told
        assert REASON in told
        assert not any(text in told for text in (*story.of_lead.values(), *story.of_owner.values()))
    own.stop()
    gone = {**story.of_lead, **story.of_owner, **of(keys, lead), **of(keys, owner)}
    assert not list(found_in(own.folder, gone))
