"""Importing leads: our reading and judging of a CSV file ÷ csv.DictReader and sqlite3's executemany of the same.

10,000 rows of 6 columns. Ours finds out encoding, delimiter and columns, checks addresses and profiles and what
the templates need, and recognises people by keyed hashes; the floor puts the rows into a table on disk. Beside
it: leads a second from the confirmed file to LeadsImported, each with a key and an event of its own on disk.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import sqlite3
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.bus import border
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.codec import Codec
from heraldry.chassis.leases import KvLeases
from heraldry.chassis.points import none
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault import master
from heraldry.chassis.vault.blobs import Blobs
from heraldry.chassis.vault.hashing import hashing_with
from heraldry.chassis.vault.keys import Key, KeyRing
from heraldry.contracts.base import By
from heraldry.contracts.campaigns import (
    AddImportPart,
    CampaignSettings,
    CheckImport,
    ConfirmImport,
    CreateCampaign,
    OpenImport,
    SendEmail,
)
from heraldry.contracts.identity import ContactDetails, WorkingHours
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.campaign_reactions import ImportPerson
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.enrolling import Enrolling
from heraldry.scheduler.imports import LARGEST_PART, Imports
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.ports import Speaker
from heraldry.scheduler.reading import missing_in, read
from heraldry.scheduler.scrapings import Scrapings
from heraldry.scheduler.service import CONTEXT, PROJECTIONS, TYPES
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import Standing
from heraldry.scheduler.suppressions import Suppressions
from measure import Figure, in_turns, quiet, ratio, tell

ROWS: Final = 10_000
COMPANIES: Final = 3_000
NORTHWIND, ADA = UUID(int=1), UUID(int=2)
BY: Final = By(organization=NORTHWIND, actor="user:ada")
STEP: Final = SendEmail(
    subject="Hello {{ first_name }}",
    text="How is {{ company }}, {{ first_name }}? {% if company_size %}{{ company_size }}{% else %}-{% endif %}",
)
SETTINGS: Final = CampaignSettings(name="Spring", identity=ADA, steps=(STEP,))


def file() -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["First name", "Last name", "Email", "Company", "Company size", "LinkedIn"])
    for n in range(ROWS):
        company = n % COMPANIES
        writer.writerow(
            [
                f"Anna{n}",
                f"Öberg{n}",
                f"anna.oberg{n}@company{company}.example",
                f"Company {company}, Inc.",
                company,
                f"https://www.linkedin.com/in/anna-{n}",
            ]
        )
    return out.getvalue().encode()


def ours(content: bytes, templates: LiquidTemplates) -> float:
    """Rows a second, read and judged."""
    key = Key("org", bytes(32))
    started = time.perf_counter()
    missing = missing_in(templates, SETTINGS, Speaker("Ada"))
    reading = read(content, "csv", (), missing, hashing_with(key))
    took = time.perf_counter() - started
    if len(reading.good) != ROWS:
        raise AssertionError(f"only {len(reading.good)} rows are good")
    return ROWS / took


def floor(content: bytes, path: Path) -> float:
    """Rows a second of the smallest program that gets them into a table."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE lead (first TEXT, last TEXT, email TEXT, company TEXT, size TEXT, url TEXT)")
    db.commit()
    started = time.perf_counter()
    rows = csv.DictReader(io.StringIO(content.decode()))
    db.executemany("INSERT INTO lead VALUES (?, ?, ?, ?, ?, ?)", (tuple(row.values()) for row in rows))
    db.commit()
    took = time.perf_counter() - started
    db.close()
    return ROWS / took


async def enrolled(content: bytes, folder: Path) -> float:
    """Leads a second that count, from the confirmed file on: keys on NATS, events in the store, rows projected."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(NatsServer())
        settings = nats.settings(CONTEXT)
        master.create(master.default_path(settings))
        nc = await nats.client(CONTEXT)
        keys = KeyRing(nc, CONTEXT, master.load(settings))
        await keys.start()
        stack.push_async_callback(keys.stop)
        store, codec = SqliteStore(folder / "store.sqlite3"), Codec(TYPES, keys)
        stack.push_async_callback(store.close)
        runner, model = Runner(CONTEXT, store, codec), ReadModel(folder / "read.sqlite3", PROJECTIONS)
        stack.callback(model.close)
        feed = StoreFeed(CONTEXT, store, codec, model)
        await feed.start()
        stack.push_async_callback(feed.stop)

        clock, templates = SystemClock(), LiquidTemplates()
        suppressions = Suppressions(runner, keys, clock)
        scheduling = Scheduling(runner, store, model, keys, clock, suppressions.includes)
        speakers = Speakers(runner, keys, clock)
        campaigns = Campaigns(runner, model, clock, scheduling, speakers, templates)
        linkedin = LinkedIn(
            runner, store, model, keys, clock, Blocks(runner, keys, clock), Scrapings(runner, clock, 100)
        )
        leads = Leads(runner, model, keys, clock, scheduling, suppressions, linkedin)
        imports = Imports(runner, model, keys, clock, Blobs(nc, CONTEXT), campaigns, speakers, templates)
        said = ImportPerson(
            organization=NORTHWIND, identity=ADA, name="Ada", details=ContactDetails(), revision=0
        )
        await speakers.learn(said, _asking())
        standing = Standing(scheduling, runner, model, keys, clock)
        await standing.hours(ADA, WorkingHours(zone="UTC"), 0, _asking())

        campaign, import_id = uuid4(), uuid4()
        await campaigns.create(CreateCampaign(campaign=campaign, settings=SETTINGS), _asking())
        opened = OpenImport(import_id=import_id, campaign=campaign, filename="leads.csv", size=len(content))
        await imports.open(opened, _asking())
        for number, start in enumerate(range(0, len(content), LARGEST_PART)):
            part = base64.b64encode(content[start : start + LARGEST_PART]).decode()
            await imports.add(AddImportPart(import_id=import_id, number=number, content=part), _asking())
        await imports.check(CheckImport(import_id=import_id), _asking())
        await imports.confirm(ConfirmImport(import_id=import_id), _asking())
        leases = KvLeases(border.jetstream(nc), "scheduler.imports", "bench", clock)
        enrolling = Enrolling(imports, leads, model, scheduling.up_to_date, clock, leases, none)
        started = time.perf_counter()
        await enrolling.enroll(import_id)
        took = time.perf_counter() - started
        return ROWS / took


def _asking() -> Asking:
    return Asking(uuid4(), BY)


def main() -> None:
    quiet()
    content, templates, numbers = file(), LiquidTemplates(), count()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:

        def fresh() -> float:
            path = Path(folder) / f"{next(numbers)}.sqlite3"
            try:
                return floor(content, path)
            finally:
                path.unlink()

        taken = in_turns({"ours": lambda: ours(content, templates), "floor": fresh})
        through = asyncio.run(enrolled(content, Path(folder)))
    measured = {
        "ours, rows/s": statistics.median(taken["ours"]),
        "DictReader and executemany, rows/s": statistics.median(taken["floor"]),
        "enrolled, leads/s": through,
    }
    promise = "rows of a CSV file read and judged ÷ DictReader and executemany"
    value = ratio(taken["ours"], taken["floor"])
    tell(Figure(promise, value, 0.5, at_most=False, unit="×", measured=measured))


if __name__ == "__main__":
    main()
