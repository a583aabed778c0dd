"""One member's part in the scope of a source (G5, docs/politeness.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from haulier.api.errors import Action, ApiError
from haulier.api.http.retry_after import DAY_SECONDS
from haulier.api.http.transport import Request, Response
from haulier.api.limits.breaker import Breaker, State
from haulier.api.scope.changes import REASSERT_SECONDS, after_beat, after_leave, with_failures, with_pause
from haulier.api.scope.current_run import as_current_run
from haulier.api.scope.extra_requests import ExtraRequests
from haulier.api.scope.failures import NO_FAILURES, FailureNotes
from haulier.api.scope.gate import Ahead, Gate, Slot, WaitListener, nap
from haulier.api.scope.membership import Identity, Membership
from haulier.api.scope.metronome import Metronome
from haulier.api.scope.orders import Hold
from haulier.api.scope.process import is_gone
from haulier.api.scope.row import ScopeRow
from haulier.api.scope.settings import ScopeSettings
from haulier.api.scope.shared_row import SharedRow
from haulier.api.scope.view import ScopeView
from haulier.api.scope.witness import REFUSAL_VALID_SECONDS, Judge, Send
from haulier.api.scope.witness_proof import WitnessProof
from haulier.clock import Clock, wall_seconds
from haulier.errors import HaulierError, UnavailableError
from haulier.rows.seam import Rows

LONG_PAUSE_BEATS = 10
"""A longer pause takes the share away: items taken meanwhile would only wait."""
LEAVE_SECONDS = 8.0
"""A process that is told to end is killed soon. Its share is free when its silence proves that it ended."""

logger = logging.getLogger("haulier.api")


class Scope:
    """One member of a scope, such as a worker (docs/politeness.md#the-shared-row). ``member`` is a name that no other
    ever has."""

    def __init__(self, settings: ScopeSettings, member: str, rows: Rows, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._member = member
        self.row = SharedRow(rows, settings.name)
        self._clock = clock
        self.membership = Membership(
            Identity(
                member,
                self._in_flight,
                settings.beat_seconds,
                settings.request_deadline_seconds,
                settings.process,
                settings.is_fixed,
                settings.is_guest,
            ),
            is_gone,
        )
        self._metronome = Metronome(settings.beat_seconds, self.row.operations_per_second, rng)
        self._is_next = False
        self._view = ScopeView(
            settings.rates, settings.max_requests, settings.beat_seconds, rng, is_slow=self._metronome.is_slow
        )
        self._gate = Gate(clock, self._opens_in, self._note_sent, self._error)
        self._beat_now = asyncio.Event()
        self._extra_requests = ExtraRequests(self._view, self._beat_now)
        self._witness_proof = WitnessProof(
            clock, self._gate, self._view, self.slot, self._extra_requests.wait, self._note_witness
        )
        self.failures = FailureNotes()
        self._must_probe = asyncio.Event()
        self._is_probing = False
        self._was_busy = False
        self._is_cut_off = False
        self._is_ending = False
        self._has_company = False
        self.was_last = False
        """No member remained after `leave`."""
        self.has_work: bool | None = None
        """Whether a worker holds any item. None: this member takes no items."""
        self.on_growth: Callable[[], None] = lambda: None
        """Called when more requests may be in flight."""

    def attach(self, send: Send) -> None:
        self._witness_proof.attach(lambda request: send(request.replace(before_follow_up=self.before_follow_up)))

    # -- membership ----------------------------------------------------------------------------------------------------

    async def join(self) -> None:
        """Raises what the store raises, and `NewerFormatError`."""
        self._was_busy = True  # It means to work. Else it would wait for a place among the members without work.
        if self._metronome.is_slow:
            # The first beat tells how long the second may take, which depends on all of them.
            self.membership.watch(await self._read(), self._clock.monotonic())
        row = await self._beat()
        if self.pause_seconds_left > 0.0:
            extra = {"seconds": round(self.pause_seconds_left, 1), "reason": row.pause_reason}
            logger.warning("requests pause, as they did when others stopped", extra=extra)

    async def run(self) -> None:
        """Beat until cancelled. A store that is away stops the sending, not this; `NewerFormatError` does."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beats())
                slow = self._metronome.is_slow
                group.create_task(self._act_between_beats() if slow else self._read_between_beats())
                group.create_task(self._probes())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def leave(self) -> None:
        """Send nothing more. A store that cannot be reached is no error, and is not waited for longer than
        `LEAVE_SECONDS`."""
        self.membership.close()
        self._gate.limit = 0
        in_use, unused = self._gate.in_use, self._view.pacer.give_up_unused()
        failures = self.failures.take()
        with contextlib.suppress(UnavailableError, TimeoutError):
            # A file of this machine has a time-out of its own.
            async with asyncio.timeout(LEAVE_SECONDS if self._metronome.is_slow else None):
                row = await self.row.update(lambda row: after_leave(row, self._member, in_use, unused, failures))
                self.was_last = not row.members

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """For callers without a task group."""
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

    def slot(self, waiting: WaitListener | None = None, ahead: Ahead | None = None) -> Slot:
        """Hold a place for one request; first come, first served. Enter it last: a pause may begin in any await before
        sending. Raises `ApiError` where the API is down or a day's requests are spent, `RunSpentError` where those of
        the run are."""
        return self._gate.slot(waiting, ahead)

    def note_run(self, run_id: str, *, is_only: bool = False) -> None:
        """``is_only``: the runs before this one are closed."""
        self._view.note_run(run_id, is_only=is_only)
        self.failures.note_run(run_id)

    @contextlib.contextmanager
    def working_for(self, run_id: str) -> Iterator[None]:
        """Count requests for this run at least this long: those that this task sends, and those that are sent for no
        run in particular."""
        self.note_run(run_id)
        with self._view.item_of(run_id), as_current_run(run_id):
            yield

    async def tell_failures(self) -> None:
        news = self.failures.take()
        with contextlib.suppress(UnavailableError):
            await self.row.update(lambda row: with_failures(row, news))

    async def before_follow_up(self) -> None:
        """Wait, before a redirect or a repeat with new credentials, until each quota has one left. Raises as `slot`
        does."""
        await self._extra_requests.wait()
        if self._view.note_counted(self._clock.monotonic()):
            self._beat_now.set()

    def hand_over(self) -> None:
        """Give the share back at once."""
        self._was_busy = False
        self.membership.hand_over()
        self._beat_now.set()

    def end_waits(self) -> None:
        """Wait no longer for the end of a long pause or an outage."""
        self._is_ending = True
        self._limit()

    async def pause(self, seconds: float, reason: str = "", *, is_of_credentials: bool = False) -> None:
        """Stop all requests for ``seconds``, here now, in others at their next read. Never shortens. ``reason`` holds
        no secrets. ``is_of_credentials``: others with new ones go on, and all if this member takes no items."""
        is_own = is_of_credentials and self.has_work is None
        self._view.pause.ask(seconds, self._clock.monotonic(), reason, is_own=is_own)
        if is_own:
            return
        wall, lifted_at, mark = self._wall, self._view.lifted_at, self._settings.mark if is_of_credentials else ""
        with contextlib.suppress(UnavailableError):
            # All that are in flight are refused within a moment, and each of them comes here.
            slack = REASSERT_SECONDS if self._metronome.is_slow else 0.0
            row = await self.row.update(
                lambda row: with_pause(row, wall, seconds, reason, mark, lifted_at=lifted_at, slack_seconds=slack)
            )
            self._view.see(row, self._wall, self._clock.monotonic())

    def note_success(
        self,
        response: Response | None = None,
        *,
        request: Request | None = None,
        judged: Judge = lambda _: Action.OK,
        is_first_page: bool = True,
    ) -> None:
        """Count a good answer. ``request`` becomes the witness, whose answer ``judged`` judges."""
        now, wall = self._clock.monotonic(), self._wall
        self._witness_proof.note_good(response, request, judged, is_first_page=is_first_page)
        may_grow = not self._metronome.is_slow or self._gate.peak >= self._gate.limit
        if self._view.note_success(response, now, wall, is_first_page=is_first_page, may_grow=may_grow):
            self._beat_now.set()

    def note_failure(self, response: Response | None = None, reason: str = "") -> None:
        """Count a failure as in an outage: connect, time-out, 429 without a wait, 5xx. ``reason`` holds no secrets."""
        now, wall = self._clock.monotonic(), self._wall
        reason = reason or ("no answer" if response is None else f"status {response.status}")
        self._metronome.hurry()
        if self._view.note_failure(response, reason, now, wall):
            self._beat_now.set()
        # At a hard limit each moment costs refusals: one less from now on, whatever the others know.
        self._limit()

    def note_throttled(self, seconds: float, response: Response) -> bool:
        """Count a 429, a 503 or a throttling 403 with a short wait. Returns whether this request alone has to wait;
        else the caller makes a `pause`."""
        self._beat_now.set()
        return self._view.note_throttled(seconds, response, self._clock.monotonic())

    async def is_api_up(self) -> bool:
        """Whether a failure as in an outage is the item's own: requests of the scope succeeded within 60 seconds and do
        not fail in a row, or the witness works. One caller asks for all."""
        return await self._witness_proof.is_api_up()

    async def action_now(self, max_age_seconds: float = REFUSAL_VALID_SECONDS) -> Action | None:
        """Return OK if a request sent since the call succeeded, else the witness's action; None without a witness. One
        caller asks for all. A refusal is believed for ``max_age_seconds``. Raises `ApiError` where the API is down."""
        return await self._witness_proof.action_now(max_age_seconds)

    # -- what is asked of it -------------------------------------------------------------------------------------------

    async def known_row(self) -> ScopeRow:
        """The row as it is; where operations cost, as this member saw it last. Raises what the store raises."""
        return self.row.known if self._metronome.is_slow else await self.row.read()

    @property
    def share(self) -> int:
        """Number of requests to take items for. 0 where the last beat is stale, the API is down, a limit is used up, a
        pause will last, or a person holds the scope; what a run has spent stops no other. 1 where an item is to show
        whether the API is back."""
        now, view = self._clock.monotonic(), self._view
        if view.held is not None or not self.membership.is_fresh(now):
            return 0
        if view.item_is_probe:
            return min(1, self._gate.limit)
        return 0 if self._is_pause_long or view.is_down or view.spent_limit is not None else self._gate.limit

    @property
    def held(self) -> Hold | None:
        return self._view.held

    @property
    def in_use(self) -> int:
        return self._gate.in_use

    @property
    def others_worked_at(self) -> float:
        return self.membership.others_worked_at

    def note_hidden(self, run_id: str, seconds: float) -> None:
        """A message of the run is released with so long a delay. The next beat tells the others."""
        self.failures.note_hidden(run_id, self._wall + seconds)

    def hidden_seconds(self, run_id: str) -> float:
        """How long messages of the run may still be hidden because the API asked for a long wait, as far as the row
        tells; negative or 0: they are not."""
        known = self.row.known.failures.get(run_id, NO_FAILURES).hidden_until
        hidden_until = max(known, self.failures.hidden_until.get(run_id, 0.0))
        return min(hidden_until - self._wall, DAY_SECONDS)

    @property
    def waiting(self) -> int:
        return self._gate.waiting

    @property
    def refusal(self) -> HaulierError | None:
        """The error for a request now, unless a pause will end by itself."""
        return self._view.error(self._clock)

    @property
    def has_witness(self) -> bool:
        return self._witness_proof.is_there

    @property
    def pause_seconds_left(self) -> float:
        return self._view.pause.seconds_left(self._clock.monotonic())

    @property
    def breaker(self) -> Breaker:
        return self._view.breaker

    @property
    def has_ever_succeeded(self) -> bool:
        """Counts from when the first of the present members joined."""
        return self._view.health.last_success is not None

    def has_succeeded_since(self, moment: float) -> bool:
        """``moment`` is monotonic."""
        last_success = self._view.health.last_success
        return last_success is not None and last_success >= moment

    @property
    def _wall(self) -> float:
        """By the clock that all members share."""
        return wall_seconds(self._clock) + self.row.ahead_seconds

    # -- acting --------------------------------------------------------------------------------------------------------

    @property
    def _is_pause_long(self) -> bool:
        return self.pause_seconds_left > LONG_PAUSE_BEATS * self._settings.beat_seconds

    @property
    def _pause_words(self) -> str:
        left = self.pause_seconds_left
        return f" for another {left:.0f} s" if left > 0.0 else ""

    def _error(self) -> HaulierError | None:
        if self._is_ending and (self.held is not None or self._is_pause_long or self._view.is_down):
            return ApiError(
                f"All requests pause{self._pause_words}, and this process does not wait for the end of it.",
                action=Action.PAUSE,
            )
        return self.refusal

    def _opens_in(self) -> float:
        return self._view.opens_in(self._clock.monotonic(), self._gate.in_use, self.membership)

    def _note_sent(self) -> None:
        self._was_busy = True
        self._view.note_sent(self._gate.in_use)
        if self._view.note_counted(self._clock.monotonic()):
            self._beat_now.set()

    @property
    def _in_flight(self) -> int:
        return self._settings.in_flight_at(self._clock.now())

    async def _beats(self) -> None:
        while True:
            await nap(self._beat_now, self._clock, self._seconds_to_beat)
            self._beat_now.clear()
            seconds = 0.0 if self._is_cut_off else self._metronome.seconds_to_turn(self._clock.monotonic())
            if seconds > 0.0:
                await self._clock.sleep(seconds)
                self._beat_now.clear()
            try:
                await self._beat()
            except UnavailableError as error:
                if not self._is_cut_off:
                    logger.warning("the scope row cannot be reached; requests stop", extra={"error": str(error)})
                self._is_cut_off = True
            else:
                self._is_cut_off = False

    async def _read_between_beats(self) -> None:
        while True:
            await self._clock.sleep(self._metronome.rhythm.read_seconds)
            if self._has_company:
                with contextlib.suppress(UnavailableError):
                    self._look(await self._read())

    async def _act_between_beats(self) -> None:
        """Where operations cost: do what is due, by what is known."""
        while True:
            await self._clock.sleep(self._settings.beat_seconds)
            is_busy = self._was_busy or self._is_busy
            is_stopped = bool(self.held) or self.pause_seconds_left > 0.0 or self._view.is_down
            waits = self.membership.share > 0 and is_stopped
            now, is_curious = self._clock.monotonic(), self._is_next or waits
            # Of a counted limit: who has none asks again, and who does not use its own gives it back.
            is_quota_due = self._view.pacer.is_short if is_busy else self._view.pacer.has_any
            told = self.row.known.members.get(self._member)
            is_cap_due = told is not None and told.in_flight != self._in_flight and not self._is_cut_off
            if is_quota_due or is_cap_due or not self._seconds_to_beat:
                self._beat_now.set()
            elif self._metronome.is_read_due(now, is_busy=is_busy, is_curious=is_curious) and self._has_company:
                with contextlib.suppress(UnavailableError):
                    row = await self._read()
                    self.membership.watch(row, self._clock.monotonic())
                    self._look(row)

    @property
    def _seconds_to_beat(self) -> float:
        return self._metronome.seconds_to_beat(
            self._clock.monotonic(),
            has_share=self.membership.share > 0,
            has_spare=self.membership.spare(self._gate.in_use) > 0,
            is_cut_off=self._is_cut_off,
        )

    async def _read(self) -> ScopeRow:
        asked_at = self._clock.monotonic()
        row = await self.row.read()
        self._note_row(row, asked_at)
        self._view.see(row, self._wall, self._clock.monotonic())
        return row

    def _note_row(self, row: ScopeRow, asked_at: float) -> None:
        if self._metronome.is_slow:
            self._metronome.see(row, asked_at)
            self._is_next = self.membership.is_next(row)

    def _look(self, row: ScopeRow) -> None:
        in_use, is_slow, takes_items = self._gate.in_use, self._metronome.is_slow, self.has_work is not None
        is_due = self.membership.look(row, in_use, is_busy=self._is_busy, takes_items=takes_items, is_slow=is_slow)
        if is_slow and not is_due:
            is_due = self.membership.knows_of_death(row) or self._view.is_pace_due(row, self.membership, self._wall)
        if is_due or self._view.beat_report.is_behind(row.governor):
            self._beat_now.set()
        self._limit()

    @property
    def _is_busy(self) -> bool:
        return bool(self.has_work) or self._gate.in_use > 0 or self._gate.waiting > 0

    async def _beat(self) -> ScopeRow:
        began_at, gate = self._clock.monotonic(), self._gate
        is_busy = self._was_busy or self._is_busy
        self._was_busy = False
        self._metronome.begin_beat(began_at)
        rhythm = self._metronome.rhythm if self._metronome.is_slow else None
        beat = self.membership.begin(began_at, gate.in_use, is_busy=is_busy, rhythm=rhythm)
        beat = replace(
            self._view.tell(beat, began_at, self._wall),
            in_flight=self._in_flight,
            mark=self._settings.mark,
            takes_items=self.has_work is not None,
            wants=beat.wants if self.has_work is not None else is_busy,
            peak=gate.peak,
            has_witness=self._witness_proof.is_there,
            can_probe=gate.in_use < self.membership.limit and not self._is_probing and self.held is None,
            failures=self.failures.take(),
        )
        gate.peak = gate.in_use
        self._limit()
        try:
            row = await self.row.update(lambda row: after_beat(row, beat))
        except UnavailableError:
            self.failures.give_back(beat.failures)
            raise
        now, wall = self._clock.monotonic(), self._wall
        self.membership.adopt(row, beat, began_at, now)
        self._metronome.note_told(row.members[self._member].beat_seconds)
        self._note_row(row, began_at)
        self._view.adopt(row, self._member, wall, now)
        self._has_company = len(row.members) > 1
        # Before the gate is told: a request that has a place goes on before another one begins.
        self._extra_requests.renew()
        if row.breaker.prober == self._member and not self._is_probing:
            self._must_probe.set()
        self._limit()
        return row

    def _limit(self) -> None:
        left_empty, before = self._view.beat_report.places_left_empty(self._clock.monotonic()), self._gate.limit
        self._gate.limit = max(0, self.membership.limit - left_empty)
        self._gate.poke(everybody=self._error() is not None)
        if self._gate.limit > before:
            self.on_growth()

    async def _probes(self) -> None:
        while True:
            await self._must_probe.wait()
            self._must_probe.clear()
            if not self._witness_proof.is_there:
                self._view.item_is_probe = True
                self._limit()
                continue
            self._is_probing = True
            try:
                works = await self._witness_proof.works()
            except HaulierError:
                works = False  # The requests of a quota are spent: no probe may be sent.
            finally:
                self._is_probing = False
            self._note_witness(works)

    def _note_witness(self, works: bool) -> None:
        """A witness that works closes the breaker for all."""
        if works:
            self.note_success()
        if self._view.breaker.state is not State.CLOSED:
            self._view.probe = works
        self._beat_now.set()
