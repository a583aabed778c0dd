"""The web server of the page, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import platform
import socket
from collections.abc import Callable, Iterator

import uvicorn

from haulier.app.open_source import open_source
from haulier.cli.dashboard.access import LOOPBACK_NAMES, Access, is_loopback, new_token
from haulier.cli.dashboard.guard import AccessGuard
from haulier.cli.dashboard.routes import DashboardPage
from haulier.cli.signals import on_signals
from haulier.cli.source_command import SourceCall
from haulier.errors import UsageError

EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, and listened to where a person says so.
GRACE_SECONDS = 1
"""Left to answers under way after a signal. A redrive that is cut off is finished by the next one."""


async def serve(call: SourceCall, host: str, port: int, token: str, on_started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. ``on_started`` is told the URL, with the token if that was made here."""
    with listening(host, port) as (listener, address):
        # A name may lead elsewhere tomorrow, or be somebody else's, and yet have an address of this machine now.
        is_own = is_loopback(address) and (host.lower() in LOOPBACK_NAMES or is_loopback(host))
        made = "" if token or is_own else new_token()
        access = Access(token or made, port=listener.getsockname()[1])
        async with open_source(call.app, call.options, writes=False) as source:
            page = DashboardPage(call, source, access)
            try:
                await _serve(page, access, listener, lambda: on_started(_url(host, access.port, made)))
            finally:
                await page.close()


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and its address. Raises `UsageError` where there can be none."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"--host {host}: no address of that name is known here. Write an address of this machine, such as "
            "127.0.0.1, or 0.0.0.0 for all of them."
        ) from error
    with contextlib.closing(socket.socket(family, kind)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            raise UsageError(_refused(host, port, error)) from error
        yield listener, str(address[0]).partition("%")[0]


def _refused(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken, perhaps by another dashboard. Name another one with --port, or 0 for any."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen at port {port}. Name one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: that is no address of this machine. Write one that is, such as 127.0.0.1, or 0.0.0.0."
    return f"Nothing can listen at {host}, port {port}: {error.strerror}. Name others with --host and --port."


def _url(host: str, port: int, made_token: str) -> str:
    """For a browser: an address that means all of the machine's is no place to go to."""
    name = platform.node() or "localhost" if host in EVERYWHERE else host
    query = f"?token={made_token}" if made_token else ""
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/{query}"


class _Server(uvicorn.Server):
    """Leaves signals to haulier."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


async def _serve(page: DashboardPage, access: Access, listener: socket.socket, on_started: Callable[[], None]) -> None:
    config = uvicorn.Config(
        AccessGuard(page.app, access),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # What fails is logged by the routes; the rest are bad requests.
        access_log=False,  # A URL may hold the token.
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, on_started)
    ending: list[asyncio.Task[None]] = []

    def end(_name: str = "") -> None:
        server.should_exit = True
        ending.append(asyncio.ensure_future(page.feeds.end()))

    def stop() -> None:
        server.force_exit = True

    with on_signals(end, stop):
        await server.serve([listener])
    await asyncio.gather(*ending)
