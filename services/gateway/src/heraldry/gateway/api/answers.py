"""What API answers have in common."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response
from pydantic import BaseModel, ConfigDict

POSITION = "X-Position"


class Body(BaseModel):
    """A request's or answer's JSON document."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Written(Body):
    """A change is stored. Send `position` back as X-Position to read it; `id` names what it is about."""

    position: str
    id: UUID | None = None


def written(position: str, id_: UUID | None = None, *, status: int = 200) -> Response[Written]:
    return Response(Written(position=position, id=id_), status_code=status, headers={POSITION: position})


def with_position(content: Any, position: str, status: int) -> Response[Any]:
    return Response(content, status_code=status, headers={POSITION: position})
