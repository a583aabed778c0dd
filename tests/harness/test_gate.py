"""The door that tests shut before a server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.harness.gate import Gate, gate_before

WAIT_SECONDS = 5.0


@pytest.fixture
def echo() -> Iterator[str]:
    """The URL of a server that answers what it hears, on each connection once."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.sendall(client.recv(100))

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/account"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(gate: Gate) -> socket.socket:
    port = int(gate.url.removeprefix("http://127.0.0.1:").removesuffix("/account"))
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)


def ask(gate: Gate) -> bytes:
    with connect(gate) as client:
        client.sendall(b"hello")
        return client.recv(100)


def test_an_open_door_passes_everything(echo: str) -> None:
    with gate_before(echo) as gate:
        assert ask(gate) == b"hello"


def test_a_shut_door_refuses_and_cuts_what_stands(echo: str) -> None:
    with gate_before(echo) as gate:
        ask(gate)
        with connect(gate) as standing:
            while not gate._standing:
                pass
            gate.shut()
            with contextlib.suppress(ConnectionError):
                assert standing.recv(100) == b""
        assert gate.cuts >= 1
        with pytest.raises(ConnectionError):
            ask(gate)


def test_it_opens_again_at_the_same_address(echo: str) -> None:
    with gate_before(echo) as gate:
        gate.shut()
        gate.open()
        assert ask(gate) == b"hello"
