"""The way to the collector: 2xx alone counts as delivered, and why something was not taken is noted in words."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from haulier.telemetry.losses import Losses

SILENT = "it does not answer in time"

logger = logging.getLogger("haulier.telemetry")


@dataclass(frozen=True)
class Trouble:
    """Why a collector did not take what was sent."""

    kind: str
    """``status``, ``redirect``, ``dns``, ``tls``, ``timeout``, ``connection``, ``address`` or ``other``."""
    text: str
    status: int | None = None


class CollectorSession(requests.Session):
    """Sends for one signal, in the SDK's threads."""

    def __init__(self, *, tells: bool = True) -> None:
        """``tells``: the first trouble is a line of the log."""
        super().__init__()
        self.trouble: Trouble | None = None
        """Of the newest request."""
        self.last_trouble: Trouble | None = None
        """Of the newest one that had any."""
        self.is_closing = False
        self._process = os.getpid()
        self._was_told = not tells
        self._lock = threading.Lock()

    def request(self, *args: Any, **options: Any) -> requests.Response:
        if os.getpid() != self._process:
            # The SDK goes on in a forked child, whose counters are those of its parent: they would count twice.
            raise requests.RequestException("a forked child")
        try:
            response = super().request(*args, **options)
        except Exception as error:
            self._note(trouble_of(error))
            if self.is_closing and isinstance(error, requests.ConnectionError):
                # The SDK would wait for seconds, and ask again, for each batch that is left.
                raise requests.RequestException("no connection at the end") from error
            raise
        if 200 <= response.status_code < 300:
            self.trouble = None
            return response
        self._note(trouble_of_status(response.status_code))
        if 300 <= response.status_code < 400:
            raise requests.RequestException("a redirect")  # The SDK takes one for success, and does not follow it.
        return response

    def _note(self, trouble: Trouble) -> None:
        self.trouble = self.last_trouble = trouble
        with self._lock:
            is_first, self._was_told = not self._was_told, True
        if is_first:
            logger.info("the collector does not take telemetry; the work goes on", extra={"problem": trouble.text})


class CountingExporter(SpanExporter):
    def __init__(self, exporter: SpanExporter, losses: Losses) -> None:
        self._exporter = exporter
        self._losses = losses

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._losses.note_delivered(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def trouble_of_status(status: int) -> Trouble:
    if 300 <= status < 400:
        return Trouble("redirect", f"it answers with a redirect, status {status}", status)
    return Trouble("status", f"it answers with status {status}", status)


def trouble_of(error: BaseException) -> Trouble:
    """Words of our own: an error's text may hold the address, with what is secret in it (G7)."""
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble("tls", "TLS failed")
    if isinstance(error, requests.Timeout):
        return Trouble("timeout", SILENT)
    if isinstance(error, requests.ConnectionError):
        if "NameResolutionError" in repr(error):
            return Trouble("dns", "its host name cannot be resolved")
        return Trouble("connection", "no connection, or none that lasts")
    if isinstance(error, requests.RequestException) and isinstance(error, ValueError):
        return Trouble("address", "its address cannot be used")
    return Trouble("other", f"sending ends in {type(error).__name__}")
