"""The variables of OpenTelemetry that say whether anything is sent, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SIGNALS = ("traces", "metrics")


@dataclass(frozen=True)
class Collector:
    """Where one signal goes."""

    signal: str
    variable: str
    url: str
    """As the SDK makes it; it may hold what is secret."""

    @property
    def shown(self) -> str:
        """Host and port, with the usual path at most: some vendors put a token into it (G7)."""
        parts, usual = urlsplit(self.url), f"/v1/{self.signal}"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{usual if parts.path.endswith(usual) else ''}"


@dataclass(frozen=True)
class Wanted:
    """``problem`` says in a sentence which variable is wrong, and what to write; nothing is sent then."""

    traces: Collector | None = None
    metrics: Collector | None = None
    problem: str = ""

    @property
    def is_on(self) -> bool:
        return not self.problem and not (self.traces is None and self.metrics is None)


def read_variables(environ: Mapping[str, str]) -> Wanted:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Wanted()
    found: dict[str, Collector] = {}
    for signal in SIGNALS:
        collector = _collector(environ, signal)
        if collector is None:
            continue
        if problem := _problem(environ, collector):
            return Wanted(problem=problem)
        found[signal] = collector
    return Wanted(found.get("traces"), found.get("metrics"))


def _collector(environ: Mapping[str, str], signal: str) -> Collector | None:
    if environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() == "none":
        return None
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    if url := environ.get(own):
        return Collector(signal, own, url)
    if url := environ.get(ENDPOINT):
        return Collector(signal, ENDPOINT, f"{url.removesuffix('/')}/v1/{signal}")
    return None


def _problem(environ: Mapping[str, str], collector: Collector) -> str:
    example = "http://localhost:4318"
    try:
        parts = urlsplit(collector.url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        return f"{collector.variable} is no address of a collector: expected one such as {example}"
    name = f"OTEL_{collector.signal.upper()}_EXPORTER"
    if (exporter := environ.get(name, "").strip()).lower() not in ("", "otlp"):
        return f"{name} is {exporter[:40]!r}: expected otlp, which is the default, or none"
    for name in (f"OTEL_EXPORTER_OTLP_{collector.signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if value := environ.get(name, "").strip():
            if value != "http/protobuf":
                return f"{name} is {value[:40]!r}: expected http/protobuf, which collectors take at port 4318"
            break
    return ""


def without_secrets(text: str) -> str:
    """Words of the SDK without what its variables for headers and addresses hold (G7), in one line."""
    for name, value in os.environ.items():
        if name.startswith("OTEL_") and name.endswith(("_HEADERS", "_ENDPOINT")):
            for part in (value, *value.split(","), *(pair.partition("=")[2] for pair in value.split(","))):
                if part.strip():
                    text = text.replace(part.strip(), "***")
    return " ".join(text.split())[:300]
