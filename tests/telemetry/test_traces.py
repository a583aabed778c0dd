"""The spans of whole runs, as a real receiver got them."""

import os
import signal
from collections import Counter

import pytest

from haulier.telemetry import names
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.test_azure_start import Cloud, cloud
from tests.harness.otlp import OtlpReceiver, SeenSpan

__all__ = ["cloud"]

pytestmark = pytest.mark.timeout(120)
CLIENT, PRODUCER, CONSUMER = 3, 4, 5
SEND, PROCESS, SETTLE = "send shop", "process shop", "settle shop"


def of_name(spans: list[SeenSpan], name: str) -> list[SeenSpan]:
    return [span for span in spans if span.name == name]


def require_linked(spans: list[SeenSpan], queue: str = "shop") -> None:
    """Each item's span begins a trace of its own, and links to the span under which its message was sent."""
    sent = {span.place for span in of_name(spans, f"send {queue}")}
    items = of_name(spans, f"process {queue}")
    assert items
    assert len({span.trace_id for span in items}) == len(items)
    for span in items:
        assert span.kind == CONSUMER
        assert not span.parent_id
        assert len(span.links) == 1
        assert span.links[0] in sent


def test_each_item_request_and_message_has_one_span(place: Place, receiver: OtlpReceiver) -> None:
    """Under an API with faults: the requests that left are the spans that came, and each says where it belongs."""
    settings = SandboxSettings(records=RECORDS, error_rate_500=0.15, seed=3)
    with SandboxProcess(settings) as api:
        place.write(api.url)
        assert place.run("run").code == 0
        left = api.counters().requests
    spans = receiver.wait(lambda spans: Counter(span.name for span in spans)[SETTLE] >= RECORDS // 200)
    count = Counter(span.name for span in spans)
    items = RECORDS // 200
    assert count == {"enqueue": 1, SEND: 1, PROCESS: items, "publish": items, SETTLE: items, "GET": left}
    require_linked(spans)
    by_place = {span.place: span for span in spans}
    run_ids = {span.attributes[names.RUN_ID] for span in spans}
    assert len(run_ids) == 1
    for span in of_name(spans, PROCESS):
        below = [one for one in spans if one.trace_id == span.trace_id and one is not span]
        assert all(one.parent_id == span.span_id for one in below)
        requests = of_name(below, "GET")
        assert span.attributes[names.OUTCOME] == "done"
        assert span.attributes[names.RECORDS] == 200
        assert span.attributes[names.REQUESTS] == len(requests)
        assert span.attributes[names.STREAM] == "items"
        assert '"start":' in span.attributes[names.ITEM_PARAMETERS]
        assert not span.is_failed
        assert {one.attributes[names.URL_TEMPLATE] for one in requests} == {"/items"}
        assert len(of_name(below, SETTLE)) == len(of_name(below, "publish")) == 1
    requests = of_name(spans, "GET")
    failed = [span for span in requests if span.is_failed]
    assert failed
    assert {span.attributes[names.ERROR_TYPE] for span in failed} == {"500"}
    assert all(span.attributes[names.STATUS_CODE] == 500 for span in failed)
    again = [span for span in requests if names.RESEND_COUNT in span.attributes]
    assert len(again) == len(failed)
    assert all(span.attributes[names.WAIT_SECONDS] > 0 for span in again)
    (sent,) = of_name(spans, SEND)
    assert sent.kind == PRODUCER
    assert sent.attributes[names.BATCH_COUNT] == items
    (enqueue,) = of_name(spans, "enqueue")
    of_plan = [span for span in requests if by_place.get((span.trace_id, span.parent_id)) is enqueue]
    assert {span.attributes[names.URL_TEMPLATE] for span in of_plan} == {"/items/newest", "/count"}


def test_what_a_killed_worker_had_begun_links_to_the_one_message(place: Place, receiver: OtlpReceiver) -> None:
    """Its own spans are lost. Another process takes its items, and each of their spans has the link."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.2)) as api:
        place.write(api.url, in_flight="in_flight = 4", step="step = 50")
        process = place.start("run", env={"OTEL_BSP_SCHEDULE_DELAY": "100"})
        receiver.wait(lambda spans: bool(of_name(spans, SEND)) and bool(list(place.lake.rglob("*.ndjson.gz"))))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert place.run("run").code == 0
    assert place.lines() == RECORDS
    spans = receiver.wait(lambda spans: 2 in {span.attributes.get(names.ATTEMPT) for span in spans})
    require_linked(spans)


def test_g7_no_secret_leaves_in_a_span(place: Place, receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """G7: neither from a header or an address, nor from an error of the API that repeats them."""
    secret, mark = "s3cret-Ab/Cd+9", "another-one-77"
    monkeypatch.setenv("SHOP_KEY", secret)
    monkeypatch.setenv("SHOP_MARK", mark)
    settings = SandboxSettings(records=RECORDS, failing_ids=(150,), failing_status=400)
    with SandboxProcess(settings) as api:
        place.write(
            api.url,
            in_flight='in_flight = 4\nauth = { query = "api_key", value = "${SHOP_KEY}" }\n'
            'headers = { X-Session-Token = "${SHOP_MARK}" }',
        )
        process = place.start("run", env={"OTEL_BSP_SCHEDULE_DELAY": "100"})
        spans = receiver.wait(lambda spans: any(names.ERROR_TEXT in span.attributes for span in spans))
        process.terminate()
        process.communicate()
    assert "api_key=***" in " ".join(span.attributes[names.URL] for span in of_name(spans, "GET"))
    for text in (secret, "s3cret", "Ab%2FCd", mark):
        assert text not in receiver.text


def test_telemetry_that_is_off_sends_nothing(place: Place, receiver: OtlpReceiver) -> None:
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        process = place.start("run", env={"OTEL_SDK_DISABLED": "true"})
        assert "haulier.telemetry" not in process.communicate()[1]
        assert process.returncode == 0
    assert receiver.spans() == []


def test_the_link_goes_through_an_azure_queue(cloud: Cloud, receiver: OtlpReceiver) -> None:
    """Enqueued by one command, worked by another; the names are those of the queue there."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        cloud.write(api.url)
        assert cloud.place.run("enqueue").code == 0
        assert all(str(message["trace"]).startswith("00-") for message in cloud.messages())
        assert cloud.place.run("work").code == 0
    items, settle = RECORDS // 200, f"settle {cloud.queue}"
    spans = receiver.wait(lambda spans: len(of_name(spans, settle)) == items)
    require_linked(spans, cloud.queue)
    assert {span.attributes[names.MESSAGING_SYSTEM] for span in of_name(spans, settle)} == {"azure_storage_queue"}
