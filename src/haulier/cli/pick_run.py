"""The run that a command is about."""

from __future__ import annotations

import contextlib
import re

from haulier.app.open_source import OpenSource, scope_name
from haulier.cli.output import say
from haulier.errors import HaulierError, UsageError
from haulier.runs.newest_runs import newest_first, newest_unless_trial
from haulier.runs.run import TRIAL, Run, list_runs, load_run

NEWEST_RUNS = 20
"""Runs of each mode among which open ones are looked for. A lake of a thousand runs must not make a look slow."""
_NAME = re.compile(r"[a-z]+-[0-9]{8}T[0-9]{6}Z")
"""The name of a run; anything else may lead out of the lake."""


def is_run_id(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


async def pick_run(source: OpenSource, run_id: str | None) -> Run:
    """Find the run of that name, or the newest; a trial only where there is no other. `UsageError` if there is none."""
    if run_id is not None:
        run = await load_run(source.lake, source.app.name, run_id) if is_run_id(run_id) else None
        if run is None:
            known = [each.run_id for each in await list_runs(source.lake, source.app.name)][-5:]
            has = f"The newest are: {', '.join(known)}." if known else "It has none yet."
            raise UsageError(f"Source {source.app.name!r} has no run {run_id!r} in this lake. {has}")
        return run
    newest = await newest_unless_trial(source.lake, source.app.name)
    if newest is None:
        raise UsageError(
            f"Source {source.app.name!r} has no run in this lake yet. Start one with: haulier run SOURCE. "
            f"If you meant another lake, name it with --lake.{await away_hint(source)}"
        )
    return newest


async def away_hint(source: OpenSource) -> str:
    """What to say more where the lake has no run: empty for a source that is new, and where nobody knows."""
    if source.rows_file is None or not source.rows_file.exists():
        return ""
    with contextlib.suppress(HaulierError):
        if await source.rows.read(scope_name(source.app)) is not None:
            return " Its queue has been in use: if there was a run, the lake was moved, or its disk is not mounted."
    return ""


async def pick_newest_open_run(source: OpenSource, run_id: str | None) -> Run:
    """The same, and an open run goes before a newer one that is closed: for whoever looks."""
    found = [] if run_id is not None else await _open_runs(source)
    return next((run for run in found if run.file.mode != TRIAL), None) or await pick_run(source, run_id)


async def pick_only_open_run(source: OpenSource, run_id: str | None) -> Run:
    """The same, and `UsageError` where several are open: for whoever acts on the run, or on its verdict.

    Whoever enqueues and then waits must not hear of somebody else's trial.
    """
    found = [] if run_id is not None else await _open_runs(source)
    others = [run for run in found if run.file.mode != TRIAL]
    if len(others) > 1:
        raise UsageError(
            f"Source {source.app.name!r} has {len(others)} open runs: {', '.join(run.run_id for run in others)}. "
            "Name the one that you mean with --run."
        )
    run = others[0] if others else await pick_run(source, run_id)
    for trial in found:
        if trial.file.mode == TRIAL and trial.run_id != run.run_id:
            say(f"Trial {trial.run_id} is open, too, and is not meant: to mean it, name it with --run.")
    return run


async def _open_runs(source: OpenSource) -> list[Run]:
    """That which was claimed last comes first, trials among them."""
    seen = newest_first(source.lake, source.app.name, most_of_each_mode=NEWEST_RUNS)
    found = [run async for run, state, _ in seen if not state.is_closed]
    return sorted(found, key=lambda run: run.file.created_at, reverse=True)
