"""docs/tables.md is typed as it stands, on records that break plainer ways: late, changed, deleted, of other zones."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from haulier.cli.main import main
from tests.docs.fake_server import Asked, Reply, serving
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/tables.md"
NOW = datetime.now(UTC).replace(microsecond=0)
EAST = timezone(timedelta(hours=5))
WEST = timezone(timedelta(hours=-8))


class Shop:
    """A table behind an API, a lake that haulier fills from it, and the table that the page makes of that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[Any, dict[str, Any]] = {}

    def answer(self, asked: Asked) -> Reply:
        rows = list(self.rows.values())
        if asked.query:
            start, end = (datetime.fromisoformat(asked.query[name]) for name in ("changed_from", "changed_to"))
            rows = [row for row in rows if start <= datetime.fromisoformat(row["updated_at"]) < end]
        return Reply(rows)

    def put(self, key: Any, ago: timedelta, zone: Any = UTC, **fields: Any) -> None:
        moment = (NOW - ago).astimezone(zone)
        self.rows[key] = {"id": key, "note": None, "updated_at": moment.isoformat()} | fields

    def pull(self, mode: str) -> Path:
        """The folder that it made."""
        assert main(["run", "shop.toml", mode]) == 0
        return max((self.folder / f"lake/shop/orders/mode={mode}").iterdir())

    def load(self, code: int = 0) -> str:
        """Run the page's script, as a user does."""
        found = subprocess.run([sys.executable, "load.py"], capture_output=True, text=True, timeout=60, check=False)
        assert found.returncode == code, found.stderr
        return found.stderr

    def table(self) -> list[tuple[Any, ...]]:
        with duckdb.connect("shop.duckdb") as database:
            return database.execute("SELECT id, customer, total, note, updated_at FROM orders ORDER BY id").fetchall()

    def truth(self) -> list[tuple[Any, ...]]:
        return [
            (
                row["id"],
                row.get("customer"),
                None if "total" not in row else Decimal(str(row["total"])),
                row["note"],
                datetime.fromisoformat(row["updated_at"]),
            )
            for row in sorted(self.rows.values(), key=lambda row: int(row["id"]))
        ]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    shop = Shop(tmp_path)
    with serving(shop.answer) as url:
        for block in blocks_of(PAGE):
            if block.marks:
                text = block.text.replace("https://api.shop.example", url)
                Path(block.marks[0]).write_text(text)
        yield shop


def without_a_day() -> None:
    """Runs of this test are seconds apart."""
    script = Path("load.py")
    assert "INTERVAL '1 day'" in script.read_text()
    script.write_text(script.read_text().replace("INTERVAL '1 day'", "INTERVAL '0 day'"))


def query_of_the_page() -> str:
    (query,) = [block.text for block in blocks_of(PAGE) if block.language == "sql"]
    return query


def test_g1_the_table_is_what_the_api_has(shop: Shop) -> None:
    """Through snapshots and increments, with every kind of change; and a second time each changes nothing."""
    hour = timedelta(hours=1)
    for key in range(1, 8):
        shop.put(key, 20 * hour, customer=f"c{key}", total=1.1)
    old = shop.pull("full")
    shop.load()
    assert shop.table() == shop.truth()

    # Later as times, earlier as text: the zone differs, or the second has a fraction.
    shop.put(1, 19 * hour, WEST, total=2)
    shop.put(2, 20 * hour - timedelta(milliseconds=500), total=3.25)
    shop.put(3, 10 * hour, EAST, customer="changed", note="first text in a column of nulls")
    shop.put(8, 9 * hour)
    shop.pull("incremental")
    shop.load()
    assert shop.table() == shop.truth()

    # One appears late, one is changed within the lookback, and keeps its time; a big number comes in.
    shop.put(9, timedelta(minutes=30), total=9007199254740993)
    shop.put(8, 9 * hour, customer="came back")
    shop.put(3, timedelta(minutes=90), total=-0.05)
    shop.pull("incremental")
    shop.load()
    shop.rows[8]["customer"] = None
    shop.rows[8].pop("customer")
    assert shop.table() == shop.truth(), "what keeps its time of change beyond the lookback is not seen"
    with duckdb.connect("shop.duckdb") as database:
        database.execute("DELETE FROM merged")
    shop.load()
    assert shop.table() == shop.truth(), "all of it once more changes nothing"

    # What is deleted goes with the next snapshot.
    gone = [shop.rows.pop(key)["id"] for key in (2, 9)]
    new = shop.pull("full")
    shop.load()
    assert len(shop.table()) == 9, "what was brought within the last day stays for now"
    without_a_day()
    with duckdb.connect("shop.duckdb") as database:
        database.execute("DELETE FROM merged")
    shop.put(10, timedelta(minutes=5))
    shop.pull("incremental")
    shop.load()
    assert shop.table() == shop.truth(), "what came after the snapshot stays"
    # As if they had been redriven since, and closed anew.
    with duckdb.connect("shop.duckdb") as database:
        database.execute("DELETE FROM merged WHERE run_id LIKE 'incremental-%'")
    shop.load()
    assert shop.table() == shop.truth(), "what is gone does not come back with an older run"

    query = query_of_the_page()
    for name, folder in (("20261122T020000Z", old), ("20261129T020000Z", new)):
        query = query.replace(f"lake/shop/orders/mode=full/snapshot_time={name}", str(folder))
    assert duckdb.connect().execute(query).fetchall() == [(str(key),) for key in gone if key < 9]


def test_a_record_that_does_not_fit_ends_the_script(shop: Shop) -> None:
    """The error shows the value, and nothing of its run is merged."""
    for key in (1, 2):
        shop.put(key, timedelta(hours=5), total=1)
    shop.pull("full")
    shop.load()
    before = shop.table()
    shop.put(2, timedelta(hours=4), total=7)
    shop.put(3, timedelta(hours=3), total=1.005)
    shop.pull("full")
    assert "does not fit: 1.005" in shop.load(code=1)
    assert shop.table() == before


TIME = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1.5, "updated_at": TIME},
        {"id": True, "updated_at": TIME},
        {"id": None, "updated_at": TIME},
        {"id": 1},
        {"id": 1, "updated_at": TIME.removesuffix("Z")},
        {"id": 1, "updated_at": TIME, "total": "12,50"},
        {"id": 1, "updated_at": TIME, "total": 12.505},
    ],
    ids=str,
)
def test_what_duckdb_would_round_cast_or_shift_is_refused(record: dict[str, Any], tmp_path: Path) -> None:
    """By the statements of the page, in a record among others."""
    (script,) = [block.text for block in blocks_of(PAGE) if "load.py" in block.marks]
    words: dict[str, Any] = {}
    exec(script.partition("command = ")[0], words)
    database = duckdb.connect()
    database.execute(words["TABLE"])
    path = tmp_path / "snapshot_time=20260102T030405Z" / "a.ndjson.gz"
    path.parent.mkdir()
    good = {"id": 2, "total": "12.50", "updated_at": TIME, "note": 7}
    for records in ([good], [good, record]):
        path.write_bytes(gzip.compress(b"".join(json.dumps(each).encode() + b"\n" for each in records)))
        if records == [good]:
            database.execute(words["READ"], [str(path)])
            database.execute(words["MERGE"])
            continue
        with pytest.raises(duckdb.Error, match=r"does not fit|NOT NULL"):  # noqa: PT012 - either may refuse it
            database.execute(words["READ"], [str(path)])
            database.execute(words["MERGE"])
    assert database.execute("SELECT id, total, note FROM orders").fetchall() == [(2, Decimal("12.50"), "7")]
