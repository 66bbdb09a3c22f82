"""Importing leads: a file is uploaded, its columns are understood, what is wrong is shown, then it is confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import CheckImport, ConfirmImport, ImportView, UndoImport
from heraldry.gateway.api.campaigns import found
from heraldry.gateway.api.imports import LARGEST_UPLOAD, File, bring, view
from heraldry.gateway.pages.campaign_forms import UploadForm, columns_filled, columns_of
from heraldry.gateway.pages.forms import filled
from heraldry.gateway.pages.models import Outcome
from heraldry.gateway.pages.models.campaigns import SKIPPED, ImportPage, UploadPage
from heraldry.gateway.routes.shown import asked, errors_of, html, is_answerable, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from pydantic import ValidationError

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


class UploadPagesController(Controller):
    path = "/campaigns/{campaign:uuid}/imports"
    include_in_schema = False

    @get("/new")
    async def new(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _upload(gateway, call, campaign)
        return html("import_new.html", await shell(request, gateway, call, "campaigns"), page)

    @post(status_code=200, request_max_body_size=LARGEST_UPLOAD)
    async def upload(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _upload(gateway, call, campaign)
        try:
            file = await File.received(request)
            call = asked(call, await posted(request))
            import_id, position = await bring(gateway, call, campaign, file)
        except Refused as wrong:
            if not is_answerable(wrong):
                raise
            errors = {"file" if key in {"", "size"} else key: text for key, text in errors_of(wrong).items()}
            page = replace(page, form=filled(UploadForm, {}, errors))
            around = await shell(request, gateway, call, "campaigns")
            return html("import_new.html", around, page, status=422)
        return redirect(request, f"/imports/{import_id}", positions=[position])


class ImportPagesController(Controller):
    path = "/imports/{import_id:uuid}"
    include_in_schema = False

    @get()
    async def show(
        self,
        import_id: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _page(gateway, call, await view(gateway, call, import_id))
        return html("import.html", await shell(request, gateway, call, "campaigns"), page)

    @post("/columns", status_code=200)
    async def columns(
        self,
        import_id: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        stored = await view(gateway, call, import_id)
        around = await shell(request, gateway, call, "campaigns")
        chosen = stored.columns
        try:
            chosen = columns_of(stored.columns, form.values)
            check = CheckImport(import_id=import_id, columns=chosen)
            accepted = await gateway.contexts.send(check, by=call.by, id=call.command)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            page = await _page(gateway, call, stored)
            error = " ".join(errors_of(wrong).values())
            page = replace(page, columns=columns_filled(chosen, stored.sample), error=error)
            return html("import.html", around, page, status=422)
        found = await view(gateway, call, import_id, accepted.position)
        page = replace(
            await _page(gateway, call, found), outcome=Outcome("saved", "Checked again with these columns.")
        )
        return html("import.html", around, page, position=accepted.position)

    @post("/confirm", status_code=200)
    async def confirm(
        self,
        import_id: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        confirm = ConfirmImport(import_id=import_id, skip_errors=form.text("skip_errors") == "yes")
        try:
            accepted = await gateway.contexts.send(confirm, by=call.by, id=call.command)
        except Refused as wrong:
            return await _refused(request, gateway, call, import_id, wrong)
        return redirect(request, f"/imports/{import_id}", positions=[accepted.position])

    @post("/undo", status_code=200)
    async def undo(
        self,
        import_id: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call = asked(call, await posted(request))
        stored = await view(gateway, call, import_id)
        try:
            accepted = await gateway.contexts.send(
                UndoImport(import_id=import_id), by=call.by, id=call.command
            )
        except Refused as wrong:
            return await _refused(request, gateway, call, import_id, wrong)
        where = f"/campaigns/{stored.campaign}"
        return redirect(request, where, positions=[accepted.position], flash="import-undone")


async def _upload(gateway: Gateway, call: Call, campaign: UUID) -> UploadPage:
    """Refused `campaign.unknown`."""
    stored = await found(gateway, call, campaign)
    settings = stored.settings
    return UploadPage(campaign=campaign, campaign_name=settings.name, channels=frozenset(settings.channels))


async def _refused(
    request: AnyRequest, gateway: Gateway, call: Call, import_id: UUID, wrong: Refused
) -> Response[str]:
    if not is_answerable(wrong):
        raise wrong
    page = await _page(gateway, call, await view(gateway, call, import_id))
    page = replace(page, outcome=Outcome("refused", wrong.detail))
    around = await shell(request, gateway, call, "campaigns")
    return html("import.html", around, page, status=wrong.status)


async def _page(gateway: Gateway, call: Call, stored: ImportView) -> ImportPage:
    campaign = await found(gateway, call, stored.campaign)
    return ImportPage(
        id=stored.import_id,
        campaign=stored.campaign,
        campaign_name=campaign.settings.name,
        filename=stored.filename,
        state=stored.state,
        encoding=stored.encoding,
        delimiter=DELIMITERS.get(stored.delimiter, stored.delimiter),
        columns=columns_filled(stored.columns, stored.sample),
        rows=stored.rows,
        good=stored.good,
        wrong=stored.wrong,
        problems=tuple((one.row, one.text) for one in stored.problems),
        skipped=tuple((count, SKIPPED.get(why, why)) for why, count in stored.skipped.items() if count),
        left_out=tuple((one.row, one.text) for one in stored.skipped_rows),
        enrolled=stored.enrolled,
        refusal=stored.refusal,
    )
