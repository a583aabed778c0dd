"""A client that sees what really comes over the wire: it reads bytes, and says whether an answer is as promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer: ``is_whole`` if its body came as its own framing promised."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    def get(self, target: str, **headers: str) -> None:
        lines = [f"GET {target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def post(self, target: str, body: bytes, **headers: str) -> None:
        lines = [f"POST {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def reply(self, *, to_head: bool = False) -> Reply | None:
        """The next answer; None if the connection ended without one."""
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = raw[:-4].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        if to_head or status in (204, 304):
            return Reply(status, headers, b"", is_whole=True)
        if headers.get("transfer-encoding") == "chunked":
            body, is_whole = await self._chunks()
        else:
            body, is_whole = await self._exactly(int(headers["content-length"]))
        return Reply(status, headers, body, is_whole)

    async def ended(self) -> bool:
        """Whether the other side closes, with nothing more to say."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            size = await self.reader.readline()
            if not size:
                return body, False
            chunk, is_whole = await self._exactly(int(size, 16) + 2)
            body += chunk[:-2] if is_whole else chunk
            if chunk == b"\r\n" or not is_whole:
                return body, is_whole

    async def _exactly(self, size: int) -> tuple[bytes, bool]:
        try:
            return await self.reader.readexactly(size), True
        except asyncio.IncompleteReadError as error:
            return error.partial, False


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Wire]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=32 * 1024 * 1024)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


async def ask(url: str, target: str, **headers: str) -> Reply | None:
    """GET on a connection of its own."""
    async with connected(url) as wire:
        wire.get(target, **headers)
        return await wire.reply()


async def answer(url: str, target: str, **headers: str) -> Reply:
    """The same where an answer is sure to come."""
    reply = await ask(url, target, **headers)
    assert reply is not None
    return reply


async def posted(url: str, target: str, body: bytes, **headers: str) -> Reply:
    """The answer to a POST on a connection of its own."""
    async with connected(url) as wire:
        wire.post(target, body, **headers)
        reply = await wire.reply()
        assert reply is not None
        return reply
