"""Collectors that do not do what they should, each a server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Bad:
    head: bytes | None
    """What the server answers; None: nothing, though it accepts."""
    problem: str = ""
    """What is said of it in the end; empty where all counts as delivered."""
    seconds: float = 0.0
    """Before it answers."""


BAD = {
    "silent": Bad(None, "it is too slow, or too much came at once"),
    "busy": Bad(b"429 Too Many Requests\r\nRetry-After: 30", "it answers with status 429"),
    "away": Bad(b"503 Service Unavailable", "it answers with status 503"),
    "moved": Bad(b"302 Found\r\nLocation: http://127.0.0.1:9/", "it answers with a redirect, status 302"),
    "unknown": Bad(b"404 Not Found", "it answers with status 404"),
    "garbage": Bad(b"200 OK\r\nContent-Type: text/html"),
    "slow": Bad(b"200 OK", "it is too slow, or too much came at once", 5.0),
    "dead": Bad(None, "no connection, or none that lasts"),
}


@asynccontextmanager
async def collector(kind: str) -> AsyncIterator[int]:
    """Its port. ``plain`` speaks no TLS, and says so at once; ``drip`` answers a byte at a time, without an end."""
    bad, tasks = BAD.get(kind, Bad(None)), set[asyncio.Task[None]]()

    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.add(asyncio.ensure_future(answer(reader, writer)))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if kind == "plain":
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-len"))
                await reader.readexactly(length)
                if kind == "drip":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while kind == "drip":
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.1)
                await asyncio.sleep(bad.seconds)
                if bad.head is not None:
                    writer.write(b"HTTP/1.1 " + bad.head + b"\r\nContent-Length: 7\r\n\r\n\xffrubish"[:-1] + b"!")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    if kind == "dead":
        server.close()
    try:
        yield port
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:  # Also of those whose task was cancelled before it began.
            writer.transport.abort()
        await asyncio.sleep(0.01)  # A socket is closed in a later turn of the loop.
