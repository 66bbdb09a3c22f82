"""Who is at the stand-in of LinkedIn, and what is kept of them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.people import Layout, Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.port import listen_again

ADA = "ada@northwind.example"


@pytest.fixture
def linkedin(tmp_path: Path) -> Generator[LinkedIn]:
    found = LinkedIn(tmp_path)
    yield found
    found.close()


def test_accounts_are_made_with_a_profile(linkedin: LinkedIn) -> None:
    made = linkedin.add_account("zoe@brisa.example", name="Zoë Lemaître")
    assert (made.slug, linkedin.person(made.slug).last_name) == ("zoe-lemaitre", "Lemaître")
    for email, slug, code in (
        ("zoe@brisa.example", "", "account_exists"),
        ("other@brisa.example", "zoe-lemaitre", "slug_taken"),
        ("other@brisa.example", "No Slug", "slug_malformed"),
        ("other", "", "address_malformed"),
    ):
        with pytest.raises(SandboxError) as refused:
            linkedin.add_account(email, slug=slug)
        assert refused.value.code == code


def test_a_new_password_ends_every_session(linkedin: LinkedIn) -> None:
    linkedin.sign_in.try_password(ADA, linkedin.account(ADA).password)
    linkedin.change_password(ADA, "another one")
    assert linkedin.sign_in.sessions(ADA) == 0
    assert linkedin.sign_in.try_password(ADA, "another one") != "password_wrong"


def test_all_is_kept_over_a_restart(linkedin: LinkedIn, tmp_path: Path) -> None:
    linkedin.add_person(Person("nora-berg", "Nora", "Berg"))
    linkedin.change_layout(Layout("formless"))
    linkedin.sign_in.try_password(ADA, linkedin.account(ADA).password)
    again = LinkedIn(tmp_path)
    assert again.people() == linkedin.people()
    assert again.accounts() == linkedin.accounts()
    assert again.layout == Layout("formless")
    assert again.sign_in.sessions(ADA) == 1
    assert again.effects() == linkedin.effects()
    assert again.salt != linkedin.salt
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    again.close()


def test_a_profile_is_made_once(linkedin: LinkedIn) -> None:
    linkedin.add_person(Person("nora-berg", "Nora", "Berg"))
    with pytest.raises(SandboxError) as refused:
        linkedin.add_person(Person("nora-berg", "Another", "Nora"))
    assert refused.value.code == "person_exists"


def test_the_port_of_the_first_start_is_taken_again_and_said_while_another_program_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "port.json"
    with listen_again(path, "127.0.0.1") as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen_again(tmp_path / "other.json", "127.0.0.1", asked=port)
        with listen_again(path, "127.0.0.1") as second:
            assert second.getsockname()[1] != port
        assert f"port {port} of this sandbox's LinkedIn is taken by another program" in caplog.text
    with listen_again(path, "127.0.0.1", asked=port) as asked:
        assert asked.getsockname()[1] == port
    with listen_again(path, "127.0.0.1") as again:
        assert again.getsockname()[1] == port
