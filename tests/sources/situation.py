"""A real client against the sandbox, on loopback."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from haulier.api.client import Client, ItemApi
from haulier.api.http.redactor import Redactor
from haulier.api.scope.scope import Scope, ScopeSettings
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import SystemClock
from haulier.sources.context import Context, RunInfo

NOW = datetime(2026, 11, 23, 22, 25, tzinfo=UTC)


class Documents:
    """The store of the scope's row: a dict."""

    def __init__(self) -> None:
        self._documents: dict[str, bytes] = {}

    async def read(self, name: str) -> bytes | None:
        return self._documents.get(name)

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        self._documents[name] = change(self._documents.get(name))
        return self._documents[name]


def context_of(api: ItemApi, snapshot_time: datetime = NOW) -> Context:
    """What enumerators and processors are handed."""
    return Context(api, RunInfo("test", "full", snapshot_time), 1, logging.LoggerAdapter(logging.getLogger("test"), {}))


@contextlib.asynccontextmanager
async def situation(settings: Api, snapshot_time: datetime = NOW) -> AsyncIterator[Context]:
    """A context whose API is ``settings``."""
    clock, rng, redactor = SystemClock(), random.Random(1), Redactor()
    scope = Scope(ScopeSettings("test", settings.schedule), "tester", Documents(), clock, rng)
    transport = AiohttpTransport(settings, clock=clock, redactor=redactor)
    try:
        async with scope.joined():
            client = Client(settings, transport, scope, clock, rng, redactor)
            yield context_of(client.session(), snapshot_time)
    finally:
        await transport.close()
