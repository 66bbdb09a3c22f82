"""What an address of the API can be asked: a parameter it does not know would be answered as if it were not there."""

from __future__ import annotations

from functools import cache
from typing import Final

from heraldry.contracts.base import Refused
from heraldry.gateway.state import AnyRequest
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

LONGEST: Final = 40


def check(request: AnyRequest) -> None:
    """Refused `query.unknown` (422) for the first query parameter that this address does not take."""
    handler = request.route_handler
    if not request.url.query or not handler.resolve_include_in_schema():  # what is not there is told as such
        return
    takes = parameters(handler)
    for name in request.query_params:
        if name not in takes:
            known = f"It takes {', '.join(sorted(takes))}." if takes else "It takes none."
            raise Refused(
                "query.unknown",
                f"This address takes no query parameter {name[:LONGEST]}, so the answer would be to another question."
                f" {known}",
                status=422,
                field=name[:LONGEST],
            )


@cache
def parameters(handler: HTTPRouteHandler) -> frozenset[str]:
    """The names of the query parameters a handler takes."""
    found = handler.parsed_fn_signature.parameters.items()
    told = ((name, field.kwarg_definition) for name, field in found)
    return frozenset(one.name or name for name, one in told if isinstance(one, QueryParameter))
