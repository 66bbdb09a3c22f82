"""Authenticated encryption: XChaCha20-Poly1305 with a fresh random nonce. A storage format.

One byte of format (1), 24 bytes of nonce, then ciphertext and tag.
"""

from __future__ import annotations

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from nacl.utils import random

KEY_BYTES = 32
NONCE_BYTES = 24
FORMAT = b"\x01"
OVERHEAD = 1 + NONCE_BYTES + 16  # bytes by which a ciphertext is longer than its plaintext


def seal_with(secret: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt; `associated` is authenticated and must be given again to decrypt."""
    nonce = random(NONCE_BYTES)
    return FORMAT + nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, nonce, secret)


def open_with(secret: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Decrypt. Raises nacl.exceptions.CryptoError if anything was changed or the key is another."""
    if len(sealed) < OVERHEAD or not sealed.startswith(FORMAT):
        raise CryptoError("not a ciphertext of a known format")
    nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    return crypto_aead_xchacha20poly1305_ietf_decrypt(rest, associated, nonce, secret)
