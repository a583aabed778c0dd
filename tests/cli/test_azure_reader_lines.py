"""The lines that `haulier latest` prints of a lake on Azure; Polars runs its own against Azurite.

DuckDB's extension comes from a server of its own, for one version of DuckDB each: its lines were run by hand against
Azurite with DuckDB 1.4.4, with a connection string in the secret. Those for Spark were not run.
"""

from __future__ import annotations

import gzip
from typing import Any

import polars as pl
import pytest

from haulier.azure.account import ACCOUNT
from haulier.cli.reader_lines import reader_lines, view_line
from tests.harness.azurite import Azurite, fresh_name

FOLDER = "day/shop/items/mode=full/snapshot_time=20261129T000000Z"
LATER = FOLDER.replace("mode=full", "mode=incremental")
ON_ADLS = f"abfss://lake@acme.dfs.core.windows.net/{FOLDER}"


def put(azurite: Azurite, container: str, *objects: list[bytes]) -> None:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        into = service.create_container(container)
        for number, records in enumerate(objects):
            body = gzip.compress(b"".join(record + b"\n" for record in records))
            into.upload_blob(f"{(FOLDER, LATER)[number % 2]}/{number:03}.ndjson.gz", body)
        into.upload_blob(f"{FOLDER}/_SUCCESS.json", b'{"is": "no record"}')


def by_polars(azurite: Azurite, container: str, name: str) -> pl.DataFrame:
    """The printed line with the emulator's address and key, in the place of the public address and the chain."""
    account = azurite.account
    line = reader_lines(f"az://{container}/{FOLDER}", f"az://{container}/{LATER}")[name]
    said = f"storage_options={{'account_name': '{account.name}'}}"
    assert line.count(said) == 1
    options = {"account_name": account.name, "account_key": account.key, "endpoint": account.blob_endpoint}
    found = eval(line.replace(said, "storage_options=options"), {"pl": pl, "options": options | {"allow_http": "true"}})
    frame: pl.DataFrame = found.collect() if isinstance(found, pl.LazyFrame) else found
    return frame


@pytest.fixture
def container(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ACCOUNT, azurite.account.name)
    return fresh_name("lake")


def test_polars_keeps_the_fields_of_every_object(azurite: Azurite, container: str) -> None:
    """Of two folders. A plain `scan_ndjson` of these gives one column, and rows of nulls, without a word."""
    put(azurite, container, [b'{"a":1}'], [b'{"b":2}', b'{"mode":"mine"}'])
    rows: list[dict[str, Any]] = by_polars(azurite, container, "polars").to_dicts()
    assert [{name: value for name, value in row.items() if value is not None} for row in rows] == [
        {"a": 1},
        {"b": 2},
        {"mode": "mine"},
    ]


def test_the_exact_line_keeps_every_byte(azurite: Azurite, container: str) -> None:
    records = [b'{"n": 18446744073709551616,"price":1.10}', b"[1,2]", b'{"u":"\xe2\x80\xa8\\r\\n"}', b'"text"']
    put(azurite, container, records[:3], records[3:])
    assert [line.encode() for line in by_polars(azurite, container, "polars_exact")["line"]] == records


def test_the_lines_of_an_address_with_its_account() -> None:
    lines = reader_lines(ON_ADLS)
    assert lines["duckdb"].startswith(
        "INSTALL azure; LOAD azure; CREATE OR REPLACE SECRET haulier (TYPE azure, PROVIDER credential_chain, "
        "ACCOUNT_NAME 'acme', SCOPE 'az://lake/'); SELECT * FROM read_json('az://lake/day/shop/items/mode=full/"
    )
    assert lines["spark_exact"] == f"spark.read.text('{ON_ADLS}')"
    assert "storage_options={'account_name': 'acme'}" in lines["polars"]
    view = view_line("items", ON_ADLS, ON_ADLS.replace("full", "incremental"))
    assert "ACCOUNT_NAME 'acme', SCOPE 'az://lake/'); CREATE OR REPLACE VIEW \"items\" AS SELECT *, " in view
    assert f"read_json(['az://lake/{FOLDER}/*.ndjson.gz', 'az://lake/{LATER}/*.ndjson.gz'], " in view


def test_an_address_without_its_account_has_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else of it: the lines are pasted into notebooks (G7)."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=x.net")
    assert reader_lines(f"az://lake/{FOLDER}") == reader_lines(ON_ADLS)
    assert "c2VjcmV0" not in str(reader_lines(f"az://lake/{FOLDER}"))
