"""The sandbox within the process that uses it."""

from __future__ import annotations

import asyncio
from typing import Self

from haulier.clock import SystemClock
from haulier.testing.sandbox.counters import SandboxCounters
from haulier.testing.sandbox.server import SandboxServer
from haulier.testing.sandbox.settings import SandboxSettings, change_settings

_BACKLOG_CONNECTIONS = 1024


class Sandbox:
    """A sandbox on the running event loop. It listens while its async context is entered.

    ``port`` 0 takes a free port; with a fixed one, a test can take the API away and bring it back.
    """

    def __init__(self, settings: SandboxSettings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._first_settings = settings or SandboxSettings()
        self._host = host
        self._port = port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = SandboxServer(self._first_settings, loop, SystemClock())
        self._listener = await loop.create_server(
            self._server.accept, self._host, self._port, backlog=_BACKLOG_CONNECTIONS
        )
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        for connection in list(self._server.connections):
            connection.abort()
        await self._listener.wait_closed()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def settings(self) -> SandboxSettings:
        return self._server.settings

    @property
    def counters(self) -> SandboxCounters:
        """The live counters, not a copy."""
        return self._server.read_counters()

    def change(self, **changes: object) -> None:
        """Change settings by name, from the next request on. A bad one raises ``ValueError``, and nothing changes."""
        self._server.use(change_settings(self._server.settings, changes))
