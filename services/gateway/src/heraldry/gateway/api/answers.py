"""What API answers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import RowProblem
from litestar import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict

POSITION = "X-Position"
RETRY_AFTER: Final = "2"  # seconds
UNAVAILABLE: Final = 503
CLOSED: Final = ConfigDict(frozen=True, extra="forbid")
"""Of what is sent here: a field nobody reads is a mistake its sender is told of."""


def _number(given: object) -> object:
    if isinstance(given, bool | str | float):
        raise ValueError("Send a whole number.")  # noqa: TRY004  what pydantic reports
    return given


WholeNumber = Annotated[int, BeforeValidator(_number)]
"""Neither `true` nor `"5"`. Litestar validates with `strict=False`, which overrules pydantic's StrictInt."""


class Body(BaseModel):
    """A request's or answer's JSON document."""

    model_config = CLOSED


class Written(Body):
    """A change is stored. Send `position` back as X-Position to read it; `id` names what it is about."""

    position: str
    id: UUID | None = None


def written(position: str, id_: UUID | None = None, *, status: int = 200) -> Response[Written]:
    return Response(Written(position=position, id=id_), status_code=status, headers={POSITION: position})


def with_position(content: Any, position: str, status: int) -> Response[Any]:
    """`position` empty: nothing of it is stored yet."""
    return Response(content, status_code=status, headers={POSITION: position} if position else {})


def document(refusal: Refused, problems: Sequence[RowProblem] = ()) -> Response[Any]:
    """The refusal as application/problem+json. `problems`: row by row, where there are rows."""
    content: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": refusal.code,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        **({"field": refusal.field} if refusal.field else {}),
        **({"extra": refusal.extra} if refusal.extra else {}),
        **({"problems": problems} if problems else {}),
    }
    return Response(
        content,
        status_code=refusal.status,
        media_type="application/problem+json",
        headers={"Cache-Control": "no-store", **retry(refusal)},
    )


def retry(refusal: Refused) -> dict[str, str]:
    return {"Retry-After": RETRY_AFTER} if refusal.status == UNAVAILABLE else {}
