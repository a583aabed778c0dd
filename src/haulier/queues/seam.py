"""The seam of queues. `haulier.testing.contracts.queue` is its contract suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Whereabouts = Literal["here", "gone", "unknown"]
"""A process is alive on this machine, surely ended, or out of sight."""

Hold = Literal["held", "doubtful", "unknown"]
"""What is known of a lease that is not lost. Doubtful: a renewal had no answer, so that its token may be out of date.
Unknown: such a token was refused since. The lease is ours until it runs out, or another's, and no call can tell."""


@dataclass(frozen=True)
class QueueCapabilities:
    """The contract suite and the layers above branch on these, never on a name."""

    name: str
    max_dequeue: int
    is_shared: bool
    """Whether other processes can open the same queue."""
    exact_depth: bool
    """If not, an empty queue proves nothing."""
    fenced_completion: bool = True
    """Whether `complete` refuses a stale token. If not, a message may go while another worker holds it; the result of
    its item is durable by then (P8)."""
    replaces_body: bool = True
    """Whether `release` can give a message another body. If not, workers send a new message and complete the old one,
    which begins a new count of deliveries."""
    is_ordered: bool = True
    """Whether `dequeue` keeps its order."""
    frees_dead: bool = False
    """Whether leases of a process that has surely ended are free at once. If not, they run out."""
    idle_seconds: float = 1.0
    """The longest wait before an idle worker looks again. Longer where each look costs money."""
    lane_seconds: float = 0.0
    """For so long `dequeue` may leave the first lane unasked after it was empty."""


@dataclass(frozen=True)
class ThisProcess:
    """The owner of a client's leases, and its way to find other owners."""

    name: str = ""
    """For people."""
    mark: str = ""
    """No other process ever has it. Empty where the system cannot tell processes apart: then leases run out."""
    find: Callable[[str], Whereabouts] = lambda mark: "unknown"
    """Never ``gone`` where there is any doubt: the process would lose its work."""


@dataclass(frozen=True)
class Lease:
    """A message held until its visibility timeout. ``token`` fences all that is done with it."""

    token: str
    body: bytes
    deliveries: int
    """Times that it was handed out, this one included."""
    hold: Hold = "held"
    is_first: bool = False
    """Whether the message is of the first lane, where it stays until it is gone."""


@dataclass(frozen=True)
class Depth:
    """``poisoned`` counts the copies on the poison queue."""

    ready: int
    delayed: int
    leased: int
    poisoned: int

    @property
    def unsettled(self) -> int:
        return self.ready + self.delayed + self.leased


@dataclass(frozen=True)
class Holder:
    """The leases of one process."""

    name: str
    """For people; empty if unknown."""
    whereabouts: Whereabouts
    leases: int
    seconds: float
    """Time until the last of them runs out."""


class Queue(Protocol):
    """At-least-once delivery of small messages, with leases, in two lanes: while the first one has visible messages,
    the others wait. It is for few and urgent ones.

    Every method may raise `QueueUnavailableError`: nothing was done then, or it was done and may be repeated. A client
    belongs to the thread (event loop) that opened it.
    """

    @property
    def capabilities(self) -> QueueCapabilities: ...

    async def exists(self) -> bool:
        """Whether it has been made. Always, where the first call makes it; else a call that writes does, and until then
        all others find nothing."""
        ...

    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
        """Add messages to a lane, durably. If it fails, some of them may stay. Equal messages are not dropped; one
        whose sending had no answer may be there twice, the second time marked."""
        ...

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        """Lease up to ``limit`` visible messages, those of the first lane before the others, oldest visibility first in
        each. Returns at once, empty if there are none. May return fewer than there are."""
        ...

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        """Extend leases from now. Returns, in the order asked, each lease (its token may be new), or None if it is
        lost. One that is doubtful was not surely extended: renew it again. An expired lease that nobody else took is
        revived."""
        ...

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        """Hand a message back with ``body`` (its own without `QueueCapabilities.replaces_body`), in one atomic step.
        Raises `LeaseLostError`. An unknown lease is left to run out."""
        ...

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        """Remove messages for good. Returns those whose lease was lost; a message that is gone counts as lost. A lease
        that ran out is lost only once somebody else took its message, here and in `release`. Unknown leases are left to
        run out, and are not returned: their messages come back, and a look in the lake ends them (P4)."""
        ...

    async def poison(self, body: bytes) -> None:
        """Put a copy on the poison queue, for tools and alerts. What counts is the poison record in the lake."""
        ...

    async def check(self) -> None:
        """Do with a message that no worker is handed what a run does, where the queue exists, and leave nothing. Raises
        `UsageError` with a remedy where that may not be done."""
        ...

    async def peek(self, limit: int, *, poison: bool = False) -> list[bytes]:
        """Return up to ``limit`` bodies and change nothing. Delayed and leased messages may be left out."""
        ...

    async def depth(self) -> Depth:
        """An expired lease counts as ready."""
        ...

    async def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        """Whether the body of any message, in whatever state, is wanted. ``is_wanted`` may be called in another thread.
        Always True without `QueueCapabilities.exact_depth`: nobody can tell."""
        ...

    async def holders(self) -> list[Holder]:
        """Nobody without `QueueCapabilities.frees_dead`."""
        ...

    async def purge(self, *, poison: bool = False) -> int:
        """Remove every message, or those of the poison queue alone. Returns how many."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads. Leases stay until they run out. Idempotent; any other call afterwards
        raises `RuntimeError`."""
        ...


QueueOpener = Callable[[], Queue]
"""Opens a client for the calling thread, such as the lease keeper's."""
