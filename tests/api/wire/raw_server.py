"""A server on loopback that says, byte for byte, what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from multidict import CIMultiDict


class Do(Enum):
    CLOSE = "close"
    """The connection, in good order."""
    RESET = "reset"
    """The connection, with RST: what a crash looks like."""
    HANG = "hang"
    """Until the client goes away."""


Step = bytes | float | Do | Callable[[], object]
Answer = Sequence[Step]
"""Bytes are written, numbers are seconds of silence, functions are called. A connection that is not told to close waits
for its next request."""


@dataclass
class Seen:
    """A request as it came."""

    connection: int
    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes


@dataclass
class RawServer:
    """Answers the n-th request with the n-th answer, and what comes after the last with the last."""

    answers: Sequence[Answer] | Callable[[Seen], Answer]
    port: int = 0
    scheme: str = "http"
    answers_at_once: bytes | None = None
    """Said to whatever comes, before the connection is closed: for a server that does not speak TLS."""
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    most_open: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        self.connections += 1
        self.open_connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.most_open = max(self.most_open, self.open_connections)
        try:
            if self.answers_at_once is not None:
                await reader.read(1)
                writer.write(self.answers_at_once)
                return
            while (seen := await _read_request(number, reader)) is not None:
                self.requests.append(seen)
                if not await self._answer(seen, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client is gone, or the test is over.
        finally:
            self.open_connections -= 1
            writer.close()
            self.tasks.discard(task)

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if callable(self.answers):
            steps = self.answers(seen)
        else:
            steps = self.answers[min(len(self.requests), len(self.answers)) - 1]
        for step in steps:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case float() | int():
                    await asyncio.sleep(step)
                case Do.CLOSE:
                    return False
                case Do.RESET:
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return False
                case Do.HANG:
                    await reader.read()
                    return False
                case _:
                    step()
        return True


@contextlib.asynccontextmanager
async def raw_server(
    *answers: Answer, by: Callable[[Seen], Answer] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serves until the block ends. ``by`` chooses the answer by the request instead of by its number."""
    here = RawServer(by or answers, scheme="https" if tls else "http")
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        tasks = set(here.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read_request(connection: int, reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = CIMultiDict((line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines)
    body = await reader.readexactly(int(headers.get("Content-Length", 0)))
    return Seen(connection, method, target, headers, body)


def http(
    body: bytes = b"",
    *headers: str,
    status: str = "200 OK",
    length: int | str | None = "",
    content_type: str = "application/json",
) -> bytes:
    """An answer. ``length`` is right unless it is said otherwise; None leaves the header out."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == '' else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
