"""A queue for tests, `try`, and runs that need not outlive this process."""

from __future__ import annotations

import heapq
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from haulier.clock import Clock
from haulier.errors import LeaseLostError
from haulier.queues.seam import Depth, Holder, Lease, QueueCapabilities

_MAX_DELAY_SECONDS = 366 * 86_400.0
"""A year; for leases too."""

_CAPABILITIES = QueueCapabilities(
    name="memory",
    max_dequeue=256,
    is_shared=False,
    exact_depth=True,
)

_TOKEN = re.compile(r"([0-9]{1,18})\.([1-9][0-9]{0,17})")


@dataclass(slots=True)
class _Message:
    body: bytes
    visible_at: float
    is_first: bool
    token: int = 0
    """0: not leased."""
    deliveries: int = 0


@dataclass(slots=True)
class MemoryStore:
    """Lost with the process; a run rebuilds it from its plan."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    messages: dict[int, _Message] = field(default_factory=dict)
    lanes: tuple[list[tuple[float, int, int]], ...] = field(default_factory=lambda: ([], []))
    """The first, and the others: heaps of (visible_at, token, id). Entries out of date are dropped when they come
    up."""
    poison: list[bytes] = field(default_factory=list)
    last_id: int = 0
    last_token: int = 0

    def schedule(self, id: int, message: _Message, visible_at: float, token: int) -> None:
        message.visible_at = visible_at
        message.token = token
        heapq.heappush(self.lanes[not message.is_first], (visible_at, token, id))

    def next_ready(self, now: float) -> int | None:
        for lane in self.lanes:
            while lane and lane[0][0] <= now:
                visible_at, token, id = heapq.heappop(lane)
                message = self.messages.get(id)
                if message is not None and (message.visible_at, message.token) == (visible_at, token):
                    return id
        return None

    def held_by(self, lease: Lease) -> tuple[int, _Message] | None:
        found = _TOKEN.fullmatch(lease.token)
        if found is None:
            return None
        id, token = int(found[1]), int(found[2])
        message = self.messages.get(id)
        return (id, message) if message is not None and message.token == token else None


class MemoryQueue:
    """Threads may share a client. No call blocks or fails. Deadlines are kept in monotonic time."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self._shared = store
        self._clock = clock
        self._is_closed = False

    @property
    def capabilities(self) -> QueueCapabilities:
        return _CAPABILITIES

    async def exists(self) -> bool:
        return True

    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
        store = self._store
        with store.lock:
            visible_at = self._after(delay_seconds)
            for body in bodies:
                store.last_id += 1
                message = store.messages[store.last_id] = _Message(body, visible_at, is_first)
                store.schedule(store.last_id, message, visible_at, token=0)

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        store = self._store
        leases: list[Lease] = []
        with store.lock:
            now, visible_at = self._clock.monotonic(), self._after(lease_seconds)
            taken: list[tuple[int, _Message]] = []
            while len(taken) < min(limit, _CAPABILITIES.max_dequeue) and (id := store.next_ready(now)) is not None:
                message = store.messages[id]
                store.last_token += 1
                # At once: a lease that was renewed twice in one moment stands on the heap twice.
                message.token = store.last_token
                message.deliveries += 1
                taken.append((id, message))
                leases.append(
                    Lease(f"{id}.{message.token}", message.body, message.deliveries, is_first=message.is_first)
                )
            # Last of all: a lease of no time is visible again at once, but not to this call.
            for id, message in taken:
                store.schedule(id, message, visible_at, message.token)
        return leases

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        store = self._store
        renewed: list[Lease | None] = []
        with store.lock:
            visible_at = self._after(lease_seconds)
            for lease in leases:
                held = store.held_by(lease)
                if held is not None:
                    store.schedule(*held, visible_at, held[1].token)
                renewed.append(lease if held is not None else None)
        return renewed

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        with self._store.lock:
            held = self._store.held_by(lease)
            if held is None:
                raise LeaseLostError(
                    "The lease is lost: its time ran out and another worker took the message, or it is gone."
                )
            held[1].body = body
            self._store.schedule(*held, self._after(delay_seconds), token=0)

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        with self._store.lock:
            held = [self._store.held_by(lease) for lease in leases]
            for one in held:
                if one is not None:
                    self._store.messages.pop(one[0], None)
        return [lease for lease, one in zip(leases, held, strict=True) if one is None]

    async def poison(self, body: bytes) -> None:
        with self._store.lock:
            self._store.poison.append(body)

    async def check(self) -> None:
        """There is nothing to be refused."""

    async def peek(self, limit: int, *, poison: bool = False) -> list[bytes]:
        limit = max(0, limit)
        with self._store.lock:
            if poison:
                return self._store.poison[:limit]
            messages = self._store.messages
            first = heapq.nsmallest(
                limit,
                messages,
                key=lambda id: (not messages[id].is_first, messages[id].visible_at, messages[id].token, id),
            )
            return [messages[id].body for id in first]

    async def depth(self) -> Depth:
        with self._store.lock:
            now = self._clock.monotonic()
            ready = delayed = leased = 0
            for message in self._store.messages.values():
                if message.visible_at <= now:
                    ready += 1
                elif message.token:
                    leased += 1
                else:
                    delayed += 1
            return Depth(ready=ready, delayed=delayed, leased=leased, poisoned=len(self._store.poison))

    async def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        with self._store.lock:
            return any(is_wanted(message.body) for message in self._store.messages.values())

    async def holders(self) -> list[Holder]:
        return []

    async def purge(self, *, poison: bool = False) -> int:
        store = self._store
        with store.lock:
            if poison:
                removed = len(store.poison)
                store.poison.clear()
            else:
                removed = len(store.messages)
                store.messages.clear()
                for lane in store.lanes:
                    lane.clear()
        return removed

    async def close(self) -> None:
        self._is_closed = True

    @property
    def _store(self) -> MemoryStore:
        if self._is_closed:
            raise RuntimeError("The client of this queue in memory is closed.")
        return self._shared

    def _after(self, seconds: float) -> float:
        return self._clock.monotonic() + min(max(0.0, seconds), _MAX_DELAY_SECONDS)


class MemoryQueueOpener:
    def __init__(self, clock: Clock, store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self._clock = clock

    def __call__(self) -> MemoryQueue:
        return MemoryQueue(self.store, self._clock)
