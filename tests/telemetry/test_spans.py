"""Spans of this process: what stands below what, and what the sampler leaves out."""

from __future__ import annotations

import asyncio
import random

from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision as SamplerDecision
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, StaticSampler, TraceIdRatioBased

from haulier.telemetry.current_span import current_span
from haulier.telemetry.losses import Losses
from haulier.telemetry.names import RUN_ID
from haulier.telemetry.seam import SpanKind
from haulier.telemetry.span_bytes import EndedSpan
from haulier.telemetry.spans import OpenSpan, Tracing
from haulier.testing.clock import FakeClock

ALWAYS = ParentBased(StaticSampler(SamplerDecision.RECORD_AND_SAMPLE))


class Kept:
    def __init__(self, sampler: Sampler = ALWAYS) -> None:
        self.clock = FakeClock()
        self.spans: list[EndedSpan] = []
        self.losses = Losses()
        self.tracing = Tracing(sampler, RandomIdGenerator(), self.clock, self.losses, self.spans.append)

    def open(self, name: str, kind: SpanKind = SpanKind.INTERNAL, **more: str) -> OpenSpan:
        is_root, link, parent = bool(more.get("is_root")), more.get("link", ""), more.get("parent", "")
        return self.tracing.span(name, kind, {}, link, parent, is_root=is_root)  # type: ignore[return-value]


def test_a_span_stands_below_the_one_that_is_open_in_its_task() -> None:
    """Tasks that run at the same time have their own; a root begins a trace wherever it is opened."""
    kept = Kept()

    async def work(name: str) -> None:
        with kept.open(name, is_root="yes"):
            await asyncio.sleep(0)
            with kept.open(f"{name} below"):
                await asyncio.sleep(0)
                kept.clock.advance(1.5)

    async def both() -> None:
        with kept.open("around"):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(both())
    found = {span.name: span for span in kept.spans}
    for name in ("a", "b"):
        assert found[name].parent_id == 0
        assert (found[f"{name} below"].parent_id, found[f"{name} below"].trace_id) == (
            found[name].span_id,
            found[name].trace_id,
        )
    assert len({found[name].trace_id for name in ("a", "b", "around")}) == 3
    assert found["a"].ended_at_nanoseconds - found["a"].started_at_nanoseconds >= 1_500_000_000
    assert (current_span(), kept.losses.ended) == ({}, 5)


def test_what_stands_below_a_span_is_of_its_run() -> None:
    kept = Kept()
    with kept.tracing.span("process q", SpanKind.CONSUMER, {RUN_ID: "full-1"}, "", "", is_root=True), kept.open("GET"):
        pass
    assert [span.attributes for span in kept.spans] == [{RUN_ID: "full-1"}] * 2


def test_log_lines_are_told_which_span_is_open() -> None:
    kept = Kept()
    with kept.open("a") as span:
        assert current_span() == {"trace_id": span.context[3:35], "span_id": span.context[36:52]}
    assert current_span() == {}


def test_spans_of_a_processor_stand_below_its_item() -> None:
    """What it makes with OpenTelemetry's own API, and a provider of its own."""
    kept = Kept()
    with kept.open("process q", SpanKind.CONSUMER, is_root="yes") as span:
        seen = trace.get_current_span().get_span_context()
        assert (seen.trace_id, seen.span_id, seen.trace_flags.sampled) == (span.trace_id, span.span_id, True)
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_context_that_travelled_is_linked_or_gone_on_with() -> None:
    kept = Kept()
    with kept.open("send q") as sent:
        traceparent = sent.context
    with kept.open("process q", link=traceparent, is_root="yes"):
        pass
    with kept.open("settle q", parent=traceparent):
        pass
    with kept.open("process q", link="00-no-context-01", is_root="yes"):
        pass
    _, processed, settled, unlinked = kept.spans
    assert (processed.link, processed.trace_id != sent.trace_id) == ((sent.trace_id, sent.span_id), True)
    assert (settled.trace_id, settled.parent_id, settled.has_remote_parent) == (sent.trace_id, sent.span_id, True)
    assert unlinked.link is None


def test_what_is_left_out_is_left_out_with_all_below_it() -> None:
    """One item in ten, each with all of its spans; its messages bear no context then, and its lines no trace."""
    random.seed(7)
    kept = Kept(ParentBased(TraceIdRatioBased(0.1)))
    for _ in range(1_000):
        with kept.open("process q", is_root="yes") as item:
            assert bool(item.context) == bool(current_span())
            with kept.open("GET"):
                pass
    names = [span.name for span in kept.spans]
    assert names.count("GET") == names.count("process q")
    assert 60 < names.count("GET") < 140
    assert kept.losses.ended == len(names)
