"""The queues and messages of the model: who may see which message when. Every call is atomic."""

from __future__ import annotations

import base64
import heapq
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from haulier.testing.azure_queue.settings import AzureQueueCounters, AzureQueueSettings

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
DELETION_SECONDS = 30.0
"""For at least so long the name of a queue that was deleted is refused, as documented."""


class StorageError(Exception):
    """An answer of the service that is no success."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or f"{code}.")
        self.status = status
        self.code = code


@dataclass
class StoredMessage:
    """Times are seconds since 1970 by the server's clock."""

    id: str
    text: str
    inserted_at: float
    expires_at: float
    visible_at: float
    order: int
    """Of visible messages the oldest visibility goes first, then the lowest order."""
    receipt: str
    deliveries: int = 0


@dataclass
class StoredQueue:
    metadata: dict[str, str]
    messages: dict[str, StoredMessage] = field(default_factory=dict)
    line: list[tuple[float, int, str]] = field(default_factory=list)
    """A heap of (visible_at, order, id). An entry whose message has moved since is left where it is."""
    deaths: list[tuple[float, str]] = field(default_factory=list)
    """A heap of (expires_at, id)."""

    def add(self, message: StoredMessage) -> None:
        self.messages[message.id] = message
        self.place(message)
        if message.expires_at < FOREVER:
            heapq.heappush(self.deaths, (message.expires_at, message.id))

    def place(self, message: StoredMessage) -> None:
        """Put a message where its visibility says."""
        heapq.heappush(self.line, (message.visible_at, message.order, message.id))

    def pop_visible(self, limit: int, now: float) -> list[StoredMessage]:
        """Take up to ``limit`` messages out of the line. The caller places each of them again."""
        taken: list[StoredMessage] = []
        while self.line and len(taken) < limit and self.line[0][0] <= now:
            _, order, message_id = heapq.heappop(self.line)
            message = self.messages.get(message_id)
            if message is not None and message.order == order:
                taken.append(message)
        return taken

    def bury(self, now: float) -> int:
        """Remove messages whose time to live has ended. Return how many."""
        buried = 0
        while self.deaths and self.deaths[0][0] <= now:
            buried += self.messages.pop(heapq.heappop(self.deaths)[1], None) is not None
        return buried


class QueueStore:
    """``wall_seconds`` is the server's clock. What it draws depends on the seed and the order of calls alone."""

    def __init__(
        self, settings: AzureQueueSettings, counters: AzureQueueCounters, wall_seconds: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._wall_seconds = wall_seconds
        self._draw = random.Random(settings.seed)
        self._queues: dict[str, StoredQueue] = {}
        self._deleted_until: dict[str, float] = {}
        self._made = 0

    def create(self, name: str, metadata: dict[str, str]) -> bool:
        """Return False if the queue exists with the same metadata."""
        self._require_not_deleted(name)
        if (queue := self._queues.get(name)) is None:
            self._queues[name] = StoredQueue(metadata)
            return True
        if queue.metadata != metadata:
            raise StorageError(409, "QueueAlreadyExists", "The specified queue already exists.")
        return False

    def delete_queue(self, name: str) -> None:
        self._find(name)
        del self._queues[name]
        self._deleted_until[name] = self._wall_seconds() + DELETION_SECONDS

    def metadata(self, name: str) -> dict[str, str]:
        return self._find(name).metadata

    def set_metadata(self, name: str, metadata: dict[str, str]) -> None:
        self._find(name).metadata = metadata

    def approximate_count(self, name: str) -> int:
        """Count messages, visible or not."""
        count = len(self._find(name).messages)
        if self._strikes(self._settings.wrong_count_rate):
            self._counters.wrong_counts += 1
            count = self._draw.randint(0, 2 * count + 1)
        return count

    def put(self, name: str, text: str, delay_seconds: int, ttl_seconds: int) -> StoredMessage:
        """``ttl_seconds`` -1 is for ever."""
        queue, now = self._find(name), self._wall_seconds()
        message = StoredMessage(
            id=str(uuid.UUID(int=self._draw.getrandbits(128), version=4)),
            text=text,
            inserted_at=now,
            expires_at=FOREVER if ttl_seconds == -1 else now + ttl_seconds,
            visible_at=now + delay_seconds,
            order=self._next(),
            receipt=self._receipt(),
        )
        queue.add(message)
        return message

    def get(self, name: str, limit: int, visibility_seconds: int) -> list[StoredMessage]:
        queue, now = self._find(name), self._wall_seconds()
        is_shuffled = self._strikes(self._settings.reorder_rate)
        taken = queue.pop_visible(limit * 4 if is_shuffled else limit, now)
        if is_shuffled:
            self._counters.reordered += 1
            self._draw.shuffle(taken)
            for message in taken[limit:]:
                queue.place(message)
        for message in taken[:limit]:
            message.deliveries += 1
            message.receipt = self._receipt()
            message.visible_at = now + visibility_seconds
            message.order = self._next()
            if self._strikes(self._settings.duplicate_rate):
                # Another receiver gets it too; from then on this one's receipt is stale.
                self._counters.duplicated += 1
                message.visible_at = now
            queue.place(message)
        return taken[:limit]

    def peek(self, name: str, limit: int) -> list[StoredMessage]:
        queue = self._find(name)
        shown = queue.pop_visible(limit, self._wall_seconds())
        for message in shown:
            queue.place(message)
        return shown

    def update(
        self, name: str, message_id: str, receipt: str, visibility_seconds: int, text: str | None
    ) -> StoredMessage:
        message = self._held(name, message_id, receipt)
        now = self._wall_seconds()
        if now + visibility_seconds > message.expires_at:
            raise StorageError(400, "OutOfRangeQueryParameterValue", "The visibility would end after the message.")
        message.visible_at = now + visibility_seconds
        message.order = self._next()
        message.receipt = self._receipt()
        self._queues[name].place(message)
        if text is not None:
            message.text = text
        return message

    def delete(self, name: str, message_id: str, receipt: str) -> None:
        self._held(name, message_id, receipt)
        del self._queues[name].messages[message_id]

    def clear(self, name: str) -> None:
        messages = self._find(name).messages
        limit = self._settings.clear_at_most
        if limit and len(messages) > limit:
            for message_id in list(messages)[:limit]:
                del messages[message_id]
            raise StorageError(500, "OperationTimedOut", "The operation could not be completed in the permitted time.")
        messages.clear()

    def counts(self) -> dict[str, int]:
        return {name: len(queue.messages) for name, queue in sorted(self._queues.items())}

    def _held(self, name: str, message_id: str, receipt: str) -> StoredMessage:
        message = self._find(name).messages.get(message_id)
        if message is None:
            raise StorageError(404, "MessageNotFound", "The specified message does not exist.")
        if message.receipt != receipt:
            if self._strikes(self._settings.stale_404_rate):
                self._counters.stale_404 += 1
                raise StorageError(404, "MessageNotFound", "The specified message does not exist.")
            self._counters.stale_400 += 1
            raise StorageError(
                400,
                "PopReceiptMismatch",
                "The specified pop receipt did not match the pop receipt for a dequeued message.",
            )
        return message

    def _find(self, name: str) -> StoredQueue:
        self._require_not_deleted(name)
        if (queue := self._queues.get(name)) is None:
            raise StorageError(404, "QueueNotFound", "The specified queue does not exist.")
        self._counters.expired += queue.bury(self._wall_seconds())
        return queue

    def _require_not_deleted(self, name: str) -> None:
        if self._wall_seconds() < self._deleted_until.get(name, 0.0):
            raise StorageError(409, "QueueBeingDeleted", "The specified queue is being deleted.")

    def _strikes(self, rate: float) -> bool:
        return rate > 0 and self._draw.random() < rate

    def _receipt(self) -> str:
        """Unlike any before, and with the letters that have to be escaped in a URL."""
        return base64.b64encode(b"\xfb\xef\xff" + self._next().to_bytes(6) + self._draw.randbytes(9)).decode()

    def _next(self) -> int:
        self._made += 1
        return self._made
