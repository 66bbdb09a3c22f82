"""What every worker of the LinkedIn driver needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from heraldry.chassis.clock import Clock
from heraldry.chassis.halt import HaltFlags
from heraldry.chassis.points import Points
from heraldry.chassis.points import none as no_points
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.recipients import ANYBODY, Recipients
from heraldry.chassis.vault.keys import KeyDestroyedError, UnreadableError
from heraldry.chassis.vault.secrets import Secrets, SecretUnknownError
from heraldry.linkedin_driver.application import Application

NO_SECRET: Final = (SecretUnknownError, KeyDestroyedError, UnreadableError)


@dataclass(frozen=True, slots=True)
class Desk:
    """`held`: how long a claim keeps others away, and so how long a browser works on one thing at most."""

    application: Application
    secrets: Secrets
    halt: HaltFlags
    model: ReadModel
    clock: Clock
    real: Clock
    held: timedelta
    points: Points = no_points
    recipients: Recipients = ANYBODY
