"""What happened, in words: one sentence and one outcome for every published event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts.base import Event
from heraldry.gateway.sentences import (
    campaigns,
    erasures,
    identities,
    inboxes,
    limits,
    linkedin,
    mails,
    organization,
    suppression,
)
from heraldry.gateway.sentences.words import UNNAMED, Said, Tone, Words, named, text

__all__ = ["KINDS", "STEPS", "UNNAMED", "Said", "Tone", "Words", "named", "said", "text"]

KINDS: Final[
    Mapping[str, tuple[str, tuple[str, ...]]]
] = {  # a filter's value, its words, what it lets through
    "mail": ("Mails", mails.TYPES),
    "reply": ("Replies", (*mails.REPLIES, *linkedin.REPLIES)),
    "bounce": ("Bounces", mails.BOUNCES),
    "campaign": ("Campaigns", campaigns.TYPES),
    "lead": ("Leads", campaigns.LEADS),
    "suppression": ("Suppression list", suppression.TYPES),
    "limit": ("Limits", limits.TYPES),
    "inbox": ("Inboxes", inboxes.TYPES),
    "linkedin": ("LinkedIn accounts", linkedin.ACCOUNTS),
    "step": ("LinkedIn steps", linkedin.ACTIONS),
    "identity": ("Identities", identities.TYPES),
    "organization": ("Organization", (*organization.TYPES, *erasures.TYPES)),
}
STEPS: Final = (*linkedin.ACTIONS, *linkedin.REPLIES)
"""Event types that only an attempt at a LinkedIn step has."""
CONTEXTS: Final = (
    mails,
    limits,
    campaigns,
    inboxes,
    linkedin,
    suppression,
    identities,
    organization,
    erasures,
)


def said(event: Event, words: Words) -> Said:
    """The sentence for an event; its type's name for one nobody wrote a sentence for."""
    found = (context.said(event, words) for context in CONTEXTS)
    return next((one for one in found if one is not None), Said(type(event).__name__))
