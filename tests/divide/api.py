"""An API that answers as a test says, on loopback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[int, int], Awaitable[web.Response]]
"""For the IDs from the first up to, not including, the second."""


@dataclass
class Served:
    """Where it is, and what it was asked."""

    url: str = ""
    asked: list[tuple[int, int]] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serve(answer: Answer, read: Callable[[str], int] = int) -> AsyncIterator[Served]:
    """``GET /items?from_id=&to_id=`` is answered by ``answer``; ``read`` makes a number of what is asked."""
    served = Served()

    async def items(request: web.Request) -> web.Response:
        first, last = read(request.query["from_id"]), read(request.query["to_id"])
        served.asked.append((first, last))
        return await answer(first, last)

    app = web.Application()
    app.router.add_get("/items", items)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()


def page(first: int, last: int, **more: object) -> web.Response:
    """Every record of a range, in one page."""
    ids = [{"id": id} for id in range(first, last)]
    return web.json_response({"items": ids, "total": len(ids), "next": None} | more)


def says(status: int, body: object, **headers: str) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), headers=headers, content_type="application/json")
