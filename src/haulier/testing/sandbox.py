"""A realistic API on loopback, with faults on request, for tests, benchmarks and trying things out.

    async with Sandbox(SandboxSettings(records=5_000, error_rate_500=0.02)) as api:
        ...  # GET api.url + "/items?from_id=1&to_id=1001&limit=100"

`haulier sandbox` serves it as a process and prints its URL; its help lists the paths and settings, as docs/sandbox.md
does. `SandboxProcess` does the same for a synchronous test.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from typing import Self

import msgspec

from haulier.clock import SystemClock
from haulier.testing.sandbox_connection import CONTROL_TARGET
from haulier.testing.sandbox_counters import SandboxCounters
from haulier.testing.sandbox_data import record_bytes, record_ids
from haulier.testing.sandbox_family import comment_ids
from haulier.testing.sandbox_flags import flag_of, make_parser, read_flags
from haulier.testing.sandbox_server import SandboxServer
from haulier.testing.sandbox_settings import SandboxSettings, change_settings
from haulier.testing.server_process import ServerProcess, loop_factory, serve_until_ended

__all__ = [
    "Sandbox", "SandboxCounters", "SandboxProcess", "SandboxSettings", "comment_ids", "record_bytes", "record_ids"
]  # fmt: skip

_BACKLOG = 1024


class Sandbox:
    """The sandbox on the running event loop: an async context manager; listening when entered, gone when left.

    ``port`` 0 takes a free one; a fixed one lets a test take the API away and bring it back.
    """

    def __init__(self, settings: SandboxSettings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._first_settings = settings or SandboxSettings()
        self._host = host
        self._port = port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = SandboxServer(self._first_settings, loop, SystemClock())
        self._listener = await loop.create_server(self._server.accept, self._host, self._port, backlog=_BACKLOG)
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
        """The port it listens on."""
        return self._port

    @property
    def settings(self) -> SandboxSettings:
        """The settings it serves by now."""
        return self._server.settings

    @property
    def counters(self) -> SandboxCounters:
        """The live counters, not a copy."""
        return self._server.counted()

    def change(self, **changes: object) -> None:
        """Change settings by name, from the next request on; ``ValueError`` for a bad one, and nothing changes."""
        self._server.use(change_settings(self._server.settings, changes))


class SandboxProcess(ServerProcess):
    """A sandbox in its own process: ``with SandboxProcess(settings) as api: api.url``."""

    def __init__(self, settings: SandboxSettings | None = None, *, port: int = 0) -> None:
        flags = [f"--port={port}"]
        for name, value in dataclasses.asdict(settings or SandboxSettings()).items():
            flag = flag_of(name)
            if value is True:
                flags.append(flag)
            elif value != getattr(SandboxSettings, name):
                flags.append(f"{flag}={msgspec.json.encode(value).decode() if isinstance(value, tuple) else value}")
        super().__init__([sys.executable, "-m", "haulier.testing.sandbox", *flags])

    def counters(self) -> SandboxCounters:
        """The counters as they are now."""
        return msgspec.json.decode(self.get(CONTROL_TARGET.decode()), type=SandboxCounters)

    def change(self, **changes: object) -> None:
        """Change settings by name while it runs."""
        self.post(CONTROL_TARGET.decode(), msgspec.json.encode(changes))


async def serve(settings: SandboxSettings, *, host: str = "127.0.0.1", port: int = 0, stays: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or, unless it ``stays``, the end of a standard input that is a pipe."""
    async with Sandbox(settings, host=host, port=port) as api:
        if sys.stdout.isatty():
            # Behind the URL, which is said before the loop turns again.
            asyncio.get_running_loop().call_soon(_say_examples, api.url)
        await serve_until_ended(api.url, stays=stays)


def _say_examples(url: str) -> None:
    sys.stderr.write(f"  curl '{url}/items?limit=2'\n  curl {url}/_sandbox        the counters; Ctrl-C ends it\n")


def main(argv: Sequence[str] | None = None) -> None:
    """The command line: a flag for each setting, by its name."""
    parser = make_parser()
    flags = read_flags(parser, argv)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(flags.settings, host=flags.host, port=flags.port, stays=flags.stays))
    except OSError as exc:
        parser.error(f"{flags.host}:{flags.port} cannot be listened on: {exc.strerror or exc}.")


if __name__ == "__main__":
    main()
