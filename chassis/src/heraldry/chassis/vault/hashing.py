"""Keyed hashes: how something is recognised (an address, a LinkedIn member) by who must not read it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from uuid import UUID

from heraldry.chassis.vault.keys import Key

DIGEST_BYTES = 32
PURPOSE = b"heraldry-hash"  # a storage format: stream ids are made of these hashes


def organization_subject(organization: UUID) -> str:
    """The data subject under which an organization's own hash key is kept: made with it, never rotated."""
    return f"org-{organization}"


def keyed_hash(key: Key, normalised: str) -> str:
    """64 hexadecimal digits, the same for the same key and value. Normalising (case, spaces) is the
    caller's.
    """
    return hashing_with(key)(normalised)


def hashing_with(key: Key) -> Callable[[str], str]:
    """`keyed_hash` by this key, for many values: the key is taken in once."""
    begun = hashlib.blake2b(key=key.secret, digest_size=DIGEST_BYTES, person=PURPOSE)

    def of(normalised: str) -> str:
        hashed = begun.copy()
        hashed.update(normalised.encode())
        return hashed.hexdigest()

    return of
