"""A door in front of a server: shut, it refuses connections and cuts those that stand, as a service that is away."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

PIECE_BYTES = 65_536


class Gate:
    """Passes bytes between a port of its own and a server on this machine."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._server = parts.hostname, parts.port
        self._listener = self._listen(0)
        self._port = int(self._listener.getsockname()[1])
        self.url = f"{parts.scheme}://127.0.0.1:{self._port}{parts.path}"
        self.cuts = 0
        """Connections that were cut when it was shut."""
        self._lock = threading.Lock()
        self._standing: set[socket.socket] = set()

    def shut(self) -> None:
        with self._lock:
            # Without `shutdown` the port goes on listening while a thread waits in `accept`.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            standing, self._standing = self._standing, set()
        self.cuts += len(standing)
        for one in standing:
            _end(one)

    def open(self) -> None:
        with self._lock:
            self._listener = self._listen(self._port)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=256)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    _end(client, server)
                    return
                self._standing |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                sink.sendall(piece)
        with self._lock:
            self._standing -= {source, sink}
        _end(source, sink)


@contextlib.contextmanager
def gate_before(url: str) -> Iterator[Gate]:
    """Open to begin with."""
    gate = Gate(url)
    threading.Thread(target=gate._accept, args=(gate._listener,), daemon=True).start()
    try:
        yield gate
    finally:
        gate.shut()


def _end(*ends: socket.socket) -> None:
    for one in ends:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
