"""A queue of a storage account and its poison queue, over one pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from azure.core.exceptions import AzureError
from azure.identity.aio import DefaultAzureCredential
from azure.storage.queue.aio import QueueClient

from haulier.azure.account import AzureAccount
from haulier.azure.credential import async_credential
from haulier.azure.transport import send_once_transport
from haulier.errors import UsageError
from haulier.queues.azure.answers import QueueExistsError, judge

POISON_SUFFIX = "-poison"
CONNECT_SECONDS = 5.0
CREDENTIAL_SECONDS = 60.0
"""For the first token: `DefaultAzureCredential` tries its sources one after another."""
_SCOPE = "https://storage.azure.com/.default"

T = TypeVar("T")


class QueueConnection:
    """Belongs to one event loop. The SDK's own retries are off: a call whose answer was lost may have had its effect,
    and what a second one means depends on the call."""

    def __init__(self, account: AzureAccount, queue: str, call_seconds: float) -> None:
        self._account = account
        self._queue = queue
        self._call_seconds = call_seconds
        self._transport = send_once_transport(CONNECT_SECONDS, call_seconds)
        self._credential = async_credential(account)
        self._fetching = asyncio.Lock()
        self._has_token = False
        self.messages = self._client(queue)
        self.poison = self._client(queue + POISON_SUFFIX)

    def _client(self, name: str) -> QueueClient:
        return QueueClient(
            self._account.queue_endpoint,
            name,
            credential=self._credential,
            transport=self._transport,
            retry_total=0,
        )

    async def call(self, client: QueueClient, request: Callable[[], Awaitable[T]], seconds: float = 0.0) -> T:
        """Raises what `judge` makes of the SDK's errors. ``seconds`` may be longer than those of the connection."""
        await self._require_token()
        try:
            async with asyncio.timeout(max(seconds, self._call_seconds)):
                return await request()
        except (AzureError, TimeoutError) as error:
            raise judge(error, f"{client.queue_name} of account {self._account.name}") from None

    async def create(self) -> None:
        """Make both queues, whoever else does so at the same time."""
        for client in (self.messages, self.poison):
            try:
                await self.call(client, client.create_queue)
            except QueueExistsError:
                continue
            except UsageError as error:
                raise UsageError(
                    f"The queue {client.queue_name} does not exist in account {self._account.name}, and this "
                    f"credential may not create it. Create it: az storage queue create --name {client.queue_name} "
                    f"--account-name {self._account.name}"
                ) from error

    async def close(self) -> None:
        await self._transport.close()
        if isinstance(self._credential, DefaultAzureCredential):
            await self._credential.close()

    async def _require_token(self) -> None:
        if self._has_token or not isinstance(self._credential, DefaultAzureCredential):
            return
        async with self._fetching:  # It keeps its token; the others find it there.
            try:
                async with asyncio.timeout(CREDENTIAL_SECONDS):
                    await self._credential.get_token(_SCOPE)
            except (AzureError, TimeoutError) as error:
                raise judge(error, f"{self._queue} of account {self._account.name}") from None
            self._has_token = True
