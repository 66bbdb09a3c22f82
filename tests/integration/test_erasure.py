"""A lead and an identity's owner are erased from a running installation: no byte of theirs is left in its folder.

The mail host's own folder is the other side and is left out.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.rights import KEYS
from heraldry.chassis.supervisor.child import CRASHES, WINDOW
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


STEPS_OF_IT: Final = (  # where whoever carries it on is killed, in the order in which they come
    ("identity", "erasure.in-ledger"),
    ("identity", "erasing-identity.sealed"),
    ("identity", "erasing-identity.stopped"),
    ("identity", "erasing-identity.forgotten"),
    ("identity", "erasure.asked"),
    ("scheduler", "erasing-scheduler.sealed"),
    ("scheduler", "erasing-scheduler.forgotten"),
    ("scheduler", "erasing-scheduler.stopped"),
    ("mailbox", "erasing-mailbox.sealed"),
    ("mailbox", "erasing-mailbox.stopped"),
    ("mailbox", "erasing-mailbox.forgotten"),
    ("gateway", "erasing-gateway.forgotten"),
    ("identity", "erasure.messages-found"),
    ("identity", "erasure.messages-deleted"),
    ("scheduler", "erasing-scheduler.destroyed"),
    ("identity", "erasure.keys-destroyed"),
    ("identity", "erasure.keys-overwritten"),
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, so that all its folder is what this session left, and processes held where we say."""
    folder = tmp_path_factory.mktemp("erased")
    (folder / "points").mkdir()
    with Stack.running(folder / "data", env={"HERALDRY_TEST_POINTS": str(folder / "points")}) as stack:
        yield stack


class Held:
    """Points at which this stack's processes are held."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._folder = stack, stack.folder.parent / "points"
        self._killed: dict[str, list[float]] = {}

    def hold(self, point: str) -> None:
        (self._folder / f"{point}.hold").touch()

    def let_go(self, point: str) -> None:
        (self._folder / f"{point}.hold").unlink(missing_ok=True)
        for told in self._folder.glob(f"{point}.*.reached"):
            told.unlink()

    def reached(self, point: str) -> None:
        eventually(lambda: any(self._folder.glob(f"{point}.*.reached")), f"somebody is at {point}", 60.0)

    def kill_at(self, service: str, point: str) -> None:
        """kill -9 where it is held; it is back when this returns."""
        self.reached(point)
        killed = self._killed.setdefault(service, [])
        eventually(
            lambda: len([at for at in killed if at > monotonic() - WINDOW]) < CRASHES - 2,
            "it may be killed without staying down",
            2 * WINDOW,
        )
        old = self._stack.kill(service)
        killed.append(monotonic())
        self.let_go(point)
        self._stack.wait(
            lambda: self._stack.process_state(service) == "ready" and self._stack.pid_of(service) != old,
            60.0,
            f"{service} is back",
        )


def heraldry(stack: Stack, *words: str) -> subprocess.Popen[bytes]:
    """The command, as an operator calls it."""
    return subprocess.Popen(
        [sys.executable, "-m", "heraldry.chassis.cli", *words, "--data", str(stack.folder)],
        stdout=subprocess.PIPE,
    )


def answer_of(ran: subprocess.Popen[bytes]) -> Mapping[str, Any]:
    """The last thing it says when it ends well."""
    told, _ = ran.communicate(timeout=150)
    assert ran.returncode == 0, told.decode()
    return cast("Mapping[str, Any]", json.loads(told.splitlines()[-1]))


def asked(stack: Stack, *words: str) -> Mapping[str, Any]:
    return answer_of(heraldry(stack, *words))


def erase(stack: Stack, *words: str) -> Mapping[str, Any]:
    return asked(stack, "erase", *words)


def rows_of(stack: Stack) -> Mapping[str, Sequence[str]]:
    """Every table of every read model, but for how far it is and what it was told to forget."""
    found: dict[str, Sequence[str]] = {}
    for file in sorted((stack.folder / "read").glob("*.sqlite3")):
        with closing(sqlite3.connect(file)) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                if table not in {"forgotten", "projection", "reached"}:
                    rows = db.execute(f"SELECT * FROM {table}").fetchall()
                    found[f"{file.name} {table}"] = sorted(map(repr, rows))
    return found


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
        us.mail_in(self.write("By hand"), "sent")
        outside.reply(self.theirs, mail, self.answer)
        eventually(
            lambda: us.get(f"/campaigns/{self.campaign}")["counts"]["replied"] == 1, "the reply is read"
        )
        (lead,) = us.get(f"/campaigns/{self.campaign}/leads")["leads"]
        self.enrollment = str(lead["enrollment"])

    def write(self, subject: str) -> str:
        """A mail by hand; its attempt."""
        letter = {
            "to": self.theirs.address,
            "subject": f"{subject} {self.mark}",
            "text": f"Dear {self.lead_name}",
        }
        return str(self.us.call("POST", f"/inboxes/{self.inbox}/mails", letter)["attempt"])

    def is_shown_without(self, texts: Mapping[str, str]) -> None:
        """Everything that showed them still answers, without them."""
        campaign = f"/campaigns/{self.campaign}"
        paths = ("/history", "/dashboard", "/identities", "/inboxes", "/campaigns", campaign)
        answers = [self.us.get(path) for path in (*paths, f"{campaign}/leads", f"/leads/{self.enrollment}")]
        told = json.dumps(answers, ensure_ascii=False)
        assert not [name for name, text in texts.items() if text in told]

    def is_not_written_to(self) -> None:
        """By no campaign a new import brings them into, and by hand neither; of the list only their hash is left."""
        us = self.us
        other = us.call("POST", "/campaigns", {"name": "Autumn", "identity": self.identity, "steps": STEPS})[
            "id"
        ]
        again = us.send("POST", f"/campaigns/{other}/leads", [{**self.lead, "first_name": "Somebody"}])
        assert not again.is_success or again.json()["leads"] == 0, again.text
        letter = {"to": self.theirs.address, "subject": "Again", "text": "Again"}
        assert us.refusal("POST", f"/inboxes/{self.inbox}/mails", letter)["code"] == "person.erased"
        listed = us.get("/suppressions")["suppressions"]
        removal = us.refusal("DELETE", f"/suppressions/{listed[0]['recipient']}")
        assert removal["code"] == "recipient.erased"
        assert [one["address"] for one in listed] == [""]
        assert len(self.outside.messages(self.theirs)) == 3

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


@pytest.mark.requirement("R-AUD-6")
def test_no_byte_of_an_erased_lead_or_owner_is_left_and_the_lead_is_written_to_no_more(own: Stack) -> None:
    held = Held(own)
    with organization_in(own) as us, outside_of(own) as outside:
        story = Story(us, outside)
        story.play()
        keys = wrapped_keys(own)
        of_both = {**story.of_lead, **story.of_owner}
        before = list(found_in(own.folder, of_both))
        assert all(any(one.startswith(name) for one in before) for name in of_both)

        held.hold("mail.answered")  # the mail server has taken it, and nobody has stored that
        on_its_way = story.write("On its way")
        held.reached("mail.answered")
        held.hold("erasure.messages-found")
        going_on = heraldry(own, "erase", "--lead", story.enrollment, "--reason", REASON)
        eventually(lambda: "mailbox" in waiting_for(own, story), "it waits for the mail that is leaving")
        held.let_go("mail.answered")
        held.kill_at("identity", "erasure.messages-found")
        lead = answer_of(going_on)
        # two ids: as the campaign and as the mail by hand know them
        assert (lead["step"], len(lead["subjects"])) == ("completed", 2)
        assert [one["context"] for one in lead["contexts"]] == list(erasure.CONTEXTS)
        assert len(of(keys, lead)) >= 3
        assert not list(found_in(own.folder, {**story.of_lead, **of(keys, lead)}))
        assert us.mail_in(on_its_way, "sent")["to"] == ""
        story.is_shown_without(story.of_lead)
        story.is_not_written_to()

        owner = erase(own, "--identity", story.identity, "--reason", REASON)
        assert owner["step"] == "completed"
        assert not list(found_in(own.folder, {**story.of_owner, **of(keys, owner)}))
        assert erase(own, "--status", story.enrollment) == lead
        assert erase(own, "--identity", story.identity, "--reason", "again") == owner

        history = us.get("/history")
        told = json.dumps(history, ensure_ascii=False)
        assert "ErasureCompleted" in told
        assert REASON in told
        story.is_shown_without(of_both)

        (admin,) = {one["actor"] for one in history["entries"] if one["actor"].startswith("user:")}
        user = erase(own, "--user", admin.removeprefix("user:"), "--reason", REASON, "--anyway")
        assert us.send("GET", "/identities").status_code == 401
        again = {"email": us.email, "password": us.password}
        assert us.http.post(f"{own.url}/api/v1/sessions", json=again).status_code == 401
    own.stop()
    gone = {**of_both, "user": us.email, **of(keys, lead), **of(keys, owner), **of(keys, user)}
    public = asked(own, "audit", "public-key")["public_key"]
    assert asked(own, "audit", "verify", "--public-key", public)
    assert not list(found_in(own.folder, gone))
    kept = rows_of(own)
    shutil.rmtree(own.folder / "read")
    with Stack.running(own.folder) as again:
        again.stop()
        assert rows_of(again) == kept
        assert not list(found_in(again.folder, gone))


def waiting_for(stack: Stack, story: Story) -> Mapping[str, Any]:
    ran = heraldry(stack, "erase", "--status", story.enrollment)
    told, _ = ran.communicate(timeout=60)
    return {} if ran.returncode else cast("Mapping[str, Any]", json.loads(told))["waiting"]


@pytest.mark.long
@pytest.mark.requirement("R-AUD-6")
@pytest.mark.timeout(1800)
def test_whoever_is_killed_at_whatever_step_it_goes_on_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    env = {"HERALDRY_TEST_POINTS": str(tmp_path / "points")}
    with (
        Stack.running(tmp_path / "data", env=env) as stack,
        organization_in(stack) as us,
        outside_of(stack) as outside,
    ):
        story, held = Story(us, outside), Held(stack)
        story.play()
        keys = wrapped_keys(stack)
        for _, point in STEPS_OF_IT:
            held.hold(point)
        both = [
            heraldry(stack, "erase", "--lead", story.enrollment, "--reason", REASON, "--wait", "0")
            for _ in "ab"
        ]
        for service, point in STEPS_OF_IT:
            held.kill_at(service, point)
        for each in both:
            each.communicate(timeout=60)
        lead = erase(stack, "--lead", story.enrollment, "--reason", REASON, "--wait", "120")
        assert lead["step"] == "completed"
        assert not list(found_in(stack.folder, {**story.of_lead, **of(keys, lead)}))
        told = [one["type"] for one in us.get("/history")["entries"]]
        assert told.count("ErasureRequested") == told.count("ErasureCompleted") == 1
