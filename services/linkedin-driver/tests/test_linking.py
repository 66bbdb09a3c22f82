"""Linking LinkedIn accounts in a real browser, as the gateway asks for it; what truly happened says the stand-in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from heraldry.contracts.linkedin import LinkedInLinked

from tests.linkedin_driver.processes import EMAIL, Service, running

pytestmark = [pytest.mark.parts, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Service]:
    folder: Path = tmp_path_factory.mktemp("driver")
    async with running(folder) as made:
        yield made


async def test_an_account_is_linked_and_its_profile_read(service: Service) -> None:
    view = await service.linked()
    assert view.profile is not None
    assert (view.profile.first_name, view.profile.last_name) == ("Ada", "Bergström")
    assert view.profile.headline == "Partnerships at Northwind"
    assert view.profile.url == "https://www.linkedin.com/in/ada-bergstrom"
    assert service.happened("sign-in posted", EMAIL) == 1
    assert [said.account for said in service.said(LinkedInLinked)] == [view.account]
