"""A throwaway queue that can do as little as a hosted one: no order, no exact depth, no other body on release.

It completes a message for whoever once held it, and shows only what is visible.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from haulier.clock import Clock
from haulier.errors import LeaseLostError
from haulier.queues.seam import Depth, Holder, Lease, QueueCapabilities

_CAPABILITIES = QueueCapabilities(
    name="receipts",
    max_dequeue=10,
    is_shared=True,
    exact_depth=False,
    fenced_completion=False,
    replaces_body=False,
    is_ordered=False,
)
_MAX_DELAY_SECONDS = 900.0


@dataclass
class Message:
    body: bytes
    visible_at: float
    is_first: bool = False
    receipt: str = ""
    """Of the last delivery; empty while nobody holds the message."""
    deliveries: int = 0


@dataclass
class ReceiptStore:
    """The service, which all clients share."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    messages: dict[str, Message] = field(default_factory=dict)
    poison: list[bytes] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    count: int = 0

    def next(self) -> str:
        self.count += 1
        return f"r{self.count}"


class ReceiptQueue:
    def __init__(self, store: ReceiptStore, clock: Clock) -> None:
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
            for body in bodies:
                store.messages[store.next()] = Message(body, self._after(delay_seconds), is_first)

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        store, leases = self._store, []
        with store.lock:
            visible = self._visible()
            store.rng.shuffle(visible)
            visible.sort(key=lambda id: not store.messages[id].is_first)
            for id in visible[: max(0, min(limit, _CAPABILITIES.max_dequeue))]:
                message = store.messages[id]
                message.receipt, message.visible_at = store.next(), self._after(lease_seconds)
                message.deliveries += 1
                leases.append(
                    Lease(f"{id}/{message.receipt}", message.body, message.deliveries, is_first=message.is_first)
                )
        return leases

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        with self._store.lock:
            return [lease if self._hide(lease, lease_seconds) is not None else None for lease in leases]

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        assert body == lease.body, "this queue cannot give a message another body"
        with self._store.lock:
            message = self._hide(lease, delay_seconds)
            if message is None:
                raise LeaseLostError("The receipt is not the last one of its message.")
            message.receipt = ""

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        """Whichever receipt of a message it is: the service does not look."""
        with self._store.lock:
            for lease in leases:
                self._shared.messages.pop(lease.token.partition("/")[0], None)
        return []

    async def poison(self, body: bytes) -> None:
        with self._store.lock:
            self._shared.poison.append(body)

    async def check(self) -> None:
        """There is nothing to be refused."""

    async def peek(self, limit: int, *, poison: bool = False) -> list[bytes]:
        store = self._store
        with store.lock:
            visible = sorted(self._visible(), key=lambda id: not store.messages[id].is_first)
            shown = store.poison if poison else [store.messages[id].body for id in visible]
            return shown[: max(0, limit)]

    async def depth(self) -> Depth:
        """What is hidden is one number to the service: leased and delayed are not told apart."""
        with self._store.lock:
            ready = len(self._visible())
            return Depth(ready, 0, len(self._shared.messages) - ready, len(self._shared.poison))

    async def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        return True

    async def holders(self) -> list[Holder]:
        return []

    async def purge(self, *, poison: bool = False) -> int:
        store = self._store
        with store.lock:
            removed = len(store.poison if poison else store.messages)
            (store.poison if poison else store.messages).clear()
            return removed

    async def close(self) -> None:
        self._is_closed = True

    @property
    def _store(self) -> ReceiptStore:
        if self._is_closed:
            raise RuntimeError("this queue is closed")
        return self._shared

    def _visible(self) -> list[str]:
        now = self._clock.monotonic()
        return [id for id, message in self._shared.messages.items() if message.visible_at <= now]

    def _hide(self, lease: Lease, seconds: float) -> Message | None:
        """The message that a lease still holds, hidden for so long from now."""
        id, _, receipt = lease.token.partition("/")
        message = self._shared.messages.get(id)
        if message is None or not receipt or message.receipt != receipt:
            return None
        message.visible_at = self._after(seconds)
        return message

    def _after(self, seconds: float) -> float:
        return self._clock.monotonic() + min(max(0.0, seconds), _MAX_DELAY_SECONDS)
