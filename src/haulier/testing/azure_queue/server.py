"""The model within the process that uses it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import msgspec

from haulier.clock import wall_seconds
from haulier.testing.azure_queue.access import require_access
from haulier.testing.azure_queue.protocol import QueueProtocol, http_date
from haulier.testing.azure_queue.settings import AzureQueueControl, AzureQueueCounters, AzureQueueSettings
from haulier.testing.azure_queue.store import QueueStore, StorageError
from haulier.testing.clock import MovedClock
from haulier.testing.proxy.listener import FaultListener
from haulier.testing.proxy.operations import queue_operation, storage_error, storage_refusal
from haulier.testing.proxy.rules import FaultRules
from haulier.testing.proxy.wire import WireRequest, WireResponse

CONTROL_TARGET = "/_queue"


class AzureQueueServer(FaultListener[AzureQueueCounters]):
    """The model on the running event loop, which listens in its async context. What it holds outlives the context, so
    that it can be left and entered again: a service that was restarted. ``clock`` may be moved ahead."""

    def __init__(self, settings: AzureQueueSettings | None = None, *, port: int = 0) -> None:
        self.settings = settings or AzureQueueSettings()
        self.clock = MovedClock()
        super().__init__(
            CONTROL_TARGET, AzureQueueCounters(), FaultRules(self.settings.seed, self.settings.rules), port
        )
        self.store = QueueStore(self.settings, self.counters, self._wall_seconds)
        self._protocol = QueueProtocol(self.store, self.settings.account)

    @property
    def endpoint(self) -> str:
        """What clients take as the queue endpoint of the account."""
        return f"{self.url}/{self.settings.account}"

    def operation(self, request: WireRequest) -> str:
        return queue_operation(request)

    def refusal(self, request: WireRequest, status: int) -> WireResponse:
        return self._complete(storage_refusal(status), request)

    async def answer(self, request: WireRequest) -> WireResponse:
        operation = self.operation(request)
        try:
            now = self.clock.now() + timedelta(seconds=self.settings.skew_seconds)
            require_access(request, operation, self.settings.account, now, self.settings.skew_seconds)
            response = self._protocol.answer(request, operation)
        except StorageError as exc:
            response = storage_error(exc.status, exc.code, str(exc))
        self.counters.messages = self.store.counts()
        return self._complete(response, request)

    def control(self, body: bytes) -> None:
        control = msgspec.json.decode(body, type=AzureQueueControl)
        self.obey(control)
        self.clock.advance(control.advance_seconds)

    def _wall_seconds(self) -> float:
        return wall_seconds(self.clock) + self.settings.skew_seconds

    def _complete(self, response: WireResponse, request: WireRequest) -> WireResponse:
        """Add what every answer of the service carries."""
        number = f"{self.settings.seed} {self.counters.requests}"
        response.headers.extend(
            [
                (b"Server", b"haulier model of Azure Queue Storage"),
                (b"x-ms-request-id", hashlib.blake2b(number.encode(), digest_size=16).hexdigest().encode()),
                (b"x-ms-version", request.get(b"x-ms-version") or b"2021-12-02"),
                (b"Date", http_date(self._wall_seconds()).encode()),
            ]
        )
        if client_id := request.get(b"x-ms-client-request-id"):
            response.headers.append((b"x-ms-client-request-id", client_id))
        return response
