"""HEAD is answered wherever GET is: by the same headers, and nothing after them."""

from __future__ import annotations

from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send


def answering_heads(app: ASGIApp) -> ASGIApp:
    """Ends as soon as the headers are said: what would go on telling is not listened to."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app(cast("HTTPScope", {**scope, "method": "GET"}), receive, sending)

    return wrapped
