"""What keeps mails from leaving for good: the suppression list, and conversations that were stopped.

Each is recorded in two steps. After the first the last gate knows; then what is open is stopped in its own stream;
then it is said. So nothing is claimed or begun after it was said, whoever had it in hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from sqlite3 import Connection
from typing import Final
from uuid import UUID, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.addresses import Malformed, normalised, travelling
from heraldry.contracts.base import Accepted, By, Erased, Refused
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.mailbox import Diagnosed, SuppressionReason, SuppressRecipient, UnsuppressRecipient
from heraldry.contracts.markers import Position
from heraldry.mailbox import projections
from heraldry.mailbox.domain import conversation, email, suppression
from heraldry.mailbox.projections import Open
from heraldry.mailbox.streams import (
    CONTEXT,
    CONVERSATION,
    EMAIL,
    SUPPRESSION,
    SYSTEM,
    conversation_stream,
    email_stream,
    suppression_stream,
)
from uuid_utils.compat import uuid7

MODEL_WITHIN: Final = 5.0  # seconds the read model may need to come to the end of the log


class Stopping:
    """Suppressions, conversations, and the stopping of what is open."""

    def __init__(
        self, runner: Runner, store: EventStore, model: ReadModel, keys: KeyRing, clock: Clock
    ) -> None:
        self._runner, self._store, self._model = runner, store, model
        self._keys, self._clock = keys, clock

    # --- what the last gate asks

    async def is_suppressed(self, organization: UUID, address: str) -> bool:
        return isinstance(
            await self._suppression(await self._recipient(organization, address)), suppression.Suppressed
        )

    async def has_stopped(self, enrollment: UUID) -> bool:
        loaded = await self._runner.load(CONVERSATION, conversation_stream(enrollment))
        return isinstance(loaded.state, conversation.Stopped)

    # --- the suppression list

    async def suppress(self, command: SuppressRecipient, asking: Asking) -> Accepted:
        """Refused `address.invalid`."""
        try:
            travelling(command.address)
        except Malformed as wrong:
            raise Refused("address.invalid", str(wrong), status=422, field="address") from wrong
        return await self._suppress(
            organization_of(asking), command.address.strip(), command.person, command.reason, asking
        )

    async def unsuppress(self, command: UnsuppressRecipient, asking: Asking) -> Accepted:
        """Refused `suppression.unknown`, `recipient.erased`."""
        state = await self._suppression(command.recipient)
        organization = organization_of(asking)
        if (
            isinstance(state, suppression.Suppressed)
            and state.organization == organization
            and self._keys.is_erased(str(state.person))  # also while the erasure is under way
        ):
            raise suppression.erased()
        lift = suppression.Lift(organization, self._clock.now())
        asked = Asked(asking.id, asking.by, lift.at)
        ran = await self._runner.run(SUPPRESSION, suppression_stream(command.recipient), lift, asked)
        return self._runner.accepted(ran)

    async def unsubscribe(self, event: RecipientUnsubscribed, asking: Asking) -> None:
        """Somebody used the link of a mail: its conversation ends, and the address is written to no more."""
        loaded = await self._runner.load(EMAIL, email_stream(event.attempt))
        mail = None if isinstance(loaded.state, email.NoMail | email.Withdrawn) else loaded.state.mail
        ours = mail is not None and loaded.decoded[0].meta.organization == str(event.organization)
        if ours and mail is not None and mail.enrollment is not None:
            await self.stop_conversation(
                mail.enrollment, mail.person, mail.identity, "unsubscribed", asking.by
            )
        address = email.text_of(event.address) or (
            email.text_of(mail.to) if ours and mail is not None else ""
        )
        if address:
            again = Asking(uuid5(asking.id, "suppress"), asking.by)
            await self._suppress(event.organization, address, event.person, "unsubscribed", again)

    async def heed_bounce(self, attempt: UUID, asking: Asking) -> None:
        """A mail came back for good: its address is written to no more."""
        state = (await self._runner.load(EMAIL, email_stream(attempt))).state
        if isinstance(state, email.NoMail | email.Withdrawn) or isinstance(state.mail.to, Erased):
            return
        organization, mail = organization_of(asking), state.mail
        await self._suppress(organization, email.text_of(mail.to), mail.person, "bounced", asking)

    async def _suppress(
        self, organization: UUID, address: str, person: UUID, reason: SuppressionReason, asking: Asking
    ) -> Accepted:
        recipient, now = await self._recipient(organization, address), self._clock.now()
        with suppress(KeyDestroyedError):  # an erased person: only the hash of the address is kept
            await self._keys.create(str(person))
        begin = suppression.Begin(organization, recipient, person, address, reason, now)
        first = Asked(uuid5(asking.id, "begin"), asking.by, now, organization=organization)
        ran = await self._runner.run(SUPPRESSION, suppression_stream(recipient), begin, first)
        if isinstance(ran.state, suppression.Suppressed) and not ran.state.said:
            await self._stop_to(organization, address)
        finish = suppression.Finish(self._clock.now(), reason)
        asked = Asked(asking.id, asking.by, finish.at, organization=organization)
        return self._runner.accepted(
            await self._runner.run(SUPPRESSION, suppression_stream(recipient), finish, asked)
        )

    async def finish_suppression(self, recipient: str, asking: Asking) -> None:
        """Go on where somebody was killed between the two steps, in the name of who began."""
        loaded = await self._runner.load(SUPPRESSION, suppression_stream(recipient))
        state = loaded.state
        if not isinstance(state, suppression.Suppressed) or state.said:
            return
        if not isinstance(state.address, Erased):
            await self._stop_to(state.organization, state.address)
        finish = suppression.Finish(self._clock.now())
        begun = loaded.decoded[-1].meta
        by = asking.by.model_copy(update={"actor": begun.actor, "correlation": begun.correlation})
        asked = Asked(asking.id, by, finish.at, organization=state.organization)
        await self._runner.run(SUPPRESSION, suppression_stream(recipient), finish, asked)

    async def _stop_to(self, organization: UUID, address: str) -> None:
        normal = normalised(address)
        await self.stop_mails(
            lambda db: projections.open_to(db, str(organization), normal), suppression.SUPPRESSED
        )

    async def _suppression(self, recipient: str) -> suppression.State:
        return (await self._runner.load(SUPPRESSION, suppression_stream(recipient))).state

    async def _recipient(self, organization: UUID, address: str) -> str:
        key = await self._keys.create(organization_subject(organization))
        return keyed_hash(key, normalised(address))

    # --- conversations

    async def stop_conversation(
        self, enrollment: UUID, person: UUID, identity: UUID, why: conversation.Why, by: By
    ) -> None:
        """Nothing is begun in it any more when this returns. Stopped before, nothing changes."""
        begin = conversation.Begin(enrollment, person, why, self._clock.now())
        asked = Asked(uuid7(), by, begin.at, identity)
        await self._runner.run(CONVERSATION, conversation_stream(enrollment), begin, asked)
        await self.finish_conversation(enrollment, identity, by)

    async def finish_conversation(self, enrollment: UUID, identity: UUID | None, by: By) -> None:
        """The second step, also where somebody was killed between the two."""
        stream = conversation_stream(enrollment)
        loaded = await self._runner.load(CONVERSATION, stream)
        if not isinstance(loaded.state, conversation.Stopped) or loaded.state.finished:
            return
        await self.stop_mails(lambda db: projections.open_of(db, str(enrollment)), conversation.STOPPED)
        finish = conversation.Finish(self._clock.now())
        await self._runner.run(CONVERSATION, stream, finish, Asked(uuid7(), by, finish.at, identity))

    # --- what is open

    async def stop_mails(
        self, which: Callable[[Connection], Sequence[Open]], diagnosis: Diagnosed, *, again: bool = False
    ) -> None:
        """Close open mails in their own streams: who has one in hand fails at the next append."""
        await self.catch_up()
        found = self._model.read(which)
        await asyncio.gather(*(self._stop(one, diagnosis, again=again) for one in found))

    async def _stop(self, one: Open, diagnosis: Diagnosed, *, again: bool) -> None:
        stop = email.Stop(diagnosis, again, self._clock.now())
        by = By(organization=one.organization, actor=SYSTEM)
        asked = Asked(uuid7(), by, stop.at, one.identity)
        await self._runner.run(EMAIL, email_stream(one.attempt), stop, asked)

    async def catch_up(self) -> None:
        """Return when everything stored up to now is in the read model. Refused `view.behind`."""
        head = Position(CONTEXT, self._store.epoch, await self._store.head())
        if not await self._model.wait_for([str(head)], MODEL_WITHIN):
            raise Refused("view.behind", "The inboxes are not up to date yet. Try again.", status=503)


def organization_of(asking: Asking) -> UUID:
    """The organization somebody asks for. Refused `organization.missing`."""
    if asking.by.organization is None:
        raise Refused(
            "organization.missing", "Inboxes belong to an organization. Sign in to one.", status=403
        )
    return asking.by.organization
