"""What the seam promises, over OpenTelemetry's own SDK: nothing raises, and no failure passes for success."""

import asyncio
import tracemalloc
from typing import Any

import msgspec
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, Sampler, SamplingResult, StaticSampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import StatusCode

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import NO_HEADERS, Request, Response
from haulier.api.wire.request_spans import RequestSpans, template_of
from haulier.clock import SystemClock
from haulier.items.registry import Registry
from haulier.queues.envelope import Envelope
from haulier.telemetry import names
from haulier.telemetry.losses import Losses
from haulier.telemetry.messages import MessageSpans
from haulier.telemetry.otel import OtelTelemetry
from haulier.telemetry.seam import Attributes, SpanKind
from haulier.telemetry.sender import span_bytes_of
from haulier.telemetry.span_bytes import EndedSpan
from haulier.telemetry.spans import Tracing
from haulier.worker.item_span import note_outcome, note_parameters, of_item
from haulier.worker.outcome import Poison

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept:
    """Spans as they are sent."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._ended: list[EndedSpan] = []
        tracing = Tracing(sampler, RandomIdGenerator(), SystemClock(), Losses(), self._ended.append)
        self.telemetry = OtelTelemetry(tracing, NoOpMeterProvider().get_meter("test"))

    def forget(self) -> None:
        self._ended.clear()

    @property
    def spans(self) -> list[Any]:
        scope = InstrumentationScope("haulier", "1.0")
        sent = ExportTraceServiceRequest.FromString(span_bytes_of(Resource({}), scope).request(self._ended))
        return list(sent.resource_spans[0].scope_spans[0].spans)

    @property
    def span(self) -> Any:
        (span,) = self.spans
        return span

    @property
    def attributes(self) -> dict[str, Any]:
        return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in self.span.attributes}


@pytest.fixture
def kept() -> Kept:
    return Kept()


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
    assert kept.span.status.code == StatusCode.ERROR.value
    assert kept.attributes[names.ERROR_TYPE] == name
    assert b"s3cret" not in kept.span.SerializeToString()


def test_g7_what_an_item_failed_by_is_told_without_secrets(kept: Kept) -> None:
    """G7: a processor's own error may repeat them, and so may the item's parameters."""
    redactor = Redactor()
    redactor.add("s3cret-value")
    envelope = Envelope(kind="k", key="k-1", run_id="r", payload=msgspec.Raw(b'{"token": "s3cret-value", "n": 1}'))
    with kept.telemetry.span("process q", SpanKind.CONSUMER, of_item(envelope, Registry(), 1)) as span:
        note_parameters(span, envelope, redactor)
        words = "no luck with s3cret-value" + 10_000 * "!"
        note_outcome(span, Poison("failed"), ValueError(words), redactor.redact)
    found = kept.attributes
    assert (found[names.OUTCOME], found[names.ERROR_TYPE]) == ("poison", "ValueError")
    assert found[names.ERROR_TEXT].rstrip("!") == "no luck with ***"
    assert len(found[names.ERROR_TEXT]) == 1_000
    assert found[names.ITEM_PARAMETERS] == '{"token": "***", "n": 1}'


async def test_g7_a_request_is_told_without_secrets(kept: Kept) -> None:
    """G7: one may stand in the path, or be the name of a host, and have no digit."""
    redactor = Redactor()
    redactor.add("secret-word")

    async def answer(request: Request) -> Response:
        return Response(200, NO_HEADERS, b"")

    spans = RequestSpans(kept.telemetry, redactor, "https://secret-word.test", answer, SystemClock())
    await spans.send(Request("GET", "https://secret-word.test/items/secret-word?a=secret-word"))
    found = kept.attributes
    assert found[names.URL_TEMPLATE] == "/items/***"
    assert found[names.SERVER_ADDRESS] == "***.test"
    assert "secret-word" not in str(found)


def test_a_span_that_waits_to_be_sent_holds_no_long_text(kept: Kept) -> None:
    """Spans of a full queue are counted and not weighed: 2,048 with an answer's text of 200 KB each are 400 MB."""
    tracemalloc.start()
    try:
        for number in range(2_500):
            with kept.telemetry.span("process q", SpanKind.CONSUMER, {"a": f"{number}" * 1_000}) as span:
                span.set({names.ERROR_TEXT: f"{number} " * 1_000})
        assert kept.spans
        held = tracemalloc.get_traced_memory()[0]
        kept.forget()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 10e6
    assert left < 1e6  # Of caches.


def test_a_sampler_that_raises_stops_no_item(caplog: pytest.LogCaptureFixture) -> None:
    """It may be of another package. What it fails over is not recorded, and that is said once."""

    class Broken(StaticSampler):
        def should_sample(self, *args: Any, **options: Any) -> SamplingResult:
            raise ZeroDivisionError

    kept = Kept(Broken(Decision.RECORD_AND_SAMPLE))
    for _ in range(2):
        with MessageSpans(kept.telemetry, "memory", "q").process("run", "", {}) as span:
            assert span.context == ""
    assert not kept.spans
    assert len(caplog.records) == 1


def test_the_first_word_for_a_failure_stays(kept: Kept) -> None:
    with kept.telemetry.span("GET", SpanKind.CLIENT) as span:
        span.fail("503")
        span.fail(ValueError("late"))
    assert kept.attributes[names.ERROR_TYPE] == "503"


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
    assert kept.attributes == {
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
    assert not kept.span.parent_span_id


def test_a_span_is_linked_or_below_another_by_its_context(kept: Kept) -> None:
    messages = MessageSpans(kept.telemetry, "memory", "q")
    with messages.process("run", PARENT, {}) as item, kept.telemetry.span("GET", SpanKind.CLIENT):
        context = item.context
    with messages.settle("run", context, 2):
        pass
    inner, outer, settled = kept.spans
    assert [link.trace_id.hex() for link in outer.links] == [PARENT.split("-")[1]]
    assert not outer.parent_span_id
    for span in (inner, settled):
        assert (span.parent_span_id, span.trace_id) == (outer.span_id, outer.trace_id)


def test_what_is_not_sampled_has_no_context_and_is_no_loss() -> None:
    kept = Kept(ALWAYS_OFF)
    with kept.telemetry.span("send q", SpanKind.PRODUCER, is_root=True) as span:
        assert span.context == ""
    assert not kept.spans
    with MessageSpans(kept.telemetry, "memory", "q").settle("run", "", 1):
        pass
    assert not kept.spans


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
