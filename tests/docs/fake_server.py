"""An API on loopback that answers as a test says, in threads of its own: the command line keeps this one busy."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes
    home: str
    """Scheme, host and port of the server."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def number(self, name: str, default: int = 0) -> int:
        return int(self.query.get(name, default))


@dataclass(frozen=True)
class Reply:
    """``body`` is sent as JSON; bytes are sent as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Asked], Reply]


def checked(asked: Asked, answer: Answer) -> Reply:
    """What comes twice in a query is refused, and what an API's own checks refuse: no mistake is forgiven."""
    if len(parse_qsl(urlsplit(asked.target).query, keep_blank_values=True)) > len(asked.query):
        return Reply({"error": "a parameter came twice"}, 400)
    try:
        return answer(asked)
    except (AssertionError, LookupError, ValueError) as error:
        return Reply({"error": f"{type(error).__name__}: {error}"}, 400)


@contextlib.contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answers every request with what ``answer`` makes of it, one after the other; gives the server's address."""
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with turn:
                reply = checked(Asked(self.command, self.path, headers, body, home), answer)
            text = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            text = text if reply.status not in (204, 304) else b""
            # The other one adds the time of this machine.
            (self.send_response_only if "Date" in reply.headers else self.send_response)(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - the names that the standard library calls

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said: what was asked, the tests look at."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    home = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield home
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
