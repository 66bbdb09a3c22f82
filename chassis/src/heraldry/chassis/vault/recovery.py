"""The printed recovery key: the master key as a person can copy it from paper, with what shows a slip of the pen."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from heraldry.chassis.vault.sealing import KEY_BYTES

CHECK_BYTES: Final = 3
GROUP: Final = 4  # characters
_ALIKE: Final = str.maketrans("018", "OIB")  # digits that base32 has not, and what is meant by them


class RecoveryKeyError(Exception):
    """What was typed is no recovery key; the text says what is wrong, never what was typed."""


def written(secret: bytes) -> str:
    """The master key in groups of four letters and digits. A format on paper: it never changes."""
    text = base64.b32encode(secret + _check(secret)).decode().rstrip("=")
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def read(typed: str) -> bytes:
    """The master key of what was typed, however it is spaced. Raises RecoveryKeyError."""
    text = "".join(char for char in typed.upper() if char.isalnum()).translate(_ALIKE)
    try:
        found = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        found = b""
    secret, check = found[:KEY_BYTES], found[KEY_BYTES:]
    if len(secret) != KEY_BYTES or len(check) != CHECK_BYTES:
        raise RecoveryKeyError(
            "That is not a whole recovery key: it has 14 groups of four letters and digits."
        )
    if check != _check(secret):
        raise RecoveryKeyError(
            "The recovery key has a slip in it. Compare it with the paper, group by group."
        )
    return secret


def _check(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=CHECK_BYTES, person=b"heraldry-paper").digest()
