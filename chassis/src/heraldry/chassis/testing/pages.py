"""A web site out of a dictionary, for what reads pages in a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pages:
    """What is served, by path. What a click would have sent is counted: reading must leave it at nothing."""

    url: str
    served: Mapping[str, str]
    sent: list[str] = field(default_factory=list[str])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        if method != "GET":
            self.sent.append(target)
        body = self.served.get(target, self.served.get(target.split("?")[0]))
        if body is not None and body.startswith("->"):
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {body[2:]}\r\nContent-Length: 0\r\n".encode())
            content = b""
        else:
            status = "404 Not Found" if body is None else "429 Too Many" if body == "429" else "200 OK"
            content = (body or "nothing here").encode()
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n".encode())
            writer.write(f"Content-Length: {len(content)}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n" + content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(served: Mapping[str, str]) -> AsyncGenerator[Pages]:
    pages = Pages("", served)
    server = await asyncio.start_server(pages.answer, "127.0.0.1", 0)
    pages.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield pages
