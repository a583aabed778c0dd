"""A client of ours over the model of the service."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from haulier.azure.account import CONNECTION_STRING, AzureAccount, find_account
from haulier.clock import SystemClock
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.seam import Lease
from haulier.testing.azure_queue.process import AzureQueueProcess
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import AzureQueueSettings
from tests.harness.azurite import ACCOUNT, KEY

LEASE_SECONDS = 30.0
CALL_SECONDS = 2.0


def account_of(server: AzureQueueServer | AzureQueueProcess) -> AzureAccount:
    text = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/x;QueueEndpoint={server.endpoint}"
    return find_account(ACCOUNT, {CONNECTION_STRING: text})


def client_of(server: AzureQueueServer, patience_seconds: float = 10.0) -> AzureQueue:
    return AzureQueue(
        account_of(server), "flights", SystemClock(), call_seconds=CALL_SECONDS, patience_seconds=patience_seconds
    )


@contextlib.asynccontextmanager
async def served(
    settings: AzureQueueSettings | None = None, patience_seconds: float = 10.0
) -> AsyncIterator[tuple[AzureQueueServer, AzureQueue]]:
    async with AzureQueueServer(settings) as server:
        queue = client_of(server, patience_seconds)
        try:
            yield server, queue
        finally:
            await queue.close()


async def take(queue: AzureQueue, limit: int = 32) -> list[Lease]:
    return await queue.dequeue(limit, LEASE_SECONDS)


async def take_one(queue: AzureQueue, body: bytes = b"one") -> Lease:
    """Of a queue with this message alone, over a connection that was used before."""
    await queue.enqueue([body])
    (lease,) = await take(queue)
    return lease
