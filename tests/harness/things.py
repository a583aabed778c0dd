"""The smallest source there is: ranges of IDs with a record for each, of which some are empty, divided or refused.

Its API answers within the process, through the transport seam, so that a whole worker runs without a server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from haulier.api.client import Client
from haulier.api.http.transport import NO_HEADERS, Request, Response, Transport
from haulier.api.paging.paginator import Single
from haulier.api.scope.process import this_process
from haulier.api.scope.settings import ScopeSettings
from haulier.api.settings import Api
from haulier.clock import Clock
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.rows.seam import Rows
from haulier.sources.context import Context
from tests.harness.wiring import open_client

SOURCE = "shop"
IN_FLIGHT = 4


@dataclass(frozen=True)
class Things(WorkItem, stream="things", kind="things"):
    """A range of IDs."""

    ids: IdRange


def things(start: int, end: int | None = None) -> Things:
    """The IDs from ``start`` up to ``end``; one alone without it."""
    return Things(IdRange(start, start + 1 if end is None else end))


def records_of(ids: IdRange) -> list[bytes]:
    """What the API serves of a range that is not empty, a record each."""
    return [b'{"id":%d}' % id for id in range(ids.start, ids.end)]


@dataclass
class ThingsApi:
    """What is answered for an item, by its first ID. Implements the transport seam."""

    empty: set[int] = field(default_factory=set)
    divided: set[int] = field(default_factory=set)
    """Items that the processor divides into halves; a request is made for each."""
    smallest: int = 1
    """Ranges that are no wider are not divided."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Where it is not 200."""
    latency_seconds: float = 0.0
    requests: list[int] = field(default_factory=list)
    """The first ID of each request, in order."""

    async def send(self, request: Request) -> Response:
        query = dict(parse_qsl(urlsplit(request.url).query))
        ids = IdRange(int(query["start"]), int(query["end"]))
        self.requests.append(ids.start)
        await asyncio.sleep(self.latency_seconds)
        has_none = ids.start in self.empty or self._halves(ids)
        rows = [] if has_none else records_of(ids)
        body = b'{"rows":[' + b",".join(rows) + b"]}"
        return Response(self.statuses.get(ids.start, 200), NO_HEADERS, body, url=request.url)

    async def work(self, item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        """The processor: pages as they come, or the halves of the item."""
        query = item.ids.half_open("start", "end")
        async for page in ctx.api.pages("/things", query, pages=Single(), records="rows"):
            yield page
        for half in self._halves(item.ids):
            yield Things(half)

    def served(self, params: Mapping[str, Mapping[str, int]]) -> list[bytes]:
        """For the oracle: the records that an item with these parameters must hold."""
        ids = IdRange(**params["ids"])
        return [] if ids.start in self.empty else records_of(ids)

    def refuses(self, params: Mapping[str, Mapping[str, int]]) -> bool:
        """For the oracle: whether an item with these parameters fails by itself."""
        return self.statuses.get(params["ids"]["start"], 200) != 200

    def _halves(self, ids: IdRange) -> tuple[IdRange, ...]:
        is_divided = ids.start in self.divided and ids.size > self.smallest
        return (ids.halves() or ()) if is_divided else ()


@contextlib.asynccontextmanager
async def client_of(
    transport: Transport,
    rows: Rows,
    clock: Clock,
    name: str,
    *,
    beat_seconds: float = 1.0,
    max_requests: int | None = None,
) -> AsyncIterator[Client]:
    """A client over ``transport`` that has joined the scope of all workers of ``rows``.

    A member that stands still is waited for as long as its share may be in use, so that its requests are taken to be
    short: a fifth of a second.
    """
    scope = ScopeSettings(
        name=f"scope/{SOURCE}",
        in_flight=IN_FLIGHT,
        request_deadline_seconds=0.2,
        beat_seconds=beat_seconds,
        max_requests=max_requests,
        process=this_process(),
    )
    settings = Api("http://shop.invalid", in_flight=IN_FLIGHT)
    async with open_client(settings, api=transport, rows=rows, scope=scope, clock=clock, name=name) as client:
        yield client
