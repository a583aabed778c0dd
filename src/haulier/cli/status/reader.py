"""Looks at a run, once or again and again: a further look costs what is new."""

from __future__ import annotations

from haulier.api.scope.failures import NO_FAILURES
from haulier.api.scope.latencies import quantile
from haulier.api.scope.process import find_process
from haulier.api.scope.row import ScopeRow, decode
from haulier.app.open_source import OpenSource, scope_name
from haulier.app.run_start import is_queue_shared
from haulier.cli.api_state import ApiState, api_state
from haulier.cli.pace import Pace
from haulier.cli.pick_run import NEWEST_RUNS
from haulier.cli.status.facts import LatencyFacts, OtherRun, QueueFacts, StatusFacts
from haulier.cli.status.worker_facts import worker_facts
from haulier.clock import wall_seconds
from haulier.queues.seam import Queue
from haulier.runs.ledger import Ledger
from haulier.runs.newest_runs import newest_first
from haulier.runs.poison.reasons import PoisonReasons, read_poison_reasons
from haulier.runs.run import Run
from haulier.runs.state import FINAL_VERDICTS, RunState
from haulier.runs.status import RunStatus, run_status

SHORT_PAUSE_SECONDS = 60.0
OTHERS_SECONDS = 15.0
"""Between two looks for such runs."""


class StatusReader:
    """``is_watching``: more than one look is meant, so that the run has a pace."""

    def __init__(self, source: OpenSource, run: Run, *, is_watching: bool = False) -> None:
        self._source = source
        self._run = run
        self._queue = source.queue if is_queue_shared(source) else None
        self._ledger = Ledger(source.lake, run.paths)
        self._pace = Pace(source.clock)
        self._is_watching = is_watching
        self._others: dict[str, tuple[Run, RunState, Ledger]] = {}
        self._others_at = float("-inf")
        self._final: set[str] = set()
        """Runs that never change again, among the newest."""

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    def close(self) -> None:
        self._ledger.close()
        for _, _, ledger in self._others.values():
            ledger.close()

    async def look(self) -> StatusFacts:
        source, queue = self._source, self._queue
        status = await run_status(source.lake, queue, self._run, self._ledger)
        is_counted = self._is_watching and status.state in (RunState.OPEN, RunState.CLOSING)
        if is_counted:
            self._pace.note(await self._ledger.progress())
        poison = await self._poison(status)
        row = ScopeRow() if queue is None else decode(await source.rows.read(scope_name(source.app)))
        wall = wall_seconds(source.clock) + source.rows.ahead_seconds
        api = None if queue is None else api_state(row, wall, source.rows.capabilities.operations_per_second)
        median, late = quantile(row.latencies, 0.5), quantile(row.latencies, 0.95)
        has_workers = api is not None and api.workers > 0
        return StatusFacts(
            status=status,
            seconds=round(max(0.0, ((status.closed_at or source.clock.now()) - status.created_at).total_seconds()), 1),
            failures=row.failures.get(self._run.run_id, NO_FAILURES),
            queue=None if queue is None or status.state.is_closed else await _queue_facts(queue),
            leases=() if queue is None else tuple(await queue.holders()),
            api=api,
            workers=tuple(worker_facts(row, wall, find_process)),
            latency=LatencyFacts(p50_seconds=round(median, 3), p95_seconds=round(late, 3))
            if median is not None and late is not None and has_workers
            else None,
            poison_by_reason=poison.counts,
            poison_unread=poison.unread,
            rate=self._pace.rate if is_counted else None,
            eta=self._pace.eta if is_counted and goes_on(row, api, wall) else None,
            others=tuple(await self._look_at_others()),
        )

    async def _poison(self, status: RunStatus) -> PoisonReasons:
        if not status.poisoned:
            return PoisonReasons()
        if status.state.is_closed:
            await self._ledger.fold_poison()
        return await read_poison_reasons(self._source.lake, self._run.paths, self._ledger)

    async def _look_at_others(self) -> list[OtherRun]:
        """The newest first."""
        lake, now = self._source.lake, self._source.clock.monotonic()
        if now - self._others_at >= OTHERS_SECONDS:
            self._others_at = now
            before, self._others = self._others, {}
            newest = newest_first(lake, self._source.app.name, skip=self._final, most_of_each_mode=NEWEST_RUNS)
            async for run, state, _ in newest:
                if state.value in FINAL_VERDICTS:
                    self._final.add(run.run_id)
                elif run.run_id != self._run.run_id and not state.is_closed:
                    _, _, ledger = before.pop(run.run_id, (run, state, Ledger(lake, run.paths)))
                    self._others[run.run_id] = run, state, ledger
            for _, _, ledger in before.values():
                ledger.close()
        return [await _other_run(*one) for one in self._others.values()]


def goes_on(row: ScopeRow, api: ApiState | None, wall: float) -> bool:
    """Whether the rest may go as the last minutes did. Who asks to wait for a moment does so again and again."""
    if api is None or not api.workers:
        return False
    return api.state == "well" or (api.state == "paused" and row.pause_until - wall <= SHORT_PAUSE_SECONDS)


async def _other_run(run: Run, state: RunState, ledger: Ledger) -> OtherRun:
    await ledger.refresh()
    progress = await ledger.progress()
    return OtherRun(
        run_id=run.run_id,
        mode=run.file.mode,
        state=state.value,
        planned=progress.planned - progress.split,
        ended=progress.ended,
        records=progress.records,
    )


async def _queue_facts(queue: Queue) -> QueueFacts:
    depth, is_exact = await queue.depth(), queue.capabilities.exact_depth
    return QueueFacts(
        is_exact=is_exact,
        unsettled=depth.unsettled,
        ready=depth.ready if is_exact else None,
        delayed=depth.delayed if is_exact else None,
        leased=depth.leased if is_exact else None,
    )
