"""What `run` makes of runs that were left: finished or not, by whom, and what the exit code answers for."""

import asyncio
import json
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from haulier.app.open_source import Options, open_live
from haulier.app.run_start import WantedRun, claim, new_run, start
from haulier.app.source_loader import load_app
from haulier.cli.commands.run import run_all
from haulier.cli.drivers import LocalDriver
from haulier.runs.run import Run, claim_run
from haulier.testing.clock import FakeClock
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.test_incremental import NEW_IDS

MORE = """
[streams.more]
get = "/items"
query = { limit = 100 }
records = "items"
pages = { cursor = "next", query = "cursor" }

[streams.more.full.ids]
query = { from_id = "{start}", to_id = "{end}" }
last = { get = "/items/newest", at = "id" }
step = 500
"""


def runs(place: Place) -> list[str]:
    return sorted(path.name for path in (place.lake / "_haulier/shop/runs").iterdir())


def test_a_run_that_was_left_is_finished_and_the_new_one_is_the_one_document(shop: Place) -> None:
    """Two runs of one command print one JSON document: that of the run that was asked for."""
    left = shop.run("enqueue", "--json").json["run_id"]
    said = shop.run("run", "--then-new", "--json")
    assert (said.code, said.json["state"]) == (0, "complete"), said.err
    assert said.json["run_id"] == runs(shop)[1] != left
    assert "was_open" not in said.json
    assert f"Run {left} is open; it is finished first, and then a new run is started" in said.err


def test_streams_that_were_asked_for_are_pulled_though_a_smaller_run_was_left_unplanned(shop: Place) -> None:
    """G1: no exit code 0 while a stream that was asked for is missing: it is refused, or pulled afterwards."""
    shop.toml.write_text(shop.toml.read_text() + MORE)

    async def leave() -> None:
        async with open_live(load_app(str(shop.toml)), Options()) as site:
            await claim(site, WantedRun("full", ("items",)))

    asyncio.run(leave())
    said = shop.run("run")
    assert said.code == 2
    assert "is open, and does not include more." in said.err
    assert "--then-new" in said.err
    assert shop.lines() == 0
    said = shop.run("run", "--then-new", "--json")
    assert (said.code, set(said.json["streams"])) == (0, {"items", "more"}), said.err
    assert shop.lines("items") == 2 * RECORDS
    assert shop.lines("more") == RECORDS


def test_an_unplanned_run_of_the_same_streams_is_the_one_that_is_asked_for(shop: Place) -> None:
    """Typing the same command again after a Ctrl-C while planning pulls once."""

    async def leave() -> None:
        async with open_live(load_app(str(shop.toml)), Options()) as site:
            await claim(site, WantedRun("full", ("items",)))

    asyncio.run(leave())
    assert shop.run("run").code == 0
    assert shop.lines() == RECORDS


@pytest.mark.parametrize("command", ["run", "enqueue"])
def test_g1_an_increment_that_was_never_planned_does_not_end_where_it_was_claimed(shop: Place, command: str) -> None:
    """Else tonight would be complete up to last night. One that was cut off an hour ago is planned again."""
    shop.toml.write_text(shop.toml.read_text() + NEW_IDS)

    async def leave(age: timedelta) -> str:
        async with open_live(load_app(str(shop.toml)), Options()) as site:
            moment = datetime.now(UTC) - age
            new = new_run(site, WantedRun("incremental", ("items",)))
            return (await claim_run(site.lake, FakeClock(moment), new)).run_id

    recent = asyncio.run(leave(timedelta(hours=1)))
    assert shop.run(command, "incremental", "--json").json["run_id"] == recent
    assert shop.run("run", "incremental").code == 0
    old = asyncio.run(leave(timedelta(days=1)))
    words = ("--then-new",) if command == "run" else ()
    said = shop.run(command, "incremental", "--json", *words)
    assert said.code == 0, said.err
    assert said.json["run_id"] not in (old, recent)
    assert (
        f"Run {old} was stopped before its plan was sealed, and would end there: it is closed as superseded" in said.err
    )
    states = {run["run_id"]: run["state"] for run in shop.run("runs", "--json").json["runs"]}
    assert states[old] == "superseded"


class Stopped(LocalDriver):
    """Hears of a Ctrl-C while the last items are under way, which end within the grace and close the run."""

    async def drive(self, run: Run) -> tuple[int, str]:
        await super().drive(run)
        return 4, "stopped by SIGINT"


def test_no_new_run_is_started_after_a_ctrl_c_that_came_as_the_open_run_closed(shop: Place) -> None:
    """Who presses Ctrl-C wants no second pull."""
    shop.run("enqueue")
    options = Options()

    async def run(*, then_new: bool) -> int:
        app = load_app(str(shop.toml))
        async with open_live(app, options) as site:
            wanted = WantedRun("full", ("items",))
            return (await run_all(site, Stopped(site, str(shop.toml), options), wanted, then_new=then_new)).code

    assert asyncio.run(run(then_new=True)) == 4
    assert len(runs(shop)) == 1
    assert shop.run("status").code == 0, "the run itself is complete"
    shop.run("enqueue")
    assert asyncio.run(run(then_new=False)) == 0, "what was asked for is done"
    assert len(runs(shop)) == 2


def test_a_ctrl_c_after_the_seal_says_how_to_go_on(place: Place) -> None:
    """Nothing is claimed of a queue that may hold some items; the command that is named names the lake too."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.5)) as api:
        place.write(api.url)
        lake = place.folder / "other lake"
        process = place.start("run", "--json", "--lake", str(lake))
        while api.counters().requests == 0:
            time.sleep(0.02)
        api.change(hang_rate=1.0)  # The plan's own request is under way already; the promised count is asked next.
        while api.counters().hung == 0:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=90)
        assert process.returncode == 4, err
        assert json.loads(out)["state"] == "open"
        assert "before" not in err.partition("is not finished")[0]
        assert f"haulier run {place.toml} full --lake '{lake}'" in err


def two_open(shop: Place) -> list[str]:
    """Two runs that are open, as two `enqueue` of different streams' commands at one moment would leave them."""

    async def leave() -> list[str]:
        async with open_live(load_app(str(shop.toml)), Options()) as site:
            wanted = WantedRun("full", ("items",))
            left = [await claim_run(site.lake, site.clock, new_run(site, wanted)) for _ in range(2)]
            for run in left:
                await start(site, run, quiet)
            return [run.run_id for run in left]

    return asyncio.run(leave())


async def quiet(*_: object) -> None:
    pass


def test_two_open_runs_are_both_finished(shop: Place) -> None:
    """Whoever calls `run` again does not find the second one open the next night."""
    left = two_open(shop)
    said = shop.run("run", "--json")
    assert (said.code, said.json["state"]) == (0, "complete"), said.err
    assert runs(shop) == left
    for run_id in left:
        assert f"Run {run_id} was open; it is finished now." in said.err
        assert shop.run("status", "--run", run_id, "--json").json["state"] == "complete"


def test_of_two_runs_that_are_started_at_one_moment_one_is_pulled(shop: Place) -> None:
    """Both find nothing open, and both claim a run: the later claim gives way, before anything of it is planned."""

    async def both() -> tuple[Run, Run]:
        async with open_live(load_app(str(shop.toml)), Options()) as site:
            wanted = WantedRun("full", ("items",))
            return await claim(site, wanted), await claim(site, wanted)

    first, second = asyncio.run(both())
    assert first.run_id == second.run_id
    said = shop.run("run", "--json")
    assert (said.code, said.json["run_id"]) == (0, first.run_id), said.err
    assert shop.lines() == RECORDS


def test_a_worker_refuses_a_run_that_was_planned_with_another_source_file(shop: Place, api: SandboxProcess) -> None:
    """Records of one run have one shape, whoever works it: also a worker that is started after the file was edited."""
    shop.run("enqueue")
    shop.write(api.url, query="query = { limit = 50 }")
    said = shop.run("work")
    assert said.code == 2, said.err
    assert "was planned with another source file" in said.err
    assert shop.lines() == 0
    shop.write(api.url)
    assert shop.run("work").code == 0, "what was refused went back to the queue"
    assert shop.lines() == RECORDS


def test_a_stream_that_was_taken_out_of_the_file_is_a_changed_file(shop: Place, api: SandboxProcess) -> None:
    """Records of it would be lost; a run that has none is started over."""
    shop.toml.write_text(shop.toml.read_text() + MORE)
    shop.run("enqueue")
    shop.write(api.url)
    said = shop.run("work")
    assert said.code == 2, said.err
    assert "was planned with another source file" in said.err
    assert shop.run("run").code == 0
    assert shop.lines() == RECORDS


def test_enqueue_refuses_a_stream_that_the_open_run_does_not_have(shop: Place) -> None:
    """Exit code 0 means that what was asked for is on the queue."""
    shop.toml.write_text(shop.toml.read_text() + MORE)
    shop.run("enqueue", "--stream", "items")
    said = shop.run("enqueue", "--stream", "more")
    assert said.code == 2
    assert "is open, and does not include more." in said.err
    assert shop.run("enqueue", "--stream", "items").code == 0


def test_work_refuses_the_name_of_a_run_that_there_is_not(shop: Place) -> None:
    """A misspelt name would be waited for in vain, or left with exit code 0 after other runs' items."""
    shop.run("enqueue")
    said = shop.run("work", "--run", "full-20200101T000000Z")
    assert said.code == 2
    assert "has no run" in said.err


def test_a_run_that_was_cancelled_is_said_without_counts(shop: Place) -> None:
    run_id = shop.run("enqueue", "--json").json["run_id"]
    shop.run("cancel")
    said = shop.run("wait")
    assert (said.code, said.err) == (1, f"Run {run_id} is cancelled; what it wrote stays, and was not counted.\n")


def test_a_queue_in_memory_is_another_process_own(shop: Place) -> None:
    """`status` and `wait` cannot see it, and call no run stranded over it."""
    shop.run("enqueue")
    status = shop.run("status", "--queue", "memory", "--json")
    assert (status.json["is_stranded"], status.json["missing"]) == (False, 5)
    assert "queue" not in shop.run("status", "--queue", "memory").out
    said = shop.run("wait", "--queue", "memory", "--timeout", "1.5")
    assert (said.code, "stranded" in said.err) == (4, False)


def test_a_file_that_was_mended_after_its_planning_failed_starts_afresh(place: Place, api: SandboxProcess) -> None:
    """C8: a run that was never sealed has nothing to lose; nobody has to know of `--new` to get past a typing slip."""
    place.write(api.url, last='last = { get = "/items/newest", at = "idd" }')
    assert place.run("run").code not in (0, 3)
    place.write(api.url, step="step = 500", query="query = { limit = 50 }")
    said = place.run("run", "--json")
    assert (said.code, said.json["state"]) == (0, "complete"), said.err
    assert place.lines() == RECORDS


def test_a_plan_without_records_is_started_over_once_the_source_was_corrected(
    place: Place, api: SandboxProcess
) -> None:
    """C8: a wrong `records` shows after the plan; nobody has to know of `--new` to get past it."""
    place.write(api.url, records='records = "itemz"')
    left = place.run("enqueue", "--json").json["run_id"]
    process = place.start("run", "--grace", "0.1")
    while " 0 delayed" in place.run("status").out:
        if process.poll() is not None:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert process.returncode in (2, 4)
    place.write(api.url)
    said = place.run("run", "--json")
    assert (said.code, said.json["state"]) == (0, "complete"), said.err
    assert said.json["run_id"] != left
    assert (
        f"Run {left} was planned with another source file, and has no records: it is closed as superseded" in said.err
    )
    assert place.run("status", "--run", left, "--json").json["state"] == "superseded"
    assert place.lines() == RECORDS


def test_a_plan_that_somebody_works_is_not_started_over(place: Place) -> None:
    """An item under way may hold an hour of records, though none of it is in the lake yet."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.3)) as api:
        place.write(api.url, step="step = 1000")
        process = place.start("run")
        while "1 leased" not in place.run("status").out:
            assert process.poll() is None
        place.write(api.url, step="step = 1000", query="query = { limit = 50 }")
        said = place.run("run")
        assert (said.code, "--new" in said.err) == (2, True), said.err
        _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert place.lines() == RECORDS
