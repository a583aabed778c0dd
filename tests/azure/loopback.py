"""A loopback service that answers as it is told, or hands a request on and loses the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
from aiohttp import web
from yarl import URL

Answer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class Loopback:
    """``answer`` may be replaced at any time."""

    answer: Answer
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query, in order."""


def refused(status: int, code: str, message: str = "", *, at: datetime | None = None, detail: str = "") -> Answer:
    """Answer every request as the service refuses one. ``at`` is its own time."""

    async def answer(request: web.Request, _body: bytes) -> web.StreamResponse:
        now = at or datetime.now(UTC)
        more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}\nRequestId:1\n'
            f"Time:{now:%Y-%m-%dT%H:%M:%S}.1234567Z</Message>{more}</Error>"
        )
        headers = {"x-ms-error-code": code, "Date": format_datetime(now, usegmt=True), "x-ms-version": "2026-01-01"}
        return web.Response(
            status=status,
            body=b"" if request.method == "HEAD" else text.encode(),
            headers=headers,
            content_type="application/xml",
        )

    return answer


def handed_on(target: str, loses: Callable[[web.Request], bool] = lambda request: False) -> Answer:
    """Forward to ``target``, an URL without the account. What ``loses`` says has its effect, and no answer."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, _url(target, request), headers=headers, data=body, skip_auto_headers=("Content-Type",)
            ) as upstream,
        ):
            content = await upstream.read()
            if loses(request):
                assert request.transport is not None
                request.transport.abort()
            passed = {
                name: value
                for name, value in upstream.headers.items()
                if name.lower() not in ("transfer-encoding", "connection", "keep-alive")
            }
            return web.Response(status=upstream.status, headers=passed, body=content)

    return answer


def _url(target: str, request: web.Request) -> URL:
    return URL(f"{target}{request.raw_path}", encoded=True)


@contextlib.contextmanager
def loopback(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """Runs on a thread of its own, so that a test may run a command."""
    served = Loopback(answer)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        served.asked.append((request.method, request.raw_path))
        return await served.answer(request, body)

    async def serve() -> None:
        runner = web.AppRunner(_app(handle), handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        served.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()
        if tls:
            await asyncio.sleep(0.1)  # Connections over TLS are let go of in later turns of the loop.

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _app(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    return app
