"""The Airbyte CDK: a concurrent Python source, a partition a page, whose messages go to a file.

Best settings: a worker thread a request in flight, and one for the partitions; a time-out of 10 s (by default it waits
for ever); 10 tries; waits of Retry-After, or from 0.1 s on instead of from 5 s; pages parsed by orjson; no state.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import requests
from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConnectorSpecification, SyncMode
from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource
from airbyte_cdk.sources.concurrent_source.concurrent_source_adapter import ConcurrentSourceAdapter
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.concurrent.adapters import StreamFacade
from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler, HttpStatusErrorHandler
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from page import ATTEMPTS, TIMEOUT_SECONDS, read_order

order = read_order()
logger = logging.getLogger("airbyte")
logger.setLevel(logging.ERROR)


class Backoff(BackoffStrategy):
    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float:
        headers = getattr(response_or_exception, "headers", {})
        return float(headers.get("Retry-After", 0.1 * 2**attempt_count))


class Blobs(HttpStream):
    name = "blobs"
    primary_key = None
    url_base = order.url

    def get_error_handler(self) -> ErrorHandler:
        return HttpStatusErrorHandler(logger, max_retries=ATTEMPTS)

    def get_backoff_strategy(self) -> BackoffStrategy:
        return Backoff()

    def get_json_schema(self) -> Mapping[str, Any]:
        return {"type": "object", "properties": {"id": {"type": "integer"}}}

    def stream_slices(self, **_: Any) -> Iterable[Mapping[str, Any]]:
        return ({"n": n} for n in range(order.pages))

    def path(self, **_: Any) -> str:
        return "/blob"

    def request_params(self, stream_slice: Mapping[str, Any] | None = None, **_: Any) -> dict[str, Any]:
        assert stream_slice is not None
        return {"bytes": order.size, "n": stream_slice["n"]}

    def request_kwargs(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        return {"timeout": TIMEOUT_SECONDS}

    def next_page_token(self, response: requests.Response) -> None:
        return None

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Mapping[str, Any]]:
        return orjson.loads(response.content)["records"]


class Source(ConcurrentSourceAdapter):
    message_repository = InMemoryMessageRepository()

    def __init__(self) -> None:
        workers = order.in_flight + 1
        super().__init__(ConcurrentSource.create(workers, 1, logger, DebugSliceLogger(), self.message_repository))

    def spec(self, _: logging.Logger) -> ConnectorSpecification:
        return ConnectorSpecification(connectionSpecification={"type": "object", "properties": {}})

    def check_connection(self, _: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, None]:
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        stream = Blobs()
        cursor = FinalStateCursor(stream.name, None, self.message_repository)
        return [StreamFacade.create_from_stream(stream, self, logger, {}, cursor)]


stream = {"name": "blobs", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
configured = {"stream": stream, "sync_mode": SyncMode.full_refresh.value, "destination_sync_mode": "append"}
Path("config.json").write_text("{}")
Path("catalog.json").write_text(json.dumps({"streams": [configured]}))
os.dup2(os.open("messages.jsonl", os.O_WRONLY | os.O_CREAT), 1)
launch(Source(), ["read", "--config", "config.json", "--catalog", "catalog.json"])
