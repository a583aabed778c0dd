"""Search servers that somebody else wrote, on loopback: osmem for OpenSearch, noida for Elasticsearch.

What they do and the real ones do not: noida sorts the keys of a document anew, rounds numbers, and finds nothing by a
range with a format where the field is mapped as seconds; osmem keeps all bytes but white space. Neither has shards that
fail.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

START_SECONDS = 20.0

_numbers = itertools.count(1)


@dataclass(frozen=True)
class SearchStore:
    """One of the servers, with what a test does to it."""

    url: str
    is_opensearch: bool

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer as JSON; None for a 404."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if path.startswith("/_bulk") else "application/json"
        request = urllib.request.Request(self.url + path, content, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error
            return None

    def index(
        self, documents: Iterable[tuple[str, bytes]], fields: Mapping[str, Any], *, name: str = "", shards: int = 3
    ) -> str:
        """Make an index of documents by their IDs, and return its name."""
        name = name or f"things-{next(_numbers)}"
        settings = {"number_of_shards": shards, "number_of_replicas": 0}
        self.ask("PUT", f"/{name}", {"settings": settings, "mappings": {"properties": dict(fields)}})
        lines = [
            json.dumps({"index": {"_index": name, "_id": key}}).encode() + b"\n" + document + b"\n"
            for key, document in documents
        ]
        if lines:
            told = self.ask("POST", "/_bulk?refresh=true", b"".join(lines))
            assert told["errors"] is False, told
        return name

    def open_points(self) -> int:
        """Points in time that were not given back. Only OpenSearch lists them."""
        assert self.is_opensearch
        return len((self.ask("GET", "/_search/point_in_time/_all") or {"pits": []})["pits"])

    def drop_points(self) -> None:
        """As if the time of each were up."""
        assert self.is_opensearch
        self.ask("DELETE", "/_search/point_in_time/_all")


@contextlib.contextmanager
def start_opensearch() -> Iterator[SearchStore]:
    from osmem_server import OsmemServer  # type: ignore[import-untyped]

    with OsmemServer.start(japanese=False) as server:
        try:
            yield SearchStore(server.url, is_opensearch=True)
        finally:
            server.close()
            assert server.process.stdout is not None
            server.process.stdout.close()


@contextlib.contextmanager
def start_elasticsearch() -> Iterator[SearchStore]:
    binary = Path(str(files("noida_db").joinpath("noida-db")))
    binary.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(binary),
            "start",
            "--data-dir",
            folder,
            "--only",
            "elasticsearch",
            "--elasticsearch-port",
            str(port),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            store = SearchStore(f"http://127.0.0.1:{port}", is_opensearch=False)
            _await_answer(store, process)
            yield store
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _await_answer(store: SearchStore, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            store.ask("GET", "/")
        except OSError:
            assert process.poll() is None, "noida-db ended"
            assert time.monotonic() < until, "noida-db does not answer"
            time.sleep(0.02)
        else:
            return
