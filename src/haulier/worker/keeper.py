"""A thread with its own queue client renews the leases of a worker.

A processor that blocks the event loop for a while must not lose its leases; a loop that hangs for good must not keep
them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future

from haulier.clock import Clock
from haulier.errors import HaulierError
from haulier.queues.seam import Lease, Queue, QueueOpener

TICKS_PER_LEASE = 12

logger = logging.getLogger("haulier.worker")


class HeldLease:
    """A lease with its newest token."""

    __slots__ = ("deadline", "is_lost", "lease", "renewal")

    def __init__(self, lease: Lease, deadline: float) -> None:
        self.lease = lease
        self.deadline = deadline
        """Monotonic: the lease is surely ours until then, counted from before the dequeue or renewal was sent."""
        self.is_lost = False
        self.renewal: Future[None] | None = None
        """Under way; the token may be out of date until it is done."""

    @property
    def is_unknown(self) -> bool:
        """Nobody can tell whose it is by now, and nothing renews it. Its item goes on."""
        return self.lease.hold == "unknown"


class LeaseKeeper:
    """Renews leases every third of their length, and when asked.

    ``on_stall`` is called from the keeper's thread when the event loop made no progress for a whole lease, or the
    keeper failed. It must end the process, since the leases are about to be another worker's.
    """

    def __init__(
        self, open_queue: QueueOpener, clock: Clock, lease_seconds: float, on_stall: Callable[[], None]
    ) -> None:
        self._open_queue = open_queue
        self._clock = clock
        self.lease_seconds = lease_seconds
        self._on_stall = on_stall
        self._lock = threading.Lock()
        self._held: set[HeldLease] = set()
        self._progress = 0
        self._thread = threading.Thread(target=self._run, name="haulier-keeper", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._queue: Queue | None = None

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Idempotent. Leases that are held run out."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def note_progress(self) -> None:
        self._progress += 1

    def hold(self, lease: Lease, sent_at: float) -> HeldLease:
        """``sent_at``: the monotonic time just before its dequeue was sent."""
        held = HeldLease(lease, sent_at + self.lease_seconds)
        with self._lock:
            self._held.add(held)
        return held

    @property
    def count(self) -> int:
        with self._lock:
            return len(self._held)

    def drop(self, held: HeldLease) -> None:
        with self._lock:
            self._held.discard(held)

    async def let_go(self, held: HeldLease) -> Lease:
        """Renew it no more, and return it with its last token: to complete or release it."""
        with self._lock:
            self._held.discard(held)
            renewal = held.renewal
        if renewal is not None:
            await asyncio.wait([asyncio.wrap_future(renewal)])
        return held.lease

    async def renew(self, held: HeldLease) -> bool:
        """Waits while the queue is away. Returns whether the lease is ours, with a fresh deadline, or unknown."""
        if self._loop is None or not self._thread.is_alive():
            return held.is_unknown and not held.is_lost
        given_up = threading.Event()
        asking = asyncio.run_coroutine_threadsafe(self._renew_until_answered(held, given_up), self._loop)
        try:
            # A renewal whose answer nobody hears would leave a token behind that is perhaps replaced by now.
            await asyncio.shield(asyncio.wrap_future(asking))
        except asyncio.CancelledError:
            with self._lock:  # So that `let_go` either sees a renewal under way, or none begins any more.
                given_up.set()
            raise
        return not held.is_lost and (held.is_unknown or held.deadline > self._clock.monotonic())

    # -- on the keeper's thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._keep())
        except BaseException:
            # A worker whose leases nobody renews any more would work for nothing, and never say why.
            logger.critical("the lease keeper failed; this worker ends", exc_info=True)
            self._ready.set()
            self._on_stall()

    async def _keep(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        tick_seconds = self.lease_seconds / TICKS_PER_LEASE
        seen, silent, since_renewal = self._progress, 0, 0
        waiting: list[HeldLease] = []
        try:
            while not await self._is_stopping(tick_seconds):
                # Ticks are counted, not seconds: a process that was stopped and goes on has missed both alike.
                silent = 0 if self._progress != seen else silent + 1
                seen = self._progress
                since_renewal += 1
                if silent >= TICKS_PER_LEASE:
                    logger.critical(
                        "the event loop hangs; this worker ends", extra={"silent_seconds": silent * tick_seconds}
                    )
                    self._on_stall()
                    return
                if silent >= TICKS_PER_LEASE // 2:
                    continue
                if since_renewal >= TICKS_PER_LEASE // 3:
                    since_renewal = 0
                    with self._lock:
                        waiting = list(self._held)
                waiting = await self._until_stopping(self._renew_all(waiting, self._held.__contains__))
        finally:
            if self._queue is not None:
                await self._queue.close()

    async def _is_stopping(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()

    async def _until_stopping(self, renewal: Coroutine[None, None, list[HeldLease]]) -> list[HeldLease]:
        """A queue that hangs holds up no worker that leaves."""
        renewing, stopping = asyncio.ensure_future(renewal), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({renewing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if renewing.done():
            return renewing.result()
        renewing.cancel()
        await asyncio.wait({renewing})
        return []

    async def _renew_all(self, held: list[HeldLease], is_wanted: Callable[[HeldLease], bool]) -> list[HeldLease]:
        """Returns those that are to be asked for again."""
        async with self._renewing:  # A token that another renewal is about to replace would be taken for a lost one.
            renewal: Future[None] = Future()
            with self._lock:
                held = [one for one in held if not one.is_lost and is_wanted(one)]
                for one in held:
                    one.renewal = renewal
            if not held:
                return []
            try:
                return await self._renew_together(held)
            finally:
                with self._lock:
                    for one in held:
                        one.renewal = None
                renewal.set_result(None)

    async def _renew_together(self, held: list[HeldLease]) -> list[HeldLease]:
        sent_at = self._clock.monotonic()
        try:
            if self._queue is None:
                self._queue = self._open_queue()
            renewed = await self._queue.renew([one.lease for one in held], self.lease_seconds)
        except HaulierError as error:
            logger.warning("leases were not renewed; trying again", extra={"error": str(error), "leases": len(held)})
            return held
        waiting: list[HeldLease] = []
        for one, lease in zip(held, renewed, strict=True):
            if lease is None:
                one.is_lost = True
                self.drop(one)
                continue
            one.lease = lease
            match lease.hold:
                case "held":
                    one.deadline = sent_at + self.lease_seconds
                case "doubtful":
                    waiting.append(one)
                case "unknown":
                    self.drop(one)
                    logger.warning("nobody can tell whose a lease is; its item goes on")
        return waiting

    async def _renew_until_answered(self, held: HeldLease, given_up: threading.Event) -> None:
        while not self._stop.is_set() and await self._renew_all([held], lambda _: not given_up.is_set()):
            await self._is_stopping(self.lease_seconds / TICKS_PER_LEASE)
