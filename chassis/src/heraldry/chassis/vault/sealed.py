"""Secrets on their way: the gateway seals what a user typed, and only the service that uses it can open it.

The private key is a secret of the service. The public key stands in the vault where only that service may
write and the gateway may read: NATS itself keeps anybody else from putting another one there.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b

from heraldry.chassis.bus import border
from heraldry.chassis.bus.rights import PUBLIC
from heraldry.chassis.vault.keys import KeyRing
from heraldry.chassis.vault.secrets import (
    NONE_THERE,
    STREAM,
    SecretConflictError,
    Secrets,
    SecretUnknownError,
)
from heraldry.contracts.base import Refused
from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey, SealedBox
from nats.aio.client import Client
from nats.js.errors import NotFoundError

NAME = "sealing"


async def own_private_key(nc: Client, context: str, ring: KeyRing, secrets: Secrets) -> PrivateKey:
    """The service's key pair, made the first time; the public half is published. Call it once, at start."""
    subject = f"service-{context}"
    await ring.create(subject)
    try:
        private = PrivateKey((await secrets.get(subject, NAME)).value)
    except SecretUnknownError:
        private = PrivateKey.generate()
        try:
            await secrets.put(subject, NAME, private.encode(), expected_revision=NONE_THERE)
        except SecretConflictError:  # another replica was first
            private = PrivateKey((await secrets.get(subject, NAME)).value)
    if await public_key(nc, context) != private.public_key:
        published = base64.b64encode(private.public_key.encode())
        await border.jetstream(nc).publish(_where(context), published, stream=STREAM)
    return private


async def public_key(nc: Client, context: str) -> PublicKey | None:
    """The key to seal to for this context; None while the service has never run."""
    try:
        message = await border.jetstream(nc).get_msg(STREAM, subject=_where(context), direct=True)
    except NotFoundError:
        return None
    return PublicKey(base64.b64decode(message.data or b""))


def seal(to: PublicKey, plaintext: bytes) -> str:
    """Base64 text that only the holder of the private key can open."""
    return base64.b64encode(SealedBox(to).encrypt(plaintext)).decode()


def seal_for_link(to: PublicKey, plaintext: bytes, *, alike: bytes = b"") -> str:
    """Like `seal`, as text that may stand in an address of the web.

    `alike`: a secret of whoever seals. With it the same text is the same token every time.
    """
    sealed = _sealed_alike(to, plaintext, alike) if alike else SealedBox(to).encrypt(plaintext)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _sealed_alike(to: PublicKey, plaintext: bytes, secret: bytes) -> bytes:
    """A sealed box as libsodium makes it, but for its one-time key: that is derived, not drawn."""
    once = PrivateKey(blake2b(to.encode() + plaintext, key=secret, digest_size=PrivateKey.SIZE).digest())
    public = once.public_key.encode()
    nonce = blake2b(public + to.encode(), digest_size=Box.NONCE_SIZE).digest()
    return public + Box(once, to).encrypt(plaintext, nonce).ciphertext


def open_from_link(private: PrivateKey, token: str) -> bytes | None:
    """What was sealed for a link; None for anything else, in whatever way it is wrong."""
    try:
        return SealedBox(private).decrypt(
            base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        )
    except (CryptoError, binascii.Error, ValueError, TypeError):
        return None


def open_sealed(private: PrivateKey, sealed: str) -> bytes:
    """What was sealed. Refused as `secret.unreadable` if it was sealed to another key or changed."""
    try:
        return SealedBox(private).decrypt(base64.b64decode(sealed, validate=True))
    except (CryptoError, binascii.Error, ValueError, TypeError):
        raise Refused(
            "secret.unreadable",
            "The password or code did not arrive in a readable form. Enter it again.",
            status=422,
        ) from None


def _where(context: str) -> str:
    return f"$KV.VAULT.{PUBLIC}.{context}"
