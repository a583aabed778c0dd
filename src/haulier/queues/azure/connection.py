"""A queue of a storage account, that of its first lane and its poison queue, over one pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.storage.queue.aio import QueueClient

from haulier.azure.account import AzureAccount
from haulier.azure.credential import async_credential
from haulier.azure.errors import AzureErrors, AzurePlace
from haulier.azure.transport import send_once_transport
from haulier.clock import Clock
from haulier.errors import HaulierError, UsageError
from haulier.queues.azure.answers import QueueExistsError, judge

FIRST_SUFFIX = "-first"
POISON_SUFFIX = "-poison"
CONNECT_SECONDS = 5.0
CREDENTIAL_SECONDS = 60.0
"""For the first token: `DefaultAzureCredential` tries its sources one after another."""
_SCOPE = "https://storage.azure.com/.default"

T = TypeVar("T")


class QueueConnection:
    """Belongs to one event loop. The SDK's own retries are off: a call whose answer was lost may have had its effect,
    and what a second one means depends on the call."""

    def __init__(self, account: AzureAccount, queue: str, clock: Clock, call_seconds: float) -> None:
        self._account = account
        self._queue = queue
        self._call_seconds = call_seconds
        self._transport = send_once_transport(CONNECT_SECONDS, call_seconds)
        self._credential = async_credential(account)
        self._fetching = asyncio.Lock()
        self._has_token = False
        names = (queue, queue + FIRST_SUFFIX, queue + POISON_SUFFIX)
        self._errors = {name: AzureErrors(AzurePlace(account, "queue", name), clock) for name in names}
        self.messages, self.first, self.poison = (self._client(name) for name in names)

    def lane(self, is_first: bool) -> QueueClient:
        return self.first if is_first else self.messages

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
                answer = await request()
        except (AzureError, TimeoutError) as error:
            raise self._judge(error, client.queue_name) from None
        self._errors[client.queue_name].note_answer()
        return answer

    async def create(self, missing: QueueClient) -> None:
        """Make all queues, the missing one first. Others may do so at the same time."""
        for client in sorted((self.messages, self.first, self.poison), key=lambda client: client is not missing):
            try:
                await self.call(client, client.create_queue)
            except QueueExistsError:
                continue
            except UsageError as refusal:
                name, account = client.queue_name, self._account.name
                raise UsageError(
                    f"The queue {name!r} of the storage account {account!r} does not exist, and may not be created "
                    f"from here. Create it: az storage queue create --account-name {account} --name {name} "
                    f"--auth-mode login. Or: {refusal}"
                ) from None

    async def close(self) -> None:
        await self._transport.close()
        if isinstance(self._credential, AsyncTokenCredential):
            await self._credential.close()

    async def _require_token(self) -> None:
        if self._has_token or not isinstance(self._credential, AsyncTokenCredential):
            return
        async with self._fetching:  # It keeps its token; the others find it there.
            try:
                async with asyncio.timeout(CREDENTIAL_SECONDS):
                    await self._credential.get_token(_SCOPE)
            except (AzureError, TimeoutError) as error:
                raise self._judge(error, self._queue) from None
            self._has_token = True

    def _judge(self, error: AzureError | TimeoutError, queue: str) -> HaulierError:
        """The SDK's own error is dropped: it may repeat a signature (G7)."""
        return judge(error, f"The queue {queue!r} of the storage account {self._account.name!r}", self._errors[queue])
