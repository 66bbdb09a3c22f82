"""The data folder, its ports and the list of services: what `up` decides before it starts anything."""

from __future__ import annotations

import base64
import errno
import json
import os
import socket
from pathlib import Path

import pytest
from heraldry.chassis.supervisor import ports
from heraldry.chassis.supervisor.child import CRASHES, WINDOW, Child, State, how_it_ended
from heraldry.chassis.supervisor.folder import Folder, default, running
from heraldry.chassis.supervisor.output import LogFile
from heraldry.chassis.supervisor.plan import metrics_ports
from heraldry.chassis.supervisor.problems import CannotStart, explain
from heraldry.chassis.supervisor.rebuild import main as rebuild_command
from heraldry.chassis.supervisor.rebuild import rebuild
from heraldry.chassis.supervisor.services import SERVICES, Service, replicas, services
from heraldry.chassis.supervisor.status import status


def refused(code: str) -> pytest.RaisesExc[CannotStart]:
    return pytest.RaisesExc(CannotStart, check=lambda problem: problem.code == code)


def room(count: int) -> int:
    """The first of so many free ports in a row."""

    def is_free(port: int) -> bool:
        return not ports.is_taken("127.0.0.1", port)

    return next(first for first in iter(ports.free_port, 0) if all(map(is_free, range(first, first + count))))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heraldry.chassis.supervisor.folder.LOCK_PATIENCE", 0.01)


class TestFolder:
    def test_says_its_kind_and_refuses_to_be_the_other(self, tmp_path: Path) -> None:
        Folder.claim(tmp_path / "d", "demo").release()
        assert (tmp_path / "d" / "MODE").read_text() == "demo\n"
        with refused("other-mode"):
            Folder.claim(tmp_path / "d", "live")

    def test_refuses_a_folder_with_foreign_files_and_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "letter.txt").write_text("mine")
        with refused("folder-not-ours"):
            Folder.claim(tmp_path, "demo")
        assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
        with refused("folder-is-a-file"):
            Folder.claim(tmp_path / "letter.txt", "demo")

    def test_has_one_holder_at_a_time(self, tmp_path: Path) -> None:
        held = Folder.claim(tmp_path, "demo")
        assert running(tmp_path)
        with pytest.raises(CannotStart, match=f"process {os.getpid()}"):
            Folder.claim(tmp_path, "demo")
        held.release()
        assert not running(tmp_path)
        Folder.claim(tmp_path, "demo").release()

    def test_is_closed_to_others_even_if_it_was_open(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        Folder.claim(tmp_path, "demo").release()
        assert [p for p in (tmp_path, *tmp_path.rglob("*")) if p.is_dir() and p.stat().st_mode & 0o077] == []

    def test_forgets_what_a_killed_run_left(self, tmp_path: Path) -> None:
        Folder.claim(tmp_path, "demo").release()
        (tmp_path / "run" / "gateway-0.json").write_text("{}")
        Folder.claim(tmp_path, "demo").release()
        assert list((tmp_path / "run").glob("*.json")) == []

    def test_keeps_no_read_model_of_a_process_that_runs_no_more_and_touches_nothing_else(
        self, tmp_path: Path
    ) -> None:
        folder = Folder.claim(tmp_path, "demo")
        kept = {
            "mailbox-0.sqlite3",
            "mailbox-0.sqlite3-wal",
            "gateway-0-views.sqlite3",
            "linkedin-driver-0.sqlite3.coming",
            "mailbox-1-places",
            "linkedin-driver-1-pictures",
            "notes.txt",
        }
        gone = {
            "mailbox-1.sqlite3",
            "mailbox-1.sqlite3-wal",
            "mailbox-1.sqlite3-shm",
            "mailbox-1.sqlite3.0a1b.leaving",
            "mailbox-1.sqlite3.coming",
            "mailbox-10.sqlite3",
            "gateway-1-views.sqlite3",
            "gateway-1-views.sqlite3-wal",
            "linkedin-driver-1.sqlite3",
        }
        for name in kept | gone:
            (tmp_path / "read" / name).write_text("Lea")
        folder.keep_read_models_of({"mailbox-0", "gateway-0", "linkedin-driver-0"})
        assert {file.name for file in (tmp_path / "read").iterdir()} == kept
        folder.release()

    def test_is_where_it_is_said_to_be(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("HERALDRY_DATA", raising=False)
        assert default("demo") == tmp_path / "data" / "demo"
        assert default("live") == tmp_path / "data" / "live"
        monkeypatch.setenv("HERALDRY_DATA", "/elsewhere")
        assert default("live") == Path("/elsewhere")
        assert default("live", Path("here")) == tmp_path / "here"


class TestMasterKey:
    def test_is_made_once(self, tmp_path: Path) -> None:
        folder = Folder.claim(tmp_path, "live")
        path = folder.master_key()
        key = path.read_bytes()
        assert len(base64.b64decode(key)) == 32
        assert path.stat().st_mode & 0o777 == 0o600
        assert folder.master_key().read_bytes() == key
        assert [found.name for found in path.parent.iterdir()] == ["master.key"]

    def test_is_never_made_anew_beside_what_the_lost_one_encrypted(self, tmp_path: Path) -> None:
        folder = Folder.claim(tmp_path, "live")
        (tmp_path / "nats" / "jetstream" / "HERALDRY" / "streams" / "KEYS").mkdir(parents=True)
        with refused("master-key-missing"):
            folder.master_key()
        assert list(folder.keys.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 44, b"!" * 44])
    def test_a_damaged_one_is_said(self, tmp_path: Path, content: bytes) -> None:
        folder = Folder.claim(tmp_path, "live")
        (folder.keys / "master.key").write_bytes(content)
        with refused("master-key-damaged"):
            folder.master_key()


class TestSignIn:
    def test_is_made_once_and_kept(self, tmp_path: Path) -> None:
        folder = Folder.claim(tmp_path, "demo")
        made = folder.sign_in()
        assert len(made.password) >= 16
        assert folder.sign_in() == made

    def test_a_damaged_one_is_said(self, tmp_path: Path) -> None:
        folder = Folder.claim(tmp_path, "demo")
        (folder.keys / "demo-sign-in.json").write_text("[]")
        with refused("sign-in-damaged"):
            folder.sign_in()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EROFS, "folder-read-only"),
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EACCES, "folder-forbidden"),
        (errno.ENOTDIR, "folder-is-a-file"),
        (errno.EIO, "folder-unusable"),
    ],
)
def test_an_error_of_the_system_becomes_a_finding(number: int, code: str) -> None:
    problem = explain(OSError(number, os.strerror(number)), Path("/somewhere"))
    assert problem.code == code
    assert "/somewhere" in str(problem)


class TestPorts:
    def test_a_taken_one_is_refused_or_replaced(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = int(other.getsockname()[1])
            with refused("port-taken") as caught:
                ports.asked_port("127.0.0.1", port, "--nats-port")
            assert f"./justw up --nats-port {port + 10}" in str(caught.value)
            assert ports.preferred_port("127.0.0.1", port) != port
            assert ports.listening(port)
        assert ports.preferred_port("127.0.0.1", port) == port
        assert not ports.listening(port)

    def test_a_free_one_is_below_those_of_outgoing_connections(self) -> None:
        assert ports.free_port() < 32_768
        assert ports.asked_port("127.0.0.1", 0, "--port") < 32_768

    def test_those_of_the_metrics_are_in_a_row_and_all_or_nothing(self) -> None:
        wanted = {service: 2 if service.is_gateway else 1 for service in SERVICES}
        begin = room(7)
        assert metrics_ports(wanted, 0, taken=()) == {}
        with refused("port-taken"):
            metrics_ports(wanted, begin, taken={begin + 3})
        with refused("port-taken"):
            metrics_ports(wanted, 65_533, taken=())
        one = Service("mailbox", "x")
        assert metrics_ports({one: 1}, begin, taken=()) == {("mailbox", 0): begin}
        with socket.create_server(("127.0.0.1", begin)), refused("port-taken"):
            metrics_ports({one: 1}, begin, taken=())

    def test_the_gateway_at_its_own_port_and_the_sandbox_are_not_among_them(self) -> None:
        wanted = {Service("sandbox", "x"): 1, Service("identity", "x"): 2, Service("gateway", "x"): 2}
        begin = room(3)
        assert list(metrics_ports(wanted, begin, taken=()).items()) == [
            (("identity", 0), begin),
            (("identity", 1), begin + 1),
            (("gateway", 1), begin + 2),
        ]

    def test_an_address_that_is_not_ours_is_refused(self) -> None:
        with refused("bad-host"):
            ports.asked_port("192.0.2.1", 8700, "--port")

    def test_addresses_to_open(self) -> None:
        assert ports.address("127.0.0.1", 1) == "http://127.0.0.1:1"
        assert ports.address("0.0.0.0", 1) == "http://127.0.0.1:1"
        assert ports.address("::1", 1) == "http://[::1]:1"
        assert not ports.is_loopback("0.0.0.0")


class TestServices:
    def test_are_the_signer_the_five_and_the_sandbox(self) -> None:
        assert [service.name for service in SERVICES] == [
            "signer",
            "identity",
            "mailbox",
            "linkedin-driver",
            "scheduler",
            "gateway",
            "sandbox",
        ]
        assert services({}) == SERVICES

    def test_can_be_others_for_tests(self) -> None:
        found = services({"HERALDRY_SERVICES": "gateway=a.b:c,sandbox=d"})
        assert found == (Service("gateway", "a.b", "c"), Service("sandbox", "d", warm=False))
        with refused("bad-services"):
            services({"HERALDRY_SERVICES": "nothing"})

    def test_replicas(self) -> None:
        assert replicas(["identity=3"], SERVICES)["identity"] == 3
        assert replicas([], SERVICES)["identity"] == 1
        assert replicas(["signer=0"], SERVICES)["signer"] == 0
        for wrong in ("identity", "identity=0", "identity=x", "nobody=2", "identity=17", "signer=2"):
            with refused("bad-replicas"):
                replicas([wrong], SERVICES)


class TestCrashes:
    def child(self, tmp_path: Path) -> Child:
        return Child("a", int, {}, LogFile(tmp_path / "a.log", pytest.fail))

    def test_five_within_a_minute_are_too_many(self, tmp_path: Path) -> None:
        child = self.child(tmp_path)
        assert [child.crashed(float(at), 1) for at in range(CRASHES)] == [True] * 4 + [False]
        assert child.state is State.DOWN

    def test_five_over_more_than_a_minute_are_not(self, tmp_path: Path) -> None:
        child = self.child(tmp_path)
        assert all(child.crashed(at * WINDOW / 4, 1) for at in range(20))
        assert child.state is State.WAITING

    def test_the_pauses_leave_room_for_five_within_the_minute(self, tmp_path: Path) -> None:
        child, now = self.child(tmp_path), 0.0
        while child.crashed(now, -9):
            now = child.start_at
        assert now < WINDOW / 2
        assert child.reason == "was killed by SIGKILL"
        assert how_it_ended(3) == "ended with exit code 3"


class TestRebuild:
    def test_deletes_the_read_models_and_nothing_else(self, tmp_path: Path) -> None:
        folder = Folder.claim(tmp_path, "demo")
        with refused("already-running"):
            rebuild(tmp_path)
        folder.release()
        (tmp_path / "read" / "gateway-0.db").write_text("rows")
        (tmp_path / "read" / "identity").mkdir()
        (tmp_path / "read" / "identity" / "0.db").write_text("rows")
        (tmp_path / "store" / "identity.db").write_text("truth")
        assert rebuild(tmp_path) == ["gateway-0.db", "identity"]
        assert list((tmp_path / "read").iterdir()) == []
        assert (tmp_path / "store" / "identity.db").read_text() == "truth"
        assert not running(tmp_path)

    def test_makes_no_installation_where_there_is_none(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with refused("no-installation"):
            rebuild(tmp_path)
        assert rebuild_command(["--data", str(tmp_path)]) == 1
        told = capsys.readouterr()
        assert json.loads(told.out)["code"] == "no-installation"
        assert told.err == ""
        assert list(tmp_path.iterdir()) == []


class TestStatus:
    def test_says_none_and_stopped(self, tmp_path: Path) -> None:
        assert status(tmp_path / "d")["state"] == "none"
        folder = Folder.claim(tmp_path / "d", "demo")
        assert status(tmp_path / "d")["state"] == "starting"
        folder.release()
        assert status(tmp_path / "d")["state"] == "stopped"
