"""Set-up on a machine that lacks something: it says the one command, and installs only where it may."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.system_packages import allowed_unasked, install_command, mail_command

ROOT = Path(__file__).parents[2]
NEEDED = ("sh", "dirname", "uname", "id", "rm", "mkdir", "cp", "cmp")


@pytest.mark.parametrize(
    ("environment", "container", "may"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"CI": "true"}, False, True),
        ({"CI": "0"}, False, False),
        ({"CI": "false"}, False, False),
        ({"CI": ""}, False, False),
        ({"container": "podman"}, False, True),
        ({"HERALDRY_INSTALL": "yes"}, False, True),
        ({"HERALDRY_INSTALL": "no", "CI": "true"}, True, False),
        ({"HERALDRY_INSTALL": "perhaps"}, False, False),
    ],
)
def test_packages_are_installed_unasked_only_where_nobody_has_to_be_asked(
    tmp_path: Path, environment: Mapping[str, str], *, container: bool, may: bool
) -> None:
    marker = tmp_path / "dockerenv"
    if container:
        marker.touch()
    assert allowed_unasked(environment, (marker,)) is may


def test_the_command_is_the_distributions_own_and_asks_for_rights_only_if_needed() -> None:
    assert install_command("debian", root=True).startswith("apt-get update && apt-get install --yes ")
    assert install_command("debian", root=False).count("sudo apt-get") == 2
    assert install_command("ubuntu", root=False).startswith(".venv/bin/playwright install ")


def test_mail_servers_are_installed_so_that_none_runs(tmp_path: Path) -> None:
    """The command's script is run with stand-ins for what it calls."""
    policy, heard, bin_ = tmp_path / "policy-rc.d", tmp_path / "heard", tmp_path / "bin"
    bin_.mkdir()
    for name in ("apt-get", "sudo", "systemctl"):
        body = (
            'exec "$@"' if name == "sudo" else f'echo "{name} $*" >>{heard}; cat {policy} >>{heard}; exit 0'
        )
        (bin_ / name).write_text(f"#!/bin/sh\n{body} 2>/dev/null\n")
        (bin_ / name).chmod(0o755)
    command = mail_command(["dovecot-imapd", "postfix"], root=False)
    assert command.startswith("sudo apt-get update && sudo sh -c ")
    here = command.replace("/usr/sbin/policy-rc.d", str(policy)).replace("/run/systemd/system", str(tmp_path))
    ran = subprocess.run(
        ["sh", "-c", here], env={"PATH": f"{bin_}:/usr/bin:/bin"}, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert heard.read_text() == (
        "apt-get update\n"
        "apt-get install --yes --no-install-recommends --no-remove dovecot-imapd postfix\n#!/bin/sh\nexit 101\n"
        "systemctl disable --quiet dovecot postfix\n#!/bin/sh\nexit 101\n"
    )
    assert not policy.exists()


def test_justw_is_plain_sh() -> None:
    for shell in filter(None, (shutil.which("sh"), shutil.which("dash"))):
        ended = subprocess.run([shell, "-n", str(ROOT / "justw")], capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, b"")
    assert os.access(ROOT / "justw", os.X_OK)


class Machine:
    """A copy of `justw` alone, on a PATH with nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.calls = folder / "heraldry", folder / "bin", folder / "calls"
        (self.root / "tools").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(ROOT / "justw", self.root)
        shutil.copy(ROOT / "tools" / "bootstrap.lock", self.root / "tools")
        for name in NEEDED:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.put("id", "echo 1000")
        self.put("uname", "echo Linux")

    def put(self, name: str, script: str) -> None:
        """A program that notes that it was called."""
        program = self.bin / name
        program.unlink(missing_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.calls}"\n{script}\n', encoding="utf-8")
        program.chmod(0o755)

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """`./justw up` without a terminal."""
        return subprocess.run(
            [str(self.root / "justw"), "up"],
            env={"PATH": str(self.bin), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def called(self, name: str) -> list[str]:
        lines = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        return [line for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """A plain Debian: a new Python without venv and pip, and apt-get."""
    machine = Machine(tmp_path)
    machine.put("python3", "case $2 in *ensurepip*) exit 1 ;; *) exit 0 ;; esac")
    machine.put("apt-get", "exit 0")
    machine.put("sudo", '"$@"')
    return machine


COMMAND = "sudo apt-get update && sudo apt-get install --yes --no-install-recommends python3-venv"


def test_without_venv_justw_says_the_one_command_and_ends(bare: Machine) -> None:
    ended = bare.run(HERALDRY_INSTALL="no")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"\n    {COMMAND}\n" in ended.stderr
    assert bare.called("apt-get") == []
    assert not (bare.root / ".tools").exists()


def test_with_a_yes_justw_runs_that_command_once(bare: Machine) -> None:
    ended = bare.run(HERALDRY_INSTALL="yes")
    assert ended.returncode == 1  # this machine's apt-get installs nothing, and justw notices
    assert [call.split()[1] for call in bare.called("apt-get")] == ["update", "install"]
    assert "older than 3.11" in ended.stderr


def test_where_there_is_no_apt_get_nothing_is_tried(bare: Machine) -> None:
    (bare.bin / "apt-get").unlink()
    ended = bare.run(HERALDRY_INSTALL="yes")
    assert ended.returncode == 1
    assert "Install it as is usual here" in ended.stderr


def test_a_bootstrap_that_fails_says_so_and_is_begun_again(bare: Machine) -> None:
    """A Python with venv whose pip cannot reach an index."""
    bare.put(
        "python3", f'case $2 in venv) mkdir -p "$3/bin"; cp "{bare.bin}/pip-fails" "$3/bin/python" ;; esac'
    )
    bare.put("pip-fails", "exit 1")
    for _ in range(2):
        ended = bare.run()
        assert ended.returncode == 1
        assert "pip could not install uv and just" in ended.stderr
    assert not (bare.root / ".tools" / "bootstrap.lock").exists()
