"""What the seam promises, over OpenTelemetry's own SDK: nothing raises, and no failure passes for success."""

import asyncio

import msgspec
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from haulier.api.http.redactor import Redactor
from haulier.api.wire.request_spans import template_of
from haulier.items.registry import Registry
from haulier.queues.envelope import Envelope
from haulier.telemetry import names
from haulier.telemetry.losses import Losses
from haulier.telemetry.messages import MessageSpans
from haulier.telemetry.otel import OtelTelemetry
from haulier.telemetry.seam import Attributes, SpanKind
from haulier.worker.item_span import note_outcome, note_parameters, of_item
from haulier.worker.outcome import Poison

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept:
    def __init__(self, provider: TracerProvider) -> None:
        self.exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = OtelTelemetry(provider.get_tracer("test"), NoOpMeterProvider().get_meter("test"), Losses())

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span


@pytest.fixture
def kept() -> Kept:
    return Kept(TracerProvider(shutdown_on_exit=False))


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("s3cret"), "ValueError"),
        (asyncio.CancelledError(), "CancelledError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (BaseExceptionGroup("s3cret", [ExceptionGroup("g", [OSError("s3cret")])]), "OSError"),
        (ExceptionGroup("two", [OSError(), ValueError()]), "ExceptionGroup"),
    ],
)
def test_g7_whatever_leaves_a_span_fails_it_by_name(kept: Kept, error: BaseException, name: str) -> None:
    """The SDK leaves those of cancelled tasks as they are, and repeats what an error says."""
    with pytest.raises(type(error)), kept.telemetry.span("process q", SpanKind.CONSUMER):
        raise error
    assert not kept.span.status.is_ok
    assert kept.span.attributes is not None
    assert kept.span.attributes[names.ERROR_TYPE] == name
    assert not kept.span.events
    assert "s3cret" not in kept.span.to_json()


def test_g7_what_an_item_failed_by_is_told_without_secrets(kept: Kept) -> None:
    """G7: a processor's own error may repeat them, and so may the item's parameters."""
    redactor = Redactor()
    redactor.add("s3cret-value")
    envelope = Envelope(kind="k", key="k-1", run_id="r", payload=msgspec.Raw(b'{"token": "s3cret-value", "n": 1}'))
    with kept.telemetry.span("process q", SpanKind.CONSUMER, of_item(envelope, Registry(), 1)) as span:
        note_parameters(span, envelope, redactor)
        note_outcome(span, Poison("failed"), ValueError("no luck with s3cret-value"), redactor.redact)
    found = kept.span.attributes
    assert found is not None
    assert (found[names.OUTCOME], found[names.ERROR_TYPE]) == ("poison", "ValueError")
    assert found[names.ERROR_TEXT] == "no luck with ***"
    assert found[names.ITEM_PARAMETERS] == '{"token": "***", "n": 1}'


def test_the_first_word_for_a_failure_stays(kept: Kept) -> None:
    with kept.telemetry.span("GET", SpanKind.CLIENT) as span:
        span.fail("503")
        span.fail(ValueError("late"))
    assert kept.span.attributes is not None
    assert kept.span.attributes[names.ERROR_TYPE] == "503"


def test_values_that_the_sdk_would_lose_are_sent_as_text(kept: Kept) -> None:
    """A number beyond 64 bits, a lone surrogate (which would lose its whole batch), and a text of any length."""
    values: Attributes = {
        "a": 2**63,
        "b": -(2**70),
        "c": "x\ud800y",
        "d": "z" * 5_000,
        "e": 2**63 - 1,
        "f": True,
        "g": 0.5,
    }
    with kept.telemetry.span("process q", SpanKind.CONSUMER, values):
        pass
    assert kept.span.attributes == {
        "a": str(2**63),
        "b": str(-(2**70)),
        "c": "x?y",
        "d": "z" * 1_000,
        "e": 2**63 - 1,
        "f": True,
        "g": 0.5,
    }


@pytest.mark.parametrize("link", ["", "nonsense", PARENT[:-1], f"00-{'0' * 32}-{'0' * 16}-01", "00-" + "\u0661" * 32])
def test_a_message_without_a_readable_trace_is_worked_all_the_same(kept: Kept, link: str) -> None:
    """It may come from an older haulier, or from anybody."""
    with MessageSpans(kept.telemetry, "memory", "q").process("run", link, {}):
        pass
    assert not kept.span.links
    assert kept.span.parent is None


def test_a_span_is_linked_or_below_another_by_its_context(kept: Kept) -> None:
    messages = MessageSpans(kept.telemetry, "memory", "q")
    with messages.process("run", PARENT, {}) as item, kept.telemetry.span("GET", SpanKind.CLIENT):
        context = item.context
    with messages.settle("run", context, 2):
        pass
    inner, outer, settled = kept.exporter.get_finished_spans()
    assert [f"{link.context.trace_id:x}" for link in outer.links] == [PARENT.split("-")[1].lstrip("0")]
    assert outer.parent is None
    for span in (inner, settled):
        assert span.parent is not None
        assert span.parent.span_id == outer.context.span_id
        assert span.context.trace_id == outer.context.trace_id


def test_what_is_not_sampled_has_no_context_and_is_no_loss() -> None:
    kept = Kept(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    with kept.telemetry.span("send q", SpanKind.PRODUCER, is_root=True) as span:
        assert span.context == ""
    assert not kept.exporter.get_finished_spans()
    with MessageSpans(kept.telemetry, "memory", "q").settle("run", "", 1):
        pass
    assert not kept.exporter.get_finished_spans()


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v2/orders/17/lines", "/v2/orders/{}/lines"),
        ("/items", "/items"),
        ("/days/2024-01-01", "/days/{}"),
        ("", ""),
        ("/v1.1/a0eebc99-9c0b/", "/v1.1/{}/"),
    ],
)
def test_paths_are_grouped_by_their_parts_with_digits(path: str, template: str) -> None:
    assert template_of(path) == template
