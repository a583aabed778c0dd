"""Ended spans on their way: queued and batched by the SDK, encoded here, sent by the SDK's exporter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as OtelKind

from haulier.telemetry.seam import SpanKind
from haulier.telemetry.span_bytes import EndedSpan, SpanBytes

SAMPLED = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)
_SENT = SpanContext(1, 1, is_remote=False, trace_flags=SAMPLED)
_KINDS = {
    SpanKind.INTERNAL: OtelKind.INTERNAL,
    SpanKind.CLIENT: OtelKind.CLIENT,
    SpanKind.PRODUCER: OtelKind.PRODUCER,
    SpanKind.CONSUMER: OtelKind.CONSUMER,
}


class SentSpan:
    """A span in the SDK's queue, which only asks whether it was sampled."""

    __slots__ = ("span",)
    context = _SENT

    def __init__(self, span: EndedSpan) -> None:
        self.span = span


def sender(processor: BatchSpanProcessor) -> Callable[[EndedSpan], None]:
    """Put a span into the queue. A full one drops its oldest."""

    def send(span: EndedSpan) -> None:
        processor.on_end(SentSpan(span))  # type: ignore[arg-type]

    return send


class LightExporter(SpanExporter):
    """Of `SentSpan`. With an SDK whose exporter takes no bytes, spans of the SDK are made of them."""

    def __init__(self, exporter: OTLPSpanExporter, resource: Resource, scope: InstrumentationScope) -> None:
        self._exporter = exporter
        self._resource = resource
        self._scope = scope
        self._client: Any = getattr(exporter, "_client", None)
        self._bytes = span_bytes_of(resource, scope)

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        if self._client is None:
            return self._exporter.export([readable(one.span, self._resource, self._scope) for one in spans])
        result = self._client.export(self._bytes.request(one.span for one in spans))
        return SpanExportResult.SUCCESS if result.success else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def span_bytes_of(resource: Resource, scope: InstrumentationScope) -> SpanBytes:
    """What stands around the spans is encoded by the SDK, once."""
    (around,) = encode_spans([ReadableSpan("", _SENT, resource=resource, instrumentation_scope=scope)]).resource_spans
    (scoped,) = around.scope_spans
    return SpanBytes(
        around.resource.SerializeToString(), scoped.scope.SerializeToString(), around.schema_url, scoped.schema_url
    )


def readable(span: EndedSpan, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """The same span as one of the SDK's."""
    parent = None
    if span.parent_id:
        parent = SpanContext(span.trace_id, span.parent_id, is_remote=span.has_remote_parent, trace_flags=SAMPLED)
    links = () if span.link is None else (Link(SpanContext(*span.link, is_remote=True, trace_flags=SAMPLED)),)
    return ReadableSpan(
        span.name,
        SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=SAMPLED),
        parent,
        resource,
        span.attributes,
        links=links,
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR if span.is_failed else StatusCode.UNSET),
        start_time=span.started_at_nanoseconds,
        end_time=span.ended_at_nanoseconds,
        instrumentation_scope=scope,
    )
