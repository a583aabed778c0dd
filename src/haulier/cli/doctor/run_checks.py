"""Runs, and what holds their workers back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from haulier.app.open_source import OpenSource
from haulier.app.run_start import is_queue_shared
from haulier.cli.api_state import ApiState, read_api_state, state_lines
from haulier.cli.doctor.finding import Finding, failed
from haulier.cli.doctor.store_checks import STORE_SECONDS
from haulier.cli.orders import limit_words
from haulier.errors import HaulierError
from haulier.plurals import count_of
from haulier.runs.newest_runs import newest_first
from haulier.runs.run import Run
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus, run_status

MAX_RUNS = 50
"""The newest ones of each mode, among which an open one is looked for."""


async def scope_state(source: OpenSource) -> ApiState | None:
    """What the workers share. None where nothing is shared, or nobody has asked this API yet."""
    if not is_queue_shared(source):
        return None
    async with asyncio.timeout(STORE_SECONDS):
        return await read_api_state(source)


def find_scope(api: ApiState | None) -> Iterator[Finding]:
    """Pauses, an outage, limits in force, and workers."""
    if api is None:
        yield Finding(check="scope", text="Nobody has asked this API through this queue yet.")
        return
    held_back = [line.removeprefix("  API ").strip() for line in state_lines(api)]
    if api.state == "well":
        text = f"{held_back[0]}." if held_back else "No worker is alive, and nothing is paused."
        yield Finding(check="scope", text=text)
    else:
        remedy = f"{held_back[1]}." if len(held_back) > 1 else ""
        yield Finding(check="scope", state="warning", text=f"{_capital(held_back[0])}.", remedy=remedy)
    if api.limit is not None:
        yield Finding(
            check="scope",
            state="warning",
            text=f"{_capital(limit_words(api.limit))}.",
            remedy="To take it back: haulier limit SOURCE --reset.",
        )


async def find_runs(source: OpenSource, workers: int) -> AsyncIterator[Finding]:
    """Open runs, and the newest closed one of each mode."""
    lake, name, modes = source.lake, source.app.name, set[str]()
    queue = source.queue if is_queue_shared(source) else None
    try:
        async with asyncio.timeout(STORE_SECONDS):
            async for run, state, _ in newest_first(lake, name, most_of_each_mode=MAX_RUNS):
                if state.is_closed and run.file.mode in modes:
                    continue
                if state.is_closed:
                    modes.add(run.file.mode)
                yield _of_run(run, await run_status(lake, queue, run), workers)
    except TimeoutError:
        yield Finding(check="runs", state="away", text=f"Runs cannot be read within {STORE_SECONDS:.0f} s.")
    except HaulierError as error:
        yield failed("runs", error)
    else:
        if not modes:
            yield Finding(check="runs", text="No run is closed yet.")


def _of_run(run: Run, status: RunStatus, workers: int) -> Finding:
    ended = f"{status.planned - status.missing:,} of {count_of(status.planned, 'item')} have ended"
    text, remedy = f"It is {status.state.value}: {ended}.", ""
    if status.state is RunState.PARTIAL and status.poisoned:
        text = f"It is partial: {count_of(status.poisoned, 'item')} poisoned."
        remedy = f"See why: haulier poison list SOURCE --run {run.run_id}. Then redrive or discard them."
    elif status.state is RunState.PARTIAL:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in status.reasons.items())
        text, remedy = f"It is partial ({reasons}).", f"Find out why, then pull again: {run.command}."
    elif status.state.is_closed:
        text = f"It is {status.state.value}: {count_of(status.records, 'record')}."
    elif status.is_stranded:
        text = f"It is open, and the queue has lost what is missing: {ended}."
        remedy = f"Send it again and finish the run: {run.command}."
    elif not workers:
        text = f"It is {status.state.value}, and no worker is alive: {ended}."
        remedy = f"Finish it: {run.command}."
    return Finding(check="runs", subject=run.run_id, state="warning" if remedy else "ok", text=text, remedy=remedy)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
