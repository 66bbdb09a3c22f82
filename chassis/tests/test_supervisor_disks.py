"""A read-only mount and full disks, made of small file systems in a mount namespace of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

pytestmark = pytest.mark.parts

MODULE = "heraldry.chassis.testing.services"


def up_on(mount: Path, prepare: str, services: str) -> subprocess.CompletedProcess[str] | None:
    """`heraldry up` on <mount>/data where `prepare` (shell; `$M`: the mount point) made the file system.

    None, with a warning that says why, where this machine lets the test mount nothing.
    """
    return mounted(
        mount,
        f'{prepare} && exec "{sys.executable}" -m heraldry.chassis.cli up --data "$M/data" --port 0',
        services,
    )


def mounted(mount: Path, command: str, services: str = "") -> subprocess.CompletedProcess[str] | None:
    """A command (shell) where it can mount what it wants at `$M`; None, with a warning, as above."""
    mount.mkdir()
    way = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    tried = subprocess.run(
        [*way, "mount", "-t", "tmpfs", "none", str(mount)], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        warnings.warn(f"nothing can be mounted here, so no disk was full: {tried.stderr}", stacklevel=3)
        return None
    return subprocess.run(
        [*way, "sh", "-c", command],
        env={**os.environ, "M": str(mount), "HERALDRY_SERVICES": services},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_a_read_only_mount_is_said(tmp_path: Path) -> None:
    ended = up_on(
        tmp_path / "mount", 'mount -t tmpfs none "$M" && mount -o remount,ro "$M"', f"gateway={MODULE}:well"
    )
    if ended is not None:
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "read-only" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_an_installation_whose_mount_became_read_only_is_said(tmp_path: Path) -> None:
    prepare = 'mount -t tmpfs none "$M" && mkdir -p "$M/data/run" && echo demo > "$M/data/MODE"'
    ended = up_on(tmp_path / "mount", f'{prepare} && mount -o remount,ro "$M"', f"gateway={MODULE}:well")
    if ended is not None:
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "folder-read-only" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("fill", ["true", 'head -c 5M /dev/zero > "$M/other" || true'])
def test_a_full_disk_is_said(tmp_path: Path, fill: str) -> None:
    ended = up_on(
        tmp_path / "mount", f'mount -t tmpfs -o size=4m none "$M" && {fill}', f"gateway={MODULE}:well"
    )
    if ended is not None:
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "disk-full" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_disk_that_becomes_full_while_services_start_is_said(tmp_path: Path) -> None:
    ended = up_on(
        tmp_path / "mount",
        'mount -t tmpfs -o size=48m none "$M"',
        f"identity={MODULE}:filling,gateway={MODULE}:well",
    )
    if ended is not None:
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "[disk-full]" in ended.stderr
        assert "disk" in ended.stderr.splitlines()[-1]


def test_nats_that_refuses_writes_after_a_full_disk_is_seen_and_started_again_once(tmp_path: Path) -> None:
    play = f'exec "{sys.executable}" -m heraldry.chassis.testing.full_disk_bus "$M"'
    ended = mounted(tmp_path / "mount", f'mount -t tmpfs -o size=48m none "$M" && {play}')
    if ended is None:
        return
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    for problem in (told["refused"], told["still"]):
        assert problem.startswith("nats.refuses-writes: NATS refuses what is written to HERALDRY.")
        assert "free some space there and start NATS again" in problem
    assert told["refused_afterwards"] is None
    assert told["stored"] == told["answered"] > 1
    assert told["restarts"] == 1
    said = [line for line in told["said"] if "[nats.refuses-writes]" in line]
    assert len(said) == 2
    assert "NATS is started again" in said[1]
    assert not [line for line in told["said"] if "crash" in line]
