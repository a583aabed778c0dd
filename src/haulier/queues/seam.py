"""The queue seam: what a backend has to do, and no more. `haulier.testing.contracts.queue` is its contract suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Whereabouts = Literal["here", "gone", "unknown"]
"""Of a process: it lives on this machine, it has surely ended, or nobody here can tell."""


@dataclass(frozen=True)
class QueueCapabilities:
    """What a backend can do; the contract suite and the layers above branch on these and on nothing else."""

    name: str
    max_dequeue: int
    """The most messages that one `dequeue` hands out."""
    is_shared: bool
    """Whether other processes can open the same queue."""
    exact_depth: bool
    """Whether `depth` is exact; where it is not, "nothing left" proves nothing."""
    fenced_completion: bool = True
    """Whether `complete` with a stale token is refused by the backend itself. Elsewhere a message may go that another
    worker holds; what became of its item is written down by then (P8)."""
    replaces_body: bool = True
    """Whether `release` can give a message another body. Elsewhere workers send a new message and complete the old
    one, which begins a new count of deliveries."""
    is_ordered: bool = True
    """Whether `dequeue` keeps its order; services that promise none only tend to."""
    frees_dead: bool = False
    """Whether the leases of a process that has surely ended are free at once; elsewhere they run out."""


@dataclass(frozen=True)
class ThisProcess:
    """Whom the leases of a client belong to, and how it finds out about other processes."""

    name: str = ""
    """For people."""
    mark: str = ""
    """No other process ever has it. Empty where the system cannot tell processes apart: then leases run out."""
    find: Callable[[str], Whereabouts] = lambda mark: "unknown"
    """Where the process of a mark is. Never ``gone`` where there is any doubt: it would lose its work."""


@dataclass(frozen=True)
class Lease:
    """A message held by one worker until its visibility timeout. ``token`` fences everything done with it."""

    token: str
    body: bytes
    deliveries: int
    """How often the message has been handed out, this time included."""


@dataclass(frozen=True)
class Depth:
    """Messages by state. ``poisoned`` counts the poison queue's copies."""

    ready: int
    delayed: int
    leased: int
    poisoned: int

    @property
    def unsettled(self) -> int:
        return self.ready + self.delayed + self.leased


@dataclass(frozen=True)
class Holder:
    """What one process has leased."""

    name: str
    """For people; empty where it is not known."""
    whereabouts: Whereabouts
    leases: int
    seconds: float
    """Until the last of them runs out, unless it is renewed."""


class Queue(Protocol):
    """At-least-once delivery of small messages, with leases.

    Every method may raise `QueueUnavailableError`; nothing was done then, or it was done and may be repeated. A client
    belongs to the thread (event loop) that opened it; `QueueOpener` opens another for another thread.
    """

    @property
    def capabilities(self) -> QueueCapabilities: ...

    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0) -> None:
        """Add messages, durably, before this returns. All or a prefix of them stay if it fails; no deduplication."""
        ...

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        """Lease up to ``limit`` visible messages, oldest visibility first. Returns at once, empty if there are none."""
        ...

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        """Extend leases from now. The answer stands in the order asked: the lease (its token may be new), or None where
        it is lost. An expired lease that nobody else took is revived."""
        ...

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        """Hand a message back with ``body`` in place of its own, in one atomic step. Raises `LeaseLostError`.

        ``body`` is the message's own where the backend cannot replace it (`QueueCapabilities.replaces_body`)."""
        ...

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        """Remove messages for good. Returns those whose lease was lost (already gone counts as lost). A lease that ran
        out is lost only once somebody else took its message, here and in `release`."""
        ...

    async def poison(self, body: bytes) -> None:
        """Put a copy on the poison queue, for tools and alerts. The truth of it is the poison record in the lake."""
        ...

    async def peek(self, limit: int, *, poison: bool = False) -> list[bytes]:
        """Bodies of up to ``limit`` messages, changing nothing. Those that are delayed or leased may be left out."""
        ...

    async def depth(self) -> Depth:
        """How many messages are in which state. An expired lease counts as ready."""
        ...

    async def holders(self) -> list[Holder]:
        """Who holds the leases; none where the backend cannot tell (`QueueCapabilities.frees_dead`)."""
        ...

    async def purge(self, *, poison: bool = False) -> int:
        """Remove every message (of the poison queue alone, if asked). Returns how many there were."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads. Leases stay until they run out: close is no release. May be called again;
        any other call after it is a programming error (`RuntimeError`)."""
        ...


QueueOpener = Callable[[], Queue]
"""Opens a client for the calling thread. The lease keeper calls it in a thread of its own."""
