"""The client as a processor sees it, in front of a server that says byte for byte what a table's row is about.

The clock runs fast unless another is given, so that a minute's pause takes a second; the order of what happens is that
of life.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.client import Client, ItemApi
from haulier.api.errors import ApiError
from haulier.api.http.redactor import Redactor
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.paginator import Paginator
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import Clock, SystemClock
from tests.api.paging.rig import client_over
from tests.api.wire.raw_server import Answer, RawServer, Seen, http, raw_server
from tests.divide.rig import FastClock

LAST_PAGE = b'{"rows":[{"id":3}],"next":null}'
GOOD: Answer = [http(LAST_PAGE)]
CURSOR = Cursor("next", query="cursor")


@dataclass
class Door:
    """A client, and the server behind it."""

    client: Client
    server: RawServer
    clock: Clock
    asked_at: list[float] = field(default_factory=list)
    """When each request came, in the client's own time."""

    def session(self) -> ItemApi:
        return self.client.session()

    async def records(self, pages: Paginator = CURSOR, path: str = "/rows", **options: Any) -> list[Any]:
        """All records of one list."""
        walk = self.session().pages(path, pages=pages, records="rows", **options)
        return [json.loads(bytes(record)) async for page in walk for record in page.records]

    async def error(self, pages: Paginator = CURSOR, **options: Any) -> ApiError:
        """What reading the list ends in."""
        with pytest.raises(ApiError) as caught:
            await self.records(pages, **options)
        return caught.value


@contextlib.asynccontextmanager
async def door(
    *answers: Answer, rules: tuple[Rule, ...] = (), url: str = "", clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Door]:
    """The n-th request gets the n-th answer, and what comes after the last gets the last. ``url``: the client asks
    there instead."""
    clock, redactor = clock or FastClock(), Redactor()
    asked_at: list[float] = []

    def by(seen: Seen) -> Answer:
        asked_at.append(clock.monotonic())
        return answers[min(len(asked_at), len(answers)) - 1]

    async with raw_server(by=by) as server:
        limits = {"connect_timeout_seconds": 5.0, "first_byte_timeout_seconds": 5.0, "request_timeout_seconds": 20.0}
        api = Api(url or server.url, **{**limits, **settings})
        transport = AiohttpTransport(api, clock=SystemClock(), redactor=redactor)
        try:
            async with client_over(transport, api, clock, redactor, rules) as client:
                yield Door(client, server, clock, asked_at)
        finally:
            await transport.close()


def status(line: str, body: bytes = b"{}", *headers: str) -> Answer:
    """An answer under a status, such as `429 Too Many Requests`."""
    return [http(body, *headers, status=line)]


def page(ids: Sequence[int], following: str | None = None, **more: object) -> Answer:
    """A good page."""
    return [http(json.dumps({"rows": [{"id": id} for id in ids], "next": following, **more}).encode())]
