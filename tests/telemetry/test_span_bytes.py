"""Spans as bytes, beside the SDK's own encoder."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from haulier.telemetry.seam import SpanKind, Value
from haulier.telemetry.sender import readable, span_bytes_of
from haulier.telemetry.span_bytes import MAX_TEXT_CHARACTERS, attribute_bytes

RESOURCE = Resource({"service.name": "shop", "process.pid": 7, "host.names": ("a", "b")}, "https://schema.example/1")
SCOPE = InstrumentationScope("haulier", "1.0", "https://schema.example/2")
IDS = st.integers(1, 2**64 - 1)
TIMES = st.integers(0, 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
VALUES = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


@dataclass
class Span:
    name: str
    kind: SpanKind
    trace_id: int
    span_id: int
    parent_id: int
    has_remote_parent: bool
    link: tuple[int, int] | None
    attributes: dict[str, Value] = field(default_factory=dict)
    started_at_nanoseconds: int = 0
    ended_at_nanoseconds: int = 0
    is_failed: bool = False


SPANS = st.builds(
    Span,
    TEXTS,
    st.sampled_from(SpanKind),
    st.integers(1, 2**128 - 1),
    IDS,
    st.just(0) | IDS,
    st.booleans(),
    st.none() | st.tuples(st.integers(1, 2**128 - 1), IDS),
    st.dictionaries(TEXTS, VALUES, max_size=20),
    TIMES,
    TIMES,
    st.booleans(),
)


@given(st.lists(SPANS, min_size=1, max_size=5))
def test_a_batch_is_what_the_sdk_would_send(spans: list[Span]) -> None:
    ours = ExportTraceServiceRequest.FromString(span_bytes_of(RESOURCE, SCOPE).request(spans))
    theirs = encode_spans([readable(span, RESOURCE, SCOPE) for span in spans])
    assert ours == theirs


@pytest.mark.parametrize(
    ("value", "sent"),
    [(2**63, str(2**63)), ("x" * 5_000, "x" * MAX_TEXT_CHARACTERS), ("half \udc80", "half ?"), (True, True), (1, 1)],
)
def test_what_no_receiver_takes_is_sent_as_text(value: Value, sent: Value) -> None:
    """A number that is too large, half of a surrogate pair: the SDK loses the attribute, or the whole batch."""
    span = Span("a", SpanKind.CLIENT, 1, 2, 0, has_remote_parent=False, link=None, attributes={"name": value})
    request = ExportTraceServiceRequest.FromString(span_bytes_of(RESOURCE, SCOPE).request([span]))
    (one,) = request.resource_spans[0].scope_spans[0].spans[0].attributes
    assert getattr(one.value, one.value.WhichOneof("value") or "") == sent
    assert attribute_bytes("name", 1) != attribute_bytes("name", True)
