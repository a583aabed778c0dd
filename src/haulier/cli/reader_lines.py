"""Lines that read a snapshot with DuckDB, Polars and Spark without a loss."""

from __future__ import annotations

LONGEST_LINE_BYTES = 32 * 1024 * 1024
"""The default of `max_body_bytes`. DuckDB reads lines of up to twice that."""

_DUCKDB_GLOB = "*?["
_HADOOP_GLOB = "*?[]{}\\"


def reader_lines(folder: str) -> dict[str, str]:
    """Write a line for each reader, and one (``_exact``) that gives the records byte for byte, as text.

    Each option prevents a silent loss: `hive_partitioning`: a field called `mode`; `map_inference_threshold`: sparse
    records; `dateformat`: 01-02-2023; one schema of all records: files that differ; `caseSensitive`: `userId` beside
    `userID`; `FAILFAST`: a line that cannot be read.
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
    """DuckDB takes a sign literally in brackets only."""
    return "".join(f"[{sign}]" if sign in _DUCKDB_GLOB else sign for sign in folder)


def _in_backslashes(folder: str) -> str:
    """Hadoop's patterns have braces too."""
    return "".join(f"\\{sign}" if sign in _HADOOP_GLOB else sign for sign in folder)
