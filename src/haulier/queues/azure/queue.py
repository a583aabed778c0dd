"""Queues of a storage account, through the SDK's async client. Their rules and their reasons:
docs/protocol.md#the-azure-queue."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from haulier.azure.account import AzureAccount
from haulier.clock import Clock
from haulier.errors import HaulierError, LeaseLostError, QueueUnavailableError
from haulier.queues.azure.answers import AbsentQueueError, StaleReceiptError, UnansweredError
from haulier.queues.azure.connection import QueueConnection
from haulier.queues.azure.first_lane import LANE_SECONDS, FirstLane
from haulier.queues.azure.messages import body_of, receipt_of, text_of, text_that_fits, token_of, whole_seconds
from haulier.queues.azure.sender import MessageSender
from haulier.queues.azure.side_by_side import each
from haulier.queues.azure.waits import TRIES, Waits
from haulier.queues.seam import Depth, Holder, Lease, QueueCapabilities

MAX_MESSAGES = 32
"""The service's limit for a receive and for a peek."""
PROBE_SECONDS = 60
CLEAR_SECONDS = 40.0
"""The service gives up on clearing a large queue after 30 s, and goes on where it is asked again."""
CLEAR_TRIES = 20

_CAPABILITIES = QueueCapabilities(
    name="azure-queue",
    max_dequeue=MAX_MESSAGES,
    is_shared=True,
    exact_depth=False,
    is_ordered=False,
    idle_seconds=5.0,
    lane_seconds=LANE_SECONDS,
)

T = TypeVar("T")


class AzureQueue:
    """The queue, that of its first lane and its poison queue are made by the first call that writes. Until then they
    are empty.

    ``call_seconds`` bounds a call, and must stay below a third of the lease. A send is tried again for
    ``patience_seconds``.
    """

    def __init__(
        self,
        account: AzureAccount,
        name: str,
        clock: Clock,
        *,
        call_seconds: float = 10.0,
        patience_seconds: float = 120.0,
        rng: random.Random | None = None,
    ) -> None:
        self._account = account
        self._name = name
        self._clock = clock
        self._call_seconds = call_seconds
        self._patience_seconds = patience_seconds
        rng = rng or random.Random()
        self._waits = Waits(clock, rng)
        self._first_lane = FirstLane(clock, rng)
        self._connection: QueueConnection | None = None
        self._is_closed = False
        self._been_there: set[str] = set()
        """Names of queues that were."""
        self._in_doubt: set[str] = set()
        """Tokens of releases and completions that may have had their effect: refused the next time, they are done."""

    @property
    def capabilities(self) -> QueueCapabilities:
        return _CAPABILITIES

    async def exists(self) -> bool:
        for tries_left in reversed(range(TRIES)):
            try:
                await self._call(self._open().messages, self._open().messages.get_queue_properties)
            except AbsentQueueError:
                return False
            except QueueUnavailableError:
                if not tries_left:
                    raise
                await self._waits.pause(TRIES - 1 - tries_left)
            else:
                return True
        raise AssertionError("the last try returns or raises")

    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
        connection, hidden_seconds = self._open(), whole_seconds(delay_seconds)
        sender = MessageSender(connection, self._waits, self._patience_seconds)

        async def send(body: bytes) -> None:
            await sender.send(connection.lane(is_first), body, hidden_seconds)

        try:
            await each(bodies, send)
        finally:
            if is_first:
                self._first_lane.note_sent()

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        connection, count = self._open(), min(limit, MAX_MESSAGES)
        if count < 1:
            return []
        if self._first_lane.is_due:
            leases = await self._receive(connection.first, count, lease_seconds)
            self._first_lane.note_found(len(leases))
            if leases:
                return leases
        return await self._receive(connection.messages, count, lease_seconds)

    async def _receive(self, client: QueueClient, count: int, lease_seconds: float) -> list[Lease]:
        # One request. The pager itself would go on until the queue is empty.
        pages = client.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=whole_seconds(lease_seconds, least=1)
        ).by_page()

        async def first_page() -> list[QueueMessage]:
            async for page in pages:
                return [message async for message in page]
            return []

        try:
            messages = await self._call(client, first_page)
        except AbsentQueueError as error:
            if client.queue_name in self._been_there:
                self._waits.warn(
                    "the queue was deleted; `haulier repair SOURCE` makes it again, and sends what has not ended", error
                )
            return []
        self._been_there.add(client.queue_name)
        return [
            Lease(
                token_of(message),
                body_of(message.content),
                message.dequeue_count or 1,
                is_first=client is self._open().first,
            )
            for message in messages
        ]

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        self._open()
        seconds, failures = whole_seconds(lease_seconds, least=1), list[HaulierError]()

        async def renew(lease: Lease) -> Lease | None:
            try:
                return await self._renew(lease, seconds)
            except HaulierError as error:  # Nothing was done. Doubt costs the least where others were renewed.
                failures.append(error)
                return dataclasses.replace(lease, hold="doubtful")

        renewed = await each(leases, renew)
        if failures and len(failures) == len(leases):
            raise failures[0]
        return renewed

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        if lease.hold == "unknown":
            return
        client, receipt = self._open().lane(lease.is_first), receipt_of(lease.token)
        hidden_seconds = whole_seconds(delay_seconds)
        try:
            if receipt is None:
                raise StaleReceiptError(lease.token)
            await self._until_answered(
                lease,
                client,
                lambda: client.update_message(
                    receipt.id, receipt.text, content=text_of(body), visibility_timeout=hidden_seconds
                ),
            )
        except (StaleReceiptError, AbsentQueueError) as error:
            if self._is_in_doubt(lease):
                self._in_doubt.discard(lease.token)
                return  # Released, renewed or taken by another: the message comes back in each case.
            raise LeaseLostError("The lease is lost: another worker took the message, or it is gone.") from error

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        self._open()
        failures: list[HaulierError] = []

        async def complete(lease: Lease) -> bool:
            try:
                return await self._complete(lease)
            except HaulierError as error:
                failures.append(error)
                return True

        done = await each(leases, complete)
        if failures:
            # Whoever asks again asks for those, too, that are gone by now.
            self._in_doubt.update(lease.token for lease in leases)
            raise failures[0]
        self._in_doubt.difference_update(lease.token for lease in leases)
        return [lease for lease, is_done in zip(leases, done, strict=True) if not is_done]

    async def poison(self, body: bytes) -> None:
        """Cut where the service takes no longer message: the lake has the whole."""
        connection, copy = self._open(), text_that_fits(body).encode()
        sender = MessageSender(connection, self._waits, self._patience_seconds)
        await sender.send(connection.poison, copy, is_work=False)

    async def check(self) -> None:
        """A probe is hidden until it is deleted, by the receipt of its sending. One that is left by a process that was
        killed shows for a second at most, and then expires."""
        connection = self._open()

        async def probe(client: QueueClient) -> None:
            with contextlib.suppress(AbsentQueueError):
                sent = await self._call(
                    client,
                    lambda: client.send_message(
                        text_of(b"{}"), visibility_timeout=PROBE_SECONDS, time_to_live=PROBE_SECONDS + 1
                    ),
                )
                await self._call(client, lambda: client.delete_message(sent.id, sent.pop_receipt))

        await each((connection.messages, connection.first, connection.poison), probe)

    async def peek(self, limit: int, *, poison: bool = False) -> list[bytes]:
        connection = self._open()
        bodies: list[bytes] = []
        for client in (connection.poison,) if poison else (connection.first, connection.messages):
            bodies += await self._peek(client, limit - len(bodies))
        return bodies

    async def _peek(self, client: QueueClient, limit: int) -> list[bytes]:
        count = min(limit, MAX_MESSAGES)
        if count < 1:
            return []
        try:
            messages = await self._call(client, lambda: client.peek_messages(max_messages=count))
        except AbsentQueueError:
            return []
        return [body_of(message.content) for message in messages]

    async def depth(self) -> Depth:
        """Leased and delayed messages count as ready: the service tells their sum alone, and not exactly."""
        connection = self._open()
        first, others, poisoned = await each((connection.first, connection.messages, connection.poison), self._count)
        return Depth(ready=first + others, delayed=0, leased=0, poisoned=poisoned)

    async def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        return True

    async def holders(self) -> list[Holder]:
        return []

    async def purge(self, *, poison: bool = False) -> int:
        """About how many there were."""
        connection = self._open()
        clients = (connection.poison,) if poison else (connection.first, connection.messages)
        return sum([await self._clear(client) for client in clients])

    async def _clear(self, client: QueueClient) -> int:
        connection = self._open()
        count = await self._count(client)
        for tries_left in reversed(range(CLEAR_TRIES)):
            try:
                await connection.call(
                    client, lambda: client.clear_messages(read_timeout=CLEAR_SECONDS), seconds=CLEAR_SECONDS
                )
                break
            except AbsentQueueError:
                return 0
            except UnansweredError:
                if not tries_left:
                    raise
                await self._waits.pause(0)
        return count

    async def close(self) -> None:
        self._is_closed = True
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    # -- one message ---------------------------------------------------------------------------------------------------

    async def _renew(self, lease: Lease, seconds: int) -> Lease | None:
        client, receipt = self._open().lane(lease.is_first), receipt_of(lease.token)
        if lease.hold == "unknown" or receipt is None:
            return lease if lease.hold == "unknown" else None
        try:
            # By its id and without content: with a message the SDK would send its old text.
            renewed = await self._call(
                client, lambda: client.update_message(receipt.id, receipt.text, visibility_timeout=seconds)
            )
        except (StaleReceiptError, AbsentQueueError):
            return dataclasses.replace(lease, hold="unknown") if self._is_in_doubt(lease) else None
        except UnansweredError as error:
            self._waits.warn("leases may have been renewed or not; asking again", error)
            return dataclasses.replace(lease, hold="doubtful")
        return dataclasses.replace(lease, token=token_of(renewed), hold="held")

    async def _complete(self, lease: Lease) -> bool:
        """Whether the lease was not lost before."""
        client, receipt = self._open().lane(lease.is_first), receipt_of(lease.token)
        if lease.hold == "unknown" or receipt is None:
            return lease.hold == "unknown"
        try:
            await self._until_answered(lease, client, lambda: client.delete_message(receipt.id, receipt.text))
        except (StaleReceiptError, AbsentQueueError):
            return self._is_in_doubt(lease)
        return True

    def _is_in_doubt(self, lease: Lease) -> bool:
        return lease.hold != "held" or lease.token in self._in_doubt

    async def _until_answered(
        self, lease: Lease, client: QueueClient, request: Callable[[], Awaitable[object]]
    ) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                await self._call(client, request)
                self._in_doubt.discard(lease.token)
                return
            except QueueUnavailableError as error:
                if isinstance(error, UnansweredError):
                    self._in_doubt.add(lease.token)
                if not tries_left:
                    raise
                await self._waits.pause(TRIES - 1 - tries_left)

    # -- the service ---------------------------------------------------------------------------------------------------

    async def _count(self, client: QueueClient) -> int:
        try:
            properties = await self._call(client, client.get_queue_properties)
        except AbsentQueueError:
            return 0
        return properties.approximate_message_count or 0

    async def _call(self, client: QueueClient, request: Callable[[], Awaitable[T]]) -> T:
        return await self._open().call(client, request)

    def _open(self) -> QueueConnection:
        if self._is_closed:
            raise RuntimeError("The client of this queue is closed.")
        if self._connection is None:
            self._connection = QueueConnection(self._account, self._name, self._clock, self._call_seconds)
        return self._connection
