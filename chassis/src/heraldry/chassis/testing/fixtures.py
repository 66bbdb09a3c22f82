"""Fixtures for all tests: a conftest's `pytest_plugins` names this module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from heraldry.chassis.testing.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running installation with its sandbox, shared by all tests that do not kill it."""
    with Stack.running(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """How a test has its process log, by a command for instance, holds for no other test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
