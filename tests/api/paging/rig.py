"""What tests of paging stand on: a client over a scope of its own, a server that pages, a transport that is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.answers.judgement import Rule
from haulier.api.client import Client, ItemApi
from haulier.api.errors import ApiError
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, Transport, TransportError
from haulier.api.scope.settings import ScopeSettings
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import Clock, SystemClock
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock
from tests.harness.wiring import open_client


@contextlib.asynccontextmanager
async def client_over(
    transport: Transport, settings: Api, clock: Clock, redactor: Redactor | None = None, rules: tuple[Rule, ...] = ()
) -> AsyncIterator[Client]:
    """A client in a scope that nobody else is in."""
    scope = ScopeSettings("test", settings.schedule, is_fixed=True)
    async with open_client(
        settings, api=transport, rows=MemoryRows(RowStore()), scope=scope, clock=clock, redactor=redactor, rules=rules
    ) as client:
        yield client


@contextlib.asynccontextmanager
async def client_of(url: str, rules: tuple[Rule, ...] = (), **settings: Any) -> AsyncIterator[Client]:
    """A client of a server on loopback, over the real transport."""
    api, clock, redactor = Api(url, **settings), SystemClock(), Redactor()
    transport = AiohttpTransport(api, clock=clock, redactor=redactor)
    try:
        async with client_over(transport, api, clock, redactor, rules) as client:
            yield client
    finally:
        await transport.close()


# -- a server that pages -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: bytes
    target: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def number(self, name: str, default: int = 0) -> int:
        return int(self.query.get(name, default))


@dataclass(frozen=True)
class Reply:
    """What the server answers: ``body`` as it is, or whatever else as JSON."""

    body: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def asked_of(request: Request) -> Asked:
    """A request as a server would get it, without a server."""
    parts = urlsplit(request.url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    headers = CIMultiDict(request.headers)
    return Asked(request.method, parts.path, query, headers, request.body, request.url)


@dataclass
class PageServer:
    """Answers each request with what ``answer`` makes of it."""

    answer: Callable[[Asked], Reply]
    requests: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers: CIMultiDict[str] = CIMultiDict()
                for line in filter(None, head[1:]):
                    headers.add(*line.split(": ", 1))
                body = await reader.readexactly(int(headers.get("Content-Length", 0)))
                parts = urlsplit(target)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                asked = Asked(method, parts.path, query, headers, body, target)
                self.requests.append(asked)
                reply = self.answer(asked)
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                lines = [f"HTTP/1.1 {reply.status} Said", f"Content-Length: {len(content)}"]
                lines += ["Content-Type: application/json", *(f"{name}: {value}" for name, value in reply.headers)]
                writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def serving(answer: Callable[[Asked], Reply]) -> AsyncIterator[PageServer]:
    """The server while the block lasts."""
    server = PageServer(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


@contextlib.asynccontextmanager
async def session_with(
    answer: Callable[[Asked], Reply], path: str = "", **settings: Any
) -> AsyncIterator[tuple[ItemApi, PageServer]]:
    """The API of one item, whose base address is the server's with ``path`` behind it."""
    async with serving(answer) as server, client_of(server.url + path, **settings) as client:
        yield client.session(), server


# -- a transport that is told what to say ------------------------------------------------------------------------------

Said = Response | TransportError


class ToldTransport:
    """Says the n-th thing to the n-th request, and the last thing to all that follow."""

    def __init__(self, *said: Said) -> None:
        self._said: Sequence[Said] = said
        self.requests: list[Request] = []
        self.hops: Sequence[int] = ()
        """How many more requests the first ones take."""

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        for _ in range(sum(self.hops[len(self.requests) - 1 : len(self.requests)])):
            await request.before_follow_up()
        said = self._said[min(len(self.requests), len(self._said)) - 1]
        if isinstance(said, TransportError):
            raise said
        return said


def says(body: Any, status: int = 200, **headers: str) -> Response:
    """An answer; keyword arguments are headers, with ``_`` for ``-``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = CIMultiDict({"Content-Type": "application/json"})
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, CIMultiDictProxy(fields), content, url="http://api.test/items")


@contextlib.asynccontextmanager
async def told(
    *said: Said, rules: tuple[Rule, ...] = (), redactor: Redactor | None = None
) -> AsyncIterator[tuple[ItemApi, ToldTransport, FakeClock, Client]]:
    """The API of one item over a transport that says these things, on a clock that stands still."""
    transport, clock = ToldTransport(*said), FakeClock()
    async with client_over(transport, Api("http://api.test"), clock, redactor, rules) as client:
        yield client.session(), transport, clock, client


async def ids_of(pages: AsyncIterator[Any]) -> list[int]:
    """The ids of all records, in order."""
    return [json.loads(bytes(record))["id"] async for page in pages for record in page.records]


async def collected(api: ItemApi, clock: FakeClock, **options: Any) -> list[int]:
    """The ids of a whole list, whose records are at `rows` unless it is said otherwise. It must end within a minute of
    the clock's time."""
    task = asyncio.ensure_future(ids_of(api.pages("/items", **{"records": "rows", **options})))
    await clock.run_for(60)
    assert task.done()
    return task.result()


async def refused(api: ItemApi, clock: FakeClock, **options: Any) -> ApiError:
    """Why the list cannot be read."""
    with pytest.raises(ApiError) as caught:
        await collected(api, clock, **options)
    return caught.value


def rows(start: int, stop: int) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"row {number}"} for number in range(start, stop)]
