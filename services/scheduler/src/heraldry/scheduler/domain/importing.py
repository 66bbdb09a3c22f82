"""An import of leads, from the announced file to leads that count. Stream `import-<id>`.

The file's parts and what was found in it are blobs, encrypted with the import's own key; the events hold
counts only. Its leads are enrolled one by one, and none of them is due before LeadsImported stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Personal, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.campaigns import LeadsImported
from heraldry.scheduler.domain.tables import MOST_BYTES, too_large
from pydantic import Field

UNCONFIRMED_FOR: Final = timedelta(days=7)
MOST_PARTS: Final = 256
Format: TypeAlias = Literal["csv", "jsonl"]
Progress: TypeAlias = Literal[
    "receiving", "received", "checked", "importing", "imported", "undone", "refused"
]
ENDED: Final[frozenset[Progress]] = frozenset({"imported", "undone", "refused"})
UNCONFIRMED: Final[frozenset[Progress]] = frozenset({"receiving", "received", "checked"})


def key_of(import_id: UUID) -> str:
    """The data subject whose key the import's blobs are encrypted with; destroyed when it has ended."""
    return f"import-{import_id}"


class ImportOpened(AnyEvent):
    """Private. `key`: the data subject of what is encrypted for this import."""

    import_id: UUID
    campaign: UUID
    organization: UUID
    identity: UUID
    key: str
    filename: Annotated[str | Erased, Personal("key")]
    size: int
    format: Format


class ImportPartAdded(AnyEvent):
    """Private."""

    import_id: UUID
    number: int
    digest: str
    size: int


class ImportChecked(AnyEvent):
    """Private. Counts of rows; `report` is the blob with the columns, a sample and what is wrong."""

    import_id: UUID
    encoding: str
    delimiter: str
    rows: int
    good: int
    wrong: int
    skipped: Mapping[str, int] = Field(default_factory=dict)
    report: str  # digest
    report_size: int


class ImportRefused(AnyEvent):
    """Private. The whole file cannot be read."""

    import_id: UUID
    code: str
    reason: str


class ImportConfirmed(AnyEvent):
    """Private. `first`: the place of its first lead among the campaign's."""

    import_id: UUID
    campaign: UUID
    first: int


class ImportUndone(AnyEvent):
    """Private. Its leads never counted. `reason`: by whom or why."""

    import_id: UUID
    reason: str


class ImportCleared(AnyEvent):
    """Private. Its blobs are deleted and its key is destroyed."""

    import_id: UUID


Event: TypeAlias = (
    ImportOpened
    | ImportPartAdded
    | ImportChecked
    | ImportRefused
    | ImportConfirmed
    | LeadsImported
    | ImportUndone
    | ImportCleared
)


@dataclass(frozen=True, slots=True)
class Part:
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking the whole file found."""

    encoding: str
    delimiter: str
    rows: int
    good: int
    wrong: int
    skipped: Mapping[str, int]
    report: Part


@dataclass(frozen=True, slots=True)
class Open:
    import_id: UUID
    campaign: UUID
    organization: UUID
    identity: UUID
    filename: str
    size: int
    format: Format
    at: datetime


@dataclass(frozen=True, slots=True)
class _Wish:
    """Asked for by `organization`, which sees nothing of other organizations' imports."""

    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class AddPart(_Wish):
    number: int
    part: Part


@dataclass(frozen=True, slots=True)
class Check(_Wish):
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Refuse(_Wish):
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Confirm(_Wish):
    skip_errors: bool
    first: int


@dataclass(frozen=True, slots=True)
class Undo(_Wish):
    pass


@dataclass(frozen=True, slots=True)
class Finish:
    """All its leads are enrolled."""

    identity: UUID
    leads: int
    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """What it was for is gone."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Expire:
    at: datetime


@dataclass(frozen=True, slots=True)
class Clear:
    at: datetime


Command: TypeAlias = Open | AddPart | Check | Refuse | Confirm | Undo | Finish | GiveUp | Expire | Clear


@dataclass(frozen=True, slots=True)
class Unopened:
    """There is no such import."""


@dataclass(frozen=True, slots=True)
class Import:
    id: UUID
    campaign: UUID
    organization: UUID
    identity: UUID
    filename: str
    size: int
    format: Format
    opened_at: datetime
    progress: Progress
    parts: Mapping[int, Part] = field(default_factory=dict[int, Part])
    verdict: Verdict | None = None
    first: int = 0
    refusal: tuple[str, str] = ("", "")
    cleared: bool = False

    @property
    def key(self) -> str:
        return key_of(self.id)

    @property
    def blobs(self) -> tuple[Part, ...]:
        """Everything stored for it."""
        report = () if self.verdict is None else (self.verdict.report,)
        return (*self.file, *report)

    @property
    def file(self) -> tuple[Part, ...]:
        """The parts in order."""
        return tuple(self.parts[number] for number in sorted(self.parts))

    @property
    def is_whole(self) -> bool:
        numbers = range(len(self.parts))
        return sum(part.size for part in self.file) == self.size and sorted(self.parts) == list(numbers)


State: TypeAlias = Unopened | Import
UNOPENED: Final = Unopened()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Open():
            return _open(command, state)
        case AddPart() | Check() | Refuse() | Confirm() | Undo():
            return _fulfil(command, owned(state, command.organization))
        case Finish() | GiveUp() | Expire() | Clear():
            return () if isinstance(state, Unopened) else _notice(command, state)
        case _:
            assert_never(command)


def owned(state: State, organization: UUID | None) -> Import:
    """Refused `import.unknown` for what is another organization's."""
    if isinstance(state, Unopened) or state.organization != organization:
        raise Refused("import.unknown", "There is no such import in your organization.", status=404)
    return state


def ensure_addable(number: int, size: int, present: Import) -> None:
    """Raises what AddPart would refuse, short of comparing what is there already."""
    if number >= MOST_PARTS:
        raise too_large(f"The file came in more than {MOST_PARTS} parts.")
    if present.progress in ENDED:
        raise closed(present)
    if number in present.parts:
        return
    if present.progress != "receiving":
        raise closed(present)
    if sum(part.size for part in present.file) + size > present.size:
        raise too_large("More came than was announced.")


def ensure_checkable(present: Import) -> None:
    """Refused `import.incomplete`, and where it is confirmed or has ended."""
    if present.progress == "receiving":
        came = sum(part.size for part in present.file)
        detail = f"{came:,} of {present.size:,} bytes have come. Send the missing parts."
        raise Refused("import.incomplete", detail)
    if present.progress not in {"received", "checked"}:
        raise closed(present)


def closed(present: Import) -> Refused:
    match present.progress:
        case "importing":
            return Refused("import.done", "This import was confirmed already. Start another one.")
        case "imported":
            return Refused("import.done", "The leads of this import count already. Start another one.")
        case "refused" if present.refusal[0] == "import.too-large":
            return Refused("import.too-large", present.refusal[1], status=422)
        case "refused":
            return Refused("import.unreadable", present.refusal[1], status=422)
        case _:
            return Refused("import.closed", "This import was dropped. Start another one.")


def _open(command: Open, state: State) -> Sequence[Event]:
    if command.size > MOST_BYTES:
        raise too_large(f"The file has {command.size / 1024 / 1024:,.1f} MB.")
    if isinstance(state, Import):
        owned(state, command.organization)
        if (state.campaign, state.size, state.format) == (command.campaign, command.size, command.format):
            return ()
        raise Refused("import.exists", "An import with this id exists already. Start another one.")
    opened = ImportOpened(
        import_id=command.import_id,
        campaign=command.campaign,
        organization=command.organization,
        identity=command.identity,
        key=key_of(command.import_id),
        filename=command.filename,
        size=command.size,
        format=command.format,
        at=command.at,
    )
    return (opened,)


def _fulfil(wish: AddPart | Check | Refuse | Confirm | Undo, present: Import) -> Sequence[Event]:
    match wish:
        case AddPart(number=number, part=part, at=at):
            ensure_addable(number, part.size, present)
            if number not in present.parts:
                added = ImportPartAdded(
                    import_id=present.id, number=number, digest=part.digest, size=part.size, at=at
                )
                return (added,)
            if present.parts[number] != part:
                raise Refused("import.part-taken", f"Part {number} came before, with another content.")
            return ()
        case Check(verdict=verdict, at=at):
            ensure_checkable(present)
            checked = ImportChecked(
                import_id=present.id,
                encoding=verdict.encoding,
                delimiter=verdict.delimiter,
                rows=verdict.rows,
                good=verdict.good,
                wrong=verdict.wrong,
                skipped=verdict.skipped,
                report=verdict.report.digest,
                report_size=verdict.report.size,
                at=at,
            )
            return (checked,)
        case Refuse(code=code, reason=reason, at=at):
            if present.progress == "refused":
                return ()
            ensure_checkable(present)
            return (ImportRefused(import_id=present.id, code=code, reason=reason, at=at),)
        case Confirm():
            return _confirm(wish, present)
        case Undo(at=at):
            if present.progress == "imported":
                raise Refused("import.done", "These leads count already: an import is undone before that.")
            if present.progress in ENDED:
                return ()
            return (ImportUndone(import_id=present.id, reason="by hand", at=at),)
        case _:
            assert_never(wish)


def _confirm(wish: Confirm, present: Import) -> Sequence[Event]:
    if present.progress in {"importing", "imported"}:
        return ()
    if present.progress in ENDED:
        raise closed(present)
    if present.verdict is None:
        raise Refused("import.not-checked", "Have the file checked first.")
    if present.verdict.wrong and not wish.skip_errors:
        rows = f"{present.verdict.wrong:,} of {present.verdict.rows:,} rows"
        detail = f"{rows} cannot be imported. Mend the file, or import the others without them."
        raise Refused("import.has-errors", detail, extra={"wrong": str(present.verdict.wrong)})
    if not present.verdict.good:
        raise Refused("import.nothing", "No row is left that could be imported.")
    confirmed = ImportConfirmed(import_id=present.id, campaign=present.campaign, first=wish.first, at=wish.at)
    return (confirmed,)


def _notice(command: Finish | GiveUp | Expire | Clear, present: Import) -> Sequence[Event]:
    match command:
        case Finish(identity=identity, leads=leads, at=at) if present.progress == "importing":
            done = LeadsImported(
                import_id=present.id, campaign=present.campaign, identity=identity, leads=leads, at=at
            )
            return (done,)
        case GiveUp(reason=reason, at=at) if present.progress not in ENDED:
            return (ImportUndone(import_id=present.id, reason=reason, at=at),)
        case Expire(at=at) if present.progress in UNCONFIRMED and at - present.opened_at >= UNCONFIRMED_FOR:
            return (ImportUndone(import_id=present.id, reason="nobody confirmed it", at=at),)
        case Clear(at=at) if present.progress in ENDED and not present.cleared:
            return (ImportCleared(import_id=present.id, at=at),)
        case _:
            return ()


def evolve(state: State, event: Event) -> State:
    if isinstance(event, ImportOpened):
        return _opened(event)
    if isinstance(state, Unopened):
        return state
    match event:
        case ImportPartAdded(number=number, digest=digest, size=size):
            state = replace(state, parts={**state.parts, number: Part(digest, size)})
            return replace(state, progress="received") if state.is_whole else state
        case ImportChecked():
            report = Part(event.report, event.report_size)
            verdict = Verdict(
                event.encoding,
                event.delimiter,
                event.rows,
                event.good,
                event.wrong,
                event.skipped,
                report,
            )
            return replace(state, progress="checked", verdict=verdict)
        case ImportRefused(code=code, reason=reason):
            return replace(state, progress="refused", refusal=(code, reason))
        case ImportConfirmed(first=first):
            return replace(state, progress="importing", first=first)
        case LeadsImported():
            return replace(state, progress="imported")
        case ImportUndone():
            return replace(state, progress="undone")
        case ImportCleared():
            return replace(state, cleared=True)
        case _:
            assert_never(event)


def _opened(event: ImportOpened) -> Import:
    filename = "" if isinstance(event.filename, Erased) else event.filename
    return Import(
        id=event.import_id,
        campaign=event.campaign,
        organization=event.organization,
        identity=event.identity,
        filename=filename,
        size=event.size,
        format=event.format,
        opened_at=event.at,
        progress="receiving" if event.size else "received",
    )
