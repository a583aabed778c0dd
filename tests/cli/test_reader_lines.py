"""The lines that `haulier latest` prints, read by the real readers, on the very data that a plainer line loses."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from haulier.cli.reader_lines import reader_lines

BIG = 9_007_199_254_740_993
"""The first whole number that a double cannot hold."""


def snapshot(folder: Path, *objects: list[Any]) -> Path:
    """A folder of the lake with these objects; what is bytes is a record as it was sent."""
    path = folder / "mode=full" / "snapshot_time=2026-11-29T00-00-00Z"
    path.mkdir(parents=True)
    for number, records in enumerate(objects):
        lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
        (path / f"{number:03}.ndjson.gz").write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines)))
    return path


def by_duckdb(path: Path, name: str = "duckdb") -> list[dict[str, Any]]:
    found = duckdb.connect().execute(reader_lines(str(path))[name])
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def by_polars(path: Path, name: str = "polars") -> list[dict[str, Any]]:
    import pathlib

    found = eval(reader_lines(str(path))[name], {"pl": pl, "pathlib": pathlib})
    frame = found.collect() if isinstance(found, pl.LazyFrame) else found
    # `to_dicts` drops the rows of a frame without columns.
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.rows()]


BOTH = pytest.mark.parametrize("read", [by_duckdb, by_polars])


def kept(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without what is not in the record."""
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@BOTH
def test_fields_that_are_called_as_the_folders_are(read: Any, tmp_path: Path) -> None:
    """A record's own `mode` and `snapshot_time` are not replaced by the folder's."""
    record = {"mode": "mine", "snapshot_time": "then"}
    assert read(snapshot(tmp_path, [record])) == [record]


@BOTH
@pytest.mark.parametrize("keys", [20, 250])
def test_sparse_records(read: Any, keys: int, tmp_path: Path) -> None:
    """Records with a key each are no map of doubles, and keep the last digit."""
    records = [{f"k{number}": BIG + number} for number in range(keys)]
    assert kept(read(snapshot(tmp_path, records))) == records


@BOTH
def test_days_and_months(read: Any, tmp_path: Path) -> None:
    """A date that is not ISO 8601 stays text, whatever the first ones look like."""
    records = [{"d": "01-02-2023"}, {"d": "01-03-2023"}, {"d": "01-31-2023"}]
    assert read(snapshot(tmp_path, records)) == records


@BOTH
def test_an_object_here_and_text_there(read: Any, tmp_path: Path) -> None:
    """Fields that are an object in one file and text in another are JSON text in both."""
    rows = read(snapshot(tmp_path, [{"x": {"k": 1}}], [{"x": "a"}]))
    assert json.loads(rows[0]["x"]) == {"k": 1}
    assert rows[1]["x"].strip('"') == "a"


def test_an_object_here_and_a_number_there(tmp_path: Path) -> None:
    """A number does not become an object: DuckDB has both as JSON, Polars refuses."""
    path = snapshot(tmp_path, [{"x": {"net": 1}}], [{"x": 5}])
    assert [json.loads(row["x"]) for row in by_duckdb(path)] == [{"net": 1}, 5]
    with pytest.raises(pl.exceptions.PolarsError):
        by_polars(path)
    assert [json.loads(row["line"]) for row in by_polars(path, "polars_exact")] == [{"x": {"net": 1}}, {"x": 5}]


@BOTH
def test_records_without_a_field(read: Any, tmp_path: Path) -> None:
    """A file whose records are all `{}` keeps its rows."""
    assert kept(read(snapshot(tmp_path, [{}, {}], [{"a": 1}, {}]))) == [{}, {}, {"a": 1}, {}]


def test_true_here_and_a_number_there(tmp_path: Path) -> None:
    """True is not 1.0: DuckDB has both as JSON, Polars refuses."""
    path = snapshot(tmp_path, [{"x": True}], [{"x": 2.5}])
    assert [json.loads(row["x"]) for row in by_duckdb(path)] == [True, 2.5]
    with pytest.raises(pl.exceptions.PolarsError):
        by_polars(path)


@BOTH
def test_names_that_differ_in_case(read: Any, tmp_path: Path) -> None:
    """`userId` and `userID` are two fields."""
    rows = read(snapshot(tmp_path, [{"userId": 1}], [{"userID": 2}]))
    assert [[*row.values()] for row in kept(rows)] == [[1], [2]]
    assert len(rows[0]) == 2


@BOTH
def test_a_field_that_comes_late(read: Any, tmp_path: Path) -> None:
    """It is not missed, in whatever file and line it comes first."""
    rows = read(snapshot(tmp_path, *[[{"a": number}] for number in range(40)], [{"a": 1}] * 2_000 + [{"a": 2, "b": 3}]))
    assert kept(rows)[-1] == {"a": 2, "b": 3}
    assert len(rows) == 2_041


@BOTH
def test_whole_numbers_up_to_64_bits(read: Any, tmp_path: Path) -> None:
    """Also the unsigned ones, beside small ones."""
    records = [{"n": 2**64 - 1}, {"n": 2**63 - 1}, {"n": -1 * 2**63}, {"n": 1}]
    assert read(snapshot(tmp_path, records)) == records


@BOTH
@pytest.mark.parametrize("name", ["o'brien", "[prod]", "a?b", "st*r", "{x,y}", 'a"b', "größe 50%", "a[!b]c", "~$HOME"])
def test_signs_in_the_path(read: Any, name: str, tmp_path: Path) -> None:
    """What means something to SQL, to Python or to a pattern is a sign like any other; no other folder is read."""
    (tmp_path / name).mkdir()
    path = snapshot(tmp_path / name, [{"a": 1}])
    for other in ("p", "axb", "star", "x", "ab", "aac"):
        snapshot(tmp_path / other, [{"a": 7}])
    assert read(path) == [{"a": 1}]
    assert len(read(path, f"{read.__name__.removeprefix('by_')}_exact")) == 1


@BOTH
def test_the_exact_lines_keep_every_byte(read: Any, tmp_path: Path) -> None:
    """What no reader keeps in columns: digits, the form of a number, text that looks like something else, lists."""
    records = [
        b'{"n": 18446744073709551616,"price":1.10,"f":9007199254740993.25}',
        b'{"d":"1-2-3","id":"00123","t":"2026-01-01T00:00:00.1234567Z"}',
        b"[1,2]",
        b'"text"',
        b'{"u":"\xe2\x80\xa8"}',
    ]
    rows = read(snapshot(tmp_path, records[:3], records[3:]), f"{read.__name__.removeprefix('by_')}_exact")
    assert [next(iter(row.values())).encode() for row in rows] == records


def test_a_record_that_is_larger_than_a_reader_expects(tmp_path: Path) -> None:
    """A record may be as large as an answer: DuckDB stops at 32 MiB unless its line says otherwise. (It takes half a
    minute to put such a one into columns, which is not waited for here.)"""
    path = snapshot(tmp_path, [b'{"a":"' + b"x" * 34_000_000 + b'"}'])
    lines = reader_lines(str(path))
    assert duckdb.connect().execute(f"SELECT count(*) FROM ({lines['duckdb_exact']})").fetchone() == (1,)
    assert f"maximum_object_size={32 * 1024 * 1024}" in lines["duckdb"]


def test_the_lines_for_spark() -> None:
    """Spark needs Java and half a gigabyte, so that its lines are compared with those that were tried by hand, on all
    of the data above."""
    lines = reader_lines("/lake/o'brien/[prod]/{x}")
    assert lines["spark"] == (
        'spark.conf.set("spark.sql.caseSensitive", True); df = spark.read.options(mode="FAILFAST", '
        'maxStringLen=2**31 - 1).json("/lake/o\'brien/\\\\[prod\\\\]/\\\\{x\\\\}")'
    )
    assert lines["spark_exact"] == 'spark.read.text("/lake/o\'brien/\\\\[prod\\\\]/\\\\{x\\\\}")'
