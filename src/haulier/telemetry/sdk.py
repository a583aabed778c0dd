"""OpenTelemetry's SDK, set up for this process alone: nothing global is set, nothing is left to run at exit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from haulier.clock import Clock
from haulier.telemetry.collector import CollectorSession, CountingExporter
from haulier.telemetry.losses import Losses
from haulier.telemetry.otel import OtelTelemetry
from haulier.telemetry.sender import LightExporter, sender
from haulier.telemetry.spans import Tracing
from haulier.telemetry.variables import Wanted, without_secrets

_SDK_LOGGERS = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.util", "opentelemetry.attributes")
_SDK_THREADS = ("OtelBatch", "OtelPeriodic", "haulier-telemetry")


@dataclass
class Sdk:
    telemetry: OtelTelemetry
    losses: Losses
    sessions: dict[str, CollectorSession]
    shut_down: list[Callable[[], None]] = field(default_factory=list)

    async def close(self, most_seconds: float) -> None:
        """Send what is left, for so long, whatever the collector does. A cancellation ends the wait and nothing else:
        the work is done, and its result stands."""
        for session in self.sessions.values():
            session.is_closing = True
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        left = len(self.shut_down)

        def note_end() -> None:
            nonlocal left
            left -= 1
            if not left:
                ended.set()

        def run(shut_down: Callable[[], None]) -> None:
            with contextlib.suppress(Exception):
                shut_down()
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(note_end)

        for shut_down in self.shut_down:
            threading.Thread(target=run, args=(shut_down,), name="haulier-telemetry", daemon=True).start()
        try:
            await asyncio.wait_for(ended.wait(), most_seconds)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()

    @property
    def problem(self) -> str:
        """Why something was not taken, in words; empty where all was."""
        found = [session.trouble for session in self.sessions.values()]
        if self.losses.lost:
            found += [session.last_trouble for session in self.sessions.values()]
        return next((trouble.text for trouble in found if trouble is not None), "")


def set_up_sdk(wanted: Wanted, attributes: dict[str, str], version: str, clock: Clock) -> Sdk:
    """Raises what the SDK raises for variables that it does not read."""
    mute()
    resource = resource_of(attributes)
    sdk = Sdk(OtelTelemetry(None, NoOpMeterProvider().get_meter("")), Losses(), {})
    tracing, meter = None, NoOpMeterProvider().get_meter("")
    if wanted.traces is not None:
        session = sdk.sessions["traces"] = CollectorSession()
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        light = LightExporter(OTLPSpanExporter(session=session), resource, InstrumentationScope("haulier", version))
        processor = BatchSpanProcessor(CountingExporter(light, sdk.losses))
        sdk.shut_down.append(processor.shutdown)
        tracing = Tracing(tracers.sampler, tracers.id_generator, clock, sdk.losses, sender(processor))
    if wanted.metrics is not None:
        session = sdk.sessions["metrics"] = CollectorSession()
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(session=session))
        meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        sdk.shut_down.append(meters.shutdown)
        meter = meters.get_meter("haulier", version)
    sdk.telemetry = OtelTelemetry(tracing, meter)
    return sdk


def resource_of(attributes: dict[str, str]) -> Resource:
    """What the environment says of a name comes before ours; the SDK has it the other way round."""
    own = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in attributes.items() if name not in own})


def mute() -> None:
    """What the SDK and its HTTP client would log may hold addresses and headers, and is said in our own words."""
    for name in _SDK_LOGGERS:
        sdk_logger = logging.getLogger(name)
        sdk_logger.propagate = False
        if not any(isinstance(one, logging.NullHandler) for one in sdk_logger.handlers):
            sdk_logger.addHandler(logging.NullHandler())
    http = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(one, _OwnThreads) for one in http.filters):
        http.addFilter(_OwnThreads())


class _OwnThreads(logging.Filter):
    """Of the SDK's threads alone: a source may use the same HTTP client."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.threadName or "").startswith(_SDK_THREADS)


@contextlib.contextmanager
def sdk_words() -> Iterator[list[str]]:
    """Collect what the SDK says of variables that it replaces by its defaults, without what headers hold (G7)."""
    found: list[str] = []
    own = threading.get_ident()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING and record.thread == own:
                found.append(without_secrets(record.getMessage()))

    handler = Collect()
    loggers = [logging.getLogger(name) for name in _SDK_LOGGERS]
    for one in loggers:
        one.addHandler(handler)
    try:
        yield found
    finally:
        for one in loggers:
            one.removeHandler(handler)
