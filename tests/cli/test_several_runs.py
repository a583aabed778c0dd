"""A full and an incremental run of one source at the same time, in processes of their own."""

import gzip
import time

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place

RECORDS = 6_000
INCREMENT = 400
STEP = 50
IN_FLIGHT = 4
SOURCE = """
source = "shop"

[api]
url = "{url}"
in_flight = {in_flight}

[streams.items]
get = "/items"
query = {{ limit = {step} }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {records}
step = {step}

[streams.items.incremental.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {increment}
step = {step}
"""


def lines(place: Place, mode: str) -> int:
    objects = place.lake.glob(f"shop/items/mode={mode}/*/*.ndjson.gz")
    return sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in objects)


@pytest.mark.timeout(120)
def test_g1_an_incremental_run_goes_before_a_full_one_and_both_are_whole(place: Place) -> None:
    """Three processes work both runs over one queue and one `in_flight`; each `run` stays until its own run is closed,
    and each item is written under its own run."""
    slow = SandboxSettings(records=RECORDS, page_size=STEP, latency_seconds=0.7)
    with SandboxProcess(slow) as api:
        place.toml.write_text(
            SOURCE.format(url=api.url, in_flight=IN_FLIGHT, step=STEP, records=RECORDS, increment=INCREMENT)
        )
        full = place.start("run", "full", "--json")
        while not list(place.lake.rglob("*.ndjson.gz")):
            assert full.poll() is None
            time.sleep(0.05)
        helper = place.start("work")
        increment = place.start("run", "incremental", "--json")
        out, err = increment.communicate(timeout=60)
        assert (increment.returncode, '"state": "complete"' in out) == (0, True), err
        assert full.poll() is None
        assert not list(place.lake.rglob("mode=full/*/_SUCCESS.json"))
        assert (lines(place, "incremental"), lines(place, "full") < RECORDS) == (INCREMENT, True)
        api.change(latency_seconds=0.0)
        out, err = full.communicate(timeout=60)
        assert (full.returncode, '"state": "complete"' in out) == (0, True), err
        _, err = helper.communicate(timeout=60)
        assert helper.returncode == 0, err
        assert (lines(place, "incremental"), lines(place, "full")) == (INCREMENT, RECORDS)
        assert api.counters().peak_in_flight <= IN_FLIGHT
    assert place.run("verify", "--json").code == 0
