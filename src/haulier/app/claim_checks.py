"""What an incremental run is looked at for before it is claimed, so that nothing is left of one that is refused."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable

from haulier.app.open_source import OpenSource
from haulier.runs.newest_runs import latest_complete, newest_run
from haulier.runs.run import NewRun
from haulier.runs.watermark.fold import read_watermark
from haulier.sources.new_windows import no_start_error


async def require_starts(source: OpenSource, streams: Iterable[str]) -> None:
    """Raises `UsageError` for a stream without a `start` of which nothing is finished. It has the line to type, if a
    complete full run has the stream."""
    recipes = source.app.recipes
    open_ended = [stream for stream in streams if recipes is not None and not recipes.has_start(stream)]
    if recipes is None or not open_ended:
        return
    known = (await read_watermark(source.lake, source.app.name)).finished
    for stream in open_ended:
        if stream in known.starts:
            continue
        snapshot = await latest_complete(source.lake, source.app.name, stream)
        if snapshot is None:
            raise no_start_error(stream)
        run = snapshot[0]
        until = recipes.whole_until(stream, run.file.snapshot_time)
        raise no_start_error(stream, f"{until:%Y-%m-%dT%H:%M:%SZ}", shlex.quote(f"after run {run.run_id}"))


async def say_changed_source(source: OpenSource, new: NewRun, say: Callable[[str], None]) -> None:
    """What earlier runs have finished counts, whatever they asked the API: that is said, and a person decides."""
    before = await newest_run(source.lake, source.app.name, "incremental")
    if before is None or before.file.streams != new.streams or before.file.fingerprint == new.fingerprint:
        return
    say(
        f"The source asks for other records than in run {before.run_id}, or writes times in another way. What is "
        "finished stays finished; to read a stream again from its start: haulier state reset SOURCE STREAM --why TEXT"
    )
