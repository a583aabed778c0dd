"""Nights on a real server: a table that changes between incremental runs, some of which are killed."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier.testing import flights
from haulier.testing.server_process import ServerProcess
from tests.cli.conftest import Place

pytestmark = [pytest.mark.demo, pytest.mark.timeout(150)]
if missing := flights.missing_packages():
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)

NIGHTS = 5
LATE = timedelta(seconds=4)
"""How much later than its time a row may appear."""
SOURCE = """
source = "shop"

[api]
url = "{url}/nights"
in_flight = 4

[streams.orders]
get = "/orders.json"
query = {{ _shape = "objects", _size = 25, _sort = "id" }}
records = "rows"
pages = {{ cursor = "next", query = "_next" }}
total = {{ at = "filtered_table_rows_count", is = "exact" }}

[streams.orders.incremental.windows]
query = {{ updated_at__gte = "{{start}}", updated_at__lte = "{{end}}" }}
bounds = {{ end = "inclusive", granule = "1ms" }}
start = {start:%Y-%m-%dT%H:%M:%SZ}
step = "2s"
lookback = "5s"
settle = "0s"
"""
Version = tuple[int, int]
"""ID and version of a row."""


class Table:
    """The table behind the API. Times are text with milliseconds, as many APIs keep them."""

    def __init__(self, path: Path) -> None:
        self._rng = random.Random(7)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, updated_at TEXT, version INTEGER)")
        self._database.execute("CREATE INDEX orders_updated ON orders (updated_at)")

    def change(self) -> None:
        """A day: new rows, late ones among them; a bulk update within a moment; changed and deleted ones."""
        now = datetime.now(UTC)
        for count in range(200):
            self._write(None, 1, now - LATE * self._rng.random() if count % 10 == 0 else now)
        rows = self._database.execute("SELECT id, version FROM orders").fetchall()
        for row_id, version in self._rng.sample(rows, 60):
            self._write(row_id, version + 1, now - timedelta(milliseconds=self._rng.randrange(900)))
        for row_id, version in rows[:80]:
            self._write(row_id, version + 5, now)
        for row_id, _ in self._rng.sample(rows, 10):
            self._database.execute("DELETE FROM orders WHERE id = ?", (row_id,))

    def before(self, until: datetime) -> set[Version]:
        found = self._database.execute("SELECT id, version FROM orders WHERE updated_at < ?", (_text(until),))
        return set(found.fetchall())

    def close(self) -> None:
        self._database.close()

    def _write(self, row_id: int | None, version: int, moment: datetime) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO orders (id, updated_at, version) VALUES (?, ?, ?)", (row_id, _text(moment), version)
        )


class MutableDatasette(ServerProcess):
    """Datasette over a file that changes."""

    def __init__(self, database: Path) -> None:
        command = [sys.executable, "-m", "datasette", "serve", str(database), "-h", "127.0.0.1", "-p", "0"]
        super().__init__(command, announces="stderr", pattern=r"running on (http://\S+)")


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with closing(Table(tmp_path / "nights.db")) as table:
        yield table


def test_g1_nights_with_crashes_hold_every_version(place: Place, table: Table) -> None:
    """After each night bronze has every row that was changed before its end, as it is now or was then; each record lies
    in the object of a window that it belongs to."""
    start = datetime.now(UTC) - timedelta(seconds=20)
    with MutableDatasette(place.folder / "nights.db") as api:
        place.toml.write_text(SOURCE.format(url=api.url, start=start))
        killed = 0
        for night in range(1, NIGHTS + 1):
            table.change()
            if night % 3 == 0:
                killed += kill_a_run(place)
                continue
            said = place.run("run", "incremental", "--then-new", "--json")
            assert said.code == 0, said.err
            until = datetime.fromisoformat(json.loads(said.out)["snapshot_time"])
            missing = table.before(until) - versions_in(place.lake, start)
            assert not missing, f"night {night} up to {until}: {sorted(missing)[:10]}"
        assert killed >= 1
        last = datetime.now(UTC)
        until = start
        while until <= last:
            until = datetime.fromisoformat(
                place.run("run", "incremental", "--then-new", "--json").json["snapshot_time"]
            )
        assert table.before(last) <= versions_in(place.lake, start)
        shown = place.run("state show").out
        assert "hole" not in shown


def kill_a_run(place: Place) -> bool:
    """Start a run, and kill it with items in its hands. Whether it was still at work."""
    known = len(list(place.lake.rglob("*.ndjson.gz")))
    process = place.start("run", "incremental", "--then-new")
    while process.poll() is None and len(list(place.lake.rglob("*.ndjson.gz"))) <= known:
        time.sleep(0.01)
    was_at_work = process.poll() is None
    if was_at_work:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return was_at_work


def versions_in(lake: Path, start: datetime) -> set[Version]:
    found: set[Version] = set()
    for path in lake.glob("shop/orders/mode=incremental/*/*.ndjson.gz"):
        low, high = map(_moment, re.findall(r"-(\d{8}t\d{6}z)", path.name))
        for line in gzip.decompress(path.read_bytes()).splitlines():
            row = json.loads(line)
            assert start <= low <= datetime.fromisoformat(row["updated_at"]) < high, f"{row} in {path.name}"
            found.add((row["id"], row["version"]))
    return found


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)
