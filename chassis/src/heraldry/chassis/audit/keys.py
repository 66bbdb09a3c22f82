"""The key pair of the checkpoints. The private half is the signer's; the public one is for everybody to keep."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Collection
from pathlib import Path

from heraldry.contracts.checkpoints import Checkpoint
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

PRIVATE = "signing.key"
PUBLIC = "public.key"


class AuditKeyError(Exception):
    """A key cannot be used; the text says what to do."""


def signing_key(folder: Path) -> SigningKey:
    """The private key in this folder (mode 0600), made the first time; the public one beside it. Raises
    AuditKeyError, OSError.
    """
    path = folder / PRIVATE
    try:
        written = path.read_text(encoding="ascii")
    except FileNotFoundError:
        _create(path, SigningKey.generate().encode())
        written = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        written = ""
    key = SigningKey(_decoded(written, f"The signing key in {path}", "Restore it from its backup."))
    public = folder / PUBLIC
    if not public.exists():
        _create(public, key.verify_key.encode())
    return key


def public_key(given: str) -> VerifyKey:
    """A public key, given as base64 or as a file that holds it. Raises AuditKeyError."""
    path = Path(given)
    try:
        text = path.read_text(encoding="ascii") if path.is_file() else given
    except (OSError, UnicodeDecodeError):
        text = ""
    return VerifyKey(
        _decoded(text, "The public key", "Give the 44 characters of `heraldry audit public-key`, or a file.")
    )


def written(key: VerifyKey) -> str:
    """A public key as it is told and kept: base64."""
    return base64.b64encode(key.encode()).decode()


def is_signed(checkpoint: Checkpoint, by: Collection[VerifyKey]) -> bool:
    """Whether one of these keys has signed it."""
    signature = bytes.fromhex(checkpoint.signature)
    for key in by:
        try:
            key.verify(checkpoint.text(), signature)
        except BadSignatureError:
            continue
        return True
    return False


def _decoded(text: str, what: str, to_do: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:  # noqa: PLR2004  of Ed25519
        raise AuditKeyError(f"{what} is not a key of 32 bytes in base64. {to_do}")
    return raw


def _create(path: Path, key: bytes) -> None:
    """The file appears whole or not at all, and never in place of another."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            return
    finally:
        beside.unlink()
    sync(path.parent)


def sync(folder: Path) -> None:
    """Have what was made, named and removed in a folder on disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
