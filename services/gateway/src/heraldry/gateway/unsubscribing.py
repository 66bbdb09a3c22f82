"""What becomes of an unsubscribe link: opened without any look-up, and stored before anything else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import Destroyed, KeyDestroyedError, KeyRing, KeyUnknownError
from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import By
from heraldry.contracts.gateway import UnsubscribeToken
from heraldry.gateway.application import random_id
from heraldry.gateway.domain import unsubscribe
from heraldry.gateway.entries import BY_LINK
from pydantic import ValidationError

UNSUBSCRIBE: Final = Decider(unsubscribe.initial, unsubscribe.decide, unsubscribe.evolve)
LONGEST_LINK: Final = 4096  # characters; an address has at most 254


class Unsubscribing:
    """`unseal` opens what was sealed to the gateway: nobody else can, and nobody else's is opened."""

    def __init__(
        self,
        runner: Runner,
        ring: KeyRing,
        unseal: Callable[[str], bytes | None],
        now: Callable[[], datetime],
    ) -> None:
        self._runner, self._ring, self._unseal, self._now = runner, ring, unseal, now

    def opened(self, token: str) -> UnsubscribeToken | None:
        """What the link holds; None for one that is not ours, in whatever way."""
        content = self._unseal(token) if len(token) <= LONGEST_LINK else None
        if content is None:
            return None
        with suppress(ValidationError):
            return UnsubscribeToken.model_validate_json(content)
        return None

    async def unsubscribe(self, link: UnsubscribeToken) -> bool:
        """Store the wish; once it returns, it stands. False: there is no such organization any more."""
        try:
            key = await self._ring.fetch(organization_subject(link.organization))
        except KeyUnknownError:
            return False
        if isinstance(key, Destroyed):
            return False
        with suppress(KeyDestroyedError):  # the person was erased: the wish is stored without the address
            await self._ring.create(str(link.person))
        asked = Asked(
            random_id(),
            By(organization=link.organization, actor=BY_LINK),
            self._now(),
            identity=link.identity,
        )
        await self._runner.run(
            UNSUBSCRIBE,
            unsubscribe.stream(keyed_hash(key, normalised(link.address))),
            unsubscribe.Unsubscribe(link, self._now()),
            asked,
            enough=lambda newest: len(newest) > 0,
        )
        return True
