"""A full and an incremental run of one source at the same time, in processes of their own."""

import gzip
import shutil
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


def test_who_acts_on_one_of_several_open_runs_names_it(place: Place) -> None:
    """`wait` and `cancel` change nothing before, and say which there are; `status` shows the newest open one, and the
    others beside it. What is to be done about a run names its mode: without it a full run would be meant."""
    with SandboxProcess(SandboxSettings(records=RECORDS, page_size=STEP)) as api:
        place.toml.write_text(
            SOURCE.format(url=api.url, in_flight=IN_FLIGHT, step=STEP, records=RECORDS, increment=INCREMENT)
        )
        full = place.run("enqueue", "--json").json["run_id"]
        increment = place.run("enqueue", "incremental", "--json").json["run_id"]
    assert remedies(place)[increment] == "Finish it: haulier run SOURCE incremental."
    for command in ("wait", "cancel", "repair"):
        said = place.run(command)
        assert said.code == 2, command
        assert f"has 2 open runs: {increment}, {full}. Name the one that you mean with --run." in said.err
    shown = place.run("status", "--json").json
    assert (shown["run_id"], [other["run_id"] for other in shown["others"]]) == (increment, [full])
    assert place.run("cancel", "--run", increment).code == 0
    assert place.run("wait", "--timeout", "0", "--json").json["run_id"] == full
    said = place.run("status", "--json")
    assert (said.code, said.json["run_id"]) == (4, full)


def test_a_full_run_of_days_is_found_behind_the_increments_of_these_days(place: Place) -> None:
    """One each half hour: `status` and `doctor` show it."""
    with SandboxProcess(SandboxSettings(records=RECORDS, page_size=STEP)) as api:
        place.toml.write_text(
            SOURCE.format(url=api.url, in_flight=IN_FLIGHT, step=STEP, records=RECORDS, increment=INCREMENT)
        )
        full = place.run("enqueue", "--json").json["run_id"]
        increment = place.run("enqueue", "incremental", "--json").json["run_id"]
        assert place.run("cancel", "--run", increment).code == 0
        runs = place.lake / "_haulier/shop/runs"
        for minute in range(60):
            again = f"incremental-20990101T00{minute:02}00Z"
            shutil.copytree(runs / increment, runs / again)
            text = (runs / increment / "run.json").read_text()
            (runs / again / "run.json").write_text(text.replace(increment, again))
        said = place.run("status", "--json")
        assert (said.code, said.json["run_id"]) == (4, full)
        shown = place.run("status", "--run", increment, "--json").json
        assert [other["run_id"] for other in shown["others"]] == [full]
        assert remedies(place)[full] == "Finish it: haulier run SOURCE."


def remedies(place: Place) -> dict[str, str]:
    """What doctor says of each run."""
    checks = place.run("doctor", "--json").json["checks"]
    return {check["subject"]: check["remedy"] for check in checks if check["check"] == "runs"}


TWO_STREAMS = """
source = "shop"

[api]
url = "{url}"
in_flight = 4
max_requests = {max_requests}

[streams.items]
get = "/items"
query = {{ limit = 10 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = 1000
step = 200

[streams.small]
get = "/items"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.small.full]
once = {{}}
"""


@pytest.mark.timeout(180)
def test_a_run_that_spent_its_max_requests_stops_no_other_one(place: Place) -> None:
    """Its items stay on the queue, before those of the others, and come back uncharged. Whoever works for another run
    goes on; whoever works for all of them ends with 2 once nothing else is left."""
    with SandboxProcess(SandboxSettings(records=1_000)) as api:
        place.toml.write_text(TWO_STREAMS.format(url=api.url, max_requests=20))
        said = place.run("run", "--stream", "items", "--max-items", "3")
        assert (said.code, "has sent all of its max_requests = 20. Raise it" in said.err) == (2, True), said.err
        assert api.counters().requests <= 20
        run_id = next(place.lake.glob("_haulier/shop/runs/trial-*")).name
        trial = place.run("status", "--run", run_id, "--json").json
        assert (trial["state"], trial["retries"]) == ("open", 0), "nothing failed, and nothing was tried again"
        said = place.run("run", "--stream", "small")
        assert (said.code, place.lines("small")) == (0, 1_000), said.err
        assert place.run("enqueue", "--stream", "small").code == 0
        said = place.run("work")
        assert (said.code, place.lines("small")) == (2, 2_000), said.err
        assert f"Run {run_id} has sent all of its max_requests = 20" in said.err
        assert api.counters().requests <= 20 + 2 * 10
        place.toml.write_text(TWO_STREAMS.format(url=api.url, max_requests=100))
        said = place.run("run", "--stream", "items", "--max-items", "3")
        assert said.code == 0, said.err
        assert f"Run {run_id} is complete" in said.err
