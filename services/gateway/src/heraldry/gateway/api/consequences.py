"""What deleting an identity, disconnecting an inbox or unlinking LinkedIn does to campaigns: said first, done when it is confirmed."""

from __future__ import annotations

from uuid import UUID, uuid5

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import Consequences, GetConsequences, StopIdentity
from heraldry.contracts.identity import DeleteIdentity
from heraldry.contracts.mailbox import DisconnectInbox
from heraldry.gateway.state import Call, Gateway


async def of_deletion(gateway: Gateway, call: Call, identity: UUID) -> Consequences:
    return await gateway.contexts.ask(GetConsequences(identity=identity), by=call.by, seen=call.seen)


async def of_disconnection(gateway: Gateway, call: Call, inbox: UUID) -> Consequences:
    return await gateway.contexts.ask(GetConsequences(inbox=inbox), by=call.by, seen=call.seen)


async def of_unlinking(gateway: Gateway, call: Call, identity: UUID) -> Consequences:
    return await gateway.contexts.ask(GetConsequences(unlinked=identity), by=call.by, seen=call.seen)


async def delete_identity(
    gateway: Gateway, call: Call, identity: UUID, *, confirmed: bool
) -> tuple[str, str]:
    """The positions at which it is deleted, and at which its campaigns stand still: both are true then.

    Refused `identity.in-use` with `campaigns`, `begun`, `waiting` where campaigns use it, unless `confirmed`.
    """
    if not confirmed and (found := await of_deletion(gateway, call, identity)).campaigns:
        raise Refused(
            "identity.in-use",
            f"{_use(found)} this identity: {_names(found)}. Deleting it pauses"
            f" {'it' if len(found.campaigns) == 1 else 'them'}: {_begun(found)}, and {_waiting(found)}."
            " Confirm to delete it all the same.",
            extra=_extra(found),
        )
    deleted = await gateway.contexts.send(DeleteIdentity(identity=identity), by=call.by, id=call.command)
    stop = StopIdentity(identity=identity)
    stopped = await gateway.contexts.send(stop, by=call.by, id=uuid5(call.command, "stop"))
    return deleted.position, stopped.position


async def disconnect_inbox(gateway: Gateway, call: Call, inbox: UUID, *, confirmed: bool) -> str:
    """The position at which it is disconnected.

    Refused `inbox.in-use` with `campaigns`, `begun`, `waiting` where leads are in mid-sequence, unless
    `confirmed`.
    """
    if not confirmed and (found := await of_disconnection(gateway, call, inbox)).begun:
        raise Refused(
            "inbox.in-use",
            f"{_use(found)} this inbox: {_names(found)}. Disconnecting it means that {_begun(found)} at"
            f" {'its' if found.begun == 1 else 'their'} next email until the same address is connected again. Confirm to disconnect it all the same.",
            extra=_extra(found),
        )
    return (await gateway.contexts.send(DisconnectInbox(inbox=inbox), by=call.by, id=call.command)).position


def _use(found: Consequences) -> str:
    campaigns = len(found.campaigns)
    return "1 campaign uses" if campaigns == 1 else f"{campaigns} campaigns use"


def _names(found: Consequences) -> str:
    return ", ".join(f"“{name}”" for _, name in found.campaigns)


def _begun(found: Consequences) -> str:
    return "1 lead in mid-sequence fails" if found.begun == 1 else f"{found.begun} leads in mid-sequence fail"


def _waiting(found: Consequences) -> str:
    if found.waiting == 1:
        return "1 lead that has not begun can be given another identity"
    return f"{found.waiting} leads that have not begun can be given another identity"


def _extra(found: Consequences) -> dict[str, str]:
    return {
        "campaigns": ", ".join(name for _, name in found.campaigns),
        "begun": str(found.begun),
        "waiting": str(found.waiting),
    }
