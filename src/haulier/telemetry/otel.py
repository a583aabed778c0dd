"""OpenTelemetry behind the seam. Only `set_up.py` imports this, and only where it is on."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from contextvars import Token
from types import TracebackType

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace import (
    SpanKind as OtelKind,
)

from haulier.telemetry.current_span import reset_current_span, set_current_span
from haulier.telemetry.losses import Losses
from haulier.telemetry.names import ERROR_TYPE, METRIC_ROWS
from haulier.telemetry.seam import NO_ATTRIBUTES, Attributes, Reading, SpanKind, Value

logger = logging.getLogger("haulier.telemetry")

MAX_TEXT_CHARACTERS = 1_000
"""Of one attribute."""
_LARGEST = 2**63 - 1
"""A larger number would be lost, with a traceback in the log."""
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_ROOT = Context()
_FAILED = Status(StatusCode.ERROR)
_KINDS = {
    SpanKind.INTERNAL: OtelKind.INTERNAL,
    SpanKind.CLIENT: OtelKind.CLIENT,
    SpanKind.PRODUCER: OtelKind.PRODUCER,
    SpanKind.CONSUMER: OtelKind.CONSUMER,
}


class OpenSpan:
    """A span of this task while its block lasts."""

    __slots__ = ("_has_failed", "_losses", "_span", "_token")
    __slots__ = ("_current", "_losses", "_span", "_token")

    def __init__(self, span: Span, losses: Losses) -> None:
        self._span = span
        self._losses = losses
        self._token: Token[Context] | None = None
        self._has_failed = False
        self._current: Token[tuple[int, int] | None] | None = None

    def __enter__(self) -> OpenSpan:
        self._token = otel_context.attach(set_span_in_context(self._span))
        found = self._span.get_span_context()
        if found.trace_flags.sampled:
            self._current = set_current_span(found.trace_id, found.span_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(error)
        if self._span.get_span_context().trace_flags.sampled:
            self._losses.note_ended()
        self._span.end()
        if self._token is not None:
            otel_context.detach(self._token)
        if self._current is not None:
            reset_current_span(self._current)

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(clean(attributes))

    def fail(self, error: BaseException | str) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        self._span.set_attribute(ERROR_TYPE, error if isinstance(error, str) else type(cause_of(error)).__name__)
        self._span.set_status(_FAILED)

    @property
    def context(self) -> str:
        found = self._span.get_span_context()
        if not found.is_valid or not found.trace_flags.sampled:
            return ""
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


class OtelTelemetry:
    is_on = True

    def __init__(self, tracer: Tracer, meter: Meter, losses: Losses) -> None:
        self._tracer = tracer
        self._meter = meter
        self._losses = losses
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._readers: dict[str, list[Callable[[], Iterable[Reading]]]] = {}

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        link: str = "",
        parent: str = "",
        is_root: bool = False,
    ) -> OpenSpan:
        linked, above = context_of(link), context_of(parent)
        span = self._tracer.start_span(
            name,
            _ROOT if is_root else None if above is None else set_span_in_context(NonRecordingSpan(above), _ROOT),
            _KINDS[kind],
            clean(attributes),
            () if linked is None else (Link(linked),),
            record_exception=False,
            set_status_on_exception=False,
        )
        return OpenSpan(span, self._losses)

    def add(self, name: str, amount: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._counter(name)
        counter.add(amount, clean(attributes))

    def record(self, name: str, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._histogram(name)
        histogram.record(value, clean(attributes))

    def observe(self, name: str, read: Callable[[], Iterable[Reading]]) -> None:
        readers = self._readers.setdefault(name, [])
        readers.append(read)
        if len(readers) > 1:
            return

        def observations(options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, clean(attributes)) for one in readers for value, attributes in one()]

        row = METRIC_ROWS[name]
        self._meter.create_observable_gauge(name, [observations], row.unit, row.text)

    def _counter(self, name: str) -> Counter:
        row = METRIC_ROWS[name]
        return self._meter.create_counter(name, row.unit, row.text)

    def _histogram(self, name: str) -> Histogram:
        row = METRIC_ROWS[name]
        return self._meter.create_histogram(
            name, row.unit, row.text, explicit_bucket_boundaries_advisory=row.boundaries
        )


def clean(attributes: Attributes) -> dict[str, Value]:
    """What every receiver takes: one lone surrogate would lose a whole batch."""
    return {name: _clean_value(value) for name, value in attributes.items()}


def _clean_value(value: Value) -> Value:
    if isinstance(value, str):
        value = value if len(value) <= MAX_TEXT_CHARACTERS else value[:MAX_TEXT_CHARACTERS]
        return value if value.isascii() else value.encode("utf-8", errors="replace").decode()
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        return str(value)
    return value


def cause_of(error: BaseException) -> BaseException:
    """A group of one is its member."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def context_of(traceparent: str) -> SpanContext | None:
    """None for what is no `traceparent`: a message may come from anybody."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )
    return context if context.is_valid else None
