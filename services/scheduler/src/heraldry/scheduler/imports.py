"""Imports of leads: a file comes in parts, is checked as a whole, and is confirmed or undone."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, TypeAlias
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Loaded, Ran, Runner
from heraldry.chassis.vault.blobs import BlobReference, Blobs, BlobUnknownError
from heraldry.chassis.vault.hashing import hashing_with, organization_subject
from heraldry.chassis.vault.keys import Destroyed, Key, KeyDestroyedError, KeyRing, KeyUnknownError
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.campaigns import (
    AddImportPart,
    CampaignSettings,
    CheckImport,
    ConfirmImport,
    GetImport,
    ImportView,
    OpenImport,
    UndoImport,
)
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.domain import campaign, importing
from heraldry.scheduler.domain.campaign import Campaign
from heraldry.scheduler.domain.importing import UNOPENED, Import, ImportRefused, Part, Unopened, Verdict
from heraldry.scheduler.domain.tables import MOST_BYTES, too_large
from heraldry.scheduler.ports import Templates
from heraldry.scheduler.projections import campaigns, suppressed
from heraldry.scheduler.projections import imports as rows
from heraldry.scheduler.reading import Hashed, Reading, Report, missing_in, needs_of, read
from heraldry.scheduler.speakers import Speakers
from nats.js.errors import APIError

decider: Decider[importing.Command, importing.State, importing.Event] = Decider(
    UNOPENED, importing.decide, importing.evolve
)
ImportRan: TypeAlias = Ran[importing.State, importing.Event]
ImportLoaded: TypeAlias = Loaded[importing.State, importing.Event]
LARGEST_PART: Final = 512 * 1024  # bytes
LARGEST_REPORT: Final = 4 * 1024 * 1024
CHECKED_AT_ONCE: Final = 2  # files of at most 10 MB in memory
FETCHED_AT_ONCE: Final = 4
FOR_GOOD: Final = frozenset({"import.too-large", "import.unreadable"})
STORE_FULL: Final = 10077  # the server's code: the stream has all the bytes it may have
NO_REPORT: Final = Report(columns=(), sample=(), problems=(), skipped=(), wrong=())
GONE: Final = (BlobUnknownError, KeyDestroyedError, KeyUnknownError)


@dataclass(frozen=True, slots=True)
class Known:
    """What an organization knows of the people behind these digests and profiles already. `leads`, `profiles`: and of
    which campaign.
    """

    leads: Mapping[str, str]
    suppressed: frozenset[str]
    profiles: Mapping[str, str]

    def leaves_out(self, digest: str, profile: str) -> bool:
        return digest in self.leads or digest in self.suppressed or profile in self.profiles


class Imports:
    """Another organization's import is unknown."""

    def __init__(  # noqa: PLR0913, PLR0917  a composition root names each part once
        self,
        runner: Runner,
        model: ReadModel,
        keys: KeyRing,
        clock: Clock,
        blobs: Blobs,
        campaigns: Campaigns,
        speakers: Speakers,
        templates: Templates,
    ) -> None:
        self._runner, self._model, self._keys, self._clock = runner, model, keys, clock
        self._blobs, self._campaigns = blobs, campaigns
        self._speakers, self._templates = speakers, templates
        self._checking = asyncio.Semaphore(CHECKED_AT_ONCE)

    # --- what users ask

    async def open(self, command: OpenImport, asking: Asking) -> Accepted:
        """Refused `campaign.unknown`, `campaign.finished`, `import.too-large` before a byte has come."""
        loaded = await self.load(command.import_id)
        if isinstance(loaded.state, Import):
            importing.owned(loaded.state, asking.by.organization)
            if done := self._done(loaded, asking):
                return done
            if loaded.state.progress in importing.ENDED:
                raise importing.closed(loaded.state)
        found = await self.campaign(command.campaign, asking.by.organization)
        if found.state == "finished":
            raise _finished()
        opened = importing.Open(
            command.import_id,
            command.campaign,
            found.organization,
            found.identity,
            command.filename,
            command.size,
            command.format,
            self._clock.now(),
        )
        if command.size > MOST_BYTES:
            raise too_large(f"The file has {command.size / 1024 / 1024:,.1f} MB.")
        try:
            await self._keys.create(importing.key_of(command.import_id))
        except KeyDestroyedError:
            raise await self._closed(command.import_id) from None
        return self._runner.accepted(await self.run(command.import_id, opened, asking))

    async def add(self, command: AddImportPart, asking: Asking) -> Accepted:
        """The blob first, then the event: a part that is recorded is there."""
        try:
            content = base64.b64decode(command.content, validate=True)
        except (binascii.Error, ValueError):
            raise _no_part("The content is not base64.") from None
        if not 0 < len(content) <= LARGEST_PART:
            raise _no_part("A part has 1 to 524,288 bytes.")
        loaded = await self.load(command.import_id)
        present = importing.owned(loaded.state, asking.by.organization)
        if done := self._done(loaded, asking):
            return done
        importing.ensure_addable(command.number, len(content), present)
        async with self._while_it_lasts(present):
            part = await self._put(present, content, LARGEST_PART)
        add = importing.AddPart(present.organization, self._clock.now(), command.number, part)
        return self._runner.accepted(await self.run(present.id, add, asking))

    async def check(self, command: CheckImport, asking: Asking) -> Accepted:
        """The whole file, in a thread. Refused `import.incomplete`; for good `import.unreadable`,
        `import.too-large`; `import.columns` for columns that cannot be meant.
        """
        loaded = await self.load(command.import_id)
        present = importing.owned(loaded.state, asking.by.organization)
        if done := self._done(loaded, asking):
            return done
        importing.ensure_checkable(present)
        found = await self.campaign(present.campaign, present.organization)
        speaker = await self._speakers.speaker(found.identity)
        missing = missing_in(self._templates, found.settings, speaker)
        needs = needs_of(self._templates, found.settings, speaker)
        async with self._checking:
            async with self._while_it_lasts(present):
                content = await self.content(present)
            hashed = await self.hashed(present.organization)
            try:
                work = partial(read, content, present.format, command.columns, missing, hashed, needs)
                reading = await asyncio.to_thread(work)
            except Refused as refusal:
                if refusal.code in FOR_GOOD:
                    refuse = importing.Refuse(
                        present.organization, self._clock.now(), refusal.code, str(refusal)
                    )
                    await self.run(present.id, refuse, asking)
                raise
            good = await self._sort(present, reading)
        async with self._while_it_lasts(present):
            report = await self._put(present, reading.report().model_dump_json().encode(), LARGEST_REPORT)
        verdict = Verdict(
            reading.encoding,
            reading.delimiter,
            reading.rows,
            good,
            len(reading.wrong),
            reading.skipped,
            report,
        )
        ran = await self.run(
            present.id, importing.Check(present.organization, self._clock.now(), verdict), asking
        )
        before = present.verdict
        if before is not None and isinstance(ran.state, Import) and before.report not in ran.state.blobs:
            await self._blobs.delete(_reference(present, before.report))
        return self._runner.accepted(ran)

    async def confirm(self, command: ConfirmImport, asking: Asking) -> Accepted:
        """Refused `import.has-errors`, `import.not-checked`, `import.nothing`, `campaign.finished`."""
        loaded = await self.load(command.import_id)
        present = importing.owned(loaded.state, asking.by.organization)
        if done := self._done(loaded, asking):
            return done
        found = await self.campaign(present.campaign, present.organization)
        if found.state == "finished":
            raise _finished()
        first = self._model.read(lambda db: rows.next_ordinal(db, present.campaign))
        confirm = importing.Confirm(
            present.organization, self._clock.now(), skip_errors=command.skip_errors, first=first
        )
        return self._runner.accepted(await self.run(present.id, confirm, asking))

    async def undo(self, command: UndoImport, asking: Asking) -> Accepted:
        """Refused `import.done` once its leads count."""
        present = await self._mine(command.import_id, asking)
        undo = importing.Undo(present.organization, self._clock.now())
        return self._runner.accepted(await self.run(present.id, undo, asking))

    async def get(self, query: GetImport, asking: Asking) -> ImportView:
        """From the stream, and its report as long as it is kept."""
        present = await self._mine(query.import_id, asking)
        report = await self.report(present)
        verdict = present.verdict
        return ImportView(
            import_id=present.id,
            campaign=present.campaign,
            filename=present.filename,
            state=present.progress,
            encoding="" if verdict is None else verdict.encoding,
            delimiter="" if verdict is None else verdict.delimiter,
            columns=report.columns,
            sample=report.sample,
            rows=0 if verdict is None else verdict.rows,
            good=0 if verdict is None else verdict.good,
            wrong=0 if verdict is None else verdict.wrong,
            problems=report.problems,
            skipped={} if verdict is None else dict(verdict.skipped),
            skipped_rows=report.skipped,
            enrolled=self._model.read(lambda db: rows.enrolled_so_far(db, present.id)),
            refusal=present.refusal[1],
        )

    # --- what those who enroll use, too

    async def load(self, import_id: UUID) -> ImportLoaded:
        return await self._runner.load(decider, f"import-{import_id}")

    async def run(self, import_id: UUID, command: importing.Command, asking: Asking) -> ImportRan:
        state = (await self.load(import_id)).state
        about = command if isinstance(command, importing.Open | importing.Finish) else state
        identity = None if isinstance(about, Unopened) else about.identity
        organization = state.organization if isinstance(state, Import) else asking.by.organization
        asked = Asked(asking.id, asking.by, self._clock.now(), identity, organization)
        return await self._runner.run(decider, f"import-{import_id}", command, asked)

    async def campaign(self, which: UUID, organization: UUID | None) -> Campaign:
        """Refused `campaign.unknown`."""
        found = (await self._campaigns.load(which)).state
        if not isinstance(found, Campaign) or found.organization != organization:
            raise campaign.unknown()
        return found

    async def content(self, present: Import) -> bytes:
        """The whole file. Raises BlobUnknownError, KeyDestroyedError for one that has ended."""
        key = await self._key(present)
        parts: list[bytes] = []
        every = iter(present.file)
        while some := tuple(islice(every, FETCHED_AT_ONCE)):
            parts += await asyncio.gather(*(self._blobs.get(key, _reference(present, part)) for part in some))
        return b"".join(parts)

    async def report(self, present: Import) -> Report:
        """Empty for an import that was not checked, or has ended."""
        if present.verdict is None or present.cleared:
            return NO_REPORT
        try:
            key = await self._key(present)
            content = await self._blobs.get(key, _reference(present, present.verdict.report))
        except GONE:
            return NO_REPORT
        return Report.model_validate_json(content)

    async def hashed(self, organization: UUID) -> Hashed:
        """How the organization recognises addresses."""
        key = await self._keys.create(organization_subject(organization))
        return hashing_with(key)

    async def known(self, present: Import, digests: Sequence[str], profiles: Sequence[str]) -> Known:
        """What is known of these people besides this import. Lets others work in between."""
        leads: dict[str, str] = {}
        unwanted: set[str] = set()
        for some in rows.batches(digests):
            persons = {str(person_named(digest)): digest for digest in some}
            found = self._model.read(partial(rows.leads_among, present=present, persons=tuple(persons)))
            leads.update((persons[person], which) for person, which in found.items())
            unwanted |= self._model.read(partial(suppressed.among, hashes=some))
            await asyncio.sleep(0)
        others: dict[str, str] = {}
        for some in rows.batches([one for one in profiles if one]):
            others |= self._model.read(partial(rows.profiles_among, present=present, profiles=some))
            await asyncio.sleep(0)
        return Known(leads, frozenset(unwanted), others)

    async def clear(self, present: Import) -> None:
        """Delete what was stored for it, and destroy its key."""
        for part in present.blobs:
            await self._blobs.delete(_reference(present, part))
        await self._keys.destroy(present.key)

    async def _sort(self, present: Import, reading: Reading) -> int:
        """Leave out who is known already; how many remain."""
        known = await self.known(present, [one[1] for one in reading.good], [one[3] for one in reading.good])
        names = {which: self._name(which) for which in {*known.leads.values(), *known.profiles.values()}}
        remaining = 0
        for row, digest, shown, profile in reading.good:
            if self._keys.is_erased(str(person_named(digest))):
                reading.skip(row, "erased", f"The data of {shown} was erased: nothing is sent to them again.")
            elif digest in known.suppressed:
                reading.skip(row, "suppressed", f"{shown} is on your suppression list.")
            elif known.leaves_out(digest, profile):
                which = known.leads.get(digest) or known.profiles[profile]
                told = f"{shown} is a lead of your campaign {names[which]} already."
                reading.skip(row, "duplicate-in-organization", told)
            else:
                remaining += 1
        return remaining

    def _name(self, which: str) -> str:
        found = self._model.read(lambda db: campaigns.one(db, which))
        return "" if found is None else f"“{CampaignSettings.model_validate_json(found.settings).name}”"

    async def _put(self, present: Import, content: bytes, most: int) -> Part:
        try:
            stored = await self._blobs.put(await self._key(present), content, max_size=most)
        except APIError as error:
            if error.err_code != STORE_FULL:
                raise
            raise Refused(
                "import.no-room",
                "There is no room for more files now. Undo an import you do not need, or try again later.",
                status=503,
            ) from None
        return Part(stored.digest, stored.size)

    async def _key(self, present: Import) -> Key:
        key = await self._keys.fetch(present.key)
        if isinstance(key, Destroyed):
            raise KeyDestroyedError(present.key)
        return key

    async def _mine(self, import_id: UUID, asking: Asking) -> Import:
        return importing.owned((await self.load(import_id)).state, asking.by.organization)

    def _done(self, loaded: ImportLoaded, asking: Asking) -> Accepted | None:
        """What this very command was answered already, also where the import has ended meanwhile."""
        done = [one for one in loaded.decoded if one.meta.command == str(asking.id)]
        if not done:
            return None
        if isinstance(loaded.state, Import) and any(isinstance(one.event, ImportRefused) for one in done):
            raise importing.closed(loaded.state)
        return self._runner.accepted(
            Ran((), loaded.state, done[-1].stored.position, loaded.revision, fresh=False)
        )

    @asynccontextmanager
    async def _while_it_lasts(self, present: Import) -> AsyncGenerator[None]:
        try:
            yield
        except GONE:
            raise await self._closed(present.id) from None

    async def _closed(self, import_id: UUID) -> Refused:
        """Says of an import whose key is destroyed how it has ended."""
        state = (await self.load(import_id)).state
        if isinstance(state, Import):
            return importing.closed(state)
        return Refused("import.exists", "An import with this id has ended already. Start another one.")


def person_named(digest: str) -> UUID:
    """The data subject whose address has this keyed hash: the lead's `person`."""
    return UUID(hex=digest[:32], version=5)


def _reference(present: Import, part: Part) -> BlobReference:
    return BlobReference(present.key, part.digest, part.size)


def _finished() -> Refused:
    return Refused("campaign.finished", "This campaign has ended: it takes no more leads.")


def _no_part(detail: str) -> Refused:
    return Refused("input.invalid", detail, status=422, field="content")
