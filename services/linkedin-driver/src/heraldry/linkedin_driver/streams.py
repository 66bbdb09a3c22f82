"""The streams of this context: their names, and who decides in them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyRing
from heraldry.contracts.linkedin import LinkedInReplyReceived
from heraldry.linkedin_driver.domain import account, action, imports, member, pending, reply

CONTEXT: Final = "linkedin-driver"
SYSTEM: Final = "system:linkedin-driver"  # its workers and reactions, as they are named in the history
ACCOUNT: Decider[account.Command, account.State, account.Event] = Decider(
    account.NO_ACCOUNT, account.decide, account.evolve
)
MEMBER: Decider[member.Command, member.State, member.Event] = Decider(
    member.FREE, member.decide, member.evolve
)
ACTION: Decider[action.Command, action.State, action.Event] = Decider(
    action.NO_ACTION, action.decide, action.evolve
)
PENDING: Decider[pending.Command, pending.State, pending.Event] = Decider(
    pending.NOTHING, pending.decide, pending.evolve
)
OWNER: Decider[imports.Command, imports.State, imports.Event] = Decider(
    imports.NOT_HEARD_OF, imports.decide, imports.evolve
)
REPLY: Decider[reply.Record, reply.State, LinkedInReplyReceived] = Decider(None, reply.decide, reply.evolve)


def account_stream(account: UUID) -> str:
    return f"account-{account}"


def member_stream(sender: str) -> str:
    """`sender`: the keyed hash of the member."""
    return f"member-{sender}"


def action_stream(attempt: UUID) -> str:
    return f"action-{attempt}"


def pending_stream(both: str) -> str:
    """`both`: the keyed hash of member and person."""
    return f"pending-{both}"


def reply_stream(message: str) -> str:
    """`message`: the keyed hash of account and message."""
    return f"reply-{message}"


def owner_stream(identity: UUID) -> str:
    return f"owner-{identity}"


class Names:
    """What streams are called, by hashes with the organization's own key: they name nobody."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def member(self, organization: UUID, member: str) -> str:
        """`member`: as LinkedIn names it."""
        return await self._hash(organization, f"member {member}")

    async def between(self, organization: UUID, sender: str, profile: str) -> str:
        """Of a member, by its keyed hash, and a person, by the canonical address of the profile."""
        return await self._hash(organization, f"between {sender} {profile}")

    async def message(self, organization: UUID, account: UUID, message: str) -> str:
        """`message`: as LinkedIn names it."""
        return await self._hash(organization, f"message {account} {message}")

    async def _hash(self, organization: UUID, what: str) -> str:
        return keyed_hash(await self._keys.create(organization_subject(organization)), what)
