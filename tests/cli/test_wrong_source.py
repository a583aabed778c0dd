"""A source file that is wrong, as its user meets it: `haulier run` stops within seconds and says why (G4)."""

from __future__ import annotations

import time

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place

pytestmark = pytest.mark.slow

WRONG = {
    "records": (
        'records = "rows"',
        "there is nothing at 'rows': the body is an object with the keys items, next, total",
    ),
    "pages": ('pages = { offset = "skip", limit = 10 }', "Page 2 holds the records of page 1 again, byte for byte"),
    "get": ('get = "/itens"', "status 404. Check the path of the stream."),
}


@pytest.mark.parametrize("step", [20, 100, 1_000])
@pytest.mark.parametrize("key", WRONG)
def test_g4_a_wrong_key_ends_the_run_with_2(place: Place, api: SandboxProcess, key: str, step: int) -> None:
    """Fifty items, ten, or one: seconds and a few requests, nothing poisoned; the words are those of `try`."""
    line, words = WRONG[key]
    # The sandbox knows no `skip`: each page is the first.
    place.write(api.url, **({"query": "query = {}", "step": f"step = {step}"} | {key: line}))
    asked = api.counters().requests
    began_at = time.monotonic()
    said = place.run("run")
    assert said.code == 2, said.err
    assert said.err.partition("is not finished")[2].count(words) == 1, said.err
    assert time.monotonic() - began_at < 40, "ten seconds, on a machine that does little else"
    assert api.counters().requests - asked <= 150
    assert place.run("poison list", "--json").json["items"] == []


def test_g4_all_workers_of_a_fleet_stop(place: Place) -> None:
    """The parent hears their exit code, and says their words."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url, records='records = "rows"', step="step = 20")
        process = place.start("run", "--workers", "3")
        out, err = process.communicate(timeout=90)
    assert process.returncode == 2, out + err
    assert "there is nothing at 'rows'" in err
    (why,) = [line for line in err.splitlines() if "is not finished" in line]
    assert "failed in the same way" in why
    assert [line for line in err.splitlines() if "failed in the same way" in line and line[0] != "{"] == [why]


def test_g4_once_it_is_corrected_the_same_command_pulls_everything(place: Place) -> None:
    """The run that was stopped has no records to lose, so that nobody has to know of `--new`."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url, records='records = "rows"')
        assert place.run("run").code == 2
        place.write(api.url)
        said = place.run("run")
        assert said.code == 0, said.err
        assert "is complete: 1,000 records in 5 objects." in said.err
        assert place.run("verify").code == 0
    assert place.lines() == RECORDS
