"""A transport under test, and what is asked of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.shared_token import TokenFile
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import Clock, SystemClock
from tests.api.wire.raw_server import RawServer


@contextlib.asynccontextmanager
async def transport_to(
    server: RawServer | str,
    *,
    clock: Clock | None = None,
    redactor: Redactor | None = None,
    slow_seconds: float = 5.0,
    shared: TokenFile | None = None,
    **settings: Any,
) -> AsyncIterator[AiohttpTransport]:
    """Closed when the block ends. Its time limits are those of a test."""
    limits = {"connect_timeout_seconds": 5.0, "first_byte_timeout_seconds": 5.0, "request_timeout_seconds": 10.0}
    api = Api(server if isinstance(server, str) else server.url, **{**limits, **settings})
    transport = AiohttpTransport(
        api, clock=clock or SystemClock(), redactor=redactor or Redactor(), slow_seconds=slow_seconds, shared=shared
    )
    try:
        yield transport
    finally:
        await transport.close()


class Located(Protocol):
    """What has an address."""

    @property
    def url(self) -> str: ...


async def get(transport: AiohttpTransport, server: Located, target: str = "/", *headers: tuple[str, str]) -> Response:
    return await transport.send(Request("GET", server.url + target, headers))


async def fault_of(transport: AiohttpTransport, server: Located, target: str = "/") -> TransportError:
    """The fault that a GET ends in."""
    with pytest.raises(TransportError) as caught:
        await get(transport, server, target)
    return caught.value


__all__ = ["Fault", "fault_of", "get", "transport_to"]
