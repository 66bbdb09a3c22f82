"""Imports over HTTP: a file comes in, is checked as a whole, and is confirmed."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from uuid import UUID, uuid5

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    AddImportPart,
    CheckImport,
    Column,
    ConfirmImport,
    GetImport,
    ImportView,
    OpenImport,
    SchedulerCommand,
    UndoImport,
)
from heraldry.gateway.api.answers import Body, Written, with_position, written
from heraldry.gateway.state import TAKES_FILE, AnyRequest, Call, Gateway, media_type_of, same_request
from litestar import Controller, Response, delete, get, post, put
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import FromPath, JSONBody, QueryParameter

LARGEST_FILE: Final = 10 * 1024 * 1024  # bytes
LARGEST_UPLOAD: Final = LARGEST_FILE + 64 * 1024  # with what a form has around it
PART: Final = 512 * 1024  # bytes of the file in one command
LONGEST_NAME: Final = 255
TOO_LARGE: Final = 413
FORM: Final = "multipart/form-data"
FILES: Final = frozenset({"text/csv", "text/plain", "application/csv", "application/octet-stream"})
Format = Literal["csv", "jsonl"]


class Columns(Body):
    columns: tuple[Column, ...]


class Confirmation(Body):
    """`skip_errors`: import the rows that are right, and leave the others out."""

    skip_errors: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file: in memory while it is small, then in a temporary one nobody else can open."""

    name: str
    size: int
    content: UploadFile

    @classmethod
    async def of(cls, name: str, content: bytes) -> File:
        kept = UploadFile("", name)
        await kept.write(content)
        return await cls._whole(kept)

    @classmethod
    async def received(cls, request: AnyRequest, name: str = "") -> File:
        """The part `file` of a form, or the body itself; it is not read beyond what may come.

        Refused `import.missing`, `import.too-large`, `media-type.unsupported`.
        """
        kind = media_type_of(request)
        try:
            if kind == FORM:
                given: object = (await request.form()).get("file")
                kept = given if isinstance(given, UploadFile) else UploadFile("", "")
            elif kind in FILES:
                kept = UploadFile(kind, name)
                async for chunk in request.stream():
                    await kept.write(chunk)
            else:
                raise Refused(
                    "media-type.unsupported", "Send the file itself as text/csv, or a form.", status=415
                )
        except HTTPException as error:
            if error.status_code != TOO_LARGE:
                raise
            raise too_large() from None
        return await cls._whole(kept)

    async def digest(self) -> bytes:
        """Of its content; it is read from its beginning afterwards."""
        found = hashlib.sha256()
        while content := await self.content.read(PART):
            found.update(content)
        await self.content.seek(0)
        return found.digest()

    @classmethod
    async def _whole(cls, kept: UploadFile) -> File:
        kept.file.seek(0, 2)
        size = kept.file.tell()
        await kept.seek(0)
        if not size:
            await kept.close()
            raise Refused("import.missing", "Choose a file with leads first.", status=422, field="file")
        if size > LARGEST_FILE:
            await kept.close()
            raise too_large()
        named = "".join(char for char in kept.filename if char.isprintable()).strip()
        return cls(named[-LONGEST_NAME:] or "leads.csv", size, kept)


@dataclass
class TakesFile(Operation):
    """Of a route that reads its body itself."""

    def __post_init__(self) -> None:
        whole = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": whole}, required=["file"])
        kinds = {**dict.fromkeys(sorted(FILES), whole), FORM: form}
        content = {kind: OpenAPIMediaType(schema=schema) for kind, schema in kinds.items()}
        self.request_body = RequestBody(content=content, required=True)


class ImportsController(Controller):
    path = "/api/v1"
    tags = ("Imports",)

    @post(
        "/campaigns/{campaign:uuid}/imports",
        status_code=202,
        request_max_body_size=LARGEST_UPLOAD,
        operation_class=TakesFile,
        opt={TAKES_FILE: True},
        summary="Have a file of leads checked",
        description=(
            "The body is the CSV file itself (text/csv), or multipart/form-data with a part `file`: at most 10 MB"
            " and 10,000 rows. Nothing is imported until it is confirmed. Answers how the columns were"
            " understood, what is wrong row by row, and what would be left out."
        ),
    )
    async def open(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        filename: Annotated[str, QueryParameter(description="how the file is called")] = "",
    ) -> Response[ImportView]:
        file = await File.received(request, filename)
        await same_request(request, gateway, call.command, await file.digest())
        import_id, position = await bring(gateway, call, campaign, file)
        return with_position(await view(gateway, call, import_id, position), position, 202)

    @get("/imports/{import_id:uuid}", summary="One import")
    async def read(
        self, import_id: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> ImportView:
        return await view(gateway, call, import_id)

    @put("/imports/{import_id:uuid}/columns", summary="Say what its columns are, and check it again")
    async def columns(
        self,
        import_id: FromPath[UUID],
        data: JSONBody[Columns],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[ImportView]:
        check = CheckImport(import_id=import_id, columns=data.columns)
        position = (await gateway.contexts.send(check, by=call.by, id=call.command)).position
        return with_position(await view(gateway, call, import_id, position), position, 200)

    @post("/imports/{import_id:uuid}/confirm", status_code=202, summary="Import what was checked")
    async def confirm(
        self,
        import_id: FromPath[UUID],
        data: JSONBody[Confirmation],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[ImportView]:
        confirm = ConfirmImport(import_id=import_id, skip_errors=data.skip_errors)
        position = (await gateway.contexts.send(confirm, by=call.by, id=call.command)).position
        return with_position(await view(gateway, call, import_id, position), position, 202)

    @delete("/imports/{import_id:uuid}", status_code=200, summary="Drop it, unless its leads count already")
    async def undo(
        self, import_id: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        undo = UndoImport(import_id=import_id)
        accepted = await gateway.contexts.send(undo, by=call.by, id=call.command)
        return written(accepted.position, import_id)


def import_of(command: UUID) -> UUID:
    """The import a command makes: a repeat makes no other."""
    return uuid5(command, "import")


async def bring(
    gateway: Gateway, call: Call, campaign: UUID, file: File, form: Format = "csv"
) -> tuple[UUID, str]:
    """Hand a file over and have it checked: the import, and the position at which it was."""
    import_id = import_of(call.command)
    try:
        await step(
            gateway,
            call,
            OpenImport(
                import_id=import_id, campaign=campaign, filename=file.name, size=file.size, format=form
            ),
        )
        number = 0
        while content := await file.content.read(PART):
            part = AddImportPart(
                import_id=import_id, number=number, content=base64.b64encode(content).decode()
            )
            await step(gateway, call, part, number)
            number += 1
    finally:
        await file.content.close()
    return import_id, await step(gateway, call, CheckImport(import_id=import_id))


async def step(gateway: Gateway, call: Call, command: SchedulerCommand, number: int = 0) -> str:
    """One of the commands a request becomes, each under an id of its own; its position."""
    id_ = uuid5(call.command, f"{type(command).__name__} {number}")
    return (await gateway.contexts.send(command, by=call.by, id=id_)).position


async def view(gateway: Gateway, call: Call, import_id: UUID, position: str = "") -> ImportView:
    """Not older than `position`. Refused `import.unknown`."""
    seen = (*call.seen, position) if position else call.seen
    return await gateway.contexts.ask(GetImport(import_id=import_id), by=call.by, seen=seen)


def too_large() -> Refused:
    return Refused(
        "import.too-large",
        "A file may have 10 MB and 10,000 rows. Import it in several files.",
        status=TOO_LARGE,
        field="file",
    )
