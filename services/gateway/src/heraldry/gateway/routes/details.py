"""An identity's details as they come from a form: whoever fills it in."""

from __future__ import annotations

from typing import Final

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import ContactDetails
from heraldry.gateway.pages.forms import with_scheme
from heraldry.gateway.pictures import re_encoded
from heraldry.gateway.routes.shown import Form, errors_of
from heraldry.gateway.state import AnyRequest
from litestar.datastructures import UploadFile
from pydantic import ValidationError

DETAILS: Final = (
    "first_name",
    "last_name",
    "job_title",
    "email",
    "phone",
    "linkedin_url",
    "meeting_url",
)


def typed_name(form: Form) -> str:
    return f"{form.text('first_name')} {form.text('last_name')}".strip()


def typed_details(form: Form) -> ContactDetails:
    """Raises ValidationError."""
    details = {name: form.text(name) for name in DETAILS}
    return ContactDetails.model_validate({**details, "linkedin_url": with_scheme(details["linkedin_url"])})


async def typed_picture(request: AnyRequest) -> str:
    """The uploaded picture, re-encoded; empty where none was chosen. Refused as `re_encoded` does."""
    found: object = (await request.form()).get("picture")
    content = await found.read() if isinstance(found, UploadFile) else b""
    return await re_encoded(content) if content else ""


def wrong_details(error: ValidationError | Refused) -> dict[str, str]:
    """What is wrong, by the name of the form's field. A name is made of two of them."""
    errors = errors_of(error)
    if "name" in errors:
        del errors["name"]
        errors["first_name"] = "Enter a first or last name."
    return errors
