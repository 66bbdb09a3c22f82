"""`heraldry up` as a person runs it: the real command, NATS, and services made for the purpose."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from heraldry.chassis.supervisor.ports import free_port, listening
from heraldry.chassis.supervisor.status import down
from heraldry.chassis.testing.stack import Stack, StackError

pytestmark = pytest.mark.parts

MODULE = "heraldry.chassis.testing.services"


def made_of(**services: str) -> dict[str, str]:
    """The variable that names the services: keyword → function of the test services' module."""
    named = (f"{name.replace('_', '-')}={MODULE}:{function}" for name, function in services.items())
    return {"HERALDRY_SERVICES": ",".join(named)}


FIVE = made_of(
    identity="healthy", mailbox="healthy", linkedin_driver="parent", gateway="healthy", sandbox="chatty"
)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(*pids: int, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while any(map(alive, pids)):
        assert time.monotonic() < until, [pid for pid in pids if alive(pid)]
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One installation for the tests that leave it running."""
    with Stack.running(tmp_path_factory.mktemp("up") / "data", env=FIVE) as stack:
        yield stack


class TestRunning:
    def test_prints_three_lines_and_no_other_line_of_any_log_has_an_address(self, running: Stack) -> None:
        address, sign_in, sandbox = running.output.read_text().splitlines()
        assert running.url in address
        assert running.sign_in.email in sign_in
        assert running.sign_in.password in sign_in
        assert running.sandbox_url in sandbox
        logs = [running.log, *(running.folder / "run" / "log").iterdir()]
        assert len(logs) >= 4
        assert [path for path in logs if b"http://" in path.read_bytes().lower()] == []

    def test_prefixes_lines_cuts_long_ones_and_takes_control_characters_out(self, running: Stack) -> None:
        said = [line for line in running.log.read_bytes().split(b"\n") if line.startswith(b"sandbox ")]
        assert all(len(line) < 8400 for line in said)
        assert b"".join(said).count("é".encode()) == 10_000
        assert any(line.endswith(b"red \\x07 bell") for line in said)
        assert b"\x1b" not in running.log.read_bytes()  # a file is no terminal

    def test_the_folder_and_what_is_in_it_are_its_owners_only(self, running: Stack) -> None:
        open_to_others = [
            path
            for path in (running.folder, *running.folder.rglob("*"))
            if path.stat().st_mode & 0o077 and "jetstream" not in path.parts
        ]
        assert open_to_others == []
        assert stat.S_IMODE((running.folder / "keys" / "master.key").stat().st_mode) == 0o600

    def test_everything_listens_on_this_machine_only(self, running: Stack) -> None:
        pids = "|".join(map(str, running.pids()))
        inodes = {
            found.group(1)
            for pid in pids.split("|")
            for link in Path(f"/proc/{pid}/fd").iterdir()
            if (found := re.match(r"socket:\[(\d+)\]", str(link.readlink())))
        }
        listening = [
            line.split()
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        ]
        mine = [row[1] for row in listening if row[9] in inodes]
        assert len(mine) >= 4
        assert all(address.startswith("0100007F:") for address in mine)

    def test_a_second_one_on_the_folder_is_refused_and_told_who_has_it(self, running: Stack) -> None:
        second = Stack.start(running.folder, env=FIVE, wait=False)
        assert second.process.wait(20) == 1
        assert f"process {running.process.pid}" in second.tail()
        assert "already-running" in second.tail()

    def test_status_says_what_runs(self, running: Stack) -> None:
        said = heraldry("status", "--data", str(running.folder))
        assert said.returncode == 0
        assert json.loads(said.stdout)["url"] == running.url

    def test_rebuild_refuses_while_it_runs(self, running: Stack) -> None:
        said = heraldry("rebuild", "--data", str(running.folder))
        assert (said.returncode, said.stderr) == (1, "")
        assert json.loads(said.stdout)["code"] == "already-running"

    def test_a_killed_service_is_started_again(self, running: Stack) -> None:
        old = running.pid_of("identity")
        assert running.kill_and_wait("identity") != old
        assert "identity was killed by SIGKILL" in running.tail()

    def test_what_a_killed_service_had_started_is_gone(self, running: Stack) -> None:
        grandchild = int((running.folder / "run" / "grandchild").read_text())
        running.kill_and_wait("linkedin-driver")
        wait_until_gone(grandchild)

    def test_a_killed_nats_server_comes_back_on_its_port(self, running: Stack) -> None:
        port = json.loads((running.folder / "run" / "nats.conf").read_text())["port"]
        running.kill_and_wait("nats")
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            assert connection.recv(4) == b"INFO"


def heraldry(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "heraldry.chassis.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_five_crashes_in_a_minute_and_it_stays_down_while_the_others_go_on(folder: Path) -> None:
    stack = Stack.start(folder, env=made_of(identity="crashing", gateway="well"), wait=False)
    try:
        with pytest.raises(StackError, match="not everything runs"):
            stack.wait_ready()
        assert stack.process_state("identity") == "down"
        assert stack.process_state("gateway") == "ready"
        assert down(folder) == "crashed too often and not started again: identity (it ended with exit code 1)"
        assert "identity crashed 5 times within a minute and stays down" in stack.tail()
        assert "the reason is in the log" in stack.tail(8)
        assert stack.url in stack.output.read_text()
    finally:
        assert stack.stop() == 0
    assert down(folder) is None


def test_it_ends_if_every_service_stays_down(folder: Path) -> None:
    stack = Stack.start(folder, env=made_of(identity="crashing", gateway="crashing"), wait=False)
    assert stack.process.wait(30) == 1
    assert "all-down" in stack.tail()


def test_ctrl_c_stops_everything_within_five_seconds_also_what_does_not_listen(folder: Path) -> None:
    stack = Stack.start(folder, env=made_of(identity="stubborn", mailbox="parent", gateway="well"))
    pids = [*stack.pids(), int((folder / "run" / "grandchild").read_text())]
    begin = time.monotonic()
    assert stack.stop(signal.SIGINT) == 0
    assert time.monotonic() - begin < 5
    assert [pid for pid in pids if alive(pid)] == []
    assert list((folder / "run").glob("*.json")) == []


def test_a_second_ctrl_c_does_not_wait(folder: Path) -> None:
    stack = Stack.start(folder, env=made_of(identity="stubborn", gateway="stubborn"))
    pids = stack.pids()
    begin = time.monotonic()
    stack.process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # a person's second key stroke; nearer ones count as one
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(5) == 0
    assert time.monotonic() - begin < 2
    assert [pid for pid in pids if alive(pid)] == []


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_finds_everything(folder: Path) -> None:
    stack = Stack.start(folder, env=FIVE)
    pids = stack.pids()
    key, sign_in = (folder / "keys" / "master.key").read_bytes(), stack.sign_in
    stack.process.kill()
    stack.process.wait()
    wait_until_gone(*pids)
    assert heraldry("status", "--data", str(folder)).returncode == 1
    of_a_replica_that_runs_no_more = folder / "read" / "mailbox-1.sqlite3"
    of_a_replica_that_runs_no_more.touch()
    with Stack.running(folder, env=FIVE) as again:
        assert not of_a_replica_that_runs_no_more.exists()
        assert again.seconds_to_ready < 6
        assert (folder / "keys" / "master.key").read_bytes() == key
        assert again.sign_in == sign_in


def test_a_taken_port_is_said_and_nothing_is_left_running(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        stack = Stack.start(folder, env=FIVE, arguments=("--port", str(port)), wait=False)
        assert stack.process.wait(20) == 1
    assert f"Port {port}" in stack.tail()
    assert "Traceback" not in stack.tail()


def test_nats_listens_where_it_was_told_and_a_taken_port_is_said(folder: Path) -> None:
    port = free_port()
    stack = Stack.start(folder, env=made_of(gateway="well"), arguments=("--nats-port", str(port)))
    try:
        assert listening(port)
        second = Stack.start(
            folder.with_name("second"), env=FIVE, arguments=("--nats-port", str(port)), wait=False
        )
        assert second.process.wait(20) == 1
        assert f"./justw up --nats-port {port + 10}" in second.tail()
        assert "Traceback" not in second.tail()
    finally:
        assert stack.stop() == 0


def test_one_port_for_heraldry_and_for_nats_is_refused(folder: Path) -> None:
    port = str(free_port())
    stack = Stack.start(folder, env=FIVE, arguments=("--port", port, "--nats-port", port), wait=False)
    assert stack.process.wait(20) == 1
    assert f"--nats-port {port} is the port of Heraldry itself" in stack.tail()


def test_a_real_installation_prints_the_link_and_the_other_mode_refuses_its_folder(folder: Path) -> None:
    env = made_of(identity="well", gateway="first_admin", sandbox="well")
    stack = Stack.start(folder, sandbox=False, env=env)
    try:
        address, link = stack.output.read_text().splitlines()
        assert stack.url in address
        assert stack.first_admin_url in link
        assert not (folder / "keys" / "demo-sign-in.json").exists()
        with pytest.raises(StackError, match="no process sandbox"):
            stack.pid_of("sandbox")
    finally:
        assert stack.stop() == 0
    other = Stack.start(folder, env=env, wait=False)
    assert other.process.wait(20) == 1
    assert "other-mode" in other.tail()
    assert "--no-sandbox" in other.tail()


def test_listening_for_other_machines_is_warned_about(folder: Path) -> None:
    stack = Stack.start(folder, env=made_of(gateway="well"), arguments=("--host", "0.0.0.0"))
    stack.stop()
    assert "without TLS" in stack.log.read_text()
    assert "http://127.0.0.1:" in stack.output.read_text()


def test_replicas(folder: Path) -> None:
    stack = Stack.start(folder, env=made_of(identity="well", gateway="well"), replicas={"identity": 2})
    try:
        assert stack.pid_of("identity", 0) != stack.pid_of("identity", 1)
        assert {path.name for path in (folder / "run").glob("identity-*")} == {
            "identity-0.json",
            "identity-1.json",
        }
    finally:
        stack.stop()


def test_a_nats_server_that_cannot_start_is_said_with_its_reason(folder: Path) -> None:
    with Stack.running(folder, env=made_of(gateway="well")):
        pass
    for path in sorted((folder / "nats").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "nats" / "jetstream").write_text("in the way")
    stack = Stack.start(folder, env=made_of(gateway="well"), wait=False)
    assert stack.process.wait(20) == 1
    assert "nats-failed" in stack.tail()
    assert "Traceback" not in stack.tail()
