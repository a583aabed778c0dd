"""Server-sent events: one answer that goes on until its reader leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SLOW_SECONDS = 20.0
"""A reader that takes nothing for so long is dropped. It comes back by itself, and is told all anew."""


def event(name: str, body: bytes) -> bytes:
    """``body`` is JSON on one line."""
    return b"event: " + name.encode() + b"\ndata: " + body + b"\n\n"


class EventStream(Response):
    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], slow_seconds: float = SLOW_SECONDS) -> None:
        # A proxy that gathers answers would show nothing for minutes.
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(scope, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            if scope["method"] != "HEAD":
                async with contextlib.aclosing(self._events) as events:
                    async for piece in events:
                        async with asyncio.timeout(self._slow_seconds):
                            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return  # The server closes a connection whose answer is not complete.


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
