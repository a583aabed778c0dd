"""Telemetry: whether a collector takes it. A run goes on without, so one that is away now is no more than a warning."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from haulier.cli.doctor.finding import Finding, FoundState
from haulier.telemetry.set_up import is_installed, resource_attributes
from haulier.telemetry.variables import ENDPOINT, read_variables, without_secrets

if TYPE_CHECKING:
    from haulier.telemetry.collector import Trouble
    from haulier.telemetry.variables import Collector

_HOW = f"set {ENDPOINT} to the address of a collector, such as http://localhost:4318"
_EXTRA = "install haulier with its extra 'otel'"
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


async def find_telemetry(source: str) -> Finding:
    wanted = read_variables(os.environ)
    if wanted.problem:
        return _finding("wrong", f"It is off: {wanted.problem}.", "Correct the variable; until then runs send nothing.")
    if not wanted.is_on:
        extra = "" if is_installed() else f"{_EXTRA}, and "
        return _finding("ok", f"It is off: nothing is sent to OpenTelemetry. To switch it on, {extra}{_HOW}.")
    if not is_installed():
        return _finding("warning", "It is off, though a collector is named.", f"{_EXTRA[0].upper()}{_EXTRA[1:]}.")
    collector = wanted.traces
    if collector is None:
        return _finding("ok", "Metrics alone are sent, and no traces; whether they arrive was not tried.")
    try:
        from haulier.telemetry.trial import send_one_span

        attributes = resource_attributes(source, "doctor")
        trouble = await asyncio.to_thread(send_one_span, "haulier doctor", attributes, version("haulier"))
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises for its variables
        problem = without_secrets(f"{type(error).__name__}: {error}").rstrip(".")
        return _finding("wrong", f"It is off: {problem}.", "Correct that variable; until then runs send nothing.")
    if trouble is None:
        return _finding("ok", "The collector took a span.", subject=collector.shown)
    is_passing = trouble.kind in ("timeout", "connection") or trouble.status in _PASSING
    text = f"No span arrives: {trouble.text}."
    return _finding("warning" if is_passing else "wrong", text, _remedy(trouble, collector), collector.shown)


def _finding(state: FoundState, text: str, remedy: str = "", subject: str = "") -> Finding:
    return Finding(check="telemetry", state=state, subject=subject, text=text, remedy=remedy)


def _remedy(trouble: Trouble, collector: Collector) -> str:
    match trouble.kind, trouble.status:
        case "redirect", _:
            return f"Write in {collector.variable} where it leads to: a redirect is not followed."
        case "status", 401 | 403:
            return "Check OTEL_EXPORTER_OTLP_HEADERS, which has the key of the collector."
        case "status", 404 | 405 if collector.variable == ENDPOINT:
            return f"{ENDPOINT} is written without /v1/traces, which is added to it. Check its path and port."
        case "status", 404 | 405:
            return f"{collector.variable} is taken as it is: it ends with /v1/traces at most collectors."
        case "status", 429:
            return "It is busy. What it refuses is sent again for 10 s, and then lost."
        case "status", status if status is not None and status >= 500:
            return "It fails at present. What it refuses is sent again for 10 s, and then lost."
        case "status", _:
            return f"Check that {collector.variable} names a collector that takes OTLP over HTTP."
        case "dns", _:
            return f"Correct the host in {collector.variable}."
        case "tls", _:
            return "Name the authority of its certificate in OTEL_EXPORTER_OTLP_CERTIFICATE, and check http or https."
        case _:
            return "Is a collector listening there, for OTLP over HTTP? Its port is 4318; that of gRPC is 4317."
