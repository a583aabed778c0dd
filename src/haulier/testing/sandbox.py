"""A realistic API on loopback, with faults on request, for tests, benchmarks and trying things out.

    async with Sandbox(SandboxSettings(records=5_000, error_rate_500=0.02)) as api:
        ...  # GET api.url + "/items?from_id=1&to_id=1001&limit=100"

`python -m haulier.testing.sandbox --records 10000 --latency-seconds 0.05` serves it as a process and prints its URL.

| GET | answers |
|---|---|
| `/items?from_id=&to_id=&limit=&cursor=` | `{"items":[...],"next":cursor or null,"total":n}`; ids in [from, to) |
| `/items_offset?from_id=&to_id=&limit=&offset=` | `{"items":[...],"offset":n,"limit":n,"total":n}` |
| `/events?since=&until=&limit=` and `cursor=` or `offset=` | the same forms; `changed_at` in [since, until) |
| `/items/newest`, `/count`, `/item/ID` | `{"id":n}`, `{"count":n}`, the record itself or 404 |
| `/blob?bytes=&n=` | `{"records":[...]}`: 100 records of about so many bytes in all |
| `/_sandbox` | the counters; POST changes settings by name, `{"is_down": true}` |
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from typing import Self

import msgspec

from haulier.clock import SystemClock
from haulier.testing.sandbox_data import record_bytes, record_ids
from haulier.testing.sandbox_server import CONTROL_TARGET, SandboxCounters, SandboxServer
from haulier.testing.sandbox_settings import SandboxSettings, change_settings
from haulier.testing.server_process import ServerProcess, loop_factory, serve_until_ended

__all__ = ["Sandbox", "SandboxCounters", "SandboxProcess", "SandboxSettings", "record_bytes", "record_ids"]

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
        return self._server.counters

    def change(self, **changes: object) -> None:
        """Change settings by name, from the next request on; ``ValueError`` for a bad one, and nothing changes."""
        self._server.use(change_settings(self._server.settings, changes))


class SandboxProcess(ServerProcess):
    """A sandbox in its own process: ``with SandboxProcess(settings) as api: api.url``."""

    def __init__(self, settings: SandboxSettings | None = None, *, port: int = 0) -> None:
        flags = [f"--port={port}"]
        for name, value in dataclasses.asdict(settings or SandboxSettings()).items():
            flag = "--" + name.replace("_", "-")
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
        await serve_until_ended(api.url, stays=stays)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line: a flag for each setting, by its name."""
    parser = argparse.ArgumentParser(
        prog="python -m haulier.testing.sandbox",
        description="A realistic API on loopback. Prints its URL, then serves until SIGTERM or Ctrl-C, or until its "
        "standard input closes if that is a pipe.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; %(default)s")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--stay", action="store_true", help="serve on when standard input closes")
    for setting in dataclasses.fields(SandboxSettings):
        flag = "--" + setting.name.replace("_", "-")
        if isinstance(setting.default, bool):
            parser.add_argument(flag, action="store_true", default=argparse.SUPPRESS)
        else:
            parser.add_argument(flag, default=argparse.SUPPRESS, metavar="VALUE", help=f"default {setting.default}")
    flags = vars(parser.parse_args(argv))
    host, port, stays = flags.pop("host"), flags.pop("port"), flags.pop("stay")
    for name in flags:
        if isinstance(getattr(SandboxSettings, name), tuple):
            flags[name] = _list(parser, name, flags[name])
    try:
        settings = change_settings(SandboxSettings(), flags, is_text=True)
    except ValueError as exc:
        parser.error(str(exc))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(settings, host=host, port=port, stays=stays))


def _list(parser: argparse.ArgumentParser, name: str, text: str) -> list[object]:
    """`5,17` or `[5,17]`; `[10,20],[40,50]` or `[[10,20],[40,50]]`."""
    for attempt in (text, f"[{text}]"):
        try:
            found = msgspec.json.decode(attempt)
        except msgspec.DecodeError:
            continue
        if isinstance(found, list) and (name != "outages" or not found or isinstance(found[0], list)):
            return found
    return parser.error(f"--{name.replace('_', '-')} is {text!r}; write numbers with commas between, or a JSON array.")


if __name__ == "__main__":
    main()
