"""A real client against the sandbox, on loopback."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from haulier.api.client import Client, ItemApi
from haulier.api.http.redactor import Redactor
from haulier.api.identity.shared_token import TokenFile
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import Clock, SystemClock
from haulier.rows.memory import MemoryRows, RowStore
from haulier.sources.context import Context, RunInfo

NOW = datetime(2026, 11, 23, 22, 25, tzinfo=UTC)


def context_of(api: ItemApi, snapshot_time: datetime = NOW) -> Context:
    """What enumerators and processors are handed."""
    return Context(api, RunInfo("test", "full", snapshot_time), 1, logging.LoggerAdapter(logging.getLogger("test"), {}))


@contextlib.asynccontextmanager
async def situation(
    settings: Api, snapshot_time: datetime = NOW, clock: Clock | None = None, shared: TokenFile | None = None
) -> AsyncIterator[Context]:
    """A context whose API is ``settings``."""
    clock, rng, redactor = clock or SystemClock(), random.Random(1), Redactor()
    scope = Scope(ScopeSettings("test", settings.schedule), "tester", MemoryRows(RowStore()), clock, rng)
    transport = AiohttpTransport(settings, clock=clock, redactor=redactor, shared=shared)
    try:
        async with scope.joined():
            client = Client(settings, transport, scope, clock, rng, redactor)
            yield context_of(client.session(), snapshot_time)
    finally:
        await transport.close()
