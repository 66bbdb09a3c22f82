"""Imports of leads through a scheduler that runs as its own processes."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
import pytest_asyncio
from heraldry.chassis.bus import border, rights
from heraldry.chassis.testing.bus import eventually
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault.keys import mark_destroyed
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.campaigns import (
    AddImportPart,
    CheckImport,
    Column,
    ConfirmImport,
    FinishCampaign,
    GetImport,
    LeadsImported,
    OpenImport,
    SendEmail,
    SendInvitation,
    UndoImport,
)
from heraldry.scheduler.domain.tables import MOST_BYTES, MOST_ROWS

from services.scheduler.tests.processes import STRANGER, USER, Service, running

pytestmark = [pytest.mark.parts, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
FLAT = 48 * 1024 * 1024  # bytes a process may grow by, whatever is handed to it
STEP = SendEmail(subject="Hello {{ first_name }}", text="How is {{ grosse | default: 'work' }}?")
CHUNK = "enrolling.chunk"  # where a process can be held between two chunks of leads


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Service]:
    async with running(tmp_path_factory.mktemp("imports")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def service(installation: Service) -> AsyncGenerator[Service]:
    """One installation for all tests; each sees only what was stored and published since it began."""
    installation.begin()
    yield installation
    installation.release(CHUNK)
    await installation.kill("1")


def people(many: int, first: int = 0, domain: str = "") -> bytes:
    """A file of them, whom nobody else knows unless they are of a domain that is named."""
    domain = domain or f"{uuid4()}.example"
    rows = (f"Ada{n};ada{n}@{domain};Firma {n}\n" for n in range(first, first + many))
    return f"Vorname;E-Mail;Größe\n{''.join(rows)}".encode("cp1252")


def memory(service: Service) -> int:
    """The most bytes the process ever held."""
    status = Path(f"/proc/{service.processes['0'].pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def worked(service: Service) -> float:
    """Seconds of a processor the process has had: what it takes on a machine that does nothing else."""
    spent = psutil.Process(service.processes["0"].pid).cpu_times()
    return spent.user + spent.system


async def refused(service: Service, campaign: UUID, content: bytes) -> tuple[str, float]:
    """The refusal of a file, and the seconds the service worked for it from the last part on."""
    import_id = await service.bring(campaign, content)
    begun = worked(service)
    with pytest.raises(Refused) as refusal:
        await service.send(CheckImport(import_id=import_id))
    return refusal.value.code, worked(service) - begun


def enrolled(service: Service) -> list[str]:
    return [stream for _, stream in service.stored("LeadEnrolled")]


async def test_a_file_becomes_leads_once_it_is_confirmed_and_all_count_at_once(service: Service) -> None:
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(1000, domain="firma.example"))
    assert (view.state, view.encoding, view.delimiter, view.filename) == (
        "checked",
        "cp1252",
        ";",
        "leads.csv",
    )
    assert [column.field for column in view.columns] == ["first_name", "email", "own"]
    assert view.sample[0] == ("Ada0", "ada0@firma.example", "Firma 0")
    assert (view.rows, view.good, view.wrong, view.enrolled) == (1000, 1000, 0, 0)
    assert not enrolled(service)
    await service.send(ConfirmImport(import_id=view.import_id))
    done = await service.view(view.import_id, lambda one: one.state == "imported" and one.enrolled == 1000)
    assert done.good == 1000
    await until(lambda: bool(service.said(LeadsImported)))
    (imported,) = service.said(LeadsImported)
    assert isinstance(imported, LeadsImported)
    assert (imported.import_id, imported.campaign, imported.leads) == (view.import_id, campaign, 1000)
    assert len(set(enrolled(service))) == len(enrolled(service)) == 1000
    assert service.stored("LeadsImported")[0][0] > service.stored("LeadEnrolled")[-1][0]
    await until(lambda: bool(service.stored("ImportCleared")))
    cleared = await service.view(view.import_id)
    assert (cleared.filename, cleared.columns, cleared.sample, cleared.problems) == ("", (), (), ())


async def test_a_process_killed_in_mid_import_goes_on_and_nothing_counts_before_the_end(
    service: Service,
) -> None:
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(600))
    service.hold(CHUNK)
    await service.send(ConfirmImport(import_id=view.import_id))
    await until(lambda: bool(service.held(CHUNK)), seconds=60)
    assert 0 < len(enrolled(service)) < 600
    await service.kill()
    assert not service.stored("LeadsImported")
    service.release(CHUNK)
    await service.start()
    done = await service.view(view.import_id, lambda one: one.state == "imported" and one.enrolled == 600)
    assert done.good == 600
    assert len(set(enrolled(service))) == len(enrolled(service)) == 600
    assert len(service.stored("LeadsImported")) == 1
    assert service.stored("LeadsImported")[0][0] > service.stored("LeadEnrolled")[-1][0]


async def test_two_replicas_that_enroll_the_same_import_at_once_enroll_everybody_once(
    service: Service,
) -> None:
    await service.start("1")
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(700))
    service.hold(CHUNK)
    await service.send(ConfirmImport(import_id=view.import_id))

    async def both_are_at_it() -> bool:
        await service.lose_lease("scheduler.imports", view.import_id)
        return len(set(service.held(CHUNK))) == 2

    await eventually(both_are_at_it, "both replicas enroll", deadline=60)
    service.release(CHUNK)
    done = await service.view(view.import_id, lambda one: one.state == "imported" and one.enrolled == 700)
    assert done.good == 700
    await until(lambda: bool(service.stored("ImportCleared")), seconds=30)
    assert len(set(enrolled(service))) == len(enrolled(service)) == 700
    assert (len(service.stored("LeadsImported")), service.stored("LeadDropped")) == (1, [])


async def test_who_is_in_two_files_confirmed_at_once_comes_with_one_of_them(service: Service) -> None:
    campaign = await service.campaign(STEP)
    views = [await service.checked(campaign, people(150, first, "two.example")) for first in (0, 100)]
    for view in views:
        await service.send(ConfirmImport(import_id=view.import_id))
    for view in views:
        await service.view(view.import_id, lambda one: one.state == "imported")
    await until(lambda: len(service.said(LeadsImported)) == 2, seconds=60)
    leads = [event.leads for event in service.said(LeadsImported) if isinstance(event, LeadsImported)]
    assert sum(leads) == 250
    assert len(set(enrolled(service))) == len(enrolled(service)) == 250


async def test_an_import_undone_in_mid_way_leaves_nothing_and_the_file_can_be_imported_anew(
    service: Service,
) -> None:
    campaign = await service.campaign(STEP)
    file = people(300)
    view = await service.checked(campaign, file)
    service.hold(CHUNK)
    await service.send(ConfirmImport(import_id=view.import_id))
    await until(lambda: bool(service.held(CHUNK)), seconds=60)
    await service.send(UndoImport(import_id=view.import_id))
    service.release(CHUNK)
    undone = await service.view(view.import_id, lambda one: one.state == "undone" and one.enrolled == 0)
    assert undone.state == "undone"
    await until(lambda: bool(service.stored("ImportCleared")), seconds=30)
    assert len(service.stored("LeadDropped")) == len(service.stored("LeadEnrolled"))
    again = await service.checked(campaign, file)
    assert (again.good, again.skipped) == (300, {})
    await service.send(ConfirmImport(import_id=again.import_id))
    await service.view(again.import_id, lambda one: one.state == "imported" and one.enrolled == 300)
    with pytest.raises(Refused) as refusal:
        await service.send(UndoImport(import_id=again.import_id))
    assert refusal.value.code == "import.done"


async def test_what_is_wrong_and_who_is_known_is_said_and_left_out_only_when_asked(service: Service) -> None:
    campaign = await service.campaign(STEP)
    first = await service.checked(campaign, people(3, domain="known.example"))
    await service.send(ConfirmImport(import_id=first.import_id))
    await service.view(first.import_id, lambda one: one.state == "imported" and one.enrolled == 3)
    content = people(2, 2, "known.example")
    content += b";nameless@known.example;x\nNo;nobody;\nTwice;ADA3@known.example;\n"
    view = await service.checked(campaign, content)
    assert [(one.row, one.code) for one in view.problems] == [(4, "variable.missing"), (5, "address.invalid")]
    assert "{{ first_name }}" in view.problems[0].text
    assert view.skipped == {"duplicate-in-organization": 1, "duplicate-in-file": 1}
    assert [(one.row, one.code) for one in view.skipped_rows] == [
        (2, "duplicate-in-organization"),
        (6, "duplicate-in-file"),
    ]
    assert view.skipped_rows[0].text == "ada2@known.example is a lead of your campaign “Spring” already."
    assert (view.rows, view.good, view.wrong) == (5, 1, 2)
    with pytest.raises(Refused) as refusal:
        await service.send(ConfirmImport(import_id=view.import_id))
    assert refusal.value.code == "import.has-errors"
    await service.send(ConfirmImport(import_id=view.import_id, skip_errors=True))
    await service.view(view.import_id, lambda one: one.state == "imported" and one.enrolled == 1)
    nothing = await service.checked(campaign, people(4, domain="known.example"))
    with pytest.raises(Refused) as refusal:
        await service.send(ConfirmImport(import_id=nothing.import_id))
    assert refusal.value.code == "import.nothing"


async def test_who_is_in_another_campaign_can_be_imported_once_that_one_has_ended(service: Service) -> None:
    ended, other = await service.campaign(STEP), await service.campaign(STEP)
    first = await service.checked(ended, people(3, domain="ended.example"))
    await service.send(ConfirmImport(import_id=first.import_id))
    await service.view(first.import_id, lambda one: one.state == "imported" and one.enrolled == 3)
    before = await service.checked(other, people(4, domain="ended.example"))
    assert (before.good, before.skipped) == (1, {"duplicate-in-organization": 3})
    await service.send(FinishCampaign(campaign=ended))
    await until(lambda: bool(service.stored("CampaignFinished")))
    again = await service.checked(other, people(4, domain="ended.example"))
    assert (again.good, again.skipped) == (4, {})
    await service.send(ConfirmImport(import_id=again.import_id))
    await service.view(again.import_id, lambda one: one.state == "imported" and one.enrolled == 4)
    once_more = await service.checked(other, people(4, domain="ended.example"))
    assert (once_more.good, once_more.skipped) == (0, {"duplicate-in-organization": 4})


async def test_who_was_erased_is_left_out_and_that_is_why(service: Service) -> None:
    js = border.jetstream(await service.nats.client(rights.OPERATOR))

    async def people_with_keys() -> set[str]:
        kept = (await js.stream_info(rights.KEYS, subjects_filter="heraldry.keys.scheduler.>")).state.subjects
        names = {name.rpartition(".")[2] for name in kept or {}}
        return {one for one in names if re.fullmatch(r"[0-9a-f-]{36}", one) and UUID(one).version == 5}

    before = await people_with_keys()
    campaign = await service.campaign(STEP)
    first = await service.checked(campaign, people(1, domain="gone.example"))
    await service.send(ConfirmImport(import_id=first.import_id))
    await service.view(first.import_id, lambda one: one.state == "imported" and one.enrolled == 1)
    (person,) = await people_with_keys() - before
    await mark_destroyed(js, "scheduler", person)
    async with asyncio.timeout(60):  # until the service has heard of it
        while (view := await service.checked(campaign, people(2, domain="gone.example"))).skipped != {
            "erased": 1
        }:
            assert view.skipped == {"duplicate-in-organization": 1}
    assert view.good == 1


async def test_columns_are_changed_and_the_file_is_checked_anew(service: Service) -> None:
    campaign = await service.campaign()
    view = await service.checked(campaign, b"Who,Where to\nAda,ada\nBob,bob@firma.example\n")
    assert (view.good, view.wrong) == (0, 2)
    assert [(one.row, one.code) for one in view.problems] == [(1, "column.missing")]
    columns = (Column(header="Who", field="name"), Column(header="Where to", field="email"))
    await service.send(CheckImport(import_id=view.import_id, columns=columns))
    view = await service.view(view.import_id)
    assert (view.columns, view.good, view.wrong) == (columns, 1, 1)
    with pytest.raises(Refused) as refusal:
        await service.send(CheckImport(import_id=view.import_id, columns=columns[:1]))
    assert refusal.value.code == "import.columns"


async def test_leads_come_as_json_lines_too(service: Service) -> None:
    campaign = await service.campaign(STEP)
    lines = b'{"email": "ada@lines.example", "first_name": "Ada", "own": {"company": "Firma"}}\n'
    import_id = await service.bring(campaign, lines, "jsonl")
    await service.send(CheckImport(import_id=import_id))
    await service.send(ConfirmImport(import_id=import_id))
    view = await service.view(import_id, lambda one: one.state == "imported" and one.enrolled == 1)
    assert (view.rows, view.good) == (1, 1)


async def test_what_is_too_large_is_refused_within_two_seconds_in_flat_memory(service: Service) -> None:
    campaign = await service.campaign(STEP)
    await service.checked(campaign, people(10))
    before = memory(service)
    for size in (MOST_BYTES + 1, 2 * 1024**3):
        opened = OpenImport(import_id=uuid4(), campaign=campaign, filename="leads.csv", size=size)
        begun = worked(service)
        with pytest.raises(Refused) as refusal:
            await service.send(opened)
        assert (refusal.value.code, worked(service) - begun < 2) == ("import.too-large", True)
    for content in (people(MOST_ROWS + 1), b"Email\n" + b"a\n" * (MOST_BYTES // 2 - 3)):
        code, took = await refused(service, campaign, content)
        assert code == "import.too-large"
        assert took < 2
    assert memory(service) - before < FLAT


@pytest.mark.parametrize("undone", [False, True])
async def test_what_was_accepted_is_accepted_again_after_the_import_has_ended(
    service: Service, *, undone: bool
) -> None:
    campaign, content = await service.campaign(STEP), people(2)
    asked = uuid4()
    opened = OpenImport(import_id=asked, campaign=campaign, filename="leads.csv", size=len(content))
    part = AddImportPart(import_id=asked, number=0, content=base64.b64encode(content).decode())
    end = UndoImport(import_id=asked) if undone else ConfirmImport(import_id=asked)
    commands = [(one, uuid4()) for one in (opened, part, CheckImport(import_id=asked), end)]

    async def answers() -> Sequence[Accepted]:
        return [await service.caller.send(one, by=USER, id=id_, deadline=60) for one, id_ in commands]

    before = len(service.stored("ImportCleared"))
    first = await answers()
    await service.view(asked, lambda one: one.state == ("undone" if undone else "imported"))
    await until(lambda: len(service.stored("ImportCleared")) > before, seconds=30)
    again = await answers()
    assert [one.position for one in again] == [one.position for one in first]
    assert [one.fresh for one in again] == [False] * 4
    for command, _ in commands[:3]:
        with pytest.raises(Refused, match="was dropped" if undone else "count already") as refusal:
            await service.send(command)
        assert refusal.value.code == ("import.closed" if undone else "import.done")
        with pytest.raises(Refused) as refusal:
            await service.caller.send(command, by=STRANGER, id=commands[0][1], deadline=60)
        assert refusal.value.code in {"import.unknown", "campaign.unknown"}


async def test_a_file_that_cannot_be_read_stays_refused_and_says_why(service: Service) -> None:
    campaign = await service.campaign()
    before = len(service.stored("ImportCleared"))
    import_id = await service.bring(
        campaign, b'Email,Note\na@firma.example,"never closed\nb@firma.example,\n'
    )
    said: set[str] = set()
    first = uuid4()
    for id_ in (first, first, uuid4()):
        with pytest.raises(Refused) as refusal:
            await service.caller.send(CheckImport(import_id=import_id), by=USER, id=id_, deadline=60)
        assert refusal.value.code == "import.unreadable"
        said.add(str(refusal.value))
    view = await service.view(import_id)
    assert (view.state, {view.refusal}) == ("refused", said)
    await until(lambda: len(service.stored("ImportCleared")) > before, seconds=30)
    with pytest.raises(Refused) as refusal:
        await service.caller.send(CheckImport(import_id=import_id), by=USER, id=first, deadline=60)
    assert {str(refusal.value)} == said


async def test_an_import_that_nobody_confirms_within_seven_days_is_undone(service: Service) -> None:
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(5))
    await service.advance(timedelta(days=6, hours=23))
    assert (await service.view(view.import_id)).state == "checked"
    await service.advance(timedelta(hours=2))
    await service.view(view.import_id, lambda one: one.state == "undone")
    await until(lambda: bool(service.stored("ImportCleared")), seconds=30)


async def test_an_import_into_a_campaign_that_was_ended_is_undone(service: Service) -> None:
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(300))
    service.hold(CHUNK)
    await service.send(ConfirmImport(import_id=view.import_id))
    await until(lambda: bool(service.held(CHUNK)), seconds=60)
    await service.send(FinishCampaign(campaign=campaign))
    service.release(CHUNK)
    await service.view(view.import_id, lambda one: one.state == "undone" and one.enrolled == 0)
    with pytest.raises(Refused) as refusal:
        await service.bring(campaign, people(1))
    assert refusal.value.code == "campaign.finished"


async def test_nothing_of_the_file_is_readable_where_it_is_stored(service: Service) -> None:
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(200, domain="secret.example"))
    await service.send(ConfirmImport(import_id=view.import_id))
    await service.view(view.import_id, lambda one: one.state == "imported" and one.enrolled == 200)

    def readable() -> list[Path]:
        found: list[Path] = []
        for file in [*(service.nats.data / "store").rglob("*"), *(service.nats.data / "nats").rglob("*")]:
            with suppress(OSError):  # a folder, or gone meanwhile
                if b"ada7@secret.example" in file.read_bytes():
                    found.append(file)
        return found

    assert any((service.nats.data / "store").iterdir())
    assert not await asyncio.to_thread(readable)


async def test_an_import_of_another_organization_is_unknown(service: Service) -> None:
    campaign = await service.campaign(STEP)
    view = await service.checked(campaign, people(2))
    asked = view.import_id
    for command in (
        AddImportPart(import_id=asked, number=0, content="YQ=="),
        CheckImport(import_id=asked),
        ConfirmImport(import_id=asked),
        UndoImport(import_id=asked),
    ):
        with pytest.raises(Refused) as refusal:
            await service.send(command, STRANGER)
        assert (refusal.value.code, refusal.value.status) == ("import.unknown", 404)
    with pytest.raises(Refused) as refusal:
        await service.caller.ask(GetImport(import_id=asked), by=STRANGER)
    assert refusal.value.code == "import.unknown"
    with pytest.raises(Refused) as refusal:
        await service.bring(campaign, people(1), by=STRANGER)
    assert refusal.value.code == "campaign.unknown"


async def test_leads_without_an_address_are_known_by_their_profile_in_every_campaign(
    service: Service,
) -> None:
    name = uuid4().hex
    campaign = await service.campaign(SendInvitation(note="Hello {{ name }}"))
    file = f"name,linkedin\nAda,linkedin.com/in/{name}\nBob,\n".encode()
    view = await service.checked(campaign, file)
    assert [(one.row, one.code) for one in view.problems] == [(3, "linkedin-url.missing")]
    await service.send(ConfirmImport(import_id=view.import_id, skip_errors=True))
    await service.view(view.import_id, lambda one: one.state == "imported" and one.enrolled == 1)
    other = await service.campaign(SendInvitation())
    again = f"name,email,linkedin\nAda,{name}@x.example,https://se.linkedin.com/in/{name.upper()}/\n".encode()
    view = await service.checked(other, again)
    assert (view.good, view.skipped) == (0, {"duplicate-in-organization": 1})
