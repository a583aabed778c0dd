"""Servers on loopback as processes, for synchronous tests and for benchmarks that measure CPU by process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import IO, Self

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class ServerProcess:
    """A process that serves HTTP. Its context starts it, waits until it prints its URL, and stops it.

    ``announces`` names the stream with the URL; ``pattern`` has the URL as its first group. The server's standard input
    is a pipe from this process, so that a server that watches it ends even if this process is killed.
    """

    def __init__(self, command: Sequence[str], *, announces: str = "stdout", pattern: str = r"^(http://\S+)$") -> None:
        self._command = command
        self._announces = announces
        self._pattern = re.compile(pattern)
        self._url: str | None = None

    def __enter__(self) -> Self:
        self._url = None
        self._said = ""
        self._has_started = threading.Event()
        is_stdout = self._announces == "stdout"
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if is_stdout else subprocess.DEVNULL,
            stderr=None if is_stdout else subprocess.PIPE,
            text=True,
            errors="replace",
        )
        stream = self._process.stdout if is_stdout else self._process.stderr
        # The thread reads to the end: a server stops when the pipe of its output is full.
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()
        self._has_started.wait(_START_SECONDS)
        if self._url is None:
            self.stop()
            code = self._process.returncode
            raise RuntimeError(
                f"{' '.join(self._command)} printed no URL. Its exit code is {code}:\n{self._said.strip()}"
            )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        assert self._url is not None, "The server is not started. Enter its context first: with server: ..."
        return self._url

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End the process by SIGTERM, after 5 seconds by SIGKILL. May be called again."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def get(self, target: str) -> bytes:
        """Return the body of GET ``url + target``. ``OSError`` for any status but 200."""
        return self._exchange("GET", target)

    def post(self, target: str, body: bytes) -> bytes:
        """Return the body of the answer to a POST. ``OSError`` for any status but 200."""
        return self._exchange("POST", target, body)

    def _exchange(self, method: str, target: str, body: bytes | None = None) -> bytes:
        # http.client ignores the proxies that the environment may name.
        with closing(HTTPConnection(self.url.removeprefix("http://"), timeout=_START_SECONDS)) as connection:
            connection.request(method, target, body)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise OSError(f"{method} {target} was answered with {response.status}: {answer[:200]!r}")
        return answer

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if self._url is None and (match := self._pattern.search(line.strip())):
                self._url = match[1].rstrip("/")
                self._has_started.set()
            elif self._url is None:
                self._said += line
        self._has_started.set()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's event loop if it is installed (extra ``fast``), else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def serve_until_ended(url: str, *, stays: bool) -> None:
    """Print the URL of a listening server; return on SIGTERM or SIGINT or, unless it ``stays``, when standard input
    closes.

    Standard input is watched only if it is a pipe or socket, which a parent process holds.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    mode = os.fstat(0).st_mode
    is_watched = not stays and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
    if is_watched:
        loop.add_reader(0, lambda: ended.set() if not os.read(0, 4096) else None)
    # The URL comes last, since its reader may send a signal at once.
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
    await ended.wait()
    if is_watched:
        loop.remove_reader(0)
