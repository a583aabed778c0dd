"""A real receiver of OpenTelemetry as a process, and what it got. It prints each span as a line of JSON."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class SeenSpan:
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[tuple[str, str], ...]
    """Each with the trace and the span."""
    is_failed: bool
    words: str
    """Of its status."""
    seconds: float
    attributes: Mapping[str, Any] = field(hash=False)

    @property
    def place(self) -> tuple[str, str]:
        return self.trace_id, self.span_id


@dataclass(frozen=True)
class OtlpReceiver:
    port: int
    file: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a process that sends to it has in its environment."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}

    @property
    def text(self) -> str:
        return self.file.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.split("\n")[:-1] if line.startswith("{")]

    def spans(self) -> list[SeenSpan]:
        return [_span_of(line) for line in self.lines() if "spanId" in line]

    def wait(self, is_there: Callable[[list[SeenSpan]], bool]) -> list[SeenSpan]:
        """What was sent before a process ended may be printed some moments later."""
        began_at = time.monotonic()
        while not is_there(spans := self.spans()):
            assert time.monotonic() - began_at < WAIT_SECONDS, sorted({span.name for span in spans})
            time.sleep(0.05)
        return spans


@contextmanager
def receive(folder: Path) -> Iterator[OtlpReceiver]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    file = folder / "received.ndjson"
    with file.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "oteltap", "--port", str(port)], stdout=output)
        try:
            _wait_for(port)
            yield OtlpReceiver(port, file)
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    began_at = time.monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() - began_at < WAIT_SECONDS
            time.sleep(0.05)


def _span_of(line: dict[str, Any]) -> SeenSpan:
    status = line.get("status") or {}
    return SeenSpan(
        name=line["name"],
        kind=line["kind"],
        trace_id=line["traceId"],
        span_id=line["spanId"],
        parent_id=line["parentSpanId"],
        links=tuple((link["traceId"], link["spanId"]) for link in line["links"]),
        is_failed=status.get("code") == 2,
        words=status.get("message", ""),
        seconds=(int(line["endTimeUnixNano"]) - int(line["startTimeUnixNano"])) / 1e9,
        attributes={one["key"]: _value_of(one["value"]) for one in line["attributes"]},
    )


def _value_of(value: dict[str, Any]) -> Any:
    ((kind, found),) = value.items()
    return int(found) if kind == "intValue" else found
