"""The master key: it wraps every data key, is made once, and is never printed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from heraldry.chassis.settings import Settings
from heraldry.chassis.vault.sealing import KEY_BYTES, open_with, seal_with
from nacl.exceptions import CryptoError

VARIABLE = "HERALDRY_MASTER_KEY"
NEXT = "master.next.key"  # beside the present one, while it is replaced


class MasterKeyError(Exception):
    """There is no usable master key; the text says what to do. It never holds any part of the key."""


class OtherMasterKeyError(MasterKeyError):
    """What is to be opened needs another master key."""


class MasterKey:
    """Wraps and unwraps data keys. Two with the same `fingerprint` are the same key."""

    __slots__ = ("_secret", "fingerprint")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise MasterKeyError(f"The master key must be {KEY_BYTES} bytes, written in base64.")
        self._secret = secret
        self.fingerprint = hashlib.blake2b(
            b"fingerprint", key=secret, digest_size=8, person=b"heraldry-master"
        ).hexdigest()

    def __repr__(self) -> str:
        return f"MasterKey({self.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("a master key is not written anywhere")

    def wrap(self, data_key: bytes, name: str) -> bytes:
        """The data key encrypted; `name` is bound to it, so that it cannot be passed off as another's."""
        return seal_with(self._secret, data_key, name.encode())

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Raises MasterKeyError if it was wrapped by another master key, under another name, or was
        changed.
        """
        try:
            return open_with(self._secret, wrapped, name.encode())
        except CryptoError as error:
            raise MasterKeyError(
                f"The data key {name} does not open with the master key {self.fingerprint}."
                " Start with the master key this installation has now."
            ) from error


def create(path: Path) -> None:
    """Make a master key in `path`, as `write` writes it."""
    write(path, secrets.token_bytes(KEY_BYTES))


def write(path: Path, secret: bytes) -> None:
    """Write a master key to `path` (mode 0600), on disk when this returns. Raises FileExistsError if one is
    there.

    The file appears whole or not at all: a crash leaves no half a key behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secret) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)  # unlike a rename it never replaces a key
    finally:
        beside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def default_path(settings: Settings) -> Path:
    """Where the master key is, unless it is in the environment."""
    return settings.master_key_file or settings.data / "keys" / "master.key"


def load(settings: Settings) -> MasterKey:
    """The master key from HERALDRY_MASTER_KEY (base64), else from the settings' file. Raises
    MasterKeyError.
    """
    if written := os.environ.get(VARIABLE):
        return parse(written, f"in {VARIABLE}")
    path = default_path(settings)
    try:
        return parse(path.read_text(encoding="ascii"), f"in {path}")
    except FileNotFoundError as error:
        raise MasterKeyError(
            f"There is no master key in {path}. `up` makes it once, for a new data folder; restore it if this"
            " data folder is not new, for without it nothing encrypted can be read."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyError(f"The master key in {path} cannot be read. Check its owner and mode.") from error


def parse(written: str, where: str) -> MasterKey:
    """The key written as base64; `where` it stands, for the error. Raises MasterKeyError."""
    return MasterKey(secret_of(written, where))


def secret_of(written: str, where: str) -> bytes:
    """The bytes of a master key written as base64. Raises MasterKeyError."""
    try:
        return base64.b64decode(written.strip(), validate=True)
    except (binascii.Error, ValueError):
        # not `from` the error: its text may show the key
        raise MasterKeyError(f"The master key {where} is not base64. Restore it from its backup.") from None
