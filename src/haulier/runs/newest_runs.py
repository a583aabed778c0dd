"""The newest run: an open one to go on with, a complete one to read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from haulier.lake.names import is_path
from haulier.lake.paths import runs_root
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import VerdictRecord
from haulier.runs.removal import is_removed
from haulier.runs.run import TRIAL, Run, load_run
from haulier.runs.state import RunState, run_state

Seen = tuple[Run, RunState, VerdictRecord | None]


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
    async for run, _, _ in newest_first(lake, source, is_trial_left_out=True):
        return run
    return await newest_run(lake, source, TRIAL)


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


async def newest_first(
    lake: Lake,
    source: str,
    mode: str | None = None,
    most: int | None = None,
    skip: Collection[str] = (),
    *,
    most_of_each_mode: int | None = None,
    is_trial_left_out: bool = False,
) -> AsyncIterator[Seen]:
    """Mostly the first one is asked for. Whoever goes on may go through all: more and more are then read at once. Of
    ``most`` no more than their number is read, but for the names. With ``most_of_each_mode`` a full run that is open
    for days is found behind the increments of these days. ``skip`` has names of runs.
    """

    async def see(name: str) -> Seen | None:
        run = await load_run(lake, source, name)
        return None if run is None else (run, *await run_state(lake, run.paths))

    names = [name for name in await lake.names(runs_root(source)) if is_path(name)]
    if mode is not None:
        names = [name for name in names if _mode_of(name) == mode]
    if is_trial_left_out:
        names = [name for name in names if _mode_of(name) != TRIAL]
    names.sort(key=lambda name: (name.rpartition("-")[2], name))
    if most_of_each_mode is not None:
        names = _newest_of_each_mode(names, most_of_each_mode)
    names = [name for name in names if name not in skip]
    left = len(names) if most is None else most
    step = 1 if most is None and most_of_each_mode is None else lake.capabilities.in_flight
    while names and left > 0:
        batch = [names.pop() for _ in range(min(step, len(names), left))]
        seen = [one for one in await run_each(see, batch, step) if one is not None]
        left -= len(seen)
        for one in sorted(seen, key=lambda one: batch.index(one[0].run_id)):
            yield one
        step = min(step * 2, lake.capabilities.in_flight)


def _newest_of_each_mode(names: list[str], most: int) -> list[str]:
    kept, count = list[str](), dict[str, int]()
    for name in reversed(names):
        mode = _mode_of(name)
        count[mode] = count.get(mode, 0) + 1
        if count[mode] <= most:
            kept.append(name)
    return kept[::-1]


def _mode_of(name: str) -> str:
    return name.rpartition("-")[0]
