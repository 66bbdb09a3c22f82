"""The order of the tests: who takes long begins, so that no worker is left with a long file when the others are done.

A worker takes one file after the other (`--dist=loadfile`), in this order if `--no-loadscope-reorder` says so. The
files that share the running stack come last, so that no worker keeps one running beside its other tests.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

A_TEST: Final = 0.4  # seconds of a test in a file that is not listed
SECONDS: Final = {  # of the files that take long, about: only the order matters
    "chassis/tests/test_cluster.py": 25,
    "chassis/tests/test_supervisor.py": 40,
    "services/linkedin-driver/tests/test_acting.py": 40,
    "services/linkedin-driver/tests/test_linking.py": 30,
    "services/mailbox/tests/test_campaign_mails.py": 50,
    "services/mailbox/tests/test_frozen_while_reading.py": 20,
    "services/mailbox/tests/test_hostile_servers.py": 70,
    "services/mailbox/tests/test_killed_while_sending.py": 90,
    "services/mailbox/tests/test_nats_away.py": 30,
    "services/mailbox/tests/test_service.py": 25,
    "services/mailbox/tests/test_workers.py": 25,
    "services/scheduler/tests/test_linkedin_service.py": 20,
    "tests/deploy/test_start.py": 30,
    "tests/integration/test_campaign_pages.py": 40,
    "tests/integration/test_campaign_survives.py": 110,
    "tests/integration/test_campaigns.py": 20,
    "tests/integration/test_consequences.py": 20,
    "tests/integration/test_dashboard.py": 20,
    "tests/integration/test_demo.py": 75,
    "tests/integration/test_erasure.py": 54,
    "tests/integration/test_gateway_access.py": 25,
    "tests/integration/test_inboxes.py": 35,
    "tests/integration/test_isolation.py": 45,
    "tests/integration/test_kurrentdb.py": 37,
    "tests/integration/test_leads.py": 20,
    "tests/integration/test_linkedin_actions.py": 60,
    "tests/integration/test_linkedin_invitations.py": 56,
    "tests/integration/test_linkedin_limits.py": 20,
    "tests/integration/test_linkedin_linking.py": 20,
    "tests/integration/test_linkedin_survives.py": 80,
    "tests/integration/test_no_password_anywhere.py": 20,
    "tests/integration/test_pages.py": 75,
    "tests/integration/test_pages_live.py": 50,
    "tests/integration/test_rebuild.py": 35,
    "tests/integration/test_restore.py": 35,
    "tests/integration/test_survive_gateway.py": 59,
}


@pytest.hookimpl(trylast=True)  # after what is deselected is gone
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort whole files; within a file nothing moves."""
    arrange(items, config.rootpath)


def arrange(items: list[pytest.Item], root: Path) -> None:
    tests = Counter(item.path for item in items)
    sharing = {item.path for item in items if _shares_the_stack(item)}

    def place(item: pytest.Item) -> tuple[bool, float, Path]:
        file = item.path
        seconds = SECONDS.get(file.relative_to(root).as_posix(), tests[file] * A_TEST)
        return file in sharing, -seconds, file

    items.sort(key=place)


def _shares_the_stack(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "stack" in item.fixturenames
