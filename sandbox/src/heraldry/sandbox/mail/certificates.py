"""TLS of the sandbox: a certificate authority of its own, kept over restarts so that trust in it lasts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

NAMES = ("mail.sandbox.test", "localhost", "127.0.0.1")


def server_context(folder: Path) -> ssl.SSLContext:
    """A server's TLS context for NAMES. The authority is made at first use (`ca.pem`, `ca-key.pem`)."""
    import trustme  # noqa: PLC0415  0.1 s, and only a process that starts a server needs it

    certificate, key = folder / "ca.pem", folder / "ca-key.pem"
    if certificate.exists() and key.exists():
        authority = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    else:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="Heraldry sandbox")
        _write(key, authority.private_key_pem.bytes(), 0o600)
        _write(certificate, authority.cert_pem.bytes(), 0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate_for_names = authority.issue_cert(*NAMES)
    certificate_for_names.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  names an optional OpenSSL type
    return context


def _write(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    draft.replace(path)
