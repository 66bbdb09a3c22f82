"""The application is made without anything Litestar is about to give up."""

from __future__ import annotations

import warnings
from typing import cast

from heraldry.chassis.health import Health
from heraldry.gateway.app import application
from heraldry.gateway.assets import Files
from heraldry.gateway.state import Gateway


def test_no_route_leaves_it_to_be_guessed_where_a_parameter_comes_from() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        application(cast("Gateway", None), cast("Health", None), cast("Files", None))
    assert [str(one.message) for one in found] == []
