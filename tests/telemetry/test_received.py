"""Metrics of real workers, as a real collector gets them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from haulier.telemetry import names
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.docs.pages import blocks_of
from tests.docs.telemetry_tables import PAGE
from tests.harness.otlp import OtlpReceiver, receive

BAD_ID = 700
"""The page with this record is never answered: its item is divided down to it, and poisoned."""
SETTINGS = SandboxSettings(records=1_000, error_rate_500=0.15, failing_ids=(BAD_ID,), failing_status=422)
GAUGES = [row.name for row in names.METRICS if row.kind == "gauge"]


@dataclass
class Seen:
    tap: OtlpReceiver
    document: dict[str, Any]
    requests: int
    """That the API got."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A run of two workers on an API that fails now and then, and always for one record; its metrics were sent at the
    end of each process."""
    folder = tmp_path_factory.mktemp("metrics")
    place = Place(folder, None)  # type: ignore[arg-type]
    with SandboxProcess(SETTINGS) as api, receive(folder) as tap:
        place.write(api.url)
        running = place.start("run", "--json", "--workers", "2", env=tap.environ)
        out, err = running.communicate(timeout=120)
        assert running.returncode == 3, err
        tap.stop()
        yield Seen(tap, json.loads(out), api.counters().requests)


def test_counters_agree_with_the_account_of_the_run(seen: Seen) -> None:
    """G3, as far as no worker was killed: each item, record, byte and retry is counted once, over all workers."""
    tap, totals = seen.tap, seen.document["totals"]
    assert tap.total(names.WRITTEN_RECORDS) == totals["records"] == 999
    assert tap.total(names.WRITTEN_BYTES) == totals["bytes"]
    ended = {outcome: tap.total(names.ITEMS, outcome=outcome) for outcome in ("done", "empty", "split", "poison")}
    assert list(ended.values()) == [totals[state] for state in ("done", "empty", "split", "poisoned")]
    retries: Counter[str] = Counter()
    for attributes, point in tap.points(names.RETRIES):
        retries[attributes[names.ERROR_CAUSE]] += int(point["asInt"])
    assert retries == seen.document["retries_by_cause"]
    assert retries.total() > 0
    ((poison, _),) = tap.points(names.POISON)
    assert (poison[names.ERROR_CAUSE], poison[names.ITEM_KIND]) == ("status 422", "items_ids")
    deliveries = tap.total(names.ITEMS)
    assert tap.total(names.CONSUMED_MESSAGES) == tap.total(names.PROCESS_DURATION) == deliveries
    assert tap.total(names.SENT_MESSAGES) == totals["planned"]


def test_each_request_is_measured_in_seconds(seen: Seen) -> None:
    """In buckets for seconds. Those of the SDK are for milliseconds: all but the slowest would be alike."""
    points = seen.tap.points(names.REQUEST_DURATION)
    assert sum(int(point["count"]) for _, point in points) == seen.requests
    assert {tuple(point["explicitBounds"]) for _, point in points} == {names.REQUEST_BOUNDARIES}
    assert {attributes.get(names.STATUS_CODE) for attributes, _ in points} == {200, 500, 422}
    (longest,) = {tuple(point["explicitBounds"])[-1] for _, point in seen.tap.points(names.PROCESS_DURATION)}
    assert longest == 1_800.0


def test_no_metric_bears_what_is_of_unlimited_number(seen: Seen) -> None:
    """No key, window, address or run: above 2,000 sets of attributes the SDK adds the rest up without a word. Nothing
    is sent that the page does not tell of."""
    known = {row.name: row for row in names.METRICS}
    found = {line["name"] for line in seen.tap.lines() if "traceId" not in line}
    assert found == known.keys()
    for name in found:
        for attributes, _ in seen.tap.points(name):
            assert attributes.keys() <= set(known[name].attributes), name
    unlimited = {names.RUN_ID, names.ITEM_KEY, names.ITEM_PARAMETERS, names.URL, names.URL_TEMPLATE, names.ERROR_TEXT}
    assert not unlimited.intersection(*[row.attributes for row in names.METRICS])


@pytest.mark.parametrize("name", GAUGES)
def test_each_process_tells_what_it_knows_of_the_api(seen: Seen, name: str) -> None:
    """At its end nothing is under way, and nothing is left."""
    values = [float(point.get("asDouble", point.get("asInt", -1))) for _, point in seen.tap.points(name)]
    if name == names.LIMIT:
        assert set(values) <= set(range(1, 9))
    elif name != names.WORKERS:
        assert set(values) == {0.0}


def test_the_questions_of_the_page_are_answered(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query of docs/telemetry.md, on what this run sent."""
    monkeypatch.chdir(seen.tap.file.parent)
    view, *queries = [block.text for block in blocks_of(PAGE) if block.language == "sql"]
    with duckdb.connect() as database:
        database.execute(view)
        run = {"run": seen.document["run_id"]}
        slow, failed, took, all_of_it = [
            database.execute(query, run if "$run" in query else None).fetchall() for query in queries
        ]
    by_path = {path: (count, failures) for _, path, count, _, _, _, failures in slow}
    assert sum(count for count, _ in by_path.values()) == seen.requests
    assert by_path["/items"][1] > by_path["/count"][1]
    (poisoned,) = [row for row in failed if row[1] == "poison"]
    assert (poisoned[0], poisoned[2:4]) == (f"items_ids-{BAD_ID}-{BAD_ID + 1}", ("ApiError", "status 422"))
    assert "status 422" in poisoned[5]
    (run_id, deliveries, seconds, slowest, _, records) = took[0]
    assert (len(took), run_id, records) == (1, seen.document["run_id"], 999)
    assert (deliveries, seconds >= slowest > 0) == (seen.tap.total(names.ITEMS), True)
    assert len(all_of_it) == len(seen.tap.spans())
