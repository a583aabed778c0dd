"""Lines that read snapshots with DuckDB, Polars and Spark without a loss."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from haulier.azure.account import find_account

LONGEST_LINE_BYTES = 32 * 1024 * 1024
"""The default of `max_body_bytes`. DuckDB reads lines of up to twice that."""

OBJECT_COLUMN = "haulier_object"
SNAPSHOT_COLUMN = "haulier_snapshot_time"
"""Columns of a view over several snapshots."""

_DUCKDB_GLOB = "*?["
_HADOOP_GLOB = "*?[]{}\\"


def reader_lines(*folders: str) -> dict[str, str]:
    """Write a line for each reader of a folder or a URL of Azure, and one (``_exact``) that gives the records byte for
    byte, as text. Several folders are read as one.

    Each option prevents a silent loss: `hive_partitioning`: a field called `mode`; `map_inference_threshold`: sparse
    records; `dateformat`: 01-02-2023; one schema of all records: files that differ; `caseSensitive`: `userId` beside
    `userID`; `FAILFAST`: a line that cannot be read.
    """
    if is_azure(folders[0]):
        return _azure_lines(folders)
    if len(folders) == 1:
        files = f"sorted(pathlib.Path({folders[0]!r}).glob('*.ndjson.gz'))"
    else:
        files = f"[p for f in {list(folders)!r} for p in sorted(pathlib.Path(f).glob('*.ndjson.gz'))]"
    return {
        **_duckdb(folders),
        "polars": f'pl.read_ndjson(b"".join(p.read_bytes() for p in {files}), infer_schema_length=None)',
        "polars_exact": f"pl.scan_lines({files}, glob=False)",
        **_spark(folders),
    }


def view_line(name: str, *folders: str) -> str:
    """Write a line that makes a view of DuckDB over all records of several snapshots, each with its object and the
    snapshot time of its run.

    A field of the records that has the name of one of these columns is an error, not a loss.
    """
    secret = _secret(folders) if is_azure(folders[0]) else ""
    objects = _Azure(folders).folders if is_azure(folders[0]) else folders
    time = f"regexp_extract({OBJECT_COLUMN}, '.*snapshot_time=([0-9]+T[0-9]+Z)', 1)"
    return (
        f'{secret}CREATE OR REPLACE VIEW "{name}" AS SELECT *, '
        f"strptime({time}, '%Y%m%dT%H%M%SZ') AS {SNAPSHOT_COLUMN} FROM {_read_json(objects, OBJECT_COLUMN)}"
    )


def is_azure(folder: str) -> bool:
    return folder.startswith(("az://", "abfss://"))


class _Azure:
    """Folders of one container, as each reader writes them."""

    def __init__(self, urls: Sequence[str]) -> None:
        parts = [urlsplit(url) for url in urls]
        self.container, _, host = parts[0].netloc.partition("@")
        self.account = host.partition(".")[0] or find_account("").name
        self.folders = [f"az://{self.container}{each.path}" for each in parts]
        host = host or f"{self.account}.dfs.core.windows.net"
        self.hadoop_folders = [f"abfss://{self.container}@{host}{each.path}" for each in parts]


def _azure_lines(urls: Sequence[str]) -> dict[str, str]:
    """They hold no secret (G7): each reader asks the same chain as `DefaultAzureCredential`.

    Polars takes the schema of several objects from the first alone, and drops the columns of the others without a word;
    so it reads lines, and then the columns of all of them.
    """
    place = _Azure(urls)
    found = [f"{folder}/*.ndjson.gz" for folder in place.folders]
    objects, options = repr(found if len(found) > 1 else found[0]), repr({"account_name": place.account})
    lines = f"pl.scan_lines({objects}, storage_options={options})"
    return {
        **{name: f"{_secret(urls)}{line}" for name, line in _duckdb(place.folders).items()},
        "polars": f'pl.read_ndjson("\\n".join({lines}.collect()["line"]).encode(), infer_schema_length=None)',
        "polars_exact": lines,
        **_spark(place.hadoop_folders),
    }


def _secret(urls: Sequence[str]) -> str:
    place = _Azure(urls)
    return (
        "INSTALL azure; LOAD azure; CREATE OR REPLACE SECRET haulier (TYPE azure, PROVIDER credential_chain, "
        f"ACCOUNT_NAME {_sql(place.account)}, SCOPE {_sql(f'az://{place.container}/')}); "
    )


def _duckdb(folders: Sequence[str]) -> dict[str, str]:
    return {
        "duckdb": f"SELECT * FROM {_read_json(folders)}",
        "duckdb_exact": f"SELECT json FROM read_ndjson_objects({_objects(folders)}, compression='gzip', "
        f"maximum_object_size={LONGEST_LINE_BYTES})",
    }


def _read_json(folders: Sequence[str], object_column: str = "") -> str:
    named = f", filename={_sql(object_column)}" if object_column else ""
    return (
        f"read_json({_objects(folders)}, format='nd', compression='gzip', union_by_name=true, "
        "sample_size=-1, hive_partitioning=false, map_inference_threshold=-1, dateformat='iso', "
        f"maximum_object_size={LONGEST_LINE_BYTES}{named})"
    )


def _objects(folders: Sequence[str]) -> str:
    found = [_sql(f"{_in_brackets(folder)}/*.ndjson.gz") for folder in folders]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def _spark(folders: Sequence[str]) -> dict[str, str]:
    found = [_in_backslashes(folder) for folder in folders]
    place = repr(found[0] if len(found) == 1 else found)
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
