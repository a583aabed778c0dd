"""Lines that read a snapshot with DuckDB, Polars and Spark, and lose nothing: what is printed is pasted into jobs."""

from __future__ import annotations

LONGEST_LINE_BYTES = 32 * 1024 * 1024
"""DuckDB reads lines of up to twice that: `max_body_bytes` unless the source says otherwise."""

_DUCKDB_GLOB = "*?["
_HADOOP_GLOB = "*?[]{}\\"


def reader_lines(folder: str) -> dict[str, str]:
    """A ready line for each reader, and one that gives the records as they were sent, byte for byte, as text.

    Each option of the first ones keeps a reader from a loss in silence: `hive_partitioning` and a field called `mode`,
    `map_inference_threshold` and sparse records, `dateformat` and 01-02-2023, a schema of all records at once and files
    that differ, `caseSensitive` and `userId` beside `userID`, `FAILFAST` and a line that cannot be read.
    """
    objects = _sql(f"{_in_brackets(folder)}/*.ndjson.gz")
    size = f"maximum_object_size={LONGEST_LINE_BYTES}"
    files = f"sorted(pathlib.Path({folder!r}).glob('*.ndjson.gz'))"
    spark = repr(_in_backslashes(folder))
    return {
        "duckdb": f"SELECT * FROM read_json({objects}, format='nd', compression='gzip', union_by_name=true, "
        "sample_size=-1, hive_partitioning=false, map_inference_threshold=-1, dateformat='iso', " + size + ")",
        "duckdb_exact": f"SELECT json FROM read_ndjson_objects({objects}, compression='gzip', {size})",
        "polars": f'pl.read_ndjson(b"".join(p.read_bytes() for p in {files}), infer_schema_length=None)',
        "polars_exact": f"pl.scan_lines({files}, glob=False)",
        "spark": 'spark.conf.set("spark.sql.caseSensitive", True); '
        f'df = spark.read.options(mode="FAILFAST", maxStringLen=2**31 - 1).json({spark})',
        "spark_exact": f"spark.read.text({spark})",
    }


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _in_brackets(folder: str) -> str:
    """The folder for DuckDB, which takes a sign for itself in brackets alone."""
    return "".join(f"[{sign}]" if sign in _DUCKDB_GLOB else sign for sign in folder)


def _in_backslashes(folder: str) -> str:
    """The folder for Spark: Hadoop's patterns have braces too."""
    return "".join(f"\\{sign}" if sign in _HADOOP_GLOB else sign for sign in folder)
