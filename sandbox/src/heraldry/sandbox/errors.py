"""The one error of the sandbox: what happened, and what to do next."""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox says no. `code` is stable, `status` is HTTP's, `field` the form field it is about."""

    def __init__(self, code: str, detail: str, *, status: int = 409, field: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.status, self.field = code, detail, status, field
