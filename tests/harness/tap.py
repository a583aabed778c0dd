"""A real receiver of OpenTelemetry (oteltap) in a process of its own, and what it got: a span or a metric a line."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 30.0


@dataclass
class Tap:
    process: subprocess.Popen[bytes]
    port: int
    file: Path

    @property
    def env(self) -> dict[str, str]:
        """What switches telemetry on in a process that is to send here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}

    def stop(self) -> None:
        """What was received stands in the file."""
        self.process.terminate()
        self.process.wait(timeout=30)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines() if line.startswith("{")]

    @property
    def spans(self) -> list[dict[str, Any]]:
        return [line | {"attributes": attributes_of(line)} for line in self.lines if "traceId" in line]

    def points(self, metric: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Attributes and values of all points of a metric, of all processes."""
        return [
            (attributes_of(point), point)
            for line in self.lines
            if line["name"] == metric and "traceId" not in line
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


@contextlib.contextmanager
def open_tap(folder: Path) -> Iterator[Tap]:
    file = folder / "telemetry.ndjson"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with file.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "oteltap", "--port", str(port)], stdout=out)
    try:
        _await(process, port)
        yield Tap(process, port, file)
    finally:
        process.kill()
        process.wait()


def attributes_of(line: Mapping[str, Any]) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in line["attributes"]}


def _value(value: Mapping[str, Any]) -> Any:
    ((kind, found),) = value.items()
    return int(found) if kind == "intValue" else found


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("oteltap did not start")
