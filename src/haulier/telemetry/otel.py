"""OpenTelemetry behind the seam. Only `set_up.py` imports this, and only where it is on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from haulier.telemetry.names import METRIC_ROWS
from haulier.telemetry.seam import NO_ATTRIBUTES, Attributes, Reading, SpanKind, TraceSpan, Value, no_span
from haulier.telemetry.span_bytes import MAX_TEXT_CHARACTERS
from haulier.telemetry.spans import Tracing

_LARGEST = 2**63 - 1
"""A larger number would be lost, with a traceback in the log."""


Sums = dict[frozenset[tuple[str, Value]], float]


class OtelTelemetry:
    is_on = True

    def __init__(self, tracing: Tracing | None, meter: Meter) -> None:
        """Without ``tracing`` metrics alone are sent."""
        self._tracing = tracing
        self._meter = meter
        self._sums: dict[str, Sums] = {}
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
    ) -> contextlib.AbstractContextManager[TraceSpan]:
        if self._tracing is None:
            return no_span()
        return self._tracing.span(name, kind, attributes, link, parent, is_root=is_root)

    def add(self, name: str, amount: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """Summed up here, and read by the SDK whenever it sends: one of its own counters takes 15 us for each call."""
        sums = self._sums.get(name)
        if sums is None:
            sums = self._sums[name] = self._open_counter(name)
        of = frozenset(attributes.items())
        sums[of] = sums.get(of, 0) + amount

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

    def _open_counter(self, name: str) -> Sums:
        sums: Sums = {}

        def observations(options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(amount, clean(dict(of))) for of, amount in list(sums.items())]

        row = METRIC_ROWS[name]
        self._meter.create_observable_counter(name, [observations], row.unit, row.text)
        return sums

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
