"""dlt: a parallelized transformer that fetches a page each, loaded as JSON lines into a folder.

Best settings: as many extract workers and parallel items as requests in flight, looked at every 10 ms; dlt's own HTTP
client with its retries, a connection a worker, time-out of 10 s; pages parsed by orjson; no tables of nested values
(`max_table_nesting=0`); files not compressed; no telemetry, no progress, no schema change looked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}
import dlt
import orjson
from dlt.sources.helpers.requests import Client
from page import ATTEMPTS, TIMEOUT_SECONDS, read_order

order = read_order()
os.environ |= {
    "EXTRACT__WORKERS": str(order.in_flight),
    "EXTRACT__MAX_PARALLEL_ITEMS": str(order.in_flight),
}
client = Client(
    request_timeout=TIMEOUT_SECONDS,
    max_connections=order.in_flight,
    request_max_attempts=ATTEMPTS,
    request_backoff_factor=0.1,
)


@dlt.resource
def numbers() -> Iterator[list[int]]:
    yield from range(order.pages)


@dlt.transformer(data_from=numbers, table_name="blobs", parallelized=True)
def blobs(n: int) -> Iterator[list[object]]:
    yield orjson.loads(client.get(order.page_url(n)).content)["records"]


@dlt.source(max_table_nesting=0)
def source() -> object:
    return blobs


pipeline = dlt.pipeline(
    pipeline_name="peer",
    pipelines_dir="state",
    dataset_name="peer",
    destination=dlt.destinations.filesystem(bucket_url=f"file://{os.getcwd()}/loaded"),
)
pipeline.run(source(), loader_file_format="jsonl")
