"""Loopback servers as processes of their own, for synchronous tests and for benchmarks that count CPU by process."""

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
    """A server that says its URL in a line of output; a context manager that starts it, waits for that, and stops it.

    Its standard input is a pipe from this process, so that a server which watches it ends even when we are killed.
    ``announces`` names the stream with the line, ``pattern`` has the URL as its first group.
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
        # The thread reads on to the end: a server whose output nobody reads stops when the pipe is full.
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()
        self._has_started.wait(_START_SECONDS)
        if self._url is None:
            self.stop()
            code = self._process.returncode
            raise RuntimeError(f"{' '.join(self._command)} said no URL. It ended with {code}:\n{self._said.strip()}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        assert self._url is not None, "The server has not been started."
        return self._url

    @property
    def pid(self) -> int:
        """The process id, for CPU accounting and signals."""
        return self._process.pid

    def stop(self) -> None:
        """End it by SIGTERM, after 5 seconds by SIGKILL. Once ended, nothing happens."""
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
        """The body of GET ``url + target``, for tests and counters; ``OSError`` for any status but 200."""
        return self._exchange("GET", target)

    def post(self, target: str, body: bytes) -> bytes:
        """The body of the answer to a POST; ``OSError`` for any status but 200."""
        return self._exchange("POST", target, body)

    def _exchange(self, method: str, target: str, body: bytes | None = None) -> bytes:
        # http.client takes no notice of the proxies that an environment may name.
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
    """uvloop's event loop if it is installed (extra ``fast``), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def serve_until_ended(url: str, *, stays: bool) -> None:
    """Say the URL of a server that listens by now; return on SIGTERM or SIGINT and, unless it ``stays``, once standard
    input closes.

    Only a pipe or socket is watched: it is a parent's hold on its child. A terminal, a file or `/dev/null` is nobody's.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    mode = os.fstat(0).st_mode
    is_watched = not stays and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
    if is_watched:
        loop.add_reader(0, lambda: ended.set() if not os.read(0, 4096) else None)
    # Last, since whoever reads it may send a signal at once.
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
    await ended.wait()
    if is_watched:
        loop.remove_reader(0)
