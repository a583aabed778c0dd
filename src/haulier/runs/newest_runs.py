"""The newest run: an open one to go on with, a complete one to read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta

from haulier.lake.names import is_path
from haulier.lake.paths import COMPACT_TIME, runs_root
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import VerdictRecord
from haulier.runs.removal import is_removed
from haulier.runs.run import TRIAL, Run, load_run
from haulier.runs.state import RunState, run_state

Seen = tuple[Run, RunState, VerdictRecord | None]

CLOCKS_APART = timedelta(days=1)
"""Clocks of machines, and of an API, are taken to differ by less."""
MOST_OUT_OF_ORDER = 8
"""Runs of a mode that clocks may have put out of order: so many more are read to find the newest ones."""


async def open_run(lake: Lake, source: str, mode: str, before: Run | None = None) -> Run | None:
    """Return a mode's newest run that is not closed. ``before``: only runs older than that one."""
    async for run, state, _ in newest_first(lake, source, mode):
        is_asked_for = before is None or run.file.snapshot_time < before.file.snapshot_time
        if is_asked_for and not state.is_closed:
            return run
    return None


async def newest_run(lake: Lake, source: str, mode: str) -> Run | None:
    async for run, _, _ in newest_first(lake, source, mode):
        return run
    return None


async def newest_unless_trial(lake: Lake, source: str) -> Run | None:
    """A trial only where there is no other run."""
    found = await newest_claimed(lake, source, 1, is_trial_left_out=True)
    return found[0] if found else await newest_run(lake, source, TRIAL)


async def latest_complete(lake: Lake, source: str, stream: str, mode: str = "full") -> tuple[Run, VerdictRecord] | None:
    """By default the newest full snapshot of a stream: an increment is none."""
    async for run, state, verdict in newest_first(lake, source, mode):
        is_whole = stream in run.file.streams and state is RunState.COMPLETE
        if is_whole and verdict is not None and not await is_removed(lake, run, stream):
            return run, verdict
    return None


async def back_to_whole(lake: Lake, source: str, stream: str) -> list[tuple[Run, VerdictRecord]]:
    """Complete full snapshots of a stream, newest first, to the newest one without discarded items: what such items
    would have brought, an older snapshot may have. All of them if none is without."""
    found: list[tuple[Run, VerdictRecord]] = []
    async for run, state, verdict in newest_first(lake, source, "full"):
        is_complete = stream in run.file.streams and state is RunState.COMPLETE
        if is_complete and verdict is not None and not await is_removed(lake, run, stream):
            found.append((run, verdict))
            if not verdict.totals.discarded:
                break
    return found


async def newest_claimed(
    lake: Lake, source: str, most: int, mode: str | None = None, *, is_trial_left_out: bool = False
) -> list[Run]:
    """The runs that were claimed last, the newest first: for a person. An incremental run has its name from the API's
    clock, so that by their names it may seem older than the full run before it. Of each mode a few more are read. In
    place of a claim that was cut off an older run is read."""

    async def load(name: str) -> tuple[str, Run | None]:
        return name, await load_run(lake, source, name)

    names = await _names(lake, source, mode, is_trial_left_out=is_trial_left_out)
    loaded = dict[str, Run]()
    while wanted := [name for name in _newest_of_each_mode(names, most, MOST_OUT_OF_ORDER) if name not in loaded]:
        found = dict(await run_each(load, wanted, lake.capabilities.in_flight))
        loaded |= {name: run for name, run in found.items() if run is not None}
        names = [name for name in names if name not in found or name in loaded]
    return sorted(loaded.values(), key=lambda run: (run.file.created_at, run.file.snapshot_time), reverse=True)[:most]


async def newest_first(
    lake: Lake,
    source: str,
    mode: str | None = None,
    skip: Collection[str] = (),
    *,
    most_of_each_mode: int | None = None,
) -> AsyncIterator[Seen]:
    """In the order of their snapshot times. Mostly the first one is asked for. Whoever goes on may go through all: more
    and more are then read at once. With ``most_of_each_mode`` a full run that is open for days is found behind the
    increments of these days. ``skip`` has names of runs.
    """

    async def see(name: str) -> Seen | None:
        run = await load_run(lake, source, name)
        return None if run is None else (run, *await run_state(lake, run.paths))

    names = await _names(lake, source, mode)
    if most_of_each_mode is not None:
        names = _newest_of_each_mode(names, most_of_each_mode)
    names = [name for name in names if name not in skip]
    step = 1 if most_of_each_mode is None else lake.capabilities.in_flight
    while names:
        batch = [names.pop() for _ in range(min(step, len(names)))]
        seen = [one for one in await run_each(see, batch, step) if one is not None]
        for one in sorted(seen, key=lambda one: batch.index(one[0].run_id)):
            yield one
        step = min(step * 2, lake.capabilities.in_flight)


async def _names(lake: Lake, source: str, mode: str | None, *, is_trial_left_out: bool = False) -> list[str]:
    """Oldest first."""
    names = [name for name in await lake.names(runs_root(source)) if is_path(name)]
    if mode is not None:
        names = [name for name in names if _mode_of(name) == mode]
    if is_trial_left_out:
        names = [name for name in names if _mode_of(name) != TRIAL]
    return sorted(names, key=lambda name: (name.rpartition("-")[2], name))


def _newest_of_each_mode(names: list[str], most: int, more: int = 0) -> list[str]:
    """And ``more``, if no more than a day lies between."""
    kept, of_mode = list[str](), dict[str, list[str]]()
    for name in reversed(names):
        others = of_mode.setdefault(_mode_of(name), [])
        if len(others) < most or (len(others) < most + more and _is_near(name, others[most - 1])):
            others.append(name)
            kept.append(name)
    return kept[::-1]


def _is_near(name: str, newer: str) -> bool:
    """Whether clocks alone may tell two runs apart by so much."""
    try:
        older_at, newer_at = map(_time_of, (name, newer))
    except ValueError:
        return False  # The name of no run.
    return newer_at - older_at < CLOCKS_APART


def _time_of(name: str) -> datetime:
    return datetime.strptime(name.rpartition("-")[2], COMPACT_TIME).replace(tzinfo=UTC)


def _mode_of(name: str) -> str:
    return name.rpartition("-")[0]
