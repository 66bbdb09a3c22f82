"""The last part of a share link's address: the link's id, and what only the gateway can have put beside it.

So a token needs to be kept nowhere, and one that is not ours is recognised without any look-up.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final
from uuid import UUID

from heraldry.chassis.vault.hashing import keyed_hash
from heraldry.chassis.vault.keys import Key

KEY_SUBJECT: Final = "share-links"  # the key the tokens are made with, in the gateway's part of KEYS
ID_BYTES: Final = 16
LENGTH: Final = 64  # characters: 16 and 32 bytes in base64url


class ShareTokens:
    """Makes tokens and reads them."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def token(self, link: UUID) -> str:
        """Always the same for the same link."""
        return base64.urlsafe_b64encode(link.bytes + self._proof(link)).decode()

    def link(self, token: str) -> UUID | None:
        """The link whose token this is; None for anything else, in whatever way it is wrong."""
        if len(token) != LENGTH:
            return None
        try:
            content = base64.b64decode(token.encode(), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        link = UUID(bytes=content[:ID_BYTES])
        return link if hmac.compare_digest(self._proof(link), content[ID_BYTES:]) else None

    def browser(self, cookie: str) -> str:
        """How a browser is recognised by what its cookie holds; empty: it has none."""
        return keyed_hash(self._key, f"browser {cookie}") if cookie else ""

    def _proof(self, link: UUID) -> bytes:
        return bytes.fromhex(keyed_hash(self._key, f"link {link}"))
