from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence

from haulier.errors import (
    BrokenEnvelopeError,
    HaulierError,
    NewerFormatError,
    QueueUnavailableError,
    RunSpentError,
    UsageError,
)
from haulier.queues.envelope import decode
from haulier.queues.seam import Lease
from haulier.telemetry.names import ITEMS_LEFT, ITEMS_UNDER_WAY
from haulier.telemetry.seam import NO_ATTRIBUTES
from haulier.worker.attempt import Attempt
from haulier.worker.batch_settler import BatchSettler
from haulier.worker.blame import RETRY_CAP_SECONDS
from haulier.worker.closed_runs import drop_closed
from haulier.worker.deps import WorkerDeps
from haulier.worker.done_item_probe import DoneItemProbe
from haulier.worker.first_items import FirstItems
from haulier.worker.held_items import HeldItems
from haulier.worker.keeper import TICKS_PER_LEASE, HeldLease, LeaseKeeper
from haulier.worker.queue_patience import QueuePatience
from haulier.worker.room import RoomWatch
from haulier.worker.run_cache import RunCache
from haulier.worker.settings import QUEUE_PATIENCE_LEASES
from haulier.worker.spent_runs import stop_if_spent, stop_when_spent
from haulier.worker.stats import Stats
from haulier.worker.stop import StopSign
from haulier.worker.watch import Quiet, Watch
from haulier.worker.worker_state import WorkerState

IDLE_SECONDS = 0.1
"""The first wait after an empty dequeue; it doubles up to `QueueCapabilities.idle_seconds`."""
NO_SHARE_SECONDS = 1.0
FULL_SECONDS = 0.1
GATHER_SECONDS = 0.01
"""Few free slots wait so long for more: at 500 items a second that saves half of the transactions."""
FEW_SLOTS_DIVISOR = 16
LOOK_SECONDS = 0.5
ENDED_SECONDS = 0.1
"""Time between looks whether another worker has closed them, which read a few names. After `ENDED_LOOKS` listings
without new items only the listings go on."""
ENDED_LOOKS = 20
LOOKS_AT_END = 6
"""Where looks cost money an idle worker comes to look at its runs as a whole every so many
`LakeCapabilities.look_seconds`, and at whether they are closed in each of these."""
BESIDE_SECONDS = 2.0
"""Longest time between looks at runs of which nothing is left here, while others keep the worker busy. It doubles up to
this from `LOOK_SECONDS`, and where looks cost money up to that of an idle worker."""
ROOM_SECONDS = 1.0
HAND_BACK_SECONDS = 3.0
"""After the grace, while the queue does not answer. What it does not take back comes when its lease runs out."""
LEAVE_SECONDS = 4.0
"""After the grace, with the last receipts and completions. Two seconds more are telemetry's (`cli/leaving.py`)."""
RUNS_CLOSED = "every run that it worked is closed"

logger = logging.getLogger("haulier.worker")


class Worker:
    """Takes items for its free slots until the watched runs are closed, unless it ``stays``, or it is asked to stop."""

    def __init__(
        self,
        deps: WorkerDeps,
        watch: Watch,
        on_stall: Callable[[], None],
        *,
        exit_idle: bool = False,
        stays: bool = False,
    ) -> None:
        settings = deps.settings
        keeper = LeaseKeeper(deps.open_queue, deps.clock, settings.lease_seconds, on_stall)
        settler = BatchSettler(deps.lake, deps.queue, keeper, deps.clock, deps.name, self._note_free, deps.messages)
        run_cache = RunCache(deps.lake, deps.source, deps.clock)
        self._deps = deps
        self._watch = watch
        self._exit_idle = exit_idle
        self._stays = stays
        self._state = WorkerState(
            deps,
            keeper,
            settler,
            run_cache,
            HeldItems(deps.lake),
            DoneItemProbe(deps),
            Stats(),
            StopSign(),
            first_items=FirstItems(settings.first_items),
        )
        self._room = RoomWatch(deps.lake, deps.clock, settings.room_patience_seconds)
        self._attempts: dict[asyncio.Task[None], str | None] = {}
        """Each with the `_run_id_in` its message."""
        self._freed = asyncio.Event()
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()
        patience_seconds = QUEUE_PATIENCE_LEASES * settings.lease_seconds
        self._queue_patience = QueuePatience(patience_seconds)
        self._look_patience = QueuePatience(patience_seconds)
        """Apart: while nothing is taken, as under a pause, only a look can end what a look began."""
        self._empty_since: float | None = None
        """Monotonic: each question to the queue since then brought nothing but strays, and no other attempt ended."""
        self._empty_until = 0.0
        """The last of them that brought nothing at all."""
        self._asked_at = 0.0
        """Monotonic time of the last question."""
        self._is_drained = False
        self.rule = ""
        """Why it left, where nothing was left to do."""
        self._is_woken = False
        self._looking = asyncio.Lock()
        """The looks of an idle worker and of a busy one read the same ledgers."""
        self._met: set[str] = set() if watch.only is None else {watch.only}
        """Runs that items were taken of, or that it was started for, and that were not seen closed."""
        self._takes = 0
        self._taken = asyncio.Event()
        deps.telemetry.observe(ITEMS_UNDER_WAY, lambda: [(self.stats.under_way, NO_ATTRIBUTES)])
        deps.telemetry.observe(ITEMS_LEFT, lambda: [(left, NO_ATTRIBUTES) for left in watch.left_items.readings])
        self._takes_looked_at: int | None = None
        """``_takes`` when the last look at the runs began: an idle worker leaves only after a look since its last
        item."""

    @property
    def stats(self) -> Stats:
        return self._state.stats

    @property
    def reason(self) -> str:
        """Empty where the runs were drained."""
        return self._state.stop.reason

    def drain(self, why: str) -> None:
        """Stop dequeuing, finish within the grace, and hand the rest back uncharged."""
        self._state.stop.set(4, f"stopped by {why}")

    def wake(self) -> None:
        """There may be work now."""
        self._is_woken = True
        self._freed.set()

    def leave(self, rule: str) -> None:
        """There is nothing left to do."""
        self._is_drained, self.rule = True, rule
        self._freed.set()

    def stop_now(self) -> None:
        self._state.stop.set(4, "stopped at once")
        self._hurried.set()

    async def run(self) -> int:
        """Returns the exit code: 0 drained, 4 not finished, 2 a person must change something."""
        keeper, settler = self._state.keeper, self._state.batch_settler
        keeper.start()
        self._count()
        self._deps.client.scope.on_growth = self._note_free
        try:
            async with asyncio.TaskGroup() as group:
                pulse = group.create_task(self._pulse())
                settling = group.create_task(self._settle())
                watching = group.create_task(self._look_after())
                looking_beside = group.create_task(self._look_beside())
                await self._look_at_room()
                measuring = group.create_task(self._keep_room())
                dropping = group.create_task(drop_closed(self._attempts, self._state.run_cache, self._deps.clock))
                giving_up = group.create_task(stop_when_spent(self._attempts, self._state, self._watch))
                await self._dequeue()
                leave_at = await self._finish()
                settler.stop()
                is_asked = self._state.stop.event.is_set()
                await asyncio.wait([settling], timeout=self._seconds_to(leave_at) if is_asked else None)
                settling.cancel()
                measuring.cancel()
                dropping.cancel()
                giving_up.cancel()
                watching.cancel()
                looking_beside.cancel()
                pulse.cancel()
        finally:
            # Nothing is left here, unless this very task was cancelled or failed.
            await self._hand_back(HAND_BACK_SECONDS)
            await asyncio.to_thread(keeper.stop)
            self._watch.close()
        return self._state.stop.code if self._state.stop.event.is_set() else 0

    # -- the loop ------------------------------------------------------------------------------------------------------

    @property
    def _slots(self) -> int:
        """A quarter more than the share of requests, since items that wait, publish or settle make none. 0 without room
        on the disk."""
        share = 0 if self._room.is_short else self._deps.client.scope.share
        return max(2, math.ceil(share * 1.25)) if share else 0

    async def _dequeue(self) -> None:
        idle_seconds = IDLE_SECONDS
        was_empty = False
        while not self._state.stop.event.is_set() and not self._is_drained:
            free = self._slots - len(self._attempts)
            if self._attempts and free > 0 and (was_empty or free < self._slots // FEW_SLOTS_DIVISOR):
                await asyncio.sleep(GATHER_SECONDS)
                free = self._slots - len(self._attempts)
            asked_at = self._deps.clock.monotonic()
            leases = await self._lease(free) if free > 0 else []
            run_ids = [_run_id_in(held.lease.body, self._deps.source) for held in leases]
            if free > 0 or not self._holds_strays_alone:
                self._note_asked(asked_at, run_ids, is_asked=free > 0)
            for held, run_id in zip(leases, run_ids, strict=True):
                self._start(held, run_id)
            was_empty = not leases
            if was_empty and free > 0:
                self._empty_until = asked_at
            if leases:
                self._takes += 1
                self._taken.set()
                idle_seconds = IDLE_SECONDS
                continue
            refusal = None if self._attempts else self._deps.client.scope.refusal
            if isinstance(refusal, UsageError) and not isinstance(refusal, RunSpentError):
                self._state.stop.set(2, str(refusal))  # No item is taken any more, so none can say it.
            if self._exit_idle and (hold := self._deps.client.scope.held) is not None:
                self._state.stop.set(4, f"the source is paused by {hold.by}, until: haulier resume SOURCE")
            if self._is_idle:
                if self._exit_idle and free > 0 and self._takes_looked_at == self._takes:
                    await stop_if_spent(self._attempts, self._state, self._watch)
                    self.leave("no item is ready (--exit-idle)")
                    return
                self._idle.set()
            elif not self._attempts:
                self._state.batch_settler.hurry()
            if not self._is_woken:
                full_seconds = FULL_SECONDS if self._slots else NO_SHARE_SECONDS
                await self._wait(idle_seconds if free > 0 else full_seconds)
                idle_seconds = min(idle_seconds * 2, self._deps.queue.capabilities.idle_seconds)
            if self._is_woken:
                self._is_woken, idle_seconds = False, IDLE_SECONDS

    def _note_asked(self, asked_at: float, run_ids: Sequence[str | None], *, is_asked: bool) -> None:
        if not is_asked or not all(map(self._is_stray, run_ids)) or self._queue_patience.is_away:
            self._empty_since = None
        elif self._empty_since is None or asked_at - self._asked_at > self._longest_gap_seconds:
            self._empty_since = asked_at  # In a long gap (a process that was suspended) anything may have passed.
        self._asked_at = asked_at

    @property
    def _longest_gap_seconds(self) -> float:
        """Between two questions of a worker that was not suspended."""
        return self._deps.settings.lease_seconds + self._deps.queue.capabilities.idle_seconds

    @property
    def _holds_strays_alone(self) -> bool:
        """They are put back at once: full slots mean nothing then."""
        return bool(self._attempts) and all(map(self._is_stray, self._attempts.values()))

    async def _lease(self, free: int) -> list[HeldLease]:
        queue, clock = self._deps.queue, self._deps.clock
        sent_at = clock.monotonic()
        try:
            leases: list[Lease] = await queue.dequeue(
                min(free, queue.capabilities.max_dequeue), self._deps.settings.lease_seconds
            )
        except HaulierError as error:
            self._note_failed(error, sent_at, self._queue_patience)
            return []
        self._queue_patience.note_good()
        self._look_patience.note_good()
        self._deps.messages.note_taken(len(leases))
        return [self._state.keeper.hold(lease, sent_at) for lease in leases]

    def _note_failed(self, error: HaulierError, asked_at: float, patience: QueuePatience) -> None:
        """Stop, unless the queue is only busy."""
        if isinstance(error, QueueUnavailableError) and patience.note_busy(asked_at):
            logger.warning("the queue does not answer; trying again", extra={"error": str(error)})
            return
        self._state.stop.set(2 if isinstance(error, UsageError) else 4, str(error))

    def _start(self, held: HeldLease, run_id: str | None) -> None:
        if run_id:
            self._met.add(run_id)
        task = asyncio.create_task(Attempt(self._state, held).run())
        self._attempts[task] = run_id
        self._count()
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self._is_stray(self._attempts.pop(task)):
            self._empty_since = None  # It may have gone back with a delay.
        self._count()
        self._note_free()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("an attempt ended in a fault of haulier", exc_info=error)
            self._state.stop.set(1, f"{type(error).__name__}: {error}")

    def _note_free(self) -> None:
        self._freed.set()

    def _count(self) -> None:
        self._state.stats.under_way = len(self._attempts)
        self._deps.client.scope.has_work = not all(map(self._is_stray, self._attempts.values()))

    def _is_stray(self, run_id: str | None) -> bool:
        """Whether nobody here works such a message, which comes back for ever and tells nothing of the others."""
        return run_id is None or self._state.run_cache.is_unclaimed(run_id)

    async def _wait(self, seconds: float) -> None:
        self._freed.clear()
        stop = asyncio.ensure_future(self._state.stop.event.wait())
        freed = asyncio.ensure_future(self._freed.wait())
        try:
            await asyncio.wait({stop, freed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            freed.cancel()

    async def _finish(self) -> float:
        """Cancelling hands the items back uncharged. Returns the monotonic time at which a worker that was asked to
        stop is to leave."""
        grace_seconds = self._deps.settings.grace_seconds
        grace_ends_at = self._deps.clock.monotonic() + grace_seconds
        self._deps.client.scope.end_waits()
        hurried = asyncio.ensure_future(self._hurried.wait())
        ended = asyncio.ensure_future(self._all_ended())
        await asyncio.wait({hurried, ended}, timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            grace_ends_at = self._deps.clock.monotonic()
        hurried.cancel()
        ended.cancel()
        await self._hand_back(self._seconds_to(grace_ends_at + HAND_BACK_SECONDS))
        return grace_ends_at + LEAVE_SECONDS

    async def _hand_back(self, seconds: float) -> None:
        """Cancelled once, an attempt hands its item back; cancelled again, it leaves that."""
        for limit_seconds in (seconds, None):
            for task in self._attempts:
                task.cancel()
            if self._attempts:
                await asyncio.wait(self._attempts, timeout=limit_seconds)
            if self._attempts and limit_seconds is not None:
                logger.warning("items could not be handed back in time", extra={"items": len(self._attempts)})

    def _seconds_to(self, moment: float) -> float:
        return max(0.0, moment - self._deps.clock.monotonic())

    async def _all_ended(self) -> None:
        while self._attempts:
            await asyncio.wait(self._attempts)

    # -- beside it -----------------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        while True:
            self._state.keeper.note_progress()
            self._count()  # The run of what was a stray may have been found.
            await asyncio.sleep(self._deps.settings.lease_seconds / (TICKS_PER_LEASE * 2))

    async def _settle(self) -> None:
        try:
            await self._state.batch_settler.run()
        except HaulierError as error:
            self._state.stop.set(2 if isinstance(error, UsageError) else 4, str(error))

    async def _keep_room(self) -> None:
        while True:
            await asyncio.sleep(ROOM_SECONDS)
            await self._look_at_room()

    async def _look_at_room(self) -> None:
        was_short = self._room.is_short
        asked_at = self._deps.clock.monotonic()
        try:
            await self._room.look()
        except HaulierError as error:
            self._note_failed(error, asked_at, self._look_patience)
        if was_short and not self._room.is_short:
            self._note_free()

    async def _look_after(self) -> None:
        looks, looked_after = 0, self._takes
        while True:
            await self._idle.wait()
            self._idle.clear()
            if not self._is_idle:
                continue
            asked_at, takes = self._deps.clock.monotonic(), self._takes
            self._taken.clear()
            try:
                async with self._looking:
                    still_open = await self._watch.look(self._quiet)
                self._look_patience.note_good()
            except HaulierError as error:
                self._note_failed(error, asked_at, self._look_patience)
            else:
                self._takes_looked_at = takes
                if not still_open and not self._stays and (takes or self._watch.closed):
                    self.leave(RUNS_CLOSED)
                looks, looked_after = (looks + 1 if takes == looked_after else 0), takes
                await self._rest(min(looks, ENDED_LOOKS))

    async def _look_beside(self) -> None:
        """A run of which nothing is left here may be drained although this worker is never idle: another run of the
        source keeps it busy."""
        most_seconds = LOOKS_AT_END * self._watch.look_seconds or BESIDE_SECONDS
        known, seconds = set[str](), LOOK_SECONDS
        while True:
            await asyncio.sleep(seconds)
            left = self._left
            seconds = min(seconds * 2, most_seconds) if left and left == known else LOOK_SECONDS
            for run_id in sorted(left & known):
                if await self._is_closed(run_id):
                    self._met.discard(run_id)
                    if run_id == self._watch.only:
                        self.leave(RUNS_CLOSED)
            known = left

    @property
    def _left(self) -> set[str]:
        """Runs of which a busy worker holds nothing."""
        held = set(self._attempts.values())
        return {run_id for run_id in self._met - held if not self._is_stray(run_id)} if held else set()

    async def _is_closed(self, run_id: str) -> bool:
        asked_at = self._deps.clock.monotonic()
        try:
            async with self._looking:
                is_closed = await self._watch.look_at(run_id)
            self._look_patience.note_good()
            return is_closed
        except HaulierError as error:
            self._note_failed(error, asked_at, self._look_patience)
            return False

    async def _rest(self, looks: int) -> None:
        """``looks``: since the last item."""
        if look_seconds := self._deps.lake.capabilities.look_seconds:
            # Who settles the last item looks at once; the others only have to see that it did.
            seconds = min(LOOK_SECONDS * 2.0**looks, LOOKS_AT_END * look_seconds)
            while seconds > 0 and not await self._has_taken(pause_seconds := min(seconds, look_seconds)):
                seconds -= pause_seconds
                if await self._sees_end():
                    return
            return
        if looks >= ENDED_LOOKS:
            await asyncio.sleep(LOOK_SECONDS)
            return
        for _ in range(round(LOOK_SECONDS / ENDED_SECONDS)):
            await asyncio.sleep(ENDED_SECONDS)
            if await self._sees_end():
                return

    async def _has_taken(self, seconds: float) -> bool:
        """Wait so long, or until items were taken."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._taken.wait(), seconds)
        return self._taken.is_set()

    async def _sees_end(self) -> bool:
        with contextlib.suppress(HaulierError):  # The next look says what fails.
            if self._is_idle and await self._watch.has_ended():
                self._idle.set()
                return True
        return False

    @property
    def _quiet(self) -> Quiet | None:
        if self._empty_since is None:
            return None
        scope, lease_seconds = self._deps.client.scope, self._deps.settings.lease_seconds
        return Quiet(
            max(self._empty_since, scope.others_worked_at),
            self._empty_until,
            lease_seconds + RETRY_CAP_SECONDS + self._deps.queue.capabilities.lane_seconds,
            # A release may have waited so long for the queue.
            lambda run_id: scope.hidden_seconds(run_id) + QUEUE_PATIENCE_LEASES * lease_seconds,
        )

    @property
    def _is_idle(self) -> bool:
        return not self._attempts and not self._state.batch_settler.waiting


def _run_id_in(body: bytes, source: str) -> str | None:
    """None in a message of another source, and where only a newer haulier can tell; empty where nobody can."""
    try:
        envelope = decode(body)
        return envelope.run_id if envelope.is_of(source) else None
    except NewerFormatError:
        return None
    except BrokenEnvelopeError:
        return ""
