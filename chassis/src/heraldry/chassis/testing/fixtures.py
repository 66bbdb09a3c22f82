"""Fixtures for tests of the whole system: a conftest's `pytest_plugins` names this module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from heraldry.chassis.testing.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running installation with its sandbox, shared by all tests that do not kill it."""
    with Stack.running(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running
