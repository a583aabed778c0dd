"""A real receiver of OpenTelemetry (oteltap) as a process, and what it got: a span or a metric a line of JSON."""

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
    process: subprocess.Popen[bytes]
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

    def stop(self) -> None:
        """What was received stands in the file."""
        self.process.terminate()
        self.process.wait(timeout=WAIT_SECONDS)

    def points(self, metric: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Attributes and values of all points of a metric, of all processes."""
        return [
            (_attributes_of(point), point)
            for line in self.lines()
            if line["name"] == metric and "spanId" not in line
            for kind in ("sum", "gauge", "histogram")
            for point in line.get(kind, {}).get("dataPoints", ())
        ]

    def total(self, metric: str, **only: object) -> int:
        """A sum over all processes, each of which sent once; of a histogram the number of values. ``only`` those whose
        attributes, by the last word of their names, are so."""
        found = 0
        for attributes, point in self.points(metric):
            words = {name.rpartition(".")[2]: value for name, value in attributes.items()}
            if all(words.get(word) == value for word, value in only.items()):
                found += int(point["asInt"]) if "asInt" in point else int(point["count"])
        return found

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
    file = folder / "telemetry.ndjson"
    with file.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "oteltap", "--port", str(port)], stdout=output)
        try:
            _wait_for(port)
            yield OtlpReceiver(process, port, file)
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
        attributes=_attributes_of(line),
    )


def _attributes_of(line: Mapping[str, Any]) -> dict[str, Any]:
    return {one["key"]: _value_of(one["value"]) for one in line["attributes"]}


def _value_of(value: Mapping[str, Any]) -> Any:
    ((kind, found),) = value.items()
    return int(found) if kind == "intValue" else found
