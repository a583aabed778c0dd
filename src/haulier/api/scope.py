"""What the workers of a source share of its API: requests in flight, pauses, and whether it is well (G5)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from haulier.api.gate import NEVER, Gate, Waiting
from haulier.api.health import Health
from haulier.api.membership import Identity, Membership
from haulier.api.pause import Pause
from haulier.api.process import is_gone
from haulier.api.scope_row import ScopeRow, beaten, decode, encode, left, paused
from haulier.api.tally import Tally
from haulier.api.transport import Response
from haulier.clock import Clock, wall_seconds
from haulier.errors import UnavailableError

LONG_PAUSE_BEATS = 10
"""A pause with more left than that takes the share away for its length: items taken meanwhile would only wait."""

logger = logging.getLogger("haulier.api")


class Rows(Protocol):
    """The documents beside the queue: the same as `haulier.queues.seam.Rows`, which the API does not know of."""

    async def read(self, name: str) -> bytes | None: ...

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes: ...


@dataclass(frozen=True)
class ScopeSettings:
    """What a scope is run with. All its members should be given the same; of two caps the lower rules."""

    name: str
    """The row that its members share: one for each source and credential."""
    in_flight: int
    """The most requests in flight of all members together."""
    request_deadline_seconds: float = 310.0
    """From passing the gate to the end of the slowest request: the share of a member that died is kept for so long."""
    is_fixed: bool = True
    """Use ``in_flight`` as it is, without finding out whether the API bears less."""
    beat_seconds: float = 1.0
    process: str = ""
    """`haulier.api.process.this_process()`: lets the others on this machine see at once that we died. Empty: they wait
    for `request_deadline_seconds`."""


class Scope:
    """One member of a scope: a worker, or any other process that sends requests.

    ``member`` is unlike any other's, ever. ``await join()``, ``run()`` in a task, ``async with slot(): send``, and
    ``await leave()`` in the end; ``async with joined():`` does all of it but the slots.

    The requests in flight of all members are never above the lowest of their caps. This rests on monotonic clocks that
    run at one pace, and on nothing else: wall clocks may jump, members may stop, die or lose the store at any time.
    """

    def __init__(self, settings: ScopeSettings, member: str, rows: Rows, clock: Clock, rng: random.Random) -> None:
        self._row_name = settings.name
        self._beat_seconds = settings.beat_seconds
        self._member = member
        self._rows = rows
        self._clock = clock
        self._membership = Membership(
            Identity(
                member,
                settings.in_flight,
                settings.beat_seconds,
                settings.request_deadline_seconds,
                settings.process,
                settings.is_fixed,
            ),
            is_gone,
        )
        self._pause = Pause(settings.beat_seconds, rng)
        self._is_fixed = settings.is_fixed
        self._health = Health()
        self._tally = Tally()
        self._rng = rng
        self._gate = Gate(clock, self._opens_in, self._note_passed)
        self._writing = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._was_busy = False
        self._is_cut_off = False
        self.has_work = False
        """Set by the worker: whether it holds any item. A share without work goes back after two beats."""

    # -- membership ----------------------------------------------------------------------------------------------------

    async def join(self) -> None:
        """Beat for the first time, so that the share is known. Raises what the store raises, and `NewerFormatError`."""
        self._was_busy = True  # Who joins means to work; without it, it would have to wait for an idle turn.
        await self._beat()

    async def run(self) -> None:
        """Beat until cancelled. A store that cannot be reached stops the sending, not this; `NewerFormatError` does."""
        while True:
            # What can be given back to who waits for it is given soon, and not only at the next beat.
            has_spare = self._membership.share > max(self._membership.limit, self._gate.in_use)
            await self._rest(self._beat_seconds / (4 if has_spare else 1))
            try:
                await self._beat()
            except UnavailableError as error:
                self._note_cut_off(error)
            else:
                self._is_cut_off = False

    async def leave(self) -> None:
        """Send nothing more, and free the share for the others at once. A store that cannot be reached is no error."""
        self._membership.close()
        self._gate.limit = 0
        in_use = self._gate.in_use
        with contextlib.suppress(UnavailableError):
            await self._update(lambda row: left(row, self._member, in_use))

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """`join`, `run` and `leave` around the block, for who has no task group of their own."""
        await self.join()
        try:
            async with asyncio.TaskGroup() as group:
                beats = group.create_task(self.run())
                yield
                beats.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # The block's own error should leave it as it is.
        finally:
            await self.leave()

    # -- sending -------------------------------------------------------------------------------------------------------

    def slot(self, waiting: Waiting | None = None) -> AbstractAsyncContextManager[None]:
        """Wait for the turn of one request, and hold its place for the length of the block.

        First come, first served. Enter it last: what is awaited between entering and sending is a moment in which a
        pause may begin. ``waiting`` is told True when a wait begins and False when it ends; without a wait, nothing.
        """
        return self._gate.slot(waiting)

    async def pause(self, seconds: float) -> None:
        """Stop all requests of the scope for ``seconds``: of this process now, of the others within a beat.

        Never shortens a pause. After it the scope starts with one request in flight and doubles that with every beat.
        If the store cannot be reached, the next beat that works tells the others.
        """
        self._pause.extend(seconds, self._clock.monotonic())
        wall = wall_seconds(self._clock)
        with contextlib.suppress(UnavailableError):
            self._see(await self._update(lambda row: paused(row, wall, seconds)))

    def note_success(self, response: Response | None = None, *, is_first_page: bool = True) -> None:
        """A request of this member was answered well. ``is_first_page``: it is not a later page of its query."""
        now = self._clock.monotonic()
        self._health.note_success(now)
        if response is not None:
            is_due = self._tally.note_success(response, now, is_first_page=is_first_page)
            if is_due and not self._is_fixed:
                self._hurry.set()

    def note_failure(self, response: Response | None = None) -> None:
        """A request of this member failed as in an outage: connect, time-out, 429 without a wait, 502-504."""
        if self._tally.note_failure(response, self._clock.monotonic()):
            # At a hard limit each moment costs refusals: one less from now on, and the others hear of it now.
            self._limit()
            self._hurry.set()

    # -- what is asked of it -------------------------------------------------------------------------------------------

    @property
    def share(self) -> int:
        """How many requests this member may have in flight now: what items should be taken for.

        0 where it has no share, where its last beat is stale, and in a pause that will last.
        """
        now = self._clock.monotonic()
        is_long = self._pause.left(now) > LONG_PAUSE_BEATS * self._beat_seconds
        return 0 if is_long or not self._membership.is_fresh(now) else self._gate.limit

    @property
    def in_use(self) -> int:
        """How many requests of this member are in flight."""
        return self._gate.in_use

    @property
    def waiting(self) -> int:
        """How many requests of this member wait at the gate."""
        return self._gate.waiting

    @property
    def is_paused(self) -> bool:
        """Whether a pause holds every request back."""
        return self._pause.left(self._clock.monotonic()) > 0.0

    @property
    def is_healthy(self) -> bool:
        """Whether some request of the scope succeeded within 60 seconds, or the beats by which we hear of it."""
        return self._health.is_fresh(self._clock.monotonic())

    @property
    def is_proven(self) -> bool:
        """Whether some request of the scope has succeeded since the first of its present members joined."""
        return self._health.last_success is not None

    def has_succeeded_since(self, moment: float) -> bool:
        """Whether some request of the scope succeeded after ``moment`` of the monotonic clock, or was heard of since:
        who failed all the while did not fail with everybody."""
        return self._health.last_success is not None and self._health.last_success >= moment

    # -- acting --------------------------------------------------------------------------------------------------------

    def _opens_in(self) -> float:
        """The gate's door: 0.0 if one more request may be sent this very moment."""
        now = self._clock.monotonic()
        member = self._membership
        if not member.is_fresh(now):
            return NEVER
        return self._pause.opens_in(now, self._gate.in_use, member.place, member.sharers)

    async def _rest(self, seconds: float) -> None:
        """Until the next beat is due, or there is something that the others should hear of now."""
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        alarm.add_done_callback(lambda done: None if done.cancelled() else self._hurry.set())
        try:
            await self._hurry.wait()
        finally:
            alarm.cancel()
            self._hurry.clear()

    def _note_passed(self) -> None:
        self._was_busy = True

    async def _beat(self) -> None:
        began_at = self._clock.monotonic()
        is_busy = self._was_busy or self.has_work or self._gate.in_use > 0 or self._gate.waiting > 0
        self._was_busy = False
        beat = replace(
            self._membership.begin(began_at, self._gate.in_use, is_busy=is_busy),
            wall=wall_seconds(self._clock),
            had_success=self._health.is_news,
            pause_left=self._pause.left(began_at),
            peak=self._gate.peak,
            report=self._tally.take(),
            roll=self._rng.random(),
        )
        self._gate.peak = self._gate.in_use
        self._limit()
        successes = self._health.successes
        row = await self._update(lambda row: beaten(row, beat))
        self._health.told(successes)
        self._membership.adopt(row, beat, began_at, self._clock.monotonic())
        self._see(row)
        self._tally.see(row.governor, self._clock.monotonic())
        self._limit()
        self._gate.poke()

    def _note_cut_off(self, error: UnavailableError) -> None:
        if not self._is_cut_off:
            logger.warning("the scope row cannot be reached; requests stop until it can", extra={"error": str(error)})
        self._is_cut_off = True

    def _limit(self) -> None:
        self._gate.limit = max(0, self._membership.limit - self._tally.held(self._clock.monotonic()))

    async def _update(self, change: Callable[[ScopeRow], ScopeRow]) -> ScopeRow:
        # One at a time: a beat that is overtaken by a later one would take a share back that is in use.
        async with self._writing:
            return decode(await self._rows.update(self._row_name, lambda body: encode(change(decode(body)))))

    def _see(self, row: ScopeRow) -> None:
        """Take over what the others did."""
        now, wall = self._clock.monotonic(), wall_seconds(self._clock)
        self._pause.see(row, wall, now)
        self._health.see(row, wall, now)
