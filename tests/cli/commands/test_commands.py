"""Every command on a source that works, as a user runs it."""

import json

import pytest

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import RECORDS, Place


def test_a_run_pulls_everything_and_says_so(shop: Place) -> None:
    """G1, G3: one command from a source file to a complete run; its counts agree with the API's promise."""
    said = shop.run("run")
    assert said.code == 0, said.err
    assert f"is complete: {RECORDS:,} records in 5 objects" in said.err
    assert f"items: {RECORDS:,} records, as the API promised ({RECORDS:,})" in said.err
    assert shop.lines() == RECORDS


def test_run_prints_the_plan_before_it_enqueues(shop: Place) -> None:
    """Items, requests and hours stand there before the verdict does."""
    said = shop.run("run")
    assert (
        said.err.index("5 items in 1 shard") < said.err.index("at least 5 requests: ") < said.err.index("is complete")
    )


def test_run_as_json_has_a_stable_state(shop: Place) -> None:
    said = shop.run("run", "--json")
    assert said.json["state"] == "complete"
    assert said.json["totals"]["records"] == RECORDS
    assert said.json["streams"]["items"]["records"] == RECORDS


def test_enqueue_work_wait_verify(shop: Place) -> None:
    """The pieces of a run, each by its own command, come to the same."""
    enqueued = shop.run("enqueue", "--json")
    assert (enqueued.code, enqueued.json["items"]) == (0, 5), enqueued.err
    again = shop.run("enqueue", "--json")
    assert again.json["run_id"] == enqueued.json["run_id"], "enqueue starts no second run beside an open one"
    status = shop.run("status", "--json")
    assert (status.code, status.json["state"], status.json["missing"]) == (4, "open", 5)
    assert shop.run("work").code == 0
    assert shop.run("wait").code == 0
    verified = shop.run("verify", "--json")
    assert (verified.code, verified.json["verified"]["records"]) == (0, RECORDS)
    assert shop.run("status", "--json").json["state"] == "complete"


def test_work_with_exit_idle_leaves_an_empty_queue(shop: Place) -> None:
    """For autoscalers: nothing to do is no reason to stay."""
    assert shop.run("work", "--exit-idle").code == 0


def test_latest_names_the_newest_complete_snapshot(shop: Place) -> None:
    assert shop.run("latest").code == 4, "nothing is complete yet"
    shop.run("run")
    shop.run("run")
    said = shop.run("latest", "items", "--json")
    assert (said.json["state"], said.json["records"]) == ("complete", RECORDS)
    newest = max((shop.lake / "shop/items/mode=full").iterdir())
    assert said.json["path"] == str(newest)


def test_the_lines_of_latest_work(shop: Place) -> None:
    """The printed DuckDB and Polars lines can be pasted as they are, and read every record."""
    import pathlib

    import duckdb
    import polars as pl

    shop.run("run")
    readers = shop.run("latest", "--json").json["readers"]
    for name in ("duckdb", "duckdb_exact"):
        assert duckdb.connect().execute(f"SELECT count(*) FROM ({readers[name]})").fetchone() == (RECORDS,)
    for name in ("polars", "polars_exact"):
        assert eval(readers[name], {"pl": pl, "pathlib": pathlib}).lazy().collect().height == RECORDS
    printed = shop.run("latest").out
    assert [line.partition("  ")[0] for line in printed.splitlines()[1:]] == [""] * len(readers)
    assert all(line in printed for line in readers.values())


def test_try_shows_each_request_and_writes_nothing(shop: Place) -> None:
    before = sorted(shop.folder.rglob("*"))
    said = shop.run("try")
    assert said.code == 0, said.err
    assert "GET " in said.err
    assert "/items/newest" in said.err
    assert len([json.loads(line) for line in said.out.splitlines()]) == 3
    assert sorted(shop.folder.rglob("*")) == before


def test_try_takes_the_key_of_an_item(shop: Place) -> None:
    """Whole, as a worker would work it; without a run, as a plan of now has it."""
    before = sorted(shop.folder.rglob("*"))
    said = shop.run("try", "--key", "items_ids-401-601", "--json")
    assert (said.code, said.json["item"], said.json["records"]) == (0, "items_ids-401-601", 200)
    assert (said.json["outcome"], len(said.json["requests"])) == ("done", 3), "the newest ID, and two pages"
    assert shop.run("try", "--key", "items_ids-1-2").code == 2
    refused = shop.run("try", "--key", "../items")
    assert (refused.code, refused.err.count("GET ")) == (2, 0)
    assert shop.run("try", "--key", "items_ids-401-601", "--pages", "2").code == 2
    assert shop.run("try", "--run", "full-20261124T205959Z").code == 2
    assert sorted(shop.folder.rglob("*")) == before


def test_workers_are_child_processes(shop: Place) -> None:
    said = shop.run("run", "--workers", "2")
    assert said.code == 0, said.err
    assert shop.lines() == RECORDS


def test_a_new_run_supersedes_an_open_one(shop: Place) -> None:
    """C8: what is left of the old run is completed unworked."""
    old = shop.run("enqueue", "--json").json["run_id"]
    said = shop.run("run", "--new", "--json")
    assert (said.code, said.json["state"]) == (0, "complete")
    assert said.json["run_id"] != old
    assert f"Run {old} is closed as superseded" in said.err
    assert shop.run("status", "--run", old, "--json").json["state"] == "superseded"


def test_run_finishes_the_open_run_and_starts_no_other(shop: Place) -> None:
    """A scheduler's retry pulls once; the words and the document say that the run is not a new one."""
    run_id = shop.run("enqueue", "--json").json["run_id"]
    said = shop.run("run", "--json")
    assert (said.code, said.json["run_id"], said.json["was_open"]) == (0, run_id, True)
    assert len(list((shop.lake / "_haulier/shop/runs").iterdir())) == 1
    assert f"Run {run_id} is open; it is finished, and no new run is started." in said.err
    assert f"Run {run_id} was open; it is finished now." in said.err
    assert f"No new run was started. Start one with: haulier run {shop.toml} full" in said.err
    assert shop.lines() == RECORDS
    said = shop.run("run", "--json")
    assert (said.code, "was_open" in said.json) == (0, False)
    assert shop.lines() == 2 * RECORDS, "nothing was open, so it is a new one"


def test_new_and_then_new_contradict_each_other(shop: Place) -> None:
    said = shop.run("run", "--new", "--then-new")
    assert said.code == 2
    assert "use one of them" in said.err


def test_cancel_closes_an_open_run_for_good(shop: Place) -> None:
    """C8: cancelled is a verdict; a run that had ended is left as it was."""
    run_id = shop.run("enqueue", "--json").json["run_id"]
    assert shop.run("cancel", "--json").json == {"state": "cancelled", "run_id": run_id}
    assert shop.run("work", "--exit-idle").code == 0
    assert shop.run("status", "--json").json["state"] == "cancelled"
    assert shop.lines() == 0
    shop.run("run")
    said = shop.run("cancel")
    assert said.code == 2
    assert "is already complete; nothing was changed" in said.err


def test_a_cleared_queue_is_filled_again_from_the_plan(shop: Place) -> None:
    """G1: the queue is a dispatcher; losing it loses nothing."""
    shop.run("enqueue")
    assert shop.run("clear", "--json").json["messages"] == 5
    assert shop.run("wait").code == 4, "stranded is reported"
    assert shop.run("run").code == 0
    assert shop.lines() == RECORDS


def test_init_writes_a_source_that_runs_against_the_sandbox(
    shop: Place, api: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_URL", api.url)
    shop.name = "mine.toml"
    assert shop.run("init").code == 0
    assert shop.run("init").code == 2, "a file that exists is left alone"
    assert shop.run("run").code == 0


@pytest.mark.parametrize("name", ["über-uns.toml", "2024.toml", f"{'long' * 20}.toml", "2" * 60 + ".toml"])
def test_init_names_a_source_after_any_file(place: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The file can be read as it stands, whatever it is called."""
    monkeypatch.setenv("SANDBOX_URL", "http://127.0.0.1:9")
    place.name = name
    assert place.run("init").code == 0
    assert place.run("status").code == 2
    assert "has no run in this lake yet" in place.run("status").err


def test_the_schema_is_one_of_our_source_files(shop: Place) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(shop.capsys.readouterr().out)
    assert {"source", "api", "streams"} <= set(schema["properties"])
