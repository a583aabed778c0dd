"""One span, sent at once, to see whether the collector takes it."""

from __future__ import annotations

import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from haulier.telemetry.collector import SILENT, CollectorSession, CountingExporter, Trouble
from haulier.telemetry.losses import Losses
from haulier.telemetry.sdk import mute, resource_of

TRIAL_SECONDS = 5.0


def send_one_span(name: str, attributes: dict[str, str], version: str) -> Trouble | None:
    """None where it was delivered. Blocks for `TRIAL_SECONDS` at most, and raises what the SDK raises for variables.

    Its thread is left behind then: the time limit of an HTTP client counts from each byte that comes.
    """
    mute()
    session, losses = CollectorSession(tells=False), Losses()
    session.is_closing = True
    exporter = CountingExporter(OTLPSpanExporter(session=session, timeout=TRIAL_SECONDS), losses)
    tracers = TracerProvider(sampler=ALWAYS_ON, resource=resource_of(attributes), shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    span = tracers.get_tracer("haulier", version).start_span(name)
    sending = threading.Thread(target=span.end, name="haulier-telemetry", daemon=True)
    sending.start()
    sending.join(TRIAL_SECONDS)
    if sending.is_alive():
        return Trouble("timeout", SILENT)
    tracers.shutdown()
    if losses.delivered:
        return None
    return session.trouble or Trouble("other", "it takes nothing")
