"""`haulier latest` for increments: what a table lacks is listed, again if need be, and never left out."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import polars as pl
import pytest

from haulier.lake.paths import compact_time
from haulier.runs.reopen import Decision
from tests.cli.conftest import Place as Shop
from tests.cli.history import History
from tests.runs.rig import thing


@pytest.fixture
def history(place: Shop) -> History:
    return History(place)


def test_increments_are_listed_oldest_first_and_since_a_run(history: History) -> None:
    """With a name: what came after it. With a time: what was closed since."""
    assert history.shop.run("latest", "things", "--mode", "incremental").code == 4
    runs = [history.run("incremental", 3)]
    said = history.shop.run("latest", "things")
    assert (said.code, "It has increments: haulier latest" in said.err) == (4, True)
    history.run("full", 1, 2)
    for start in (4, 5):
        # What was closed a day before it may have been listed, or not, if clocks differ.
        history.place.clock.advance(2 * 86_400)
        runs.append(history.run("incremental", start))
    names = [run.run_id for run in runs]
    assert history.listed("--mode", "incremental") == names
    assert history.listed("--mode", "incremental", "--since", names[0]) == names[1:]
    assert history.listed("--mode", "incremental", "--since", names[2]) == []
    moment = (runs[1].file.created_at + timedelta(seconds=1)).isoformat()
    assert history.listed("--mode", "incremental", "--since", moment) == names[1:]
    for wrong in ("yesterday", "2026-11-24", "incremental-20200101T000000Z"):
        said = history.shop.run("latest", "things", "--mode", "incremental", "--since", wrong)
        assert (said.code, wrong in said.err) == (2, True)


def test_g1_a_partial_increment_is_listed_and_once_more_when_it_is_whole(history: History) -> None:
    """Its windows are not read again by a later run: a reader who passed it by would never get them. What a redrive
    brings comes to a reader who had it already, and had later ones too."""
    history.place.api.failing = {4}
    partial = history.run("incremental", 3, 4)
    history.redrive(partial)
    alone = history.shop.run("latest", "things", "--mode", "incremental", "--json")
    assert (alone.code, alone.json["state"], alone.json["snapshots"]) == (4, "open", []), "nothing else was closed yet"
    assert alone.json["under_way"] == [partial.run_id]
    assert f"{partial.run_id} is not closed yet" in history.shop.run("latest", "things", "--mode", "incremental").err
    history.finish(partial)
    later = history.run("incremental", 5)
    names = [partial.run_id, later.run_id]
    assert history.listed("--mode", "incremental") == names
    said = history.shop.run("latest", "things", "--mode", "incremental")
    assert f"{partial.run_id} is partial" in said.err
    assert len([line for line in said.out.splitlines() if line.startswith("/")]) == 2
    history.redrive(partial)
    document = history.shop.run("latest", "things", "--mode", "incremental", "--json").json
    assert [each["run_id"] for each in document["snapshots"]] == [later.run_id]
    assert document["under_way"] == [partial.run_id]
    history.place.api.failing = set()
    history.finish(partial)
    assert history.listed("--mode", "incremental", "--since", later.run_id) == [partial.run_id]
    assert history.listed("--mode", "incremental", "--since", partial.run_id) == names


def test_g1_a_run_that_was_closed_anew_later_hides_no_other(history: History) -> None:
    """The reader keeps the name of a partial run, and then two that it has are redriven: the older one some days before
    the one that is named."""
    history.place.api.failing = {3, 4}
    older, named = history.run("incremental", 2, 3), history.run("incremental", 4, 5)
    names = [older.run_id, named.run_id]
    assert history.listed("--mode", "incremental") == names
    history.place.api.failing = set()
    for run in (older, named):
        history.place.clock.advance(3 * 86_400)
        history.redrive(run)
        history.finish(run)
    assert history.listed("--mode", "incremental", "--since", named.run_id) == names


def test_g1_the_snapshot_and_the_increments_after_it_are_enough(history: History) -> None:
    """An increment that was under way when the full run was claimed may hold what that run did not see, and so may one
    that a clock a few hours off has closed before it. What was closed long before is left out."""
    history.run("incremental", 1)
    history.place.clock.advance(3 * 86_400)
    under_way = history.claim("incremental")
    full = history.run("full", 1, 2, 3)
    history.do(lambda: history.place.process().enqueue(under_way, [thing(7)]))
    history.finish(under_way)
    after = history.run("incremental", 8)
    history.claim("incremental")
    assert history.listed("--mode", "both") == [under_way.run_id, full.run_id, after.run_id]
    assert history.listed("--mode", "incremental", "--since", full.run_id) == [under_way.run_id, after.run_id]


def test_the_lines_over_several_snapshots_work(history: History) -> None:
    """A run without records has no folder, and is in no line. The view tells of each record which run brought it."""
    import pathlib

    full = history.run("full", 1, 2)
    history.place.api.empty = {9}
    history.run("incremental", 9)
    newer = history.run("incremental", 2, 3)
    readers = history.shop.run("latest", "things", "--mode", "both", "--json").json["readers"]
    connection = duckdb.connect()
    for name in ("duckdb", "duckdb_exact"):
        assert connection.execute(f"SELECT count(*) FROM ({readers[name]})").fetchone() == (4,)
    for name in ("polars", "polars_exact"):
        assert eval(readers[name], {"pl": pl, "pathlib": pathlib}).lazy().collect().height == 4
    connection.execute(readers["duckdb_view"])
    rows = connection.execute(
        "SELECT id, haulier_snapshot_time, parse_filename(haulier_object) FROM things ORDER BY ALL"
    ).fetchall()
    old, new = (run.file.snapshot_time.replace(tzinfo=None) for run in (full, newer))
    assert [row[:2] for row in rows] == [(1, old), (2, old), (2, new), (3, new)]
    assert rows[0][2] == "things-1-2.ndjson.gz"
    assert compact_time(newer.file.snapshot_time) in readers["spark"]


def test_a_snapshot_with_discarded_items_says_so(history: History) -> None:
    """It is complete, and yet what it lacks is not deleted: whoever compares keys has to know."""
    history.place.api.failing = {9}
    run = history.run("full", 1, 9)
    history.do(lambda: history.place.process().discarder.discard(run, Decision(why="cannot be read")))
    history.finish(run)
    assert history.shop.run("latest", "things", "--json").json["discarded"] == 1
    (snapshot,) = history.shop.run("latest", "things", "--mode", "both", "--json").json["snapshots"]
    assert (snapshot["state"], snapshot["discarded"], snapshot["records"]) == ("complete", 1, 1)


def test_g1_behind_a_snapshot_with_discarded_items_the_one_before_is_listed(history: History) -> None:
    """It lacks what they would have brought, which an older snapshot has, or an increment between the two. It pushes
    out no whole one either, however many such ones there are."""
    long_ago = history.run("full", 1, 2)
    whole = history.run("full", 1, 2)
    history.place.clock.advance(3 * 86_400)
    between = history.run("incremental", 2)
    history.place.clock.advance(3 * 86_400)
    history.place.api.failing = {2}
    lacking = between
    for _ in range(2):
        lacking = history.run("full", 1, 2)
        history.do(lambda run=lacking: history.place.process().discarder.discard(run, Decision(why="unreadable")))  # type: ignore[misc]
        history.finish(lacking)
    said = history.shop.run("latest", "things")
    assert (said.code, str(lacking.paths.bronze("things")) in said.out) == (0, True)
    assert f"{lacking.run_id} lacks what 1 discarded item would have brought" in said.err
    listed = history.listed("--mode", "both")
    assert (listed[:2], listed[-1], len(listed)) == ([whole.run_id, between.run_id], lacking.run_id, 4)
    removed = history.shop.run("gc", "--keep", "1", "--json").json["snapshots"]
    assert [each["run_id"] for each in removed] == [long_ago.run_id]


def test_since_wants_increments(history: History) -> None:
    said = history.shop.run("latest", "things", "--since", "full-20261124T205959Z")
    assert (said.code, "--mode incremental" in said.err) == (2, True)
