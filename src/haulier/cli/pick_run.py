"""The run that a command is about."""

from __future__ import annotations

import re

from haulier.app.open_source import OpenSource
from haulier.errors import UsageError
from haulier.runs.newest_runs import newest_run
from haulier.runs.run import Run, list_runs, load_run

_NAME = re.compile(r"[a-z]+-[0-9]{8}T[0-9]{6}Z")
"""The name of a run; anything else may lead out of the lake."""


def is_run_id(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


async def pick_run(source: OpenSource, run_id: str | None, mode: str | None = None) -> Run:
    """Find the run of that name, or the newest (of ``mode``, if given). `UsageError` if there is none."""
    if run_id is not None:
        run = await load_run(source.lake, source.app.name, run_id) if is_run_id(run_id) else None
        if run is None:
            known = [each.run_id for each in await list_runs(source.lake, source.app.name)][-5:]
            has = f"The newest are: {', '.join(known)}." if known else "It has none yet."
            raise UsageError(f"Source {source.app.name!r} has no run {run_id!r} in this lake. {has}")
        return run
    newest = await newest_run(source.lake, source.app.name, mode)
    if newest is None:
        raise UsageError(
            f"Source {source.app.name!r} has no run in this lake yet. Start one with: haulier run SOURCE. "
            "If you meant another lake, name it with --lake."
        )
    return newest
