"""Lines that read a snapshot with DuckDB, Polars and Spark without a loss."""

from __future__ import annotations

from urllib.parse import urlsplit

from haulier.azure.account import find_account

LONGEST_LINE_BYTES = 32 * 1024 * 1024
"""The default of `max_body_bytes`. DuckDB reads lines of up to twice that."""

_DUCKDB_GLOB = "*?["
_HADOOP_GLOB = "*?[]{}\\"


def reader_lines(folder: str) -> dict[str, str]:
    """Write a line for each reader of a folder or a URL of Azure, and one (``_exact``) that gives the records byte for
    byte, as text.

    Each option prevents a silent loss: `hive_partitioning`: a field called `mode`; `map_inference_threshold`: sparse
    records; `dateformat`: 01-02-2023; one schema of all records: files that differ; `caseSensitive`: `userId` beside
    `userID`; `FAILFAST`: a line that cannot be read.
    """
    if folder.startswith(("az://", "abfss://")):
        return _azure_lines(folder)
    files = f"sorted(pathlib.Path({folder!r}).glob('*.ndjson.gz'))"
    return {
        **_duckdb(folder),
        "polars": f'pl.read_ndjson(b"".join(p.read_bytes() for p in {files}), infer_schema_length=None)',
        "polars_exact": f"pl.scan_lines({files}, glob=False)",
        **_spark(folder),
    }


def _azure_lines(url: str) -> dict[str, str]:
    """They hold no secret (G7): each reader asks the same chain as `DefaultAzureCredential`.

    Polars takes the schema of several objects from the first alone, and drops the columns of the others without a word;
    so it reads lines, and then the columns of all of them.
    """
    parts = urlsplit(url)
    container, _, host = parts.netloc.partition("@")
    account = host.partition(".")[0] or find_account("").name
    folder = f"az://{container}{parts.path}"
    secret = (
        "INSTALL azure; LOAD azure; CREATE OR REPLACE SECRET haulier (TYPE azure, PROVIDER credential_chain, "
        f"ACCOUNT_NAME {_sql(account)}, SCOPE {_sql(f'az://{container}/')}); "
    )
    objects, options = repr(f"{folder}/*.ndjson.gz"), repr({"account_name": account})
    lines = f"pl.scan_lines({objects}, storage_options={options})"
    return {
        **{name: f"{secret}{line}" for name, line in _duckdb(folder).items()},
        "polars": f'pl.read_ndjson("\\n".join({lines}.collect()["line"]).encode(), infer_schema_length=None)',
        "polars_exact": lines,
        **_spark(f"abfss://{container}@{host or f'{account}.dfs.core.windows.net'}{parts.path}"),
    }


def _duckdb(folder: str) -> dict[str, str]:
    objects = _sql(f"{_in_brackets(folder)}/*.ndjson.gz")
    size = f"maximum_object_size={LONGEST_LINE_BYTES}"
    return {
        "duckdb": f"SELECT * FROM read_json({objects}, format='nd', compression='gzip', union_by_name=true, "
        "sample_size=-1, hive_partitioning=false, map_inference_threshold=-1, dateformat='iso', " + size + ")",
        "duckdb_exact": f"SELECT json FROM read_ndjson_objects({objects}, compression='gzip', {size})",
    }


def _spark(folder: str) -> dict[str, str]:
    place = repr(_in_backslashes(folder))
    return {
        "spark": 'spark.conf.set("spark.sql.caseSensitive", True); '
        f'df = spark.read.options(mode="FAILFAST", maxStringLen=2**31 - 1).json({place})',
        "spark_exact": f"spark.read.text({place})",
    }


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _in_brackets(folder: str) -> str:
    """DuckDB takes a sign literally in brackets only."""
    return "".join(f"[{sign}]" if sign in _DUCKDB_GLOB else sign for sign in folder)


def _in_backslashes(folder: str) -> str:
    """Hadoop's patterns have braces too."""
    return "".join(f"\\{sign}" if sign in _HADOOP_GLOB else sign for sign in folder)
