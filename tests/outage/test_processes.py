"""Three worker processes, and an API that goes down under them and comes back (G4, G5)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.cli.test_politeness import until

RECORDS = 6_000
IN_FLIGHT = 12
HEARD_SECONDS = 2.0
"""Two beats: whoever sends has heard by then that the API is down."""
OUTAGE_SECONDS = 10.0
"""After that. The first probe is due 12 to 18 seconds after it was noticed."""
MOST_UNTIL_HEARD = 100
"""20 failures in a row open the breaker, and others are on their way by then: 45 to 53 were seen."""
MOST_AFTER = 5
"""About 70 are sent in the same time without the breaker, and hundreds without the retry budget too."""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_g4_g5_three_processes_live_through_an_outage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """G4, G5: nothing is poisoned, hardly a request is sent into it, and all three work on to the end of the run."""
    place = Place(tmp_path, capsys)
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.2)) as api:
        place.write(api.url, in_flight=f"in_flight = {IN_FLIGHT}", step="step = 10")
        assert place.run("enqueue").code == 0
        workers = [place.start("work", "--lease", "3") for _ in range(3)]
        try:
            until(lambda: api.counters().by_status.get(200, 0) >= 150)
            api.change(is_down=True)
            until(lambda: place.run("status", "--json").json.get("api", {}).get("state") == "down")
            time.sleep(HEARD_SECONDS)
            until_heard = api.counters().by_status[503]
            time.sleep(OUTAGE_SECONDS)
            api.change(is_down=False)
            into_it = api.counters().by_status[503]
            said = [worker.communicate(timeout=120)[1] for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
        assert api.counters().peak_in_flight <= IN_FLIGHT
    assert [worker.returncode for worker in workers] == [0, 0, 0], said
    assert place.run("status", "--json").json["state"] == "complete"
    assert place.lines() == RECORDS
    assert not list(place.lake.rglob("poison/*/*.json"))
    assert 0 < until_heard <= MOST_UNTIL_HEARD
    assert into_it - until_heard <= MOST_AFTER
