"""examples/flights.py and examples/flights.toml are twins, on one day of the demo's own API."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from haulier.cli.main import main
from haulier.testing import flights
from tests.docs.pages import ROOT
from tests.harness.flights import FIRST_DAY, serve_flights

pytestmark = pytest.mark.demo
if missing := flights.missing_packages():
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[flights.DatasetteProcess]:
    with serve_flights(tmp_path_factory.mktemp("day")) as api:
        yield api


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
