"""`haulier runs`: what each night brought."""

from datetime import UTC, datetime, timedelta

from haulier.lake.paths import RunPaths, compact_time
from haulier.runs.records import OpenedRecord, RunFile, Totals, VerdictRecord, encode_record
from tests.cli.conftest import RECORDS, Place

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def test_runs_are_listed_the_newest_first(shop: Place) -> None:
    """With verdict, records, requests and how long each took; an open one as far as it has come."""
    assert shop.run("runs").err.endswith("shop has no run in this lake yet.\n")
    assert shop.run("run").code == 0
    assert shop.run("enqueue").code == 0
    assert shop.run("cancel").code == 0
    assert shop.run("enqueue").code == 0

    said = shop.run("runs", "--json")
    assert (said.code, said.json["state"]) == (0, "listed")
    opened, cancelled, complete = said.json["runs"]
    assert [run["state"] for run in (opened, cancelled, complete)] == ["open", "cancelled", "complete"]
    assert (complete["records"], complete["streams"], complete["planned"]) == (RECORDS, {"items": RECORDS}, 5)
    assert complete["requests"] >= 10
    took = datetime.fromisoformat(complete["closed_at"]) - datetime.fromisoformat(complete["created_at"])
    assert complete["seconds"] == round(took.total_seconds(), 1)
    assert (opened["missing"], opened["records"], opened["streams"], opened["closed_at"]) == (
        5,
        0,
        {"items": None},
        None,
    )
    assert (cancelled["records"], cancelled["planned"]) == (None, None), "nobody counted it"

    lines = shop.run("runs").out.splitlines()
    assert lines[0].split() == ["run", "state", "took", "items", "records", "requests"]
    assert [line.split()[0] for line in lines[1::2]] == [run["run_id"] for run in said.json["runs"]]
    assert lines[2] == "    items; 0 bytes; 5 unfinished"
    assert "complete" in lines[5]
    assert lines[6].startswith("    items 1,000; ")
    assert max(map(len, lines)) <= 80

    assert [run["run_id"] for run in shop.run("runs", "--last", "1", "--json").json["runs"]] == [opened["run_id"]]
    assert shop.run("runs", "--mode", "incremental", "--json").json["runs"] == []


def test_of_older_runs_no_more_than_their_names_is_read(shop: Place) -> None:
    """A source that runs each night has a thousand of them after three years. What is not shown may be damaged."""
    for night in range(1_000):
        at = MIDNIGHT + timedelta(days=night)
        paths = RunPaths("shop", f"full-{compact_time(at)}", "full", at)
        run = RunFile(
            run_id=paths.run_id,
            source="shop",
            mode="full",
            snapshot_time=at,
            created_at=at,
            fingerprint="f",
            streams=("items",),
        )
        file = shop.lake / paths.run
        file.parent.mkdir(parents=True)
        file.write_bytes(encode_record(run) if night >= 997 else b"damaged")
        closing = shop.lake / paths.closing(1, "opened")
        closing.parent.mkdir(parents=True)
        closing.write_bytes(encode_record(OpenedRecord(number=1, by="w", opened_at=at)))
        verdict = VerdictRecord(
            number=1,
            run_id=paths.run_id,
            verdict="complete",
            totals=Totals(planned=2, done=2, records=night),
            streams={"items": night},
            closed_at=at + timedelta(minutes=90),
        )
        closing.with_name("verdict").write_bytes(encode_record(verdict))
    runs = shop.run("runs", "--last", "3", "--json").json["runs"]
    assert [(run["records"], run["seconds"]) for run in runs] == [(999, 5_400.0), (998, 5_400.0), (997, 5_400.0)]
    assert "1 h 30 min" in shop.run("runs", "--last", "1").out
