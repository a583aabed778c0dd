"""The flights demo, as a real receiver of OpenTelemetry got it."""

from collections import Counter
from pathlib import Path

import pytest

from haulier.cli.main import main
from haulier.telemetry import names
from haulier.testing import flights
from tests.docs.pages import ROOT
from tests.harness.flights import serve_flights
from tests.harness.otlp import OtlpReceiver

pytestmark = pytest.mark.demo
if missing := flights.missing_packages():
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)

FLIGHTS = 20_000
ITEMS = 4
REQUESTS = 20


def test_the_demo_has_a_trace_for_each_item(
    tmp_path: Path, receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One trace an item, linked to its message; as many requests as the lake's account has."""
    with serve_flights(tmp_path, FLIGHTS) as api:
        monkeypatch.setenv("FLIGHTS_URL", api.url)
        place = ["--lake", str(tmp_path / "lake"), "--queue", f"sqlite:///{tmp_path}/queue.sqlite3"]
        assert main(["run", str(ROOT / "examples/flights.toml"), *place]) == 0
    spans = receiver.wait(lambda spans: Counter(span.name for span in spans)["settle flights"] == ITEMS)
    items = [span for span in spans if span.name == "process flights"]
    sent = {span.place for span in spans if span.name == "send flights"}
    assert len({span.trace_id for span in items}) == len({span.attributes[names.ITEM_KEY] for span in items}) == ITEMS
    assert len(items) == ITEMS
    assert {link for span in items for link in span.links} == sent
    outcomes = Counter(span.attributes[names.OUTCOME] for span in items)
    assert outcomes == {"done": ITEMS}
    assert sum(span.attributes[names.RECORDS] for span in items) == FLIGHTS
    traces = {span.trace_id for span in items}
    requests = [span for span in spans if span.name == "GET" and span.trace_id in traces]
    assert len(requests) == sum(span.attributes[names.REQUESTS] for span in items) == REQUESTS
    assert {span.attributes[names.STREAM] for span in items + requests} == {"flights"}
    assert not [span for span in spans if span.is_failed]
